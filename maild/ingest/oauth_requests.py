"""This is where maild asks a provider for tokens: its addresses, one POST, and what the answer means.

oauthlib writes the requests and reads the answers (RFC 6749, 7636, 8628); they go out by urllib over verified TLS.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from oauthlib.oauth2 import OAuth2Error

from maild.errors import MailboxUnavailable
from maild.settings.models import OAuth2

_TIMEOUT = 30.0  # seconds for one request
_ANSWER = 256 * 1024  # bytes of an answer read at most
_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/"


class LoginRefused(MailboxUnavailable):
    """The account refuses us: wrong password, token withdrawn. Trying often would lock it."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked, and for what; '' where it has no such place."""

    token: str
    device: str
    authorize: str
    scope: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A refresh token, when it came, and when it ends if the provider said so."""

    refresh_token: str
    obtained_at: datetime
    expires_at: datetime | None = None


def endpoints(config: OAuth2) -> Endpoints:
    """The provider's addresses, or what is configured instead. Raises MailboxUnavailable where one is missing."""
    match config.provider:
        case "google":
            # Gmail's scope is not among those that Google's device flow grants: consent goes by the browser.
            known = Endpoints(
                "https://oauth2.googleapis.com/token", "", "https://accounts.google.com/o/oauth2/v2/auth",
                "https://mail.google.com/",
            )  # fmt: skip
        case "microsoft":
            if config.flow == "client_credentials" and not config.tenant:
                raise MailboxUnavailable("oauth2: flow client_credentials needs the tenant")
            base = _MICROSOFT.format(tenant=urllib.parse.quote(config.tenant or "organizations", safe=""))
            known = Endpoints(
                base + "token", base + "devicecode", base + "authorize",
                "https://outlook.office365.com/.default" if config.flow == "client_credentials"
                else "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
            )  # fmt: skip
        case _:
            known = Endpoints("", "", "", "")
    chosen = Endpoints(
        token=config.token_url or known.token,
        device=config.device_url or known.device,
        authorize=config.authorize_url or known.authorize,
        scope=config.scope or known.scope,
    )
    if not chosen.token:
        raise MailboxUnavailable("oauth2: name token_url, or provider: google or microsoft")
    return chosen


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token endpoint that sends us elsewhere would carry secrets there: it may not."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, form: str) -> tuple[int, dict[str, Any]]:
    """POST a form and read the JSON answer: status and object, also for an error status below 500.

    Raises MailboxUnavailable where there is no such answer, and for an address that is neither https nor loopback.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise MailboxUnavailable(f"{url}: secrets are sent by https only")
    request = urllib.request.Request(
        url,
        data=form.encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT) as answer:
            status, body = answer.status, answer.read(_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(_ANSWER)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise MailboxUnavailable(f"{parts.hostname}: {reason}") from error
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or status >= 500:
        raise MailboxUnavailable(f"{parts.hostname}: no usable answer (HTTP {status}); tried again later")
    return status, said


def token_answer(client: Any, answer: tuple[int, Mapping[str, Any]], mailbox: str) -> dict[str, Any]:
    """The answer as oauthlib reads it. Raises LoginRefused for a no, MailboxUnavailable for a not now."""
    status, said = answer
    try:
        return dict(client.parse_request_body_response(json.dumps(said)))
    except OAuth2Error as error:
        if error.error in {"temporarily_unavailable", "server_error", "slow_down"} or status == 429:
            raise MailboxUnavailable(f"the provider asks to come later: {said_by(said, status)}") from error
        hint = f" (run `maild oauth login {mailbox}`)" if error.error == "invalid_grant" and mailbox else ""
        raise LoginRefused(f"the provider gives no token: {said_by(said, status)}{hint}") from error


def grant_of(answer: Mapping[str, Any], now: datetime, old: Grant | None) -> Grant:
    """The grant after an answer: its refresh token if it has one, else the old one (RFC 6749, section 6)."""
    fresh = answer.get("refresh_token")
    if not fresh and old is None:
        raise LoginRefused("the provider gave no refresh token: the scope needs offline access")
    seconds = answer.get("refresh_token_expires_in", answer.get("refresh_expires_in"))
    ends = now + timedelta(seconds=seconds_of(seconds, 0.0)) if seconds else None
    if not fresh and old is not None:
        return replace(old, obtained_at=now, expires_at=ends or old.expires_at)
    return Grant(str(fresh), now, ends)


def who(config: OAuth2, secret: str | None) -> dict[str, str]:
    return {"client_id": config.client_id, **secret_of(secret)}


def secret_of(secret: str | None) -> dict[str, str]:
    return {"client_secret": secret} if secret else {}


def seconds_of(value: Any, otherwise: float) -> float:
    """Seconds out of an answer (some say them as text), bounded to what a date can bear."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return otherwise
    return min(seconds, 10 * 365 * 86400.0) if seconds > 0 else otherwise


def said_by(answer: Mapping[str, Any], status: int) -> str:
    """What the provider said, in one line."""
    words = [str(answer[key]) for key in ("error", "error_description") if answer.get(key)]
    return " ".join(": ".join(words).split())[:300] or f"HTTP {status}"
