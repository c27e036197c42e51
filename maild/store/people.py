"""This is where contacts, organisations and the running numbers of users are kept.

An address belongs to one contact; the primary key on it decides when two workers meet the same new person at once.
Addresses are compared folded (`plain.domains.fold_address`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Row

from maild.model.contact import Contact, Organisation
from maild.plain.domains import candidates, fold_address
from maild.store.inserting import insert_or_ignore, insert_rows
from maild.store.numbers import insert_numbered
from maild.store.recording import AHEAD
from maild.store.schema import (
    UNCLOSED,
    cases,
    contact_addresses,
    contacts,
    organisation_domains,
    organisations,
    participants,
    round_robin,
    users,
)

# What is asked for every message is put together once: for SQLAlchemy that is half of a question's cost.
_with_addresses = (
    select(contacts, contact_addresses.c.shown.label("address"))
    .join_from(contacts, contact_addresses, contact_addresses.c.contact_id == contacts.c.id, isouter=True)
    .order_by(contact_addresses.c.position, contact_addresses.c.email)
)
_contact_by_number = _with_addresses.where(contacts.c.id == bindparam("number"))
_owner = contact_addresses.alias("owner")
_contact_by_address = _with_addresses.where(
    contacts.c.id == select(_owner.c.contact_id).where(_owner.c.email == bindparam("email")).scalar_subquery()
)
_organisations_of_domains = (
    select(organisation_domains.c.domain, organisations.c.name)
    .join_from(organisation_domains, organisations)
    .where(organisation_domains.c.domain.in_(bindparam("domains", expanding=True)))
)
_participants = (
    select(participants).where(participants.c.case_number == bindparam("number")).order_by(participants.c.role.desc())
)


def insert_if_new(connection: Connection, table: Any, values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there already; returns whether it is new."""
    if connection.get_execution_options().get(AHEAD):  # not known yet: where it is not, replaying this insert fails
        insert_rows(connection, table, values)
        return True
    return insert_or_ignore(connection, table, values) == 1


def upsert(connection: Connection, table: Any, key: Sequence[str], values: dict[str, Any]) -> None:
    """Insert a row, or update the one with the same key."""
    maker: Any = sqlite_insert if connection.dialect.name == "sqlite" else pg_insert
    others = {name: value for name, value in values.items() if name not in key}
    connection.execute(maker(table).values(**values).on_conflict_do_update(index_elements=list(key), set_=others))


# --- contacts ---------------------------------------------------------------------------------------------------


def contact_by_address(connection: Connection, email: str) -> Contact | None:
    """The contact whose address this is, or None."""
    return _one_contact(connection.execute(_contact_by_address, {"email": fold_address(email)}).all())


def contact(connection: Connection, number: int) -> Contact | None:
    """The contact of this number, or None."""
    return _one_contact(connection.execute(_contact_by_number, {"number": number}).all())


def _one_contact(rows: Sequence[Row[Any]]) -> Contact | None:
    """The rows are one contact's, one for each of their addresses, in order."""
    return _contact(rows[0], [row.address for row in rows if row.address is not None]) if rows else None


def _addresses(connection: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in connection.execute(
        select(contact_addresses.c.contact_id, contact_addresses.c.shown)
        .where(contact_addresses.c.contact_id.in_(numbers))
        .order_by(contact_addresses.c.position, contact_addresses.c.email)
    ):
        found.setdefault(row.contact_id, []).append(row.shown)
    return found


def _contact(row: Row[Any], addresses: Sequence[str]) -> Contact:
    return Contact(
        id=row.id, name=row.name, emails=tuple(addresses), phone=row.phone, language=row.language,
        organisation=row.organisation or "", sla=row.sla or "", tags=tuple(row.tags),
        undeliverable=row.undeliverable_since is not None,
    )  # fmt: skip


def create_contact(connection: Connection, wanted: Contact, now: datetime) -> Contact:
    """Store this person (``wanted.id`` is ignored); if their address is known by now, the one who has it."""
    number = insert_numbered(
        connection, contacts,
        {
            "name": wanted.name, "phone": wanted.phone, "language": wanted.language,
            "organisation": wanted.organisation or None, "sla": wanted.sla or None, "tags": list(wanted.tags),
            "created_at": now,
        },
    )  # fmt: skip
    rows = [
        {"email": fold_address(email), "shown": email, "contact_id": number, "position": i}
        for i, email in enumerate(wanted.emails)
    ]
    if not insert_if_new(connection, contact_addresses, rows[0]):
        owner = connection.execute(
            select(contact_addresses.c.contact_id).where(contact_addresses.c.email == fold_address(wanted.email))
        ).scalar_one()
        connection.execute(delete(contacts).where(contacts.c.id == number))
        existing = contact(connection, owner)
        assert existing is not None
        return existing
    if rows[1:]:
        insert_or_ignore(connection, contact_addresses, rows[1:])
    return replace(wanted, id=number)


def update_contact(connection: Connection, number: int, values: dict[str, Any]) -> None:
    """Set columns of a contact (name, phone, language, organisation, sla, tags, undeliverable_since)."""
    connection.execute(update(contacts).where(contacts.c.id == number).values(**values))


def add_address(connection: Connection, number: int, email: str) -> None:
    """Give a contact one more address, unless somebody has it."""
    position = connection.execute(
        select(func.count()).select_from(contact_addresses).where(contact_addresses.c.contact_id == number)
    ).scalar_one()
    insert_or_ignore(
        connection, contact_addresses,
        {"email": fold_address(email), "shown": email, "contact_id": number, "position": position},
    )  # fmt: skip


def all_contacts(connection: Connection, *, search: str = "") -> list[Contact]:
    """Every contact, by name; or those whose name or address contains ``search``."""
    query = select(contacts).order_by(contacts.c.name, contacts.c.id)
    if search:
        has = select(contact_addresses.c.contact_id).where(contact_addresses.c.email.contains(search.lower()))
        query = query.where(func.lower(contacts.c.name).contains(search.lower()) | contacts.c.id.in_(has))
    rows = connection.execute(query).all()
    addresses: dict[int, list[str]] = {}
    for start in range(0, len(rows), 500):
        addresses |= _addresses(connection, [row.id for row in rows[start : start + 500]])
    return [_contact(row, addresses.get(row.id, [])) for row in rows]


def merge_contacts(connection: Connection, source: int, target: int) -> None:
    """The source's addresses and cases become the target's; the source is gone."""
    connection.execute(
        update(contact_addresses).where(contact_addresses.c.contact_id == source).values(contact_id=target, position=9)
    )
    connection.execute(update(cases).where(cases.c.contact_id == source).values(contact_id=target))
    connection.execute(delete(contacts).where(contacts.c.id == source))


# --- organisations ----------------------------------------------------------------------------------------------


def organisation_by_domain(connection: Connection, domain: str) -> Organisation | None:
    """The imported organisation of this domain, or of the nearest parent longer than the public suffix."""
    wanted = candidates(domain)
    rows = connection.execute(_organisations_of_domains, {"domains": wanted}).all()
    best = min(rows, key=lambda row: wanted.index(row.domain), default=None)
    return organisation(connection, best.name) if best else None


def organisation(connection: Connection, name: str) -> Organisation | None:
    """The imported organisation of this name, or None."""
    return next((found for found in all_organisations(connection, name=name)), None)


def all_organisations(connection: Connection, *, name: str = "") -> list[Organisation]:
    """The imported organisations, by name (those of directory.yaml are in the settings)."""
    query = select(organisations).order_by(organisations.c.name)
    rows = connection.execute(query.where(organisations.c.name == name) if name else query).all()
    domains: dict[int, list[str]] = {}
    for row in connection.execute(select(organisation_domains).order_by(organisation_domains.c.domain)):
        domains.setdefault(row.organisation_id, []).append(row.domain)
    return [
        Organisation(name=row.name, domains=tuple(domains.get(row.id, ())), sla=row.sla or "", tags=tuple(row.tags))
        for row in rows
    ]


def save_organisation(connection: Connection, wanted: Organisation) -> bool:
    """Store an organisation with its domains, replacing the one of the same name; returns whether it is new.

    A domain that another organisation has stays there.
    """
    number = connection.execute(select(organisations.c.id).where(organisations.c.name == wanted.name)).scalar()
    values = {"name": wanted.name, "sla": wanted.sla or None, "tags": list(wanted.tags)}
    new = number is None
    if number is None:
        number = connection.execute(insert(organisations).returning(organisations.c.id), values).scalar_one()
    else:
        connection.execute(update(organisations).where(organisations.c.id == number).values(**values))
        connection.execute(delete(organisation_domains).where(organisation_domains.c.organisation_id == number))
    if wanted.domains:
        insert_or_ignore(
            connection, organisation_domains,
            [{"domain": domain.lower(), "organisation_id": number} for domain in wanted.domains],
        )  # fmt: skip
    return new


# --- users ------------------------------------------------------------------------------------------------------


def reader_number(connection: Connection, key: str) -> int:
    """The number by which a user is named in signed Message-IDs; given on first use, never changed."""
    number = connection.execute(select(users.c.id).where(users.c.key == key)).scalar()
    if number is None:
        insert_or_ignore(connection, users, {"key": key})
        number = connection.execute(select(users.c.id).where(users.c.key == key)).scalar_one()
    return int(number)


def known_reader(connection: Connection, key: str) -> int | None:
    """The number of a user, if one was given already."""
    return connection.execute(select(users.c.id).where(users.c.key == key)).scalar()


def user_of_reader(connection: Connection, number: int) -> str | None:
    """The key of the user with this number, or None."""
    return connection.execute(select(users.c.key).where(users.c.id == number)).scalar()


def away(connection: Connection, now: datetime) -> frozenset[str]:
    """The keys of users who said that they are away now."""
    return frozenset(connection.execute(select(users.c.key).where(users.c.away_until > now)).scalars())


def set_away(connection: Connection, key: str, until: datetime | None) -> None:
    """Remember that a user is away until then; None: back."""
    reader_number(connection, key)
    connection.execute(update(users).where(users.c.key == key).values(away_until=until))


def answers_by_itself(connection: Connection, key: str, now: datetime, until: datetime | None) -> None:
    """A user's mail answered by itself; ``until`` is the end of the absence that it told of."""
    reader_number(connection, key)
    connection.execute(
        update(users).where(users.c.key == key).values(auto_reply_at=now, auto_reply_until=until)
    )


def is_there(connection: Connection, key: str) -> None:
    """A user wrote: whatever their mail answered by itself before, they are there."""
    connection.execute(
        update(users).where(users.c.key == key, users.c.auto_reply_at.is_not(None))
        .values(auto_reply_at=None, auto_reply_until=None)
    )  # fmt: skip


def absences(connection: Connection) -> list[Row[Any]]:
    """What is known of users' absences: (key, away_until, auto_reply_at, auto_reply_until, absence_told_at)."""
    return list(
        connection.execute(
            select(users).where(or_(users.c.away_until.is_not(None), users.c.auto_reply_at.is_not(None),
                                    users.c.absence_told_at.is_not(None)))
        )
    )  # fmt: skip


def absence_told(connection: Connection, key: str, now: datetime) -> None:
    """Their manager has heard of what waits for this user."""
    reader_number(connection, key)
    connection.execute(update(users).where(users.c.key == key).values(absence_told_at=now))


def next_in_turn(connection: Connection, group: str, members: Sequence[str]) -> str | None:
    """Round robin: the member after the last one given; the pointer moves with the transaction.

    On PostgreSQL the row is locked, so that two workers never give the same turn.
    """
    if not members:
        return None
    query = select(round_robin.c.last_user).where(round_robin.c.group == group).with_for_update()
    last = connection.execute(query).scalar()
    if last is None:
        insert_or_ignore(connection, round_robin, {"group": group, "last_user": ""})
        last = connection.execute(query).scalar_one()
    chosen = members[(members.index(last) + 1) % len(members)] if last in members else members[0]
    connection.execute(update(round_robin).where(round_robin.c.group == group).values(last_user=chosen))
    return chosen


def open_cases_by_user(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """How many cases that are neither resolved nor closed each of these users has."""
    counts = dict.fromkeys(keys, 0)
    for row in connection.execute(
        select(cases.c.assignee, func.count().label("n"))
        .where(UNCLOSED, cases.c.assignee.in_(keys), cases.c.status.not_in(["resolved", "closed"]))
        .group_by(cases.c.assignee)
    ):
        counts[row.assignee] = row.n
    return counts


# --- who takes part in a case -----------------------------------------------------------------------------------


def participants_of(connection: Connection, number: int) -> list[tuple[str, str, str]]:
    """(address, name, role) of everyone outside who takes part, the contact first."""
    return [
        (row.email, row.name, row.role)
        for row in connection.execute(_participants, {"number": number})
    ]


def add_participant(connection: Connection, number: int, email: str, name: str, role: str = "cc") -> None:
    """Someone outside takes part in a case from now on."""
    insert_or_ignore(
        connection, participants, {"case_number": number, "email": fold_address(email), "name": name, "role": role}
    )


def remove_participant(connection: Connection, number: int, email: str) -> None:
    """Someone on the Cc or Bcc of a case takes no part any more."""
    connection.execute(
        delete(participants).where(
            participants.c.case_number == number, participants.c.email == fold_address(email), participants.c.role != "contact"
        )
    )
