"""This is where cases, their streams, messages and links are read and written.

Only `cases.lifecycle` decides what changes; this module stores it. A case row is locked before it is changed, so that
two messages to one case follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    String,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from maild.model.case import Case, Channel, LinkType, Priority, Status, StreamEntry, StreamType
from maild.store.inserting import insert_or_ignore, insert_rows
from maild.store.numbers import insert_numbered, next_case
from maild.store.schema import (
    UNCLOSED,
    case_values,
    cases,
    contact_addresses,
    contacts,
    followers,
    links,
    message_ids,
    messages,
    participants,
    stream,
)

_REVERSE = {
    LinkType.FOLLOWS: LinkType.FOLLOWED_BY,
    LinkType.FOLLOWED_BY: LinkType.FOLLOWS,
    LinkType.MENTIONS: LinkType.MENTIONED_BY,
    LinkType.MENTIONED_BY: LinkType.MENTIONS,
    LinkType.MERGED_INTO: LinkType.MERGED_FROM,
    LinkType.MERGED_FROM: LinkType.MERGED_INTO,
    LinkType.LINKED: LinkType.LINKED,
    LinkType.PARENT: LinkType.CHILD,
    LinkType.CHILD: LinkType.PARENT,
}

# What workflows can start from; they look at it right after (store.due).
_TELLING = frozenset(
    {StreamType.MESSAGE, StreamType.NOTE, StreamType.STATUS, StreamType.PRIORITY, StreamType.ASSIGNMENT,
     StreamType.FIELD, StreamType.CONTACT, StreamType.SLA, StreamType.BOUNCED, StreamType.RATED}
)  # fmt: skip


# Asked for every message, so put together once.
_by_number = select(cases).where(cases.c.number == bindparam("wanted"))
_locked_by_number = _by_number.with_for_update()
_of_ids = (
    select(message_ids)
    .where(message_ids.c.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(message_ids.c.case_number.desc())
)
_followers = select(followers.c.who).where(followers.c.case_number == bindparam("number")).order_by(followers.c.who)
_save = update(cases).where(cases.c.number == bindparam("saved"))


def _case(row: Row[Any]) -> Case:
    values = dict(row._mapping)
    values.pop("import_id")
    values["status"], values["priority"] = Status(row.status), Priority(row.priority)
    values["channel"], values["tags"] = Channel(row.channel), tuple(row.tags)
    return Case(**values)


def _row(case: Case) -> dict[str, Any]:
    return {
        column.name: list(value) if isinstance(value := getattr(case, column.name), tuple)
        else dict(value) if isinstance(value, Mapping) else value
        for column in cases.c if column.name != "import_id"
    }  # fmt: skip


def next_number(connection: Connection, first: int) -> int:
    """The number of the next case, at least ``first``."""
    return next_case(connection, first)


def insert_case(connection: Connection, case: Case, import_id: int | None = None) -> None:
    """Store a new case as it is."""
    insert_rows(connection, cases, {**_row(case), "import_id": import_id})
    _save_values(connection, case)


def save_case(connection: Connection, case: Case) -> None:
    """Store the changed case, whole."""
    values = _row(case)
    number = values.pop("number")
    connection.execute(_save, {"saved": number, **values})
    _save_values(connection, case)


def _save_values(connection: Connection, case: Case) -> None:
    wanted = {name: folded(value) for name, value in case.fields.items() if value not in (None, "")}
    if case.fields:  # a value that was taken away stays there as an empty one
        connection.execute(delete(case_values).where(case_values.c.case_number == case.number))
    if wanted:
        connection.execute(
            insert(case_values),
            [{"case_number": case.number, "name": name, "value": value} for name, value in wanted.items()],
        )


def folded(value: object) -> str:
    """A declared value as `update` compares it: as text, without case, blanks at the ends or length over 400."""
    return str(value).strip().casefold()[:400]


def get(connection: Connection, number: int, *, lock: bool = False) -> Case | None:
    """The case of this number, or None; with ``lock`` nobody else changes it until the transaction ends."""
    row = connection.execute(_locked_by_number if lock else _by_number, {"wanted": number}).one_or_none()
    return _case(row) if row is not None else None


def get_final(connection: Connection, number: int, *, lock: bool = False) -> Case | None:
    """The case of this number, or the one that it was merged into."""
    seen: set[int] = set()
    case = get(connection, number, lock=lock)
    while case is not None and case.merged_into is not None and case.number not in seen:
        seen.add(case.number)
        case = get(connection, case.merged_into, lock=lock)
    return case


def find_for_update(
    connection: Connection, *, mailbox: str, values: Mapping[str, str], contact_id: int | None,
    organisation: str | None, newer_than: datetime | None,
) -> int | None:  # fmt: skip
    """The newest case of the mailbox that is not closed and has all these values (``fields.order``, ``title`` …).

    ``contact_id`` and ``organisation`` narrow the search where given.
    """
    query = select(cases.c.number).where(cases.c.mailbox == mailbox, UNCLOSED)
    for name, value in values.items():
        if name.startswith("fields."):
            query = query.where(
                exists().where(
                    case_values.c.case_number == cases.c.number,
                    case_values.c.name == name.removeprefix("fields."),
                    case_values.c.value == folded(value),
                )
            )
        else:
            query = query.where(func.lower(cast(cases.c[name], String)) == folded(value))
    if contact_id is not None:
        query = query.where(cases.c.contact_id == contact_id)
    if organisation is not None:
        query = query.where(cases.c.organisation == organisation)
    if newer_than is not None:
        query = query.where(cases.c.created_at >= newer_than)
    return connection.execute(query.order_by(cases.c.number.desc()).limit(1)).scalar()


# --- threading --------------------------------------------------------------------------------------------------


def cases_of_ids(connection: Connection, ids: Sequence[str]) -> dict[str, list[tuple[int, bool]]]:
    """For each Message-ID that leads to cases: (number, whether it is that message's own id), newest case first."""
    found: dict[str, list[tuple[int, bool]]] = {}
    if not ids:
        return found
    for row in connection.execute(_of_ids, {"ids": [one[:400] for one in ids]}):
        found.setdefault(row.message_id, []).append((row.case_number, row.own))
    return found


def remember_ids(connection: Connection, number: int, own: Iterable[str], named: Iterable[str] = ()) -> None:
    """These Message-IDs lead to this case: ``own`` are of its messages, ``named`` are those that they answer."""
    rows = [{"message_id": one[:400], "case_number": number, "own": True} for one in dict.fromkeys(own) if one]
    taken = {row["message_id"] for row in rows}
    rows += [
        {"message_id": one[:400], "case_number": number, "own": False}
        for one in dict.fromkeys(named) if one and one[:400] not in taken
    ]  # fmt: skip
    if rows:
        insert_or_ignore(connection, message_ids, rows)


# --- what happened ----------------------------------------------------------------------------------------------


def add_message(connection: Connection, values: Mapping[str, Any]) -> int:
    """Store a message of a case; returns its number."""
    return insert_numbered(connection, messages, values)


def set_aside(connection: Connection, spool_seq: int) -> None:
    """Put out of the way what a stored message made, so that it can be settled once more in a transaction that is rolled
    back: its row in a case is no longer its own, and a case that began with it is one that no `update` finds."""
    own = connection.execute(select(messages.c.id, messages.c.case_number).where(messages.c.spool_seq == spool_seq)).one_or_none()
    if own is None:
        return
    connection.execute(update(messages).where(messages.c.id == own.id).values(spool_seq=None))
    first = connection.execute(select(func.min(messages.c.id)).where(messages.c.case_number == own.case_number)).scalar()
    if first == own.id:
        connection.execute(update(cases).where(cases.c.number == own.case_number).values(status=Status.CLOSED.value))


def add_stream(connection: Connection, number: int, entries: Sequence[StreamEntry]) -> None:
    """Append events to a case's stream, in this order."""
    if entries:
        insert_rows(
            connection, stream,
            [
                {"case_number": number, "at": e.at, "type": e.type.value, "actor": e.actor[:400], "public": e.public,
                 "text": e.text, "data": dict(e.data), "message": e.message, "pending": e.type in _TELLING}
                for e in entries
            ],
        )  # fmt: skip


def stream_of(connection: Connection, number: int) -> list[StreamEntry]:
    """A case's stream in order."""
    return [
        StreamEntry(
            at=row.at, type=StreamType(row.type), actor=row.actor, public=row.public, text=row.text, data=row.data,
            message=row.message,
        )
        for row in connection.execute(select(stream).where(stream.c.case_number == number).order_by(stream.c.id))
    ]  # fmt: skip


def messages_of(connection: Connection, number: int) -> list[Row[Any]]:
    """A case's messages in order, in and out."""
    return list(connection.execute(select(messages).where(messages.c.case_number == number).order_by(messages.c.id)))


def has_customers_mail(connection: Connection, number: int) -> bool:
    """Whether somebody outside has written on the case, publicly; a mail that an agent forwarded is theirs, too."""
    wrote = select(messages.c.id).where(
        messages.c.case_number == number, messages.c.direction == "in", messages.c.public,
        messages.c.kind.in_(["customer", "list", "agent"]),
    )  # fmt: skip
    return connection.execute(wrote.limit(1)).scalar() is not None


def count_reopened(connection: Connection, number: int, since: datetime) -> int:
    """How often customers' mail reopened the case since then."""
    return connection.execute(
        select(func.count()).select_from(stream).where(
            stream.c.case_number == number, stream.c.type == "status", stream.c.at >= since,
            stream.c.text.startswith("resolved → open"),
        )
    ).scalar_one()  # fmt: skip


# --- followers and links ----------------------------------------------------------------------------------------


def follow(connection: Connection, number: int, who: Iterable[str]) -> None:
    """Users (keys) or groups (``group:KEY``) follow the case from now on."""
    rows = [{"case_number": number, "who": one} for one in dict.fromkeys(who)]
    if rows:
        insert_or_ignore(connection, followers, rows)


def unfollow(connection: Connection, number: int, who: str) -> None:
    """This user (or group) no longer follows the case."""
    connection.execute(delete(followers).where(followers.c.case_number == number, followers.c.who == who))


def followers_of(connection: Connection, number: int) -> list[str]:
    """Who follows the case: users' keys and ``group:KEY``."""
    return list(connection.execute(_followers, {"number": number}).scalars())


def unanswered_of(connection: Connection, user: str) -> list[Row[Any]]:
    """The cases of this user on which a customer waits: (number, at, text) of the newest mail since the last answer."""
    newest = (
        select(func.max(messages.c.id)).where(
            messages.c.case_number == cases.c.number, messages.c.direction == "in", messages.c.public,
            messages.c.kind.in_(["customer", "list"]),
        ).correlate(cases).scalar_subquery()
    )  # fmt: skip
    waiting = [Status.NEW.value, Status.ASSIGNED.value, Status.OPEN.value]
    query = (
        select(cases.c.number, messages.c.at, messages.c.text)
        .join_from(cases, messages, messages.c.id == newest)
        .where(
            cases.c.assignee == user, cases.c.status.in_(waiting),
            or_(cases.c.last_responded_at.is_(None), cases.c.last_responded_at < messages.c.at),
        )
        .order_by(messages.c.at)
    )  # fmt: skip
    return list(connection.execute(query))


def told_of(connection: Connection, number: int) -> frozenset[str]:
    """The users and addresses who were notified of the case so far."""
    query = select(stream.c.data).where(stream.c.case_number == number, stream.c.type == StreamType.NOTIFIED.value)
    return frozenset(one for data in connection.execute(query).scalars() for one in data.get("who", ()))


def link(connection: Connection, number: int, kind: LinkType, other: int) -> None:
    """Link two cases, in both directions."""
    insert_or_ignore(
        connection, links,
        [
            {"case_number": number, "type": kind.value, "other": other},
            {"case_number": other, "type": _REVERSE[kind].value, "other": number},
        ],
    )  # fmt: skip


def links_of(connection: Connection, number: int) -> list[tuple[str, int]]:
    """(type, number) of every case linked to this one."""
    return [
        (row.type, row.other)
        for row in connection.execute(
            select(links).where(links.c.case_number == number).order_by(links.c.other, links.c.type)
        )
    ]


def follow_up_of(connection: Connection, number: int, contact_id: int | None) -> int | None:
    """The newest unclosed follow-up case of a closed one, where there is one."""
    return connection.execute(
        select(cases.c.number)
        .join_from(links, cases, links.c.other == cases.c.number)
        .where(links.c.case_number == number, links.c.type == "followed_by", UNCLOSED)
        .order_by(cases.c.number.desc()).limit(1)
    ).scalar()  # fmt: skip


# --- lists ------------------------------------------------------------------------------------------------------


def search(connection: Connection, filters: Mapping[str, Any]) -> list[tuple[Case, str | None, str | None]]:
    """Cases with their contact's name and first address, by number.

    Filters (all optional): status, group, assignee, organisation, mailbox, category, priority, tag (lists of values, one
    of which holds), contact (address or part of a name), since (datetime, of the last update), words (each in title,
    summary or a message), numbers, limit, newest (last numbers first).
    """
    first = (
        select(func.min(contact_addresses.c.shown))
        .where(contact_addresses.c.contact_id == contacts.c.id, contact_addresses.c.position == 0)
        .scalar_subquery()
    )
    query = select(cases, contacts.c.name.label("contact_name"), first.label("contact_email")).join_from(
        cases, contacts, contacts.c.id == cases.c.contact_id, isouter=True
    )
    for name in ("status", "group", "assignee", "organisation", "mailbox", "category", "priority"):
        if filters.get(name):
            query = query.where(cases.c[name].in_([str(value) for value in filters[name]]))
    if filters.get("numbers") is not None:
        query = query.where(cases.c.number.in_(list(filters["numbers"])))
    if filters.get("contact"):
        wanted = str(filters["contact"]).lower()
        having = select(contact_addresses.c.contact_id).where(contact_addresses.c.email == wanted)
        taking = select(participants.c.case_number).where(participants.c.email == wanted)
        query = query.where(
            or_(
                cases.c.contact_id.in_(having), cases.c.number.in_(taking),
                func.lower(contacts.c.name).contains(wanted, autoescape=True),
            )
        )
    if filters.get("since"):
        query = query.where(cases.c.updated_at >= filters["since"])
    for word in filters.get("words") or ():
        folded_word = str(word).lower()
        said = exists().where(messages.c.case_number == cases.c.number, func.lower(messages.c.text).contains(folded_word, autoescape=True))
        query = query.where(
            or_(
                func.lower(cases.c.title).contains(folded_word, autoescape=True),
                func.lower(cases.c.summary).contains(folded_word, autoescape=True),
                func.lower(func.coalesce(contacts.c.name, "")).contains(folded_word, autoescape=True), said,
            )
        )  # fmt: skip
    query = query.order_by(cases.c.number.desc() if filters.get("newest") else cases.c.number)
    tags = set(filters.get("tag") or ())
    if filters.get("limit") and not tags:
        query = query.limit(int(filters["limit"]))
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        name, email = values.pop("contact_name"), values.pop("contact_email")
        if tags and not tags & set(row.tags):
            continue
        values.pop("import_id")
        values |= {
            "status": Status(row.status), "priority": Priority(row.priority), "channel": Channel(row.channel),
            "tags": tuple(row.tags),
        }  # fmt: skip
        found.append((Case(**values), name, email))
    return found[: int(filters["limit"])] if filters.get("limit") else found


def counts_by_status(connection: Connection) -> dict[str, int]:
    """How many cases stand in each status."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    for row in connection.execute(select(cases.c.status, func.count().label("n")).group_by(cases.c.status)):
        counts[row.status] = row.n
    return counts


def recent_follow_ups(connection: Connection, number: int, now: datetime) -> int:
    """How many follow-ups were made in the last seven days: of this case, and of those that it follows itself."""
    chain, newest = [number], [number]
    while newest and len(chain) < 20:
        query = select(links.c.other).where(links.c.case_number.in_(newest), links.c.type == LinkType.FOLLOWS.value)
        newest = [other for other in connection.execute(query).scalars() if other not in chain]
        chain += newest
    return connection.execute(
        select(func.count())
        .select_from(links.join(cases, links.c.other == cases.c.number))
        .where(
            and_(
                links.c.case_number.in_(chain), links.c.type == LinkType.FOLLOWED_BY.value,
                cases.c.created_at >= now - timedelta(days=7),
            )
        )
    ).scalar_one()  # fmt: skip
