"""XOAUTH2 against a real Dovecot, which asks a provider on loopback whether a token is good."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dovecot import PROGRAM, WHY_NOT, dovecot

from maild.ingest.imap import probe
from maild.ingest.oauth import LoginRefused, TokenSource, token_file
from maild.ingest.oauth_requests import Grant
from maild.settings.models import Imap

pytestmark = [pytest.mark.service, pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Provider(ThreadingHTTPServer):
    """Gives token a1, a2, … for jo, and says of a token whether it is the newest."""

    given = 0


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.path == "/token":
            self.server.given += 1
            answer: dict[str, object] = {"access_token": f"a{self.server.given}", "expires_in": 3600}
        else:
            answer = {"active": form.get("token") == f"a{self.server.given}", "username": "jo"}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_a_good_token_opens_the_mailbox_and_a_withdrawn_one_is_replaced(provider: Provider, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{provider.server_port}"
    with dovecot(oauth_url=f"{url}/introspect") as server:
        server.append("jo", b"Subject: hi\r\n\r\nhello\r\n")
        account = Imap.model_validate(
            {"host": "127.0.0.1", "port": server.tls_port, "username": "jo", "ca_file": server.ca_file,
             "auth": {"oauth2": {"client_id": "app", "token_url": f"{url}/token", "scope": "mail"}}}
        )  # fmt: skip
        assert account.auth is not None
        file = token_file(tmp_path, "support", "jo")
        file.save(Grant("r", NOW))
        tokens = TokenSource("support", account.auth.oauth2, lambda: None, file, now=lambda: NOW)
        assert "folder INBOX: 1 messages" in probe(account, tokens)
        provider.given += 1  # the provider withdraws a1
        with pytest.raises(LoginRefused, match=r"login of jo refused.*maild oauth login"):
            probe(account, tokens)
        tokens.refused()
        assert "folder INBOX: 1 messages" in probe(account, tokens)
