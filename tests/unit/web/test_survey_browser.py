"""The survey page as a real browser shows it."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from maild.web.app import Health, make_app
from maild.web.server import serve
from maild.web.survey import SurveyPages, SurveyView

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (make test-services)"),
]
VIEW = SurveyView("Example Support", "Mein Telefon kam beschädigt an", 123)


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    up, down, votes, found = Event(), Event(), [], []
    pages = SurveyPages(lambda token: VIEW if token == "tok" else None, lambda *vote: votes.append(vote))

    async def run() -> None:
        app = make_app(lambda: Health(True), lambda: (True, ""), lambda: "", pages)
        server = await serve(app, "127.0.0.1:0")
        found.append(server.address)
        up.set()
        await asyncio.to_thread(down.wait)
        await server.close()

    thread = Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert up.wait(10)
    yield f"http://{found[0]}/survey/tok", votes
    down.set()
    thread.join(10)


def browse(tmp_path: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True, cwd=tmp_path).stdout


def test_the_browser_sees_the_form_and_its_style(
    site: tuple[str, list[tuple[str, int, str]]], tmp_path: Path
) -> None:
    url, votes = site
    page = browse(tmp_path, "--dump-dom", f"{url}?r=5")
    assert len(re.findall('type="radio"', page)) == 5
    assert "How did we do?" in page
    picture = tmp_path / "page.png"
    browse(tmp_path, f"--screenshot={picture}", "--window-size=800,760", f"{url}?r=5")
    assert pixel_count(picture) == (800, 760)
    assert votes == []


def test_the_browser_sends_the_form(site: tuple[str, list[tuple[str, int, str]]], tmp_path: Path) -> None:
    """The page is saved, so that a script may press its button: the page itself allows none."""
    url, votes = site
    page = browse(tmp_path, "--dump-dom", f"{url}?r=2")
    press = '<script>comment.value = "schöne Grüße 👍"; document.querySelector("button").click()</script></body>'
    saved = tmp_path / "saved.html"
    saved.write_text(page.replace('action="tok"', f'action="{url}"').replace("</body>", press), encoding="utf-8")
    assert "Thank you" in browse(tmp_path, "--virtual-time-budget=5000", "--dump-dom", saved.as_uri())
    assert votes == [("tok", 2, "schöne Grüße 👍")]


def test_nothing_is_cut_on_a_phone(site: tuple[str, list[tuple[str, int, str]]], tmp_path: Path) -> None:
    """A page around it, 320 pixels wide as the smallest phones are, asks the page for its width."""
    url, _ = site
    css = (Path(__file__).parents[3] / "maild/web/survey.css").read_text(encoding="utf-8")
    page = browse(tmp_path, "--dump-dom", url)
    page = page.replace('<link rel="stylesheet" href="style.css">', f"<style>{css}</style>")
    inner = tmp_path / "inner.html"
    inner.write_text(page, encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<iframe id="phone" width="320" height="700" style="border:0" src="{inner.name}"></iframe>'
        '<p id="said"></p><script>phone.onload = () => { const d = phone.contentDocument.documentElement;'
        'said.textContent = "wide " + d.scrollWidth + " of " + d.clientWidth; }</script>',
        encoding="utf-8",
    )
    look = ("--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom")
    shown = browse(tmp_path, *look, outer.as_uri())
    assert "wide 320 of 320" in shown


def pixel_count(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
