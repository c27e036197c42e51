"""This is where a person lets maild into a mailbox: by a code on any device, or by a page in the browser."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from oauthlib.oauth2 import DeviceClient, WebApplicationClient

from maild.errors import MailboxUnavailable
from maild.ingest.oauth_requests import (
    Grant,
    LoginRefused,
    endpoints,
    grant_of,
    post,
    said_by,
    seconds_of,
    secret_of,
    token_answer,
)
from maild.settings.models import OAuth2


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person is shown, and what we ask the provider with until they are done."""

    user_code: str
    verification_uri: str
    device_code: str
    expires_in: float
    interval: float


def begin_device(config: OAuth2) -> DeviceCode:
    """Ask for a code that a person enters in any browser (RFC 8628, 3.1). Raises MailboxUnavailable."""
    places = endpoints(config)
    if not places.device:
        raise MailboxUnavailable("this provider has no device sign-in: name device_url, or use the browser's")
    form = urllib.parse.urlencode({"client_id": config.client_id, "scope": places.scope})
    status, answer = post(places.device, form)
    if status != 200 or "device_code" not in answer:
        raise MailboxUnavailable(f"{places.device}: {said_by(answer, status)}")
    return DeviceCode(
        user_code=str(answer.get("user_code", "")),
        verification_uri=str(answer.get("verification_uri") or answer.get("verification_url") or ""),
        device_code=str(answer["device_code"]),
        expires_in=seconds_of(answer.get("expires_in"), 900.0),
        interval=seconds_of(answer.get("interval"), 5.0),
    )


def finish_device(
    config: OAuth2, secret: str | None, code: DeviceCode, *, wait: Callable[[float], None], now: Callable[[], datetime]
) -> Grant:
    """Ask until the person is done (RFC 8628, 3.4, 3.5); ``wait`` sleeps. Raises LoginRefused, MailboxUnavailable."""
    client = DeviceClient(config.client_id)
    body = client.prepare_request_body(code.device_code, include_client_id=True, **secret_of(secret))
    waited, interval = 0.0, code.interval
    while waited < code.expires_in:
        wait(interval)
        waited += interval
        status, answer = post(endpoints(config).token, body)
        match answer.get("error"):
            case "authorization_pending":
                continue
            case "slow_down":
                interval += 5.0
            case _:
                return grant_of(token_answer(client, (status, answer), ""), now(), None)
    raise LoginRefused("the code was not entered in time: begin again")


def browser_address(config: OAuth2, redirect_uri: str, *, state: str, verifier: str, username: str) -> str:
    """The page on which a person consents (RFC 6749, 4.1.1, with RFC 7636); it leads to ``redirect_uri``."""
    places = endpoints(config)
    if not places.authorize:
        raise MailboxUnavailable("this provider has no sign-in page: name authorize_url")
    client = WebApplicationClient(config.client_id)
    return str(
        client.prepare_request_uri(
            places.authorize,
            redirect_uri=redirect_uri,
            scope=places.scope,
            state=state,
            code_challenge=client.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
            login_hint=username,
            access_type="offline",
            prompt="consent",
        )
    )


def finish_browser(
    config: OAuth2, secret: str | None, landed: str, redirect_uri: str, *, state: str, verifier: str, now: datetime
) -> Grant:
    """Make a grant of the address that the browser ended at. Raises LoginRefused, MailboxUnavailable."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(landed.strip()).query))
    if "error" in query:
        raise LoginRefused(f"not granted: {query.get('error_description') or query['error']}")
    if "code" not in query or query.get("state") != state:
        raise LoginRefused("that is not the address the browser ended at: copy it whole, it has code= and state= in it")
    client = WebApplicationClient(config.client_id)
    body = client.prepare_request_body(
        code=query["code"],
        redirect_uri=redirect_uri,
        include_client_id=True,
        code_verifier=verifier,
        **secret_of(secret),
    )
    return grant_of(token_answer(client, post(endpoints(config).token, body), ""), now, None)
