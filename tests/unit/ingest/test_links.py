from __future__ import annotations

import pytest

from maild.ingest.links import unwrap


@pytest.mark.parametrize(
    ("rewritten", "link"),
    [
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Facme.example%2Fa%3Fb%3D1&data=05%7C&reserved=0",
            "https://acme.example/a?b=1",
        ),
        ("https://urldefense.proofpoint.com/v2/url?u=https-3A__acme.example_a-5Fb&d=DwMF&c=x&r=y", "https://acme.example/a_b"),
        ("https://urldefense.proofpoint.com/v1/url?u=http://acme.example/a&k=x", "http://acme.example/a"),
        ("https://urldefense.com/v3/__https://acme.example/a__;!!x!y$", "https://acme.example/a"),
        ("https://urldefense.com/v3/__https://acme.example/a*b**Bc__;IyMjIw!!x!y$", "https://acme.example/a#b###c"),
        ("https://www.google.com/url?q=https://acme.example/&sa=D", "https://acme.example/"),
        ("https://acme.example/?url=https://other.example", "https://acme.example/?url=https://other.example"),
        ("https://x.safelinks.protection.outlook.com/?url=javascript%3Aalert(1)",
         "https://x.safelinks.protection.outlook.com/?url=javascript%3Aalert(1)"),
        ("https://www.google.com/url?q=https://a.example/%0Ab", "https://www.google.com/url?q=https://a.example/%0Ab"),
    ],
)  # fmt: skip
def test_links_are_shown_as_written(rewritten: str, link: str) -> None:
    assert unwrap(f"See {rewritten} and more") == f"See {link} and more"
    assert unwrap(f"<{rewritten}>") == f"<{link}>"
