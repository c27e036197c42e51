"""This is where maild gets access tokens for mailboxes that take no passwords (Gmail, Microsoft 365).

A `Grant` is what a person's consent left us, kept in a file of its own; a `TokenSource` makes access tokens of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient

from maild import clock
from maild.errors import MailboxUnavailable
from maild.ingest.oauth_requests import (
    Grant,
    LoginRefused,
    endpoints,
    grant_of,
    post,
    seconds_of,
    token_answer,
    who,
)
from maild.settings.models import OAuth2

__all__ = ["Grant", "LoginRefused", "TokenFile", "TokenSource", "expiry", "token_file"]

_EARLY = timedelta(minutes=5)  # a token is renewed this long before it ends
WARN_BEFORE = timedelta(days=7)
# An unused refresh token of Microsoft ends after 90 days; each use gives a new one, so only a mailbox that was not
# fetched for long comes near (learn.microsoft.com, refresh tokens).
_UNUSED = {"microsoft": timedelta(days=90)}


class TokenFile:
    """A grant kept in a file that only its owner reads; replaced as a whole, durable before `save` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process at a time uses up the refresh token and writes the next one."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def load(self) -> Grant | None:
        """The grant, None where there is none. Raises MailboxUnavailable where the file is damaged or not readable."""
        try:
            kept = json.loads(self.path.read_text())
            expires = kept.get("expires_at")
            return Grant(
                str(kept["refresh_token"]),
                datetime.fromisoformat(kept["obtained_at"]),
                datetime.fromisoformat(expires) if expires else None,
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MailboxUnavailable(f"{self.path} cannot be read: {error}; run `maild oauth login`") from error

    def save(self, grant: Grant) -> None:
        """Write the grant beside the old one, sync, and put it in its place."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        kept = {
            "refresh_token": grant.refresh_token,
            "obtained_at": grant.obtained_at.astimezone(UTC).isoformat(),
            "expires_at": grant.expires_at.astimezone(UTC).isoformat() if grant.expires_at else None,
        }
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            json.dump(kept, file)
            file.flush()
            os.fsync(descriptor)
        beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def token_file(state_dir: Path, mailbox: str, username: str) -> TokenFile:
    """Where the grant of an account is kept: state_dir/oauth, a file for each mailbox and user name."""
    name = f"{urllib.parse.quote(mailbox, safe='')}--{urllib.parse.quote(username, safe='@')}.json"
    return TokenFile(state_dir / "oauth" / name)


class TokenSource:
    """Access tokens for one account, renewed in time; call it to get one. Safe to share between threads.

    ``client_secret`` gives the application's secret, or None for a public client.
    """

    def __init__(
        self,
        mailbox: str,
        config: OAuth2,
        client_secret: Callable[[], str | None],
        file: TokenFile,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._mailbox, self._config, self._file = mailbox, config, file
        self._client_secret, self._now = client_secret, now
        self._lock = threading.Lock()
        self._token = ""
        self._until: datetime | None = None

    def __call__(self) -> str:
        """An access token that is good for some minutes more. Raises LoginRefused, MailboxUnavailable."""
        with self._lock:
            now = self._now()
            if not self._token or self._until is None or now >= self._until - _EARLY:
                self._renew(now)
            return self._token

    def refused(self) -> None:
        """The server did not take the last token: the next call gets a new one."""
        with self._lock:
            self._token = ""

    def warning(self, now: datetime) -> str | None:
        """A line for the person when the refresh token ends within WARN_BEFORE, else None."""
        if self._config.flow == "client_credentials":
            return None
        try:
            grant = self._file.load()
        except MailboxUnavailable as error:
            return str(error)
        ends = expiry(grant, self._config) if grant else None
        if ends is None or ends - now > WARN_BEFORE:
            return None
        return f"the sign-in ends on {ends:%Y-%m-%d}: run `maild oauth login {self._mailbox}` before"

    def _renew(self, now: datetime) -> None:
        config, places = self._config, endpoints(self._config)
        secret = self._client_secret()
        if config.flow == "client_credentials":
            client: Any = BackendApplicationClient(config.client_id)
            body = client.prepare_request_body(scope=places.scope, include_client_id=True, client_secret=secret)
            answer = token_answer(client, post(places.token, body), self._mailbox)
        else:
            with self._file.locked():
                grant = self._file.load()
                if grant is None:
                    raise LoginRefused(f"nobody has signed in yet: run `maild oauth login {self._mailbox}`")
                client = WebApplicationClient(config.client_id)
                # What may be asked for is what was consented to: no scope here (RFC 6749, section 6).
                body = client.prepare_refresh_body(refresh_token=grant.refresh_token, **who(config, secret))
                answer = token_answer(client, post(places.token, body), self._mailbox)
                # The old refresh token may be worthless from now on: keep the new one before anything else.
                self._file.save(grant_of(answer, now, grant))
        self._token = str(answer["access_token"])
        self._until = now + timedelta(seconds=seconds_of(answer.get("expires_in"), 3600.0))


def expiry(grant: Grant, config: OAuth2) -> datetime | None:
    """When the refresh token ends, as far as known: what the provider said, else its rule for unused ones."""
    if grant.expires_at is not None:
        return grant.expires_at
    unused = _UNUSED.get(config.provider)
    return grant.obtained_at + unused if unused else None
