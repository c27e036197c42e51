"""This is where maild reads what a trusted server found out about a mail's sender (RFC 8601). No DNS.

Only the topmost Authentication-Results of the configured server counts, and only on mail from a door that may be
believed: everything further down, and every other name, may have been written by the sender.
"""

from __future__ import annotations

import re
from typing import Any

from maild.model.message import Address, Authentication, AuthResult, Message
from maild.plain.domains import fold_address, organisational, to_ascii

_VERSION = re.compile(r"\s*/?\s*\d+\s*\Z")
_PASS, _FAIL = {"pass"}, {"fail", "hardfail", "permerror", "policy"}


def authenticate(message: Message, authserv_id: str | None, trusted: bool, from_: Address | None) -> Authentication:
    """What the server ``authserv_id`` says of the sender ``from_``; nothing where the door is not ``trusted``.

    ``passed``: DMARC passed for From's domain, or an aligned DKIM signature did, or the sender logged in (auth=) as
    this very address. ``failed``: DMARC failed.
    """
    if not authserv_id or not trusted:
        return Authentication()
    value = _topmost(message, authserv_id)
    if value is None:
        return Authentication()
    results = _results(value)
    domain = to_ascii(from_.email.rpartition("@")[2]) if from_ is not None else ""
    spf = dkim = dmarc = AuthResult.NONE
    login, logged_in, dmarc_for = "", False, ""
    for method, result, properties in results:
        verdict = AuthResult.PASS if result in _PASS else AuthResult.FAIL if result in _FAIL else AuthResult.NONE
        match method:
            case "spf" if spf is not AuthResult.PASS:
                spf = verdict
            case "dkim":
                signer = properties.get("header.d", "") or properties.get("header.i", "").rpartition("@")[2]
                aligned = bool(domain) and bool(signer) and organisational(signer) == organisational(domain)
                if verdict is AuthResult.PASS and aligned:
                    dkim = AuthResult.PASS
                elif dkim is AuthResult.NONE and verdict is AuthResult.FAIL:
                    dkim = AuthResult.FAIL
            case "dmarc" if dmarc is AuthResult.NONE:
                dmarc, dmarc_for = verdict, properties.get("header.from", "")
            case "auth" if verdict is AuthResult.PASS:
                login = properties.get("smtp.auth", "") or properties.get("smtp.mailfrom", "")
                logged_in = from_ is not None and fold_address(login) == fold_address(from_.email)
            case _:
                pass
    # header.from, where the server names it, has to be the domain that we read in From
    if (
        dmarc is AuthResult.PASS
        and dmarc_for
        and organisational(dmarc_for.rpartition("@")[2]) != organisational(domain)
    ):
        dmarc = AuthResult.NONE
    passed = from_ is not None and dmarc is not AuthResult.FAIL and (
        dmarc is AuthResult.PASS or dkim is AuthResult.PASS or logged_in
    )  # fmt: skip
    return Authentication(spf, dkim, dmarc, login, passed, dmarc is AuthResult.FAIL, value)


def _topmost(message: Message, authserv_id: str) -> str | None:
    """The first Authentication-Results of this server, if no other server's stands above it … as its own."""
    wanted = authserv_id.strip().rstrip(".").lower()
    for value in message.header_all("Authentication-Results"):
        name = value.partition(";")[0].strip()
        if _VERSION.sub("", name).split(" ")[0].rstrip(".").lower() == wanted:
            return value
    return None


def _results(value: str) -> list[tuple[str, str, dict[str, str]]]:
    """The results in a header value as (method, result, properties); what cannot be read is left out."""
    import authres

    try:
        found = authres.AuthenticationResultsHeader.parse_value(value)
        return [_one(result) for result in found.results]
    except (authres.core.AuthResError, ValueError, IndexError, RecursionError, AttributeError):
        pass
    out: list[tuple[str, str, dict[str, str]]] = []
    for piece in value.split(";")[1:]:  # one result that breaks the grammar must not hide the others
        try:
            found = authres.AuthenticationResultsHeader.parse_value(f"x; {piece.strip()}")
            out.extend(_one(result) for result in found.results)
        except (authres.core.AuthResError, ValueError, IndexError, RecursionError, AttributeError):
            continue
    return out


def _one(result: Any) -> tuple[str, str, dict[str, str]]:
    properties = {f"{p.type}.{p.name}".lower(): str(p.value or "") for p in result.properties}
    return str(result.method or "").lower(), str(result.result or "").lower(), properties
