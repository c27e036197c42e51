"""This is where maild logs in to an IMAP server: with a password, or with an OAuth2 access token (XOAUTH2)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from maild.errors import MailboxUnavailable
from maild.ingest.imap_faults import ServerRefuses, faults, plain_text
from maild.ingest.oauth import LoginRefused
from maild.settings.models import Imap


def log_in(client: Any, offered: frozenset[str], config: Imap, secret: str) -> None:
    """Log in by the best way the server offers: XOAUTH2 with a token, else SASL PLAIN, else LOGIN.

    ``client`` is an IMAPClient on a connection that is as safe as configured; ``offered`` are its capabilities.
    Raises LoginRefused, MailboxUnavailable.
    """
    plain_text(secret, "the password or token")
    said: list[bytes] = []
    try:
        with faults(config, "login"):
            if config.auth is not None:
                client.sasl_login("XOAUTH2", _xoauth2(config.username, secret, said))
            elif "AUTH=PLAIN" in offered:
                client.sasl_login("PLAIN", lambda _: f"\0{config.username}\0{secret}".encode())
            elif "LOGINDISABLED" in offered:
                raise MailboxUnavailable(f"{config.host}: no password is taken without TLS: use security: tls")
            elif not (config.username + secret).isascii():
                raise LoginRefused(f"{config.host}: this server takes no user names and passwords beyond ASCII")
            else:
                client.login(_quoted(config.username), secret)
    except ServerRefuses as error:
        if any(word in str(error).upper() for word in ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "THROTTLED")):
            raise  # the server's trouble, not the password's (RFC 5530)
        hint = "sign in again with `maild oauth login`" if config.auth else "look at username and password"
        detail = f" {_challenge(said)}" if said else ""
        said_so = str(error).removeprefix(f"{config.host}: login: ")
        raise LoginRefused(f"{config.host}: login of {config.username} refused{detail}: {said_so} ({hint})") from error


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _xoauth2(user: str, token: str, said: list[bytes]) -> Callable[[bytes], bytes]:
    """The XOAUTH2 exchange: the token first; a second challenge is the error in JSON, answered with nothing."""
    first = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()

    def answer(challenge: bytes) -> bytes:
        if challenge:
            said.append(challenge)
            return b""
        return first

    return answer


def _challenge(said: Sequence[bytes]) -> str:
    """The status in an XOAUTH2 error challenge, as far as it says one."""
    with contextlib.suppress(ValueError, AttributeError):
        return f"(status {json.loads(said[0]).get('status')})"
    return ""
