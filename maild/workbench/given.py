"""This is where maild puts in place what a test beside a rule takes for given: people and cases that were there before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from sqlalchemy import Connection

from maild.cases import lifecycle
from maild.errors import CaseError
from maild.model.case import Case, Channel, Priority, Status
from maild.model.contact import Contact
from maild.office import Office
from maild.plain.domains import fold_address
from maild.settings.rule_tests import TestGiven
from maild.settings.values import duration
from maild.store import cases, people

_TEXTS = ("title", "mailbox", "summary", "category", "organisation", "group", "assignee", "owner", "sla", "resolution",
          "language", "feedback")  # fmt: skip
KNOWN = (*_TEXTS, "number", "status", "priority", "channel", "contact", "tags", "fields", "billable", "days_ago", "ago",
         "message_id", "cc", "followers")  # fmt: skip
_PERSON = ("name", "email", "emails", "phone", "language", "organisation", "sla", "tags")


def put(connection: Connection, office: Office, given: TestGiven, now: datetime) -> None:
    """Store the contacts and cases of ``given``. Raises CaseError for a key or value that there is not."""
    for person in [*([given.contact] if given.contact else []), *given.contacts]:
        _contact(connection, office, person, now)
    if given.organisation is not None:
        _organisation(connection, given.organisation)
    for one in [*([given.case] if given.case is not None else []), *given.cases]:
        _case(connection, office, one, now)


def _contact(connection: Connection, office: Office, wanted: Mapping[str, Any] | str, now: datetime) -> Contact:
    if isinstance(wanted, str):
        wanted = {"email": wanted}
    unknown = sorted(set(wanted) - set(_PERSON))
    if unknown:
        raise CaseError(f"given: a contact has no {unknown[0]!r}; it may have {', '.join(_PERSON)}")
    emails = wanted.get("emails") or wanted.get("email") or ()
    pairs = [parseaddr(str(one)) for one in (emails if isinstance(emails, list | tuple) else [emails])]
    if not pairs or not pairs[0][1]:
        raise CaseError("given: a contact needs an email")
    found = people.contact_by_address(connection, pairs[0][1])
    if found is not None:
        return found
    domain = pairs[0][1].rpartition("@")[2]
    by_domain = None if office.is_free_mail(domain) else office.addresses.organisation_of(domain)
    organisation = str(wanted.get("organisation") or (by_domain.name if by_domain else ""))
    return people.create_contact(
        connection,
        Contact(
            0, str(wanted.get("name") or pairs[0][0]), tuple(address for _, address in pairs), str(wanted.get("phone", "")),
            str(wanted.get("language", "")), organisation, str(wanted.get("sla", "")), tuple(wanted.get("tags", ())),
        ),
        now,
    )  # fmt: skip


def _organisation(connection: Connection, wanted: Mapping[str, Any] | str) -> None:
    from maild.model.contact import Organisation

    values: dict[str, Any] = {"name": wanted} if isinstance(wanted, str) else dict(wanted)
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(Organisation)})
    if unknown or "name" not in values:
        raise CaseError(f"given: an organisation has no {unknown[0]!r}" if unknown else "given: an organisation needs a name")
    for key in ("domains", "tags"):
        if key in values:
            values[key] = tuple(values[key])
    people.save_organisation(connection, Organisation(**values))


def _case(connection: Connection, office: Office, wanted: Mapping[str, Any], now: datetime) -> None:
    unknown = sorted(set(wanted) - set(KNOWN))
    if unknown:
        raise CaseError(f"given: a case has no {unknown[0]!r}; it may have {', '.join(KNOWN)}")
    status = lifecycle.status_of(str(wanted.get("status", "open")))
    since = now - _age(wanted)
    contact = _contact(connection, office, wanted["contact"], since) if wanted.get("contact") else None
    main = office.settings.main
    mailbox = str(wanted.get("mailbox") or next(iter(main.mailboxes)))
    if mailbox not in main.mailboxes:
        raise CaseError(f"given: there is no mailbox {mailbox!r}; one of {', '.join(main.mailboxes)}")
    case = Case(
        number=int(wanted["number"]) if "number" in wanted else cases.next_number(connection, main.cases.first_number),
        title=str(wanted.get("title", "An earlier case")), mailbox=mailbox, status=status,
        priority=_one(Priority, wanted.get("priority", "medium")), channel=_one(Channel, wanted.get("channel", "email")),
        contact_id=contact.id if contact else None, tags=tuple(map(str, wanted.get("tags", ()))),
        fields=dict(wanted.get("fields", {})), billable=bool(wanted.get("billable", False)), created_at=since,
        updated_at=since, status_since=since,
        resolved_at=since if status in {Status.RESOLVED, Status.CLOSED} else None,
        closed_at=since if status is Status.CLOSED else None,
    )  # fmt: skip
    texts: dict[str, Any] = {name: str(wanted[name]) for name in _TEXTS if wanted.get(name) not in (None, "none") and name not in ("title", "mailbox")}
    texts.setdefault("group", main.mailboxes[mailbox].group or "")
    if contact is not None and contact.organisation:
        texts.setdefault("organisation", contact.organisation)
    case = dataclasses.replace(case, **{name: value for name, value in texts.items() if value})
    cases.insert_case(connection, case)
    if contact is not None:
        people.add_participant(connection, case.number, contact.email, contact.name, "contact")
    for one in _several(wanted.get("cc")):
        people.add_participant(connection, case.number, fold_address(one), "")
    cases.follow(connection, case.number, _several(wanted.get("followers")))
    cases.remember_ids(connection, case.number, [one.strip("<> ") for one in _several(wanted.get("message_id"))])


def _several(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [] if value is None else [str(value)]


def _age(wanted: Mapping[str, Any]) -> timedelta:
    try:
        return timedelta(days=float(wanted.get("days_ago", 0))) + (duration(wanted["ago"]) if "ago" in wanted else timedelta())
    except (TypeError, ValueError) as error:
        raise CaseError(f"given: days_ago is a number of days, ago a time like 3h ({error})") from None


def _one(words: Any, value: Any) -> Any:
    try:
        return words(str(value).strip().lower())
    except ValueError:
        raise CaseError(f"given: {value!r} is none of {', '.join(words)}") from None
