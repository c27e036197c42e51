"""`mailboxes.*.attachments.refuse`: the mail is taken, the part is kept and said so, nobody is left guessing."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest
from builders import Room

from maild.ingest.parse import attachment_bytes, parse
from maild.store.unit_of_work import Store


def attached(name: str, data: bytes, subtype: str = "octet-stream") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Jo Doe <jo@home.example>", "support@example.com", "My file"
    message["Message-ID"] = "<file@home.example>"
    message.set_content("See the file.")
    message.add_attachment(data, "application", subtype, filename=name)
    message.add_attachment(b"plain", "application", "octet-stream", filename="list.csv")
    return message.as_bytes()


@pytest.mark.parametrize(("name", "data"), [("setup.EXE", b"x"), ("invoice.pdf.exe", b"x"), ("invoice.pdf", b"MZ\x90\x00program")])
def test_a_refused_attachment_is_kept_and_both_sides_are_told(
    store: Store, rooms: Callable[..., Room], name: str, data: bytes
) -> None:
    room = rooms(store, main={"mailboxes": {"support": {"attachments": {"refuse": [".exe", "js"]}}}})
    entry = room.receive(attached(name, data))
    mails = {one.message.recipients[0]: one.message for one in room.outgoing()}
    assert [ref.name for ref in mails["alice@example.com"].attachments] == ["list.csv"]
    assert f"kept back: {name} (exe is not taken here)" in mails["alice@example.com"].text
    assert "An attachment of a kind that we do not take (exe) was set aside." in mails["jo@home.example"].text
    shown = room.case(entry.case)
    assert [one.get("refused", False) for one in shown["messages"][0]["attachments"]] == [True, False]
    assert any(one["text"] == f"kept back: {name} (exe is not taken here)" and not one["public"] for one in shown["stream"])
    raw = room.entry(entry.id).raw
    assert attachment_bytes(raw, parse(raw).attachments[0].part) == data


def test_without_the_key_everything_is_passed_on(store: Store, rooms: Callable[..., Room]) -> None:
    room = rooms(store)
    room.receive(attached("setup.exe", b"x"))
    told = next(one.message for one in room.outgoing() if one.message.recipients == ("alice@example.com",))
    assert [ref.name for ref in told.attachments] == ["setup.exe", "list.csv"]
