from __future__ import annotations

import pytest

from maild.plain.domains import FREE_MAIL, candidates, fold_address, organisational, to_ascii


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("example.com", "example.com"),
        ("a.b.Example.co.uk", "example.co.uk"),
        ("mail.acme.example", "acme.example"),  # in no list of public suffixes
        ("acme.example.", "acme.example"),
        ("co.uk", "co.uk"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("", ""),
        ("post.müller.de", "xn--mller-kva.de"),
    ],
)
def test_organisational_domain(domain: str, wanted: str) -> None:
    assert organisational(domain) == wanted


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("a.b.acme.example", ["a.b.acme.example", "b.acme.example", "acme.example"]),
        ("acme.co.uk", ["acme.co.uk"]),
        ("localhost", ["localhost"]),
        ("", []),
    ],
)
def test_candidates_are_longest_first_and_end_above_the_public_suffix(domain: str, wanted: list[str]) -> None:
    assert candidates(domain) == wanted


def test_addresses_are_compared_in_ascii() -> None:
    assert fold_address("Jo@MÜLLER.de") == "jo@xn--mller-kva.de"
    assert fold_address("jo@MULLER.de") == "jo@muller.de"
    assert fold_address(" Not An Address ") == "not an address"


def test_what_no_idn_rule_accepts_is_lower_cased_only() -> None:
    assert to_ascii("ex\u2500ample.DE") == "ex\u2500ample.de"


def test_free_mail_says_nothing_of_an_employer() -> None:
    assert {"gmail.com", "gmx.de", "outlook.com", "mail.ru", "qq.com"} <= FREE_MAIL
    assert "example.com" not in FREE_MAIL
