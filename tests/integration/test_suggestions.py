"""Published answers that fit go along with the acknowledgement; drafts never do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from builders import Room, mail

from maild.cases.suggestions import best, words_of
from maild.store import faq
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
PASSWORD = ("How do I reset my password?", "Click on “Forgotten” below the form, and follow the link that we mail to you.")


@pytest.fixture
def room(store: Store, rooms: Rooms) -> Room:
    return rooms(store)


def publish(room: Room, question: str, answer: str, *, status: str = "published", language: str = "") -> int:
    with room.store.write() as connection:
        number = faq.add(connection, question, answer, "alice", room.now, language=language)
        faq.change(connection, number, {"status": status}, room.now)
    return number


def acknowledged(room: Room, subject: str, body: str) -> str:
    room.fresh()
    room.later(hours=4)  # so that no limit on answers counts
    room.receive(mail(body, subject=subject))
    (sent,) = [one for one in room.fresh() if one.message.kind.value == "acknowledgement"]
    return sent.message.text


def test_the_answers_that_fit_best_stand_in_the_acknowledgement(room: Room) -> None:
    publish(room, *PASSWORD)
    publish(room, "Where is my invoice?", "In your account, under Documents.")
    publish(room, "How long does a repair take?", "Five days.")
    text = acknowledged(room, "Cannot log in", "Hello,\n\nI have forgotten the passwords of both accounts. What now?\n")
    assert "Perhaps this helps you already:\n\nHow do I reset my password?\nClick on “Forgotten”" in text
    assert "repair" not in text
    assert "Perhaps" not in acknowledged(room, "Elephants", "Do you sell elephants?")


def test_only_published_ones_and_as_they_are_now(room: Room) -> None:
    number = publish(room, *PASSWORD, status="draft")
    assert "Perhaps" not in acknowledged(room, "Password", "I forgot my password.")
    with room.store.write() as connection:
        faq.change(connection, number, {"status": "published", "question": "What if the kettle leaks?", "answer": "Send it."}, room.now)
    assert "Perhaps" not in acknowledged(room, "Password", "I forgot my password.")
    assert "Send it." in acknowledged(room, "Kettle", "My kettle leaks.")
    with room.store.write() as connection:
        faq.change(connection, number, {"status": "retired"}, room.now)
    assert "Perhaps" not in acknowledged(room, "Kettle", "My kettle leaks.")


def test_what_customers_write_is_no_query(room: Room) -> None:
    publish(room, *PASSWORD)
    for body in ('password" OR *', "password:* & !x | ('", "NEAR(password reset)", "reset my password -- '; DROP TABLE faq"):
        assert "Perhaps" in acknowledged(room, "x", body)


def test_an_answer_in_another_language_is_not_suggested(room: Room) -> None:
    publish(room, "Wie lange dauert die Reparatur?", "Fünf Tage.", language="de")
    german = "Guten Tag, können Sie mir bitte sagen, wie lange die Reparatur des Geräts noch dauern wird? Mit freundlichen Grüßen"
    assert "Fünf Tage." in acknowledged(room, "Frage zur Reparatur", german)
    english = "Good morning, could you please tell me whether the Reparatur department is open on Sundays, and for how long?"
    assert "Fünf Tage." not in acknowledged(room, "Opening hours", english)


@pytest.mark.parametrize(
    ("mail_says", "fits"),
    [
        ("I forgot my password", True),
        ("MY PASSWORDS ARE LOST", True),
        ("Please help me, it is a problem, what can I do?", False),
        ("How do I do it?", False),
        ("The form, the link: where do I click?", True),
        ("The form", False),
        ("Bitte senden Sie mir die Rechnung", False),
    ],
)
def test_words_that_everybody_writes_suggest_nothing(mail_says: str, fits: bool) -> None:
    assert bool(best([PASSWORD], words_of(mail_says))) is fits
