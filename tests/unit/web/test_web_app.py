from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread

import pytest

from maild.web.app import Health, make_app
from maild.web.metrics import Figures, render
from maild.web.server import WebServer, serve
from maild.web.survey import SurveyPages, SurveyView

Answer = tuple[int, dict[str, str], str]


class Site:
    """The pages on a real listener, with what is behind them in plain sight."""

    def __init__(self) -> None:
        self.health: Health | Exception = Health(True, {"workers": 2})
        self.ready: tuple[bool, str] = (True, "")
        self.surveys = {"tok": SurveyView("Example Support", "Phone <b>broken</b>", 7)}
        self.votes: list[tuple[str, int, str]] = []
        self.app = make_app(self._health, lambda: self.ready, lambda: render(Figures("1.0", "abc")),
                            SurveyPages(self.surveys.get, self._save))  # fmt: skip
        self.address = ""

    def _health(self) -> Health:
        if isinstance(self.health, Exception):
            raise self.health
        return self.health

    def _save(self, token: str, rating: int, comment: str) -> None:
        self.votes.append((token, rating, comment))
        self.surveys[token] = SurveyView("Example Support", "Phone", 7, answered=True)

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        host, _, port = self.address.rpartition(":")
        with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
            connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()

    def vote(self, token: str, body: str) -> Answer:
        return self.ask("POST", f"/survey/{token}", body, Content_Type="application/x-www-form-urlencoded")


@pytest.fixture
def site() -> Iterator[Site]:
    site, up, down = Site(), Event(), Event()

    async def run() -> None:
        server = await serve(site.app, "127.0.0.1:0")
        site.address = server.address
        up.set()
        await asyncio.to_thread(down.wait)
        await server.close()

    thread = Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert up.wait(10)
    yield site
    down.set()
    thread.join(10)
    assert not thread.is_alive()


def test_healthz_says_that_the_process_turns(site: Site) -> None:
    status, _, body = site.ask("GET", "/healthz")
    assert (status, json.loads(body)) == (200, {"ok": True, "workers": 2})
    site.health = Health(False, {"workers": 0})
    assert site.ask("GET", "/healthz")[0] == 503


def test_readyz_says_whether_mail_can_be_stored(site: Site) -> None:
    assert site.ask("GET", "/readyz")[::2] == (200, "ready\n")
    site.ready = (False, "the database does not answer")
    assert site.ask("GET", "/readyz")[::2] == (503, "the database does not answer\n")


def test_metrics_are_prometheus_text(site: Site) -> None:
    status, headers, body = site.ask("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'maild_build_info{config_hash="abc",version="1.0"} 1.0' in body


def test_a_fault_inside_is_a_503_that_tells_nothing(site: Site) -> None:
    site.health = RuntimeError("hunter2")
    status, _, body = site.ask("GET", "/healthz")
    assert status == 503
    assert "hunter2" not in body
    site.health = Health(True)
    assert site.ask("GET", "/healthz")[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/healthz/", "/metrics/", "/survey", "/survey/tok/", "/static/x", "/%2e%2e/"]
)
def test_there_is_nothing_else_and_no_redirect(site: Site, path: str) -> None:
    status, headers, _ = site.ask("GET", path, Host="evil.example", X_Forwarded_Host="evil.example")
    assert status == 404
    assert "location" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_reading_is_allowed(site: Site, method: str) -> None:
    assert [site.ask(method, path)[0] for path in ("/healthz", "/readyz", "/metrics")] == [405, 405, 405]


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/survey/tok", "/survey/wrong"])
def test_every_answer_is_guarded(site: Site, path: str) -> None:
    _, headers, body = site.ask("GET", path, Host="evil.example")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "evil.example" not in body


# The survey page --------------------------------------------------------------------------------------------------


def test_the_page_offers_five_smileys_and_the_one_of_the_link_is_picked(site: Site) -> None:
    status, _, body = site.ask("GET", "/survey/tok?r=4")
    assert status == 200
    assert body.count('type="radio"') == 5
    assert 'value="4" required checked' in body
    assert body.count("checked") == 1
    assert "Phone &lt;b&gt;broken&lt;/b&gt;" in body
    assert "<script" not in body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_scanner_that_opens_every_link_does_not_vote(site: Site, method: str) -> None:
    for rating in range(1, 6):
        assert site.ask(method, f"/survey/tok?r={rating}&rating={rating}")[0] == 200
    assert site.votes == []


def test_sending_the_form_votes_once(site: Site) -> None:
    status, _, body = site.vote("tok", "rating=5&comment=Gr%C3%BC%C3%9Fe%0D%0Aagain%00")
    assert status == 200 and "Thank you" in body
    status, _, body = site.vote("tok", "rating=1")
    assert status == 200 and "we have your answer" in body
    assert "answered before" in site.ask("GET", "/survey/tok")[2]
    assert site.votes == [("tok", 5, "Grüße\nagain")]


@pytest.mark.parametrize("body", ["", "rating=0", "rating=6", "rating=x", "rating=²", "comment=hello", "%ff=%ff&&;"])
def test_a_form_without_a_smiley_comes_back_with_what_was_written(site: Site, body: str) -> None:
    status, _, page = site.vote("tok", body)
    assert status == 400
    assert "Please pick one of the five." in page
    assert ("hello" in page) is ("hello" in body)
    assert site.votes == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_no_other_method_votes(site: Site, method: str) -> None:
    assert site.ask(method, "/survey/tok", "rating=5")[0] == 405
    assert site.votes == []


def test_an_unknown_token_is_told_so(site: Site) -> None:
    assert site.ask("GET", "/survey/wrong")[0] == 404
    assert site.vote("wrong", "rating=5")[0] == 404
    assert "not open" in site.ask("GET", "/survey/wrong")[2]


def test_a_huge_or_hostile_form_is_refused(site: Site) -> None:
    assert site.vote("tok", "comment=" + "x" * 70_000)[0] == 413
    assert site.vote("tok", "&".join(f"a{n}=1" for n in range(1000)))[0] == 400
    site.vote("tok", "rating=3&comment=" + "x" * 10_000)
    assert len(site.votes[0][2]) == 4000


def test_the_page_speaks_the_contacts_language(site: Site) -> None:
    site.surveys["de"] = SurveyView("Example Support", "Telefon", 8, language="de-AT")
    body = site.ask("GET", "/survey/de")[2]
    assert '<html lang="de">' in body and "Wie waren wir?" in body
    site.surveys["xx"] = SurveyView("Example Support", "Telefon", 8, language="xx")
    assert '<html lang="en">' in site.ask("GET", "/survey/xx")[2]


# The listener -----------------------------------------------------------------------------------------------------


def listen(where: str) -> WebServer:
    async def run() -> WebServer:
        server = await serve(Site().app, where)
        await server.close()
        return server

    return asyncio.run(run())


def test_it_listens_on_a_socket_file_too_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def run() -> bytes:
        server = await serve(Site().app, f"unix:{path}")
        assert path.stat().st_mode & 0o777 == 0o660
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await server.close()
        return answer

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200 OK")
    assert not path.exists()


def test_an_address_in_use_is_an_error_at_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listen(f"127.0.0.1:{taken.getsockname()[1]}")


def test_an_ipv6_address_is_shown_as_it_is_written() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    assert listen("[::1]:0").address.startswith("[::1]:")
