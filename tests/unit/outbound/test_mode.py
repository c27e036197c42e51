"""To whom mail may go in each mode."""

from __future__ import annotations

import pytest

from maild.outbound.mode import Mode, apply_mode
from maild.settings.models import Only, Redirect

BOTH = ("jo@acme.example", "Al@Example.com")


@pytest.mark.parametrize(
    ("mode", "recipients", "reason"),
    [
        ("live", BOTH, ""),
        ("hold", (), "outbound.mode is hold: approve it with `maild outbox approve`, or set the mode to live"),
        (Redirect(redirect="me@example.com"), ("me@example.com",), "outbound.mode sends all mail to me@example.com"),
        (Only(only=("*@example.com",)), ("Al@Example.com",), "outbound.mode allows no mail to jo@acme.example"),
        (Only(only=("*",)), BOTH, ""),
        (Only(only=()), (), "outbound.mode allows no mail to jo@acme.example, Al@Example.com"),
    ],
)
def test_the_mode_decides_who_gets_mail(mode: Mode, recipients: tuple[str, ...], reason: str) -> None:
    assert apply_mode(mode, BOTH) == (recipients, reason)
