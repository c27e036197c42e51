"""This is where the tests get a provider of OAuth2 tokens on loopback: its token, device and introspection addresses.

It is as strict as the large ones: a refresh token is good once, an access token until it is withdrawn, a device code only
after the person has entered it, and an application proves itself with its secret.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "of-the-application"


class Provider(ThreadingHTTPServer):
    """Gives access tokens access-token-1, … and refresh tokens refresh-token-1, … for the account ``user``.

    ``lives`` and ``refresh_lives`` are seconds (None: not said); ``pending`` how often a device code is not entered yet.
    ``asked`` keeps every form that came to the token address, ``looked`` is called when a server asks about a token.
    """

    daemon_threads = True

    def __init__(self, user: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.user = user
        self.lives, self.refresh_lives, self.pending = 3600, None, 0
        self.refresh = ""
        self.active: set[str] = set()
        self.asked: list[dict[str, str]] = []
        self.looked: Callable[[], None] = lambda: None
        self.lock = threading.Lock()
        self._given = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def withdraw(self) -> None:
        """No access token is good any more."""
        self.active.clear()

    def answer(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            match path:
                case "/introspect":
                    self.looked()
                    return 200, {"active": form.get("token") in self.active, "username": self.user}
                case "/device":
                    return 200, {
                        "device_code": "d", "user_code": "WXYZ-1234", "verification_uri": f"{self.url}/enter", "interval": 1, "expires_in": 60,
                    }  # fmt: skip
                case "/token":
                    self.asked.append(dict(form))
                    return self._token(form)
                case _:
                    return 404, {"error": "invalid_request"}

    def _token(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        match form.get("grant_type"):
            case "client_credentials":
                return self._give() if form.get("client_secret") == SECRET else (401, {"error": "invalid_client"})
            case "refresh_token":
                good = form.get("refresh_token") == self.refresh
                return self._give(rotated=True) if good else (400, {"error": "invalid_grant"})
            case "urn:ietf:params:oauth:grant-type:device_code":
                if self.pending:
                    self.pending -= 1
                    return 400, {"error": "authorization_pending"}
                return self._give(rotated=True)
            case _:
                return 400, {"error": "unsupported_grant_type"}

    def _give(self, *, rotated: bool = False) -> tuple[int, dict[str, Any]]:
        self._given += 1
        self.active.add(f"access-token-{self._given}")
        said: dict[str, Any] = {"access_token": f"access-token-{self._given}", "token_type": "Bearer", "expires_in": self.lives}
        if rotated:
            self.refresh = said["refresh_token"] = f"refresh-token-{self._given}"
            if self.refresh_lives is not None:
                said["refresh_token_expires_in"] = self.refresh_lives
        return 200, said


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        status, said = self.server.answer(self.path, form)
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def provider(user: str) -> Iterator[Provider]:
    """A provider for the length of the block."""
    with Provider(user) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
