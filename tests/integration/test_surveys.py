"""Vtiger's "Customer Satisfaction Survey" (seed 002), step by step, and the ways in which an answer comes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
import yaml
from builders import NOW, Room, header, mail, office
from test_workflows import SURVEY, beat, change, resolve

from maild.model.outbox import OutboxEntry
from maild.schedule import surveys
from maild.store.unit_of_work import Store
from maild.web.app import Health, make_app

WEB = {"web": {"listen": "127.0.0.1:0", "public_url": "https://cases.example.com"}}
Make = Callable[..., Room]


@pytest.fixture
def having(store: Store, tmp_path: Path) -> Make:
    def make(**parts: object) -> Room:
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        (folder / "workflows.yaml").write_text(yaml.safe_dump({"workflows": [SURVEY]}), encoding="utf-8")
        return Room(store, office(folder, store, **parts), NOW)

    return make


def asked(room: Room, **how: object) -> tuple[int, OutboxEntry]:
    """A case that was resolved, and the survey mail that went out."""
    number = room.receive(mail(**how)).case  # type: ignore[arg-type]
    assert number is not None
    resolve(room, number)
    room.fresh()
    beat(room)
    (survey,) = [entry for entry in room.fresh() if entry.message.kind == "survey"]
    return number, survey


@dataclass
class Answer:
    status_code: int
    text: str


class Client:
    """Asks the application as a server would (ASGI), without a socket."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self._ask("GET", path, b"", headers or {})

    def head(self, path: str) -> Answer:
        return self._ask("HEAD", path, b"", {})

    def post(self, path: str, data: dict[str, str] | None = None, content: str = "") -> Answer:
        return self._ask("POST", path, urlencode(data).encode() if data else content.encode(), {})

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        place, _, query = path.partition("?")
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": place, "raw_path": place.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        text = b"".join(one.get("body", b"") for one in sent)
        return Answer(int(sent[0]["status"]), text.decode())


def client(room: Room) -> Client:
    pages = surveys.pages(room.store, lambda: room.office, lambda: room.now)
    return Client(make_app(lambda: Health(True), lambda: (True, ""), lambda: "", pages))


def link(survey: OutboxEntry, rating: int) -> str:
    """The path of a smiley's link."""
    (found,) = re.findall(rf"https://cases\.example\.com(/survey/\S+\?r={rating})\b", survey.message.text)
    return str(found)


def test_seed_002_smiley_comment_rating_and_feedback_on_the_case(having: Make) -> None:
    room = having(main=WEB)
    number, survey = asked(room)
    change(room, number, assignee="alice")
    web, path = client(room), link(survey, 4)
    room.fresh()
    # picking a smiley opens a page that asks for a comment; scanners open it too, and nothing is stored
    for _ in range(2):
        assert 'value="4" required checked' in web.get(path).text
        assert web.head(path).status_code == 200
    assert room.case(number)["rating"] is None
    answer = web.post(path.partition("?")[0], data={"rating": "5", "comment": "Alice was great!"})
    assert "Thank you" in answer.text
    shown = room.case(number)
    assert (shown["rating"], shown["feedback"], shown["status"]) == (5, "Alice was great!", "resolved")
    assert any(entry["type"] == "rated" and entry["actor"] == "jo@home.example" for entry in shown["stream"])
    (told,) = room.fresh()
    assert told.message.recipients == ("alice@example.com",)
    assert "Jo Doe has given 5 of 5." in told.message.text


def test_one_answer_that_may_be_changed_for_seven_days(having: Make) -> None:
    room = having(main=WEB)
    number, survey = asked(room)
    web, path = client(room), link(survey, 1).partition("?")[0]
    web.post(path, data={"rating": "2"})
    room.later(days=6)
    web.post(path, data={"rating": "4", "comment": "it got better"})
    assert (room.case(number)["rating"], room.case(number)["feedback"]) == (4, "it got better")
    room.later(days=2)
    assert "we have your answer" in web.post(path, data={"rating": "1"}).text
    assert room.case(number)["rating"] == 4


def test_a_survey_ends_and_its_token_serves_for_nothing_else(having: Make) -> None:
    room = having(main=WEB)
    number, survey = asked(room)
    web, path = client(room), link(survey, 3).partition("?")[0]
    (stop,) = re.findall(r"https://cases\.example\.com/survey/stop/(\S+)", survey.message.text)
    assert web.post(f"/survey/{stop}", data={"rating": "3"}).status_code == 404
    assert web.post(f"/survey/stop/{path.rpartition('/')[2]}").status_code == 404
    assert web.post(path[:-1] + ("a" if path[-1] != "a" else "b"), data={"rating": "3"}).status_code == 404
    room.later(days=31)
    assert web.post(path, data={"rating": "3"}).status_code == 404
    assert room.case(number)["rating"] is None


def test_at_most_one_survey_a_contact_in_thirty_days(having: Make) -> None:
    room = having(main=WEB)
    asked(room)
    second = room.receive(mail(subject="Another")).case
    resolve(room, second)
    room.fresh()
    assert beat(room, days=29) == []
    assert room.fresh() == []
    assert any("not sent: at most 1 per contact" in entry["text"] for entry in room.case(second)["stream"])
    asked_again = room.receive(mail(subject="A third")).case
    room.later(days=2)
    resolve(room, asked_again)
    assert beat(room) == ["survey satisfaction"]


def test_unsubscribing_takes_a_post_and_ends_surveys_and_reminders(having: Make) -> None:
    room = having(main=WEB)
    _, survey = asked(room)
    (address,) = re.findall(r"<(https://\S+)>", header(survey, "List-Unsubscribe"))
    assert header(survey, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    web, path = client(room), urlsplit(address).path
    assert "No more such questions?" in web.get(path).text
    assert "Keine solchen Fragen" in web.get(path, headers={"accept-language": "de-DE,de"}).text
    room.later(days=40)
    number = room.receive(mail(subject="Another")).case
    resolve(room, number)
    assert beat(room) == ["survey satisfaction"]  # a GET did nothing
    assert web.post(path, content="List-Unsubscribe=One-Click").status_code == 200
    room.later(days=40)
    number = room.receive(mail(subject="More")).case
    resolve(room, number)
    assert beat(room) == ["no survey: jo@home.example wants no more surveys and reminders"]


def test_without_a_page_the_smileys_write_a_mail_whose_answer_is_read(having: Make) -> None:
    room = having()
    number, survey = asked(room)
    assert header(survey, "List-Unsubscribe") == ""
    (written,) = [one for one in re.findall(r"mailto:\S+", survey.message.text) if "%202%2F5%20" in one]
    to, subject = unquote(urlsplit(written).path), parse_qs(urlsplit(written).query)["subject"][0]
    assert to == "support@example.com"
    entry = room.receive(mail("Took too long.\n", subject=subject))
    assert (entry.disposition, entry.case) == ("answer", number)
    shown = room.case(number)
    assert (shown["rating"], shown["feedback"], shown["status"]) == (2, "Took too long.", "resolved")
    assert [row.message.kind for row in room.fresh() if row.message.recipients == ("jo@home.example",)] == []


def test_a_digit_in_reply_is_an_answer_of_the_one_who_was_asked(having: Make) -> None:
    room = having()
    number, survey = asked(room)
    replying = [f"In-Reply-To: <{survey.message.message_id}>"]
    room.receive(mail("3\n", sender="someone@else.example", headers=replying), mail_from="someone@else.example")
    assert room.case(number)["rating"] is None
    room.receive(mail("5\n\nVery quick, thanks.\n\n> Hello,\n> your case is solved\n", headers=replying))
    assert (room.case(number)["rating"], room.case(number)["feedback"]) == (5, "Very quick, thanks.")


def test_words_in_reply_are_a_message_and_no_rating(having: Make) -> None:
    room = having()
    number, survey = asked(room)
    replying = [f"In-Reply-To: <{survey.message.message_id}>"]
    room.receive(mail("5 of my 7 phones still do not work.\n", headers=replying))
    assert (room.case(number)["rating"], room.case(number)["status"]) == (None, "open")


def test_an_out_of_office_robot_votes_never(having: Make) -> None:
    room = having()
    number, survey = asked(room)
    replying = [f"In-Reply-To: <{survey.message.message_id}>", "Auto-Submitted: auto-replied"]
    room.receive(mail("3\n", headers=replying))
    assert room.case(number)["rating"] is None


def test_nobody_is_asked_about_a_machines_case(having: Make) -> None:
    room = having(main={"mailboxes": {"support": {"accept_automatic": True}}})
    number = room.receive(mail(headers=["Auto-Submitted: auto-generated"])).case
    resolve(room, number)
    assert beat(room) == ["no survey: the case was made by a machine's mail (certain)"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("4", (4, "")), (" 4 \n\nfine", (4, "fine")), ("5/5\nwow", (5, "wow")), ("4.\n", (4, "")), ("1)", (1, "")),
        ("6", None), ("0", None), ("44", None), ("4 times broken", None), ("", None), ("four", None),
    ],
)  # fmt: skip
def test_which_replies_are_a_digit(text: str, read: tuple[int, str] | None) -> None:
    assert surveys.digit_in(text) == read
