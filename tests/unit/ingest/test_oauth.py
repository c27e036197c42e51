"""OAuth2: what is asked of a provider, what its answers mean, and what is kept."""

from __future__ import annotations

import json
import stat
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from maild.errors import MailboxUnavailable
from maild.ingest.oauth import TokenFile, TokenSource, expiry, token_file
from maild.ingest.oauth_consent import begin_device, browser_address, finish_browser, finish_device
from maild.ingest.oauth_requests import Grant, LoginRefused, endpoints, post
from maild.settings.models import OAuth2

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
Form = dict[str, str]
Answer = tuple[int, Any]


class Provider:
    """``asked`` are the forms posted, each with its path; ``answers`` says what comes back."""

    def __init__(self, answers: Callable[[str, Form], Answer]) -> None:
        self.asked: list[tuple[str, Form]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                provider.asked.append((self.path, form))
                status, answer = answers(self.path, form)
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@contextmanager
def provider(answers: Callable[[str, Form], Answer]) -> Iterator[Provider]:
    made = Provider(answers)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


def settings(url: str = "", **changes: object) -> OAuth2:
    values: dict[str, object] = {"client_id": "app", "scope": "mail", "token_url": f"{url}/token",
                                 "device_url": f"{url}/device", "authorize_url": "https://a.example/auth"}  # fmt: skip
    return OAuth2.model_validate(values | changes)


def source(path: Path, config: OAuth2, now: Callable[[], datetime] = lambda: NOW) -> TokenSource:
    return TokenSource("support", config, lambda: "secret", TokenFile(path), now=now)


def test_a_token_is_renewed_in_time_and_a_rotated_refresh_token_is_kept_at_once(tmp_path: Path) -> None:
    def answers(path: str, form: Form) -> Answer:
        number = int(form["refresh_token"].removeprefix("r")) + 1
        return 200, {"access_token": f"a{number}", "expires_in": 3600, "refresh_token": f"r{number}"}

    now = NOW
    file = TokenFile(tmp_path / "oauth" / "support.json")
    file.save(Grant("r0", NOW - timedelta(days=1)))
    with provider(answers) as made:
        tokens = source(file.path, settings(made.url), lambda: now)
        assert [tokens(), tokens()] == ["a1", "a1"]
        now = NOW + timedelta(minutes=54)
        assert tokens() == "a1"
        now = NOW + timedelta(minutes=56)
        assert tokens() == "a2"
        tokens.refused()
        assert tokens() == "a3"
        assert made.asked[0] == (
            "/token",
            {"grant_type": "refresh_token", "refresh_token": "r0", "client_id": "app", "client_secret": "secret"},
        )
    assert file.load() == Grant("r3", now)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_provider_that_does_not_rotate_leaves_the_refresh_token(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "g.json")
    file.save(Grant("r0", NOW - timedelta(days=1), NOW + timedelta(days=3)))
    with provider(lambda path, form: (200, {"access_token": "a", "expires_in": "3600"})) as made:
        assert source(file.path, settings(made.url))() == "a"
    assert file.load() == Grant("r0", NOW, NOW + timedelta(days=3))


def test_client_credentials_need_no_grant(tmp_path: Path) -> None:
    with provider(lambda path, form: (200, {"access_token": "a", "token_type": "Bearer"})) as made:
        config = settings(made.url, flow="client_credentials")
        tokens = source(tmp_path / "none.json", config)
        assert (tokens(), tokens.warning(NOW)) == ("a", None)
        assert made.asked[0][1] == {
            "grant_type": "client_credentials", "client_id": "app", "client_secret": "secret", "scope": "mail",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "answer", "fault", "words"),
    [
        (400, {"error": "invalid_grant", "error_description": "Token expired"}, LoginRefused,
         r"invalid_grant: Token expired \(run `maild oauth login support`\)"),
        (401, {"error": "invalid_client"}, LoginRefused, "invalid_client"),
        (200, {"token_type": "Bearer"}, LoginRefused, "no token"),
        (400, {"error": "temporarily_unavailable"}, MailboxUnavailable, "later"),
        (503, {"error": "x"}, MailboxUnavailable, "503"),
        (200, b"<html>", MailboxUnavailable, "no usable answer"),
        (302, {}, MailboxUnavailable, "no token|no usable|HTTP 302"),
    ],
)  # fmt: skip
def test_what_a_provider_answers_instead(
    tmp_path: Path, status: int, answer: object, fault: type[Exception], words: str
) -> None:
    file = TokenFile(tmp_path / "g.json")
    file.save(Grant("r0", NOW))
    with provider(lambda path, form: (status, answer)) as made, pytest.raises(fault, match=words) as caught:
        source(file.path, settings(made.url))()
    assert isinstance(caught.value, LoginRefused) == (fault is LoginRefused) or status == 302
    assert "r0" not in str(caught.value) and "secret" not in str(caught.value)
    assert file.load() == Grant("r0", NOW)


def test_secrets_go_by_https_only_and_an_unreachable_provider_is_tried_again() -> None:
    with pytest.raises(MailboxUnavailable, match="https only"):
        post("http://login.example/token", "a=b")
    with pytest.raises(MailboxUnavailable, match="refused"):
        post("http://127.0.0.1:1/token", "a=b")


def test_nobody_signed_in_and_a_damaged_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LoginRefused, match="maild oauth login support"):
        source(tmp_path / "none.json", settings("http://127.0.0.1:1"))()
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(MailboxUnavailable, match="maild oauth login"):
        source(tmp_path / "bad.json", settings("http://127.0.0.1:1"))()
    assert "bad.json" in (source(tmp_path / "bad.json", settings("http://127.0.0.1:1")).warning(NOW) or "")


@pytest.mark.parametrize(
    ("kept", "warned"),
    [
        (Grant("r", NOW, NOW + timedelta(days=6)), "2026-11-28"),
        (Grant("r", NOW, NOW + timedelta(days=8)), None),
        (Grant("r", NOW - timedelta(days=300)), None),
        (None, None),
    ],
)
def test_the_end_of_a_sign_in_is_told_days_before(tmp_path: Path, kept: Grant | None, warned: str | None) -> None:
    tokens = source(tmp_path / "g.json", settings())
    if kept:
        TokenFile(tmp_path / "g.json").save(kept)
    text = tokens.warning(NOW)
    assert (warned in (text or "") and "maild oauth login support" in (text or "")) if warned else text is None


def test_microsofts_unused_sign_in_ends_after_ninety_days() -> None:
    config = OAuth2(client_id="x", provider="microsoft")
    assert expiry(Grant("r", NOW), config) == NOW + timedelta(days=90)
    assert expiry(Grant("r", NOW), settings()) is None


def test_providers() -> None:
    google = endpoints(OAuth2(client_id="x", provider="google"))
    assert (google.scope, google.device) == ("https://mail.google.com/", "")
    microsoft = endpoints(OAuth2(client_id="x", provider="microsoft", tenant="a/b"))
    assert microsoft.token == "https://login.microsoftonline.com/a%2Fb/oauth2/v2.0/token"
    assert "offline_access" in microsoft.scope
    app = endpoints(OAuth2(client_id="x", provider="microsoft", tenant="t", flow="client_credentials"))
    assert app.scope == "https://outlook.office365.com/.default"
    with pytest.raises(MailboxUnavailable, match="tenant"):
        endpoints(OAuth2(client_id="x", provider="microsoft", flow="client_credentials"))
    with pytest.raises(MailboxUnavailable, match="token_url"):
        endpoints(OAuth2(client_id="x"))


def test_the_device_flow_waits_for_the_person() -> None:
    steps = iter([(400, {"error": "authorization_pending"}), (400, {"error": "slow_down"}),
                  (200, {"access_token": "a", "refresh_token": "r", "refresh_token_expires_in": 604800})])  # fmt: skip

    def answers(path: str, form: Form) -> Answer:
        if path == "/device":
            return 200, {"device_code": "d", "user_code": "AB-CD", "verification_uri": "https://login.example/device",
                         "expires_in": 900, "interval": 5}  # fmt: skip
        return next(steps)

    waits: list[float] = []
    with provider(answers) as made:
        config = settings(made.url)
        code = begin_device(config)
        assert (code.user_code, code.verification_uri) == ("AB-CD", "https://login.example/device")
        grant = finish_device(config, "secret", code, wait=waits.append, now=lambda: NOW)
        assert made.asked[0] == ("/device", {"client_id": "app", "scope": "mail"})
        assert made.asked[1][1]["device_code"] == "d" and made.asked[1][1]["client_id"] == "app"
    assert grant == Grant("r", NOW, NOW + timedelta(days=7))
    assert waits == [5, 5, 10]


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_person_who_says_no(error: str) -> None:
    def answers(path: str, form: Form) -> Answer:
        return (200, {"device_code": "d"}) if path == "/device" else (400, {"error": error})

    with provider(answers) as made, pytest.raises(LoginRefused, match=error):
        config = settings(made.url)
        finish_device(config, None, begin_device(config), wait=lambda _: None, now=lambda: NOW)


def test_a_person_who_never_comes() -> None:
    def answers(path: str, form: Form) -> Answer:
        return (200, {"device_code": "d"}) if path == "/device" else (400, {"error": "authorization_pending"})

    with provider(answers) as made, pytest.raises(LoginRefused, match="not entered in time"):
        config = settings(made.url)
        finish_device(config, None, begin_device(config), wait=lambda _: None, now=lambda: NOW)


def test_the_browsers_flow() -> None:
    landing = "http://localhost:9025/"
    with provider(lambda path, form: (200, {"access_token": "a", "refresh_token": "r"})) as made:
        config = settings(made.url)
        address = browser_address(config, landing, state="s", verifier="v" * 64, username="jo@a.example")
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        assert asked["redirect_uri"] == landing and asked["scope"] == "mail" and asked["access_type"] == "offline"
        assert asked["code_challenge_method"] == "S256" and "v" * 64 not in address
        landed = f"{landing}?state=s&code=c0de&scope=mail\n"
        grant = finish_browser(config, "secret", landed, landing, state="s", verifier="v" * 64, now=NOW)
        assert grant == Grant("r", NOW)
        assert made.asked[0][1] == {
            "grant_type": "authorization_code", "code": "c0de", "redirect_uri": landing, "client_id": "app",
            "client_secret": "secret", "code_verifier": "v" * 64,
        }  # fmt: skip
        for wrong in ("", "nonsense", f"{landing}?code=c", f"{landing}?state=other&code=c", f"{landing}?error=denied"):
            with pytest.raises(LoginRefused):
                finish_browser(config, None, wrong, landing, state="s", verifier="v", now=NOW)


def test_a_file_for_each_account(tmp_path: Path) -> None:
    path = token_file(tmp_path, "a/b", "jo@x.example").path
    assert path == tmp_path / "oauth" / "a%2Fb--jo@x.example.json"
