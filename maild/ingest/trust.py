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
_COMMENT = re.compile(r"\([^()]*\)")
_TAG = re.compile(r"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*[^;\s])")
_MAX_VALUE, _MAX_RESULTS = 16_384, 100  # characters, results that are looked at: servers write a tenth of it
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
    results = _results(value[:_MAX_VALUE])
    domain = to_ascii(from_.email.rpartition("@")[2]) if from_ is not None else ""
    spf = dkim = AuthResult.NONE
    verdicts: list[AuthResult] = []
    login, logged_in, sent_by, dmarc_for = "", False, "", ""
    for method, result, properties in results:
        verdict = AuthResult.PASS if result in _PASS else AuthResult.FAIL if result in _FAIL else AuthResult.NONE
        match method:
            case "spf" if spf is not AuthResult.PASS:
                spf, sent_by = verdict, properties.get("smtp.mailfrom", "").rpartition("@")[2]
            case "dkim":
                signer = properties.get("header.d", "") or properties.get("header.i", "").rpartition("@")[2]
                if verdict is AuthResult.PASS and _aligned(signer, domain):
                    dkim = AuthResult.PASS
                elif dkim is AuthResult.NONE and verdict is AuthResult.FAIL:
                    dkim = AuthResult.FAIL
            case "dmarc":
                verdicts.append(verdict)
                dmarc_for = dmarc_for or properties.get("header.from", "")
            case "auth" if verdict is AuthResult.PASS:
                login = properties.get("smtp.auth", "") or properties.get("smtp.mailfrom", "")
                logged_in = from_ is not None and fold_address(login) == fold_address(from_.email)
            case _:
                pass
    # where it is said twice the worse counts: a sender's address that broke the grammar may have said the other
    dmarc = next((one for one in (AuthResult.FAIL, AuthResult.NONE, AuthResult.PASS) if one in verdicts), AuthResult.NONE)
    if _signs_a_part(message, domain):  # anybody may have added the rest (RFC 6376, 8.2)
        dkim = AuthResult.NONE if dkim is AuthResult.PASS else dkim
        if dmarc is AuthResult.PASS and not (spf is AuthResult.PASS and _aligned(sent_by, domain)):
            dmarc = AuthResult.NONE
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


def _aligned(signer: str, domain: str) -> bool:
    return bool(domain) and bool(signer) and organisational(signer) == organisational(domain)


def _signs_a_part(message: Message, domain: str) -> bool:
    """Whether a signature for this domain covers only the beginning of the body (`l=`)."""
    for value in message.header_all("DKIM-Signature"):
        tags = dict(_TAG.findall(value))
        if "l" in tags and _aligned(tags.get("d", ""), domain):
            return True
    return False


def _topmost(message: Message, authserv_id: str) -> str | None:
    """The first Authentication-Results of this server; those of others are passed over."""
    wanted = authserv_id.strip().rstrip(".").lower()
    for value in message.header_all("Authentication-Results"):
        name = _COMMENT.sub(" ", next(iter(_pieces(value[:1000])), "")).strip()
        if _VERSION.sub("", name).split(" ")[0].strip('"').rstrip(".").lower() == wanted:
            return value
    return None


def _results(value: str) -> list[tuple[str, str, dict[str, str]]]:
    """The results in a header value as (method, result, properties); what cannot be read is left out."""
    import authres

    out: list[tuple[str, str, dict[str, str]]] = []
    for text in (value, *(f"x; {piece.strip()}" for piece in _pieces(value)[1 : _MAX_RESULTS + 1])):
        try:
            found = authres.AuthenticationResultsHeader.parse_value(text)
        except (authres.core.AuthResError, ValueError, IndexError, RecursionError, AttributeError):
            continue  # one result that breaks the grammar must not hide the others
        out.extend(_one(result) for result in found.results)
        if text is value:
            break
    return out


def _pieces(value: str) -> list[str]:
    """The value cut at the semicolons outside of comments and quotes; what an unclosed one swallows is left out."""
    pieces, start, depth, quoted = [], 0, 0, False
    for place, sign in enumerate(value):
        if sign == '"' and not depth:
            quoted = not quoted
        elif not quoted and sign in "()":
            depth = max(0, depth + (1 if sign == "(" else -1))
        elif sign == ";" and not quoted and not depth:
            pieces.append(value[start:place])
            start = place + 1
    return pieces if quoted or depth else [*pieces, value[start:]]


def _one(result: Any) -> tuple[str, str, dict[str, str]]:
    properties = {f"{p.type}.{p.name}".lower(): str(p.value or "") for p in result.properties}
    return str(result.method or "").lower(), str(result.result or "").lower(), properties
