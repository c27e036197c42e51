"""`maild oauth`: signing a mailbox in, and seeing which are."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from maild import clock
from maild.cli import oauth
from maild.cli.context import Invocation
from maild.ingest.oauth import token_file
from maild.ingest.oauth_requests import Grant

CONFIG = """
database: sqlite:///maild.db
state_dir: ./var
mailboxes:
  support:
    address: support@example.com
    imap: {{host: 127.0.0.1, port: 1, username: jo, auth: {{oauth2: {{client_id: app, {places}}}}}}}
  robot:
    address: robot@example.com
    imap: {{host: 127.0.0.1, port: 1, username: robot, auth: {{oauth2: {{provider: microsoft, tenant: t,
            flow: client_credentials, client_id: app}}}}}}
  plain:
    address: plain@example.com
outbound: {{smtp: {{host: 127.0.0.1}}}}
"""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        answer: dict[str, object] = {"access_token": "a", "refresh_token": "r", "refresh_token_expires_in": 604800}
        if self.path == "/device":
            answer = {"device_code": "d", "user_code": "AB-CD", "verification_uri": "https://a", "interval": 0.01}
        elif form["grant_type"] == "authorization_code":
            answer["refresh_token"] = form["code"]
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        places = f"token_url: '{url}/token', device_url: '{url}/device', authorize_url: 'https://a.example/auth'"
        (tmp_path / "maild.yaml").write_text(CONFIG.format(places=places))
        (tmp_path / "directory.yaml").write_text("users: {}\n")
        yield tmp_path
        server.shutdown()


def run(folder: Path, *arguments: str, typed: str = "") -> tuple[int, str]:
    app = typer.Typer()

    @app.callback()
    def options(ctx: typer.Context) -> None:
        ctx.obj = Invocation(folder=folder, who="ann")

    oauth.register(app)
    result = CliRunner().invoke(app, ["oauth", *arguments], input=typed)
    return result.exit_code, result.output


def test_a_code_signs_a_mailbox_in_and_a_mailbox_that_does_not_open_is_told(folder: Path) -> None:
    status, output = run(folder, "login", "support")
    assert "enter the code AB-CD" in output and "Signed in" in output
    assert (status, "cannot be opened with it: 127.0.0.1: connect" in output) == (1, True)
    grant = token_file(folder / "var", "support", "jo").load()
    assert grant is not None and grant.refresh_token == "r"


def test_a_browser_signs_a_mailbox_in(folder: Path) -> None:
    status, output = run(folder, "login", "support", "--browser", typed="http://localhost:9025/?error=access_denied\n")
    assert status == 1 and "https://a.example/auth?" in output
    assert token_file(folder / "var", "support", "jo").load() is None


def test_some_need_no_sign_in_and_some_are_not_known(folder: Path) -> None:
    status, output = run(folder, "login", "robot")
    assert (status, "needs no sign-in" in output) == (0, True)
    status, output = run(folder, "login", "plain")
    assert (status, "those that have: robot, support" in output) == (2, True)


def test_a_noun_alone_lists(folder: Path) -> None:
    _, output = run(folder, "--json")
    states = {row["mailbox"]: row["state"] for row in json.loads(output)}
    assert states == {"support": "not signed in", "robot": "needs no sign-in"}
    token_file(folder / "var", "support", "jo").save(Grant("r", clock.now(), clock.now() + timedelta(days=2)))
    _, output = run(folder, "list")
    assert "signed in" in output and f"{clock.now() + timedelta(days=2):%Y-%m-%d}" in output
