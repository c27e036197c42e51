"""This is where maild asks the DNS, and checks DKIM signatures itself (RFC 6376): for sites without a server that does.

A door like the others: it is asked before anything is decided, and its answer is stored with the message. A signature
over a part of the body (``l=``) counts for nothing (RFC 6376, 8.2), nor does one by another domain than From's.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maild.ingest import header
from maild.model.message import Address, Authentication, AuthResult, Message
from maild.plain.domains import organisational, to_ascii

_log = logging.getLogger(__name__)

Ask = Callable[[bytes, int], bytes | None]
SIGNATURES = 3  # at most so many are checked of one mail
PATIENCE = 3  # seconds for one answer
LARGEST = 20 * 1024**2
_KEPT, _KEPT_FOR = 1000, 300.0
_TAGS = re.compile(r"\s*([a-z]+)\s*=\s*([^;]*)(?:;|\Z)", re.IGNORECASE)
_LINE_END = re.compile(rb"\r?\n")
_RUN = b" " * 1000  # a run of blanks that would make canonicalisation quadratic


class Resolver:
    """Asks for TXT records, and remembers the answers of the last five minutes. Call it with a name and a timeout."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[bytes, tuple[float, bytes | None]] = {}

    def __call__(self, name: bytes, timeout: int = PATIENCE) -> bytes | None:
        """The record's bytes, None where there is none. Raises TimeoutError where nobody answers."""
        import dns.exception
        import dns.resolver

        now = self._monotonic()
        at, known = self._known.get(name, (0.0, None))
        if name in self._known and now - at < _KEPT_FOR:
            return known
        try:
            answer = dns.resolver.resolve(name.decode("ascii", "replace"), "TXT", lifetime=min(timeout, PATIENCE))
            found: bytes | None = b"".join(next(iter(answer)).strings)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            found = None
        except dns.exception.DNSException as error:
            raise TimeoutError(f"{name.decode('ascii', 'replace')}: {error}") from error
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[name] = (now, found)
        return found


def records(name: str, kind: str) -> list[str]:
    """The MX (host names, the preferred first; `.` for none) or TXT records of a name, [] where there are none. Raises
    TimeoutError where nobody answers."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, kind, lifetime=PATIENCE)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise TimeoutError(f"{name}: {error}") from error
    if kind == "MX":
        hosts = sorted((one.preference, one.exchange.to_text()) for one in answer)
        return [host.rstrip(".") or "." for _, host in hosts]
    return [b"".join(one.strings).decode("utf-8", "replace") for one in answer]


def check_dkim(raw: bytes, message: Message, from_: Address | None, ask: Ask) -> tuple[AuthResult, str]:
    """Whether a valid signature of the domain of ``from_`` covers this whole mail, and a line on what was seen.

    PASS: one does. FAIL: there are some of that domain, and none is valid. NONE: there is none, or nobody answered.
    """
    import dkim

    values = message.header_all("DKIM-Signature")
    if not values or from_ is None:
        return AuthResult.NONE, "own DKIM check: no signature"
    if len(raw) > LARGEST or _RUN in raw.replace(b"\t", b" "):
        return AuthResult.NONE, "own DKIM check: left out, the mail is too large or made to be slow"
    if any(one.startswith("header: ") for one in message.defects):
        return AuthResult.NONE, "own DKIM check: left out, the header is broken"
    domain = organisational(to_ascii(from_.email.rpartition("@")[2]))
    seen: list[str] = []
    failed = False
    data = header.line_ends(raw)
    source = _LINE_END.sub(b"\r\n", data[header.leading_blank(data) :])
    for number, value in enumerate(values[:SIGNATURES]):
        tags = {key.lower(): "".join(text.split()) for key, text in _TAGS.findall(value)}
        signer = tags.get("d", "").lower()
        if organisational(to_ascii(signer)) != domain:
            seen.append(f"{signer or '?'} is not the domain of From")
            continue
        if "l" in tags:
            seen.append(f"{signer} signs a part of the body only")
            continue
        try:
            checker = dkim.DKIM(source, timeout=PATIENCE)
            valid = checker.verify(idx=number, dnsfunc=_asking(ask))
            # what was verified must be the signature that was looked at
            if valid and checker.domain == signer.encode() and b"l" not in checker.signature_fields:
                return AuthResult.PASS, f"own DKIM check: pass for {signer}"
            why = "not valid"
        except TimeoutError as error:
            seen.append(f"no answer from the DNS ({error})")
            continue
        except Exception as error:  # whatever a library makes of a signature from outside, it proves nothing
            _log.debug("a signature could not be checked", exc_info=True)
            why = str(error) or type(error).__name__
        failed = True
        seen.append(f"{signer}: {why}")
    return (AuthResult.FAIL if failed else AuthResult.NONE), f"own DKIM check: {'; '.join(seen)[:300]}"


def _asking(ask: Ask) -> Any:
    return lambda name, timeout=PATIENCE: ask(name, timeout)


def with_own_check(found: Authentication, raw: bytes, message: Message, from_: Address | None, ask: Ask) -> Authentication:
    """What a trusted server said, and what our own check of DKIM adds to it. A DMARC failure stays one."""
    if found.passed or found.failed:
        return found
    result, told = check_dkim(raw, message, from_, ask)
    source = f"{found.source}; {told}" if found.source else told
    if result is AuthResult.NONE:
        return replace(found, source=source)
    return replace(found, dkim=result, passed=result is AuthResult.PASS and from_ is not None, source=source)
