"""This is where the benchmark fills a database with closed and open cases, so that lookups meet full tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from bench.mails import COMPANIES, CUSTOMERS
from maild.model.case import Case, Channel, Priority, Status, StreamType
from maild.store import schema
from maild.store.unit_of_work import Store

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 2000
RAW = b"Subject: old\r\n\r\n" + b"It was about a parcel.\r\n" * 40


def preload(store: Store, count: int, progress: Callable[[int], None] = lambda done: None) -> None:
    """Write ``count`` cases, each with a contact's mail and an answer, in the spool and the outbox too; one in ten is
    still open. The schema is there."""
    people = max(CUSTOMERS, count // 4)
    if not count:
        return
    with store.write() as connection:
        for first in range(0, people, CHUNK):
            numbers = range(first, min(first + CHUNK, people))
            connection.execute(insert(schema.contacts), [_contact(number) for number in numbers])
            connection.execute(
                insert(schema.contact_addresses),
                [{"email": _address(n), "shown": _address(n), "contact_id": n + 1, "position": 0} for n in numbers],
            )
    for first in range(1, count + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, count + 1))
        with store.write() as connection:
            connection.execute(insert(schema.cases), [_case(number, people) for number in numbers])
            connection.execute(
                insert(schema.participants),
                [{"case_number": n, "email": _address(n % people), "name": "", "role": "contact"} for n in numbers],
            )
            connection.execute(insert(schema.spool), [_spooled(n, people) for n in numbers])
            connection.execute(insert(schema.raw_messages), [{"seq": n, "raw": RAW, "encoding": "none"} for n in numbers])
            connection.execute(insert(schema.outbox), [_sent(n) for n in numbers])
            connection.execute(
                insert(schema.outbox_recipients),
                [{"outbox_id": n, "address": _address(n % people), "state": "sent"} for n in numbers],
            )
            messages = [_message(n, people, out) for n in numbers for out in (False, True)]
            connection.execute(insert(schema.messages), messages)
            connection.execute(
                insert(schema.message_ids),
                [{"message_id": m["message_id"], "case_number": m["case_number"], "own": True} for m in messages],
            )
            connection.execute(
                insert(schema.stream),
                [
                    {"case_number": m["case_number"], "at": m["at"], "type": StreamType.MESSAGE.value, "data": {},
                     "actor": m["from_email"], "public": True, "text": m["text"], "message": None}
                    for m in messages
                ],
            )  # fmt: skip
        progress(numbers.stop - 1)


def _address(number: int) -> str:
    return f"customer{number}@company{number % COMPANIES}.example"


def _contact(number: int) -> dict[str, Any]:
    return {"id": number + 1, "name": f"Customer {number}", "tags": [], "created_at": BEGAN}


def _case(number: int, people: int) -> dict[str, Any]:
    at = BEGAN + timedelta(minutes=number)
    status = Status.OPEN if number % 10 == 0 else Status.CLOSED
    case = Case(
        number=number, title=f"old case {number}", mailbox="support", status=status, priority=Priority.MEDIUM,
        channel=Channel.EMAIL, contact_id=number % people + 1, group="support", created_at=at, updated_at=at,
        status_since=at, closed_at=at if status is Status.CLOSED else None,
    )  # fmt: skip
    row = {column.name: getattr(case, column.name, None) for column in schema.cases.c}
    return {**row, "tags": [], "fields": {}}


def _spooled(number: int, people: int) -> dict[str, Any]:
    at = BEGAN + timedelta(minutes=number)
    return {
        "seq": number, "id": f"old{number}", "digest": f"old{number}", "state": "done", "door": "smtp",
        "mail_from": _address(number % people), "rcpt_tos": ["support@example.com"], "mailboxes": ["support"],
        "trusted": False, "message_id": f"old.{number}.0@bench.example", "subject": f"old case {number}",
        "sender": _address(number % people), "conversation": f"old{number}", "size": len(RAW), "received_at": at,
        "attempts": 1, "done_at": at, "disposition": "case", "kind": "customer", "automatic": "no", "case_number": number,
        "trace": {"decision": "x" * 2000},
    }  # fmt: skip


def _sent(number: int) -> dict[str, Any]:
    at = BEGAN + timedelta(minutes=number)
    return {
        "id": number, "state": "sent", "kind": "acknowledgement", "case_number": number, "caused_by": number,
        "message_id": f"old.{number}.1@bench.example", "sender": "", "subject": "old", "headers": [], "text": "old",
        "html": "", "attachments": [], "created_at": at, "next_at": at, "done_at": at,
    }  # fmt: skip


def _message(number: int, people: int, out: bool) -> dict[str, Any]:
    customer, ours = _address(number % people), "support@example.com"
    return {
        "spool_seq": None if out else number, "outbox_id": number if out else None,
        "case_number": number, "direction": "out" if out else "in", "kind": "acknowledgement" if out else "customer",
        "public": True, "message_id": f"old.{number}.{int(out)}@bench.example", "from_name": "",
        "from_email": ours if out else customer, "to": [customer if out else ours], "cc": [],
        "subject": f"old case {number}", "text": "It was about a parcel. " * 20, "attachments": [],
        "at": BEGAN + timedelta(minutes=number),
    }  # fmt: skip
