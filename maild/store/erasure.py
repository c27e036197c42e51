"""This is where a person is removed from the store, and where everything that is theirs is gathered for them.

What stays is anonymous: that a message came, its size and times, that a case was, how long it took. Lines in other people's
mails that quote the person are counted and told, not touched: they are those people's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, or_, select, update

from maild.model.case import Status
from maild.model.contact import Contact
from maild.plain.domains import fold_address
from maild.store import spool
from maild.store.installation import note_change
from maild.store.numbers import never_again
from maild.store.schema import (
    automatic_answers,
    case_values,
    cases,
    contacts,
    faq,
    message_ids,
    messages,
    never,
    notices,
    outbox,
    outbox_recipients,
    participants,
    stream,
    surveys,
    unsubscribed,
    webhooks,
)
from maild.store.schema import spool as spool_table

GONE = "(erased)"


@dataclass(frozen=True, slots=True)
class Theirs:
    """What is stored of a person: numbers of cases, messages, spool entries (seq) and outgoing mails."""

    cases: tuple[int, ...]
    messages: tuple[int, ...]
    spool: tuple[int, ...]
    outbox: tuple[int, ...]
    quoted_in: int

    def counts(self) -> dict[str, int]:
        return {
            "cases": len(self.cases), "messages": len(self.messages), "accepted": len(self.spool),
            "outgoing": len(self.outbox), "quoted_in_other_messages": self.quoted_in,
        }  # fmt: skip


def find(connection: Connection, contact: Contact) -> Theirs:
    """Everything that is a person's: their cases with all mail in them, their mail in other cases, mail to them."""
    addresses = [fold_address(email) for email in contact.emails]
    numbers = set(connection.execute(select(cases.c.number).where(cases.c.contact_id == contact.id)).scalars())
    theirs = or_(messages.c.case_number.in_(numbers), func.lower(messages.c.from_email).in_(addresses))
    rows = connection.execute(select(messages.c.id, messages.c.spool_seq).where(theirs)).all()
    entries = {row.spool_seq for row in rows if row.spool_seq is not None}
    entries |= set(connection.execute(select(spool_table.c.seq).where(spool_table.c.sender.in_(addresses))).scalars())
    mails = set(connection.execute(select(outbox.c.id).where(outbox.c.case_number.in_(numbers))).scalars())
    mails |= set(
        connection.execute(
            select(outbox_recipients.c.outbox_id).where(outbox_recipients.c.address.in_(addresses))
        ).scalars()
    )
    quoting = [func.lower(messages.c.text).contains(address, autoescape=True) for address in addresses]
    ids = [row.id for row in rows]
    quoted = connection.execute(
        select(func.count()).select_from(messages).where(or_(*quoting), messages.c.id.not_in(ids))
    ).scalar_one()
    return Theirs(tuple(sorted(numbers)), tuple(ids), tuple(sorted(entries)), tuple(sorted(mails)), quoted)


def erase(connection: Connection, contact: Contact, by: str, now: datetime) -> dict[str, int]:
    """Remove a person's data for good, in one transaction; returns what was removed.

    The proof that stays names nobody: when, by whom, and how much.
    """
    theirs = find(connection, contact)
    addresses = [fold_address(email) for email in contact.emails]
    _blank(connection, theirs, addresses, "the person was erased", now)
    connection.execute(delete(participants).where(participants.c.email.in_(addresses)))
    connection.execute(
        update(surveys).where(surveys.c.address.in_(addresses)).values(address=GONE, comment="")
    )
    connection.execute(delete(unsubscribed).where(unsubscribed.c.email.in_(addresses)))
    connection.execute(delete(never).where(never.c.address.in_(addresses)))
    connection.execute(delete(automatic_answers).where(automatic_answers.c.address.in_(addresses)))
    connection.execute(delete(contacts).where(contacts.c.id == contact.id))
    counts = theirs.counts()
    note_change(connection, by, "erased a contact: " + ", ".join(f"{n} {name}" for name, n in counts.items()), now)
    return counts


def of_case(connection: Connection, number: int) -> Theirs:
    """Everything that is a case's: its mail in and out, and what was sent to users about it."""
    rows = connection.execute(select(messages.c.id, messages.c.spool_seq).where(messages.c.case_number == number)).all()
    entries = {row.spool_seq for row in rows if row.spool_seq is not None}
    entries |= set(connection.execute(select(spool_table.c.seq).where(spool_table.c.case_number == number)).scalars())
    mails = connection.execute(select(outbox.c.id).where(outbox.c.case_number == number)).scalars()
    return Theirs((number,), tuple(row.id for row in rows), tuple(sorted(entries)), tuple(sorted(mails)), 0)


def merged_into(connection: Connection, number: int) -> list[int]:
    """The cases that were merged into this one."""
    return list(connection.execute(select(cases.c.number).where(cases.c.merged_into == number).order_by(cases.c.number)).scalars())


def delete_case(connection: Connection, number: int, by: str, now: datetime) -> dict[str, int]:
    """Remove a case with all its mail for good, in one transaction; returns what was removed.

    The contact stays. So do, without a word in them, the rows that say that each mail was taken and where it ended, and
    who deleted the case. Its number is not given again: an answer to an old mail must not fall into another case.
    """
    theirs = of_case(connection, number)
    _blank(connection, theirs, (), "the case was deleted", now)
    never_again(connection)
    connection.execute(update(spool_table).where(spool_table.c.case_number == number).values(case_number=None))
    connection.execute(update(outbox).where(outbox.c.case_number == number).values(case_number=None))
    connection.execute(delete(automatic_answers).where(automatic_answers.c.case_number == number))
    connection.execute(delete(stream).where(or_(stream.c.case_number == number, stream.c.message.in_(theirs.messages))))
    connection.execute(delete(cases).where(cases.c.number == number))
    counts = theirs.counts()
    del counts["cases"], counts["quoted_in_other_messages"]
    note_change(connection, by, f"deleted case {number}: " + ", ".join(f"{n} {name}" for name, n in counts.items()), now)
    return counts


def closed_cases(connection: Connection, before: datetime, limit: int | None = None) -> list[int]:
    """The numbers of cases that were closed before then; one that others were merged into comes after those are gone."""
    other = cases.alias()
    query = (
        select(cases.c.number)
        .where(cases.c.status == Status.CLOSED.value, cases.c.closed_at < before,
               ~exists().where(other.c.merged_into == cases.c.number))
        .order_by(cases.c.closed_at, cases.c.number)
    )
    return list(connection.execute(query.limit(limit)).scalars())


def _blank(connection: Connection, theirs: Theirs, addresses: Sequence[str], why: str, now: datetime) -> None:
    """Take the words out of all this; what these addresses wrote elsewhere, too."""
    for seq in theirs.spool:
        spool.erase(connection, seq)
    connection.execute(
        update(messages)
        .where(messages.c.id.in_(theirs.messages))
        .values(from_name="", from_email=GONE, to=[], cc=[], subject=GONE, text="", attachments=[], message_id="")
    )
    connection.execute(
        update(stream)
        .where(or_(stream.c.case_number.in_(theirs.cases), stream.c.message.in_(theirs.messages),
                   func.lower(stream.c.actor).in_(addresses)))
        .values(text=GONE, data={}, actor=GONE)
    )  # fmt: skip
    connection.execute(
        update(cases)
        .where(cases.c.number.in_(theirs.cases))
        .values(title=GONE, summary="", fields={}, resolution=None, feedback=None, contact_id=None)
    )
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(theirs.outbox))
        .values(subject=GONE, headers=[], text="", html="", attachments=[])
    )
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(theirs.outbox), outbox.c.state.in_(["pending", "deferred", "held", "failed"]))
        .values(state="discarded", done_at=now, reason=why)
    )
    _forget_recipients(connection, theirs.outbox)
    connection.execute(delete(case_values).where(case_values.c.case_number.in_(theirs.cases)))
    connection.execute(delete(message_ids).where(message_ids.c.case_number.in_(theirs.cases)))
    connection.execute(delete(participants).where(participants.c.case_number.in_(theirs.cases)))
    connection.execute(delete(notices).where(notices.c.case_number.in_(theirs.cases)))
    connection.execute(delete(webhooks).where(webhooks.c.case_number.in_(theirs.cases)))
    connection.execute(delete(faq).where(faq.c.case_number.in_(theirs.cases), faq.c.status == "draft"))
    connection.execute(
        update(surveys).where(surveys.c.case_number.in_(theirs.cases)).values(address=GONE, comment="")
    )


def _forget_recipients(connection: Connection, mails: tuple[int, ...]) -> None:
    """One nameless recipient a mail stays, so that the audit still finds an end for each."""
    for number in mails:
        states = set(
            connection.execute(
                select(outbox_recipients.c.state).where(outbox_recipients.c.outbox_id == number)
            ).scalars()
        )
        connection.execute(delete(outbox_recipients).where(outbox_recipients.c.outbox_id == number))
        connection.execute(
            outbox_recipients.insert(),
            {"outbox_id": number, "address": GONE, "state": "sent" if states == {"sent"} else "failed", "reason": ""},
        )


def export(connection: Connection, contact: Contact) -> dict[str, Any]:
    """A person's data as plain values (their right to a copy), with the ids of their mails to be added as files."""
    theirs = find(connection, contact)
    own = or_(
        messages.c.case_number.in_(theirs.cases),
        func.lower(messages.c.from_email).in_([fold_address(email) for email in contact.emails]),
    )
    return {
        "contact": {
            "name": contact.name, "emails": list(contact.emails), "phone": contact.phone, "language": contact.language,
            "organisation": contact.organisation, "tags": list(contact.tags),
        },
        "cases": [
            dict(row._mapping) for row in connection.execute(
                select(cases.c.number, cases.c.title, cases.c.summary, cases.c.status, cases.c.fields, cases.c.resolution,
                       cases.c.rating, cases.c.feedback, cases.c.created_at, cases.c.closed_at)
                .where(cases.c.number.in_(theirs.cases)).order_by(cases.c.number)
            )
        ],
        "messages": [
            dict(row._mapping) for row in connection.execute(
                select(messages.c.case_number, messages.c.at, messages.c.direction, messages.c.subject, messages.c.text)
                .where(own, messages.c.public).order_by(messages.c.id)
            )
        ],
        "accepted": [
            row.id for row in connection.execute(
                select(spool_table.c.id).where(spool_table.c.seq.in_(theirs.spool), spool_table.c.state != "erased")
            )
        ],
    }  # fmt: skip
