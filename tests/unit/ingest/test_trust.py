from __future__ import annotations

import pytest

from maild.ingest.parse import parse
from maild.ingest.trust import authenticate
from maild.model.message import Address, Authentication, AuthResult

JO = Address("Jo", "jo@acme.example")


def said(*results: str, trusted: bool = True, server: str | None = "mx.example.com") -> Authentication:
    headers = "".join(f"Authentication-Results: {one}\n" for one in results)
    return authenticate(parse(f"{headers}From: jo@acme.example\n\nHi".encode()), server, trusted, JO)


@pytest.mark.parametrize(
    ("results", "passed", "failed"),
    [
        ("mx.example.com; dmarc=pass header.from=acme.example", True, False),
        ("mx.example.com; dkim=pass header.d=acme.example", True, False),
        ("MX.example.com 1; dkim=pass header.i=@mail.acme.example", True, False),
        ("mx.example.com; dkim=pass header.d=mailer.example", False, False),
        ("mx.example.com; dkim=fail header.d=acme.example", False, False),
        ("mx.example.com; spf=pass smtp.mailfrom=jo@acme.example", False, False),
        ("mx.example.com; auth=pass smtp.auth=jo@acme.example", True, False),
        ("mx.example.com; auth=pass smtp.auth=eve@acme.example", False, False),
        ("mx.example.com; dmarc=fail header.from=acme.example; dkim=pass header.d=acme.example", False, True),
        ("mx.example.com; dmarc=pass header.from=other.example", False, False),
        ("mx.example.com; none", False, False),
        (
            "mx.example.com; dkim=pass (2048-bit key) header.d=acme.example header.b=abc; dmarc=bestguesspass",
            True,
            False,
        ),
        ("mx.example.com; this is no grammar; dkim=pass header.d=acme.example", True, False),
        ("mx.example.com; dmarc=pass (p=reject; dis=none) header.from=acme.example; = =", True, False),
        ('"mx.example.com"; dmarc=pass header.from=acme.example', True, False),
        ("(edge 4) mx.example.com 1; dmarc=pass header.from=acme.example", True, False),
        ("mx.example.com; spf=pass (for ((dmarc=none; dmarc=pass header.from=acme.example", False, False),
        (
            "mx.example.com; spf=pass (of x) ;dmarc=pass header.from=acme.example (@evil.example); dmarc=none",
            False,
            False,
        ),
        (
            "mx.example.com; spf=pass (of x) ;dmarc=pass header.from=acme.example (@evil.example); dmarc=fail",
            False,
            True,
        ),
        ("mx.example.com.evil.example; dmarc=pass header.from=acme.example", False, False),
        ("evil.example (; mx.example.com; dmarc=pass header.from=acme.example)", False, False),
    ],
)
def test_dmarc_aligned_dkim_or_the_senders_own_login_count(results: str, passed: bool, failed: bool) -> None:
    found = said(results)
    assert (found.passed, found.failed) == (passed, failed)


def test_only_the_topmost_header_of_the_configured_server_counts() -> None:
    good = "mx.example.com; dmarc=pass header.from=acme.example"
    assert said("mx.example.com; dmarc=fail header.from=acme.example", good).failed
    assert said("other.example; dmarc=fail header.from=acme.example", good).passed
    assert said("mx.example.com.evil.example; dmarc=pass header.from=acme.example") == Authentication()


def test_nothing_is_believed_from_an_untrusted_door_or_without_a_server() -> None:
    good = "mx.example.com; dmarc=pass header.from=acme.example"
    assert said(good, trusted=False) == Authentication()
    assert said(good, server=None) == Authentication()
    assert (
        authenticate(parse(f"Authentication-Results: {good}\n\n".encode()), "mx.example.com", True, None).passed
        is False
    )


def test_each_method_is_kept_for_rules() -> None:
    found = said("mx.example.com; spf=softfail; dkim=fail header.d=acme.example; dmarc=pass header.from=acme.example")
    assert (found.spf, found.dkim, found.dmarc) == (AuthResult.NONE, AuthResult.FAIL, AuthResult.PASS)
    assert found.source.startswith("mx.example.com; spf=softfail")


@pytest.mark.parametrize(
    ("results", "passed"),
    [
        ("dkim=pass header.d=acme.example", False),
        ("dkim=pass header.d=acme.example; dmarc=pass header.from=acme.example", False),
        (
            "dkim=pass header.d=acme.example; spf=pass smtp.mailfrom=eve@evil.example; dmarc=pass header.from=acme.example",
            False,
        ),
        (
            "dkim=pass header.d=acme.example; spf=pass smtp.mailfrom=jo@acme.example; dmarc=pass header.from=acme.example",
            True,
        ),
    ],
)
def test_a_signature_over_a_part_of_the_body_proves_nothing(results: str, passed: bool) -> None:
    signature = "DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=x;\n\tl=10; h=from:subject; bh=YWJj; b=YWJj\n"
    source = f"Authentication-Results: mx.example.com; {results}\n{signature}From: jo@acme.example\n\nHi"
    assert authenticate(parse(source.encode()), "mx.example.com", True, JO).passed is passed
