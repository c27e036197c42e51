"""This is where maild reads what SMTP clients say and finds the code that belongs to an answer: pure, without sockets.

RFC 5321 (4.1 the commands, 4.5.3 limits), RFC 6531 (UTF-8 in addresses), RFC 1870 (SIZE), RFC 6152 (8BITMIME),
RFC 4954 (AUTH= on MAIL), RFC 2034 and 3463 (enhanced status codes). Liberal where no doubt can arise: a path without
brackets, a blank after the colon, a sender without a domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The enhanced code (RFC 3463) of replies that bring none of their own. 3xx replies never have one.
ENHANCED = {
    "211": "2.0.0", "214": "2.0.0", "220": "2.0.0", "221": "2.0.0", "235": "2.7.0", "250": "2.0.0", "252": "2.0.0",
    "421": "4.3.2", "451": "4.3.0", "452": "4.3.1", "454": "4.7.0",
    "500": "5.5.2", "501": "5.5.4", "502": "5.5.1", "503": "5.5.1", "504": "5.5.4", "530": "5.7.0", "535": "5.7.8",
    "538": "5.7.11", "550": "5.1.1", "552": "5.3.4", "553": "5.1.3", "554": "5.5.0", "555": "5.5.4",
}  # fmt: skip
_HAS_CODE = re.compile(r"[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3} ")

_ATOM = r'[^\x00-\x20"<>()\[\]\\,;:@\x7f]+'
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
_DOMAIN = rf"(?:\[[^\x00-\x20\[\]\\<>@\x7f]*\]|{_ATOM})"
_MAILBOX = rf"(?P<local>{_QUOTED}|{_ATOM})(?:@(?P<domain>{_DOMAIN}))?"
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
_REST = r"(?:\s+(?P<rest>.*))?\Z"
_PATH = re.compile(rf"\s*<{_ROUTE}{_MAILBOX}>{_REST}")
_BARE_PATH = re.compile(rf"\s*{_MAILBOX}{_REST}")
_NULL = re.compile(rf"\s*<\s*>{_REST}")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?\Z")
_LOCAL_LIMIT, _ADDRESS_LIMIT = 256, 512  # octets; RFC 5321, 4.5.3.1.1 asks for 64 and 256, real mail has more


class NotUnderstood(ValueError):
    """A command that cannot be taken; ``str(error)`` is the whole reply."""


@dataclass(frozen=True, slots=True)
class MailCommand:
    """What MAIL FROM said: the sender ('' for the empty one), the size announced (0 for none), whether SMTPUTF8."""

    sender: str
    size: int = 0
    utf8: bool = False


def coded(reply: str) -> str:
    """The reply with the enhanced code that belongs to it, unless it has one or must have none (3xx)."""
    code = ENHANCED.get(reply[:3])
    if code is None or _HAS_CODE.match(f"{reply} "):
        return reply
    return f"{reply[:4].ljust(4)}{code} {reply[4:]}".rstrip()


def mail_command(argument: str | None) -> MailCommand:
    """Read what follows MAIL: `FROM:<path> [parameters]`. Raises NotUnderstood."""
    text = _after(argument, "FROM:", "501 5.5.4 Say MAIL FROM:<address>")
    null = _NULL.match(text)
    if null:
        sender, rest = "", null["rest"] or ""
    else:
        sender, rest = _path(text, "5.1.7")
    size, utf8 = 0, False
    for name, value in _parameters(rest):
        match name:
            case "SIZE" if value.isdecimal() and value.isascii() and len(value) <= 20:
                size = int(value)
            case "BODY" if value.upper() in {"7BIT", "8BITMIME"}:
                pass
            case "SMTPUTF8" if not value:
                utf8 = True
            case "AUTH" if value:
                pass  # RFC 4954, 5: who first submitted it; we believe nobody on that
            case "SIZE" | "BODY" | "SMTPUTF8" | "AUTH":
                raise NotUnderstood(f"501 5.5.4 The value of {name} is not one that is known here")
            case _:
                raise NotUnderstood("555 5.5.4 A parameter of MAIL is not known here; leave it out")
    if not utf8 and not sender.isascii():
        raise NotUnderstood("553 5.6.7 An address beyond ASCII needs the parameter SMTPUTF8")
    return MailCommand(sender, size, utf8)


def rcpt_command(argument: str | None, utf8: bool) -> str:
    """Read what follows RCPT: `TO:<path>`; returns the address, without a source route. Raises NotUnderstood.

    An address without a domain (postmaster) is given back as it is.
    """
    text = _after(argument, "TO:", "501 5.5.4 Say RCPT TO:<address>")
    address, rest = _path(text, "5.1.3")
    if rest:
        raise NotUnderstood("555 5.5.4 RCPT takes no parameters here; leave them out")
    if not utf8 and not address.isascii():
        raise NotUnderstood("553 5.6.7 An address beyond ASCII needs the parameter SMTPUTF8")
    return address


def _after(argument: str | None, keyword: str, otherwise: str) -> str:
    text = (argument or "").lstrip()
    if text[: len(keyword)].upper() != keyword:
        raise NotUnderstood(otherwise)
    return text[len(keyword) :]


def _path(text: str, code: str) -> tuple[str, str]:
    """The address of a path and what follows it; the source route goes (RFC 5321, 4.1.1.3 and appendix C)."""
    match = _PATH.match(text) or _BARE_PATH.match(text)
    if match is None:
        raise NotUnderstood(f"553 {code} This is not an address: check it for typing mistakes")
    local = _unquoted(match["local"])
    domain = (match["domain"] or "").lower()
    address = f"{local}@{domain}" if domain else local
    try:
        octets = len(address.encode())
    except UnicodeEncodeError:
        raise NotUnderstood(f"553 {code} This address is not UTF-8") from None
    if octets > _ADDRESS_LIMIT or len(local) > _LOCAL_LIMIT:
        raise NotUnderstood(f"553 {code} This address is too long")
    return address, match["rest"] or ""


def _unquoted(local: str) -> str:
    """`"jo"` is jo (RFC 5321, 4.1.2: quoting means nothing of itself); what needs its quotes keeps them."""
    if not local.startswith('"'):
        return local
    plain = re.sub(r"\\(.)", r"\1", local[1:-1])
    if re.fullmatch(_ATOM, plain):
        return plain
    return '"' + re.sub(r'([\\"])', r"\\\1", plain) + '"'


def _parameters(text: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for word in text.split():
        match = _PARAMETER.match(word)
        if match is None or match[1].upper() in found:
            raise NotUnderstood("501 5.5.4 The parameters are not as NAME or NAME=VALUE, each once")
        found[match[1].upper()] = match[2] or ""
    return list(found.items())


def binary_size(octets: int) -> str:
    """A size for people: `25 MiB`, `512 KiB`, `100 bytes`."""
    for unit, name in ((1024**2, "MiB"), (1024, "KiB")):
        if octets >= unit:
            return f"{octets / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{octets} bytes"
