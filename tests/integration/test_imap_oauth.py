"""XOAUTH2 against a real Dovecot, which asks a provider on loopback whether a token is good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dovecot import PROGRAM, WHY_NOT, dovecot
from oauth_provider import Provider, provider

from maild.ingest.imap import probe
from maild.ingest.oauth import LoginRefused, TokenSource, token_file
from maild.ingest.oauth_requests import Grant
from maild.settings.models import Imap

pytestmark = [pytest.mark.service, pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def giver() -> Iterator[Provider]:
    with provider("jo") as server:
        server.refresh = "r"
        yield server


def test_a_good_token_opens_the_mailbox_and_a_withdrawn_one_is_replaced(giver: Provider, tmp_path: Path) -> None:
    url = giver.url
    with dovecot(oauth_url=f"{url}/introspect") as server:
        server.append("jo", b"Subject: hi\r\n\r\nhello\r\n")
        account = Imap.model_validate(
            {"host": "127.0.0.1", "port": server.tls_port, "username": "jo", "ca_file": server.ca_file,
             "auth": {"oauth2": {"client_id": "app", "token_url": f"{url}/token", "scope": "mail"}}}
        )  # fmt: skip
        assert account.auth is not None
        file = token_file(tmp_path, "support", "jo")
        file.save(Grant("r", NOW))
        tokens = TokenSource("support", account.auth.oauth2, lambda: None, file, now=lambda: NOW)
        assert "folder INBOX: 1 messages" in probe(account, tokens)
        giver.withdraw()
        with pytest.raises(LoginRefused, match=r"login of jo refused.*maild oauth login"):
            probe(account, tokens)
        tokens.refused()
        assert "folder INBOX: 1 messages" in probe(account, tokens)
