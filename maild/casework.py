"""This is where a change of a case is carried out: decided by `cases.lifecycle`, saved, written into the stream, its SLA
clocks moved along. The mailroom, the command line and the sweeps all change cases through here, in their transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from maild.cases import lifecycle
from maild.cases.lifecycle import CaseChange
from maild.desk import Desk
from maild.errors import CaseError, UnknownValue
from maild.model.case import Case, LinkType, Status, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.decision import Assign
from maild.model.message import Address
from maild.model.outbox import Draft, OutboxState, OutgoingKind, PartRef
from maild.sla import escalation, timers
from maild.sla.calendar import ALWAYS
from maild.store import agents, cases, clocks, outbox, people
from maild.store.alone import alone


def begin(desk: Desk, case: Case, actor: str, *, since: datetime | None, import_id: int | None = None) -> Case:
    """Number, open and store a new case, and start its SLA clocks.

    ``since`` is when the customer's first message came; None where no customer wrote. History starts no clock.
    """
    number = cases.next_number(desk.connection, desk.office.settings.main.cases.first_number)
    change = lifecycle.open_case(replace(case, number=number), actor, desk.now)
    cases.insert_case(desk.connection, change.after, import_id)
    cases.add_stream(desk.connection, number, change.events)
    if not desk.silent:
        _open_clocks(desk, change.after, since)
    return change.after


def _open_clocks(desk: Desk, case: Case, since: datetime | None) -> None:
    policy = desk.office.settings.sla.policies.get(case.sla or "")
    if policy is None:
        desk.started[case.number] = ()
        return
    calendar = desk.office.policy_calendars.get(case.sla or "", ALWAYS)
    started = timers.opened(
        policy, case.priority, calendar, case.status, desk.now, since=since,
        first_response_at=case.first_response_at if since is None else None,
    )  # fmt: skip
    desk.started[case.number] = tuple(started)
    clocks.save(desk.connection, case.number, started, new=True, next_step=escalation.upcoming(policy, calendar))


def save(desk: Desk, change: CaseChange, *, retime: bool = True) -> Case:
    """Store what the lifecycle decided: the case, its events, its clocks. Returns the case as it is now.

    Without ``retime`` a changed priority or SLA leaves the targets as they are (what an escalation itself sets).
    """
    before, after = change.before, change.after
    if change.changed:
        cases.save_case(desk.connection, after)
    cases.add_stream(desk.connection, after.number, change.events)
    moved = (before.status, before.priority, before.sla) != (after.status, after.priority, after.sla)
    if moved or before.last_responded_at != after.last_responded_at:
        _move_clocks(desk, before, after, retime)
    if before.first_response_at is None and after.first_response_at is not None:
        _leave_out_acknowledgement(desk, after)
    return after


def _leave_out_acknowledgement(desk: Desk, case: Case) -> None:
    """Who has an answer needs no word any more that the mail has arrived (`mailboxes.*.acknowledge.unless_answered`)."""
    box = desk.office.settings.main.mailboxes.get(case.mailbox)  # None: taken out of maild.yaml since
    if box is None or not box.acknowledge.after or not box.acknowledge.unless_answered:
        return
    why = "the case was answered or ended before the acknowledgement went out"
    for number in outbox.waiting_acknowledgements(desk.connection, case.number):
        if outbox.set_state(desk.connection, number, OutboxState.DISCARDED, desk.now, why):
            agents.withdraw(desk.connection, number)
            note = StreamEntry(desk.now, StreamType.SUPPRESSED, "maild", False, f"no automatic answer: {why}")
            cases.add_stream(desk.connection, case.number, [note])


def _move_clocks(desk: Desk, before: Case, after: Case, retime: bool) -> None:
    had = clocks.load(desk.connection, after.number)
    policy = desk.office.settings.sla.policies.get(after.sla or "")
    if policy is None:
        if had:
            clocks.save(desk.connection, after.number, ())
        return
    calendar = desk.office.policy_calendars.get(after.sla or "", ALWAYS)
    now = had
    if retime and (before.priority, before.sla) != (after.priority, after.sla):
        now = timers.retimed(
            now, policy, after.priority, calendar, before.status, desk.now, since=first_asked(desk, after),
            first_response_at=after.first_response_at,
        )  # fmt: skip
        moved = [
            f"{clock.kind}: due {clock.due_at:%Y-%m-%d %H:%M} UTC" for clock in now if clock.running and clock not in had
        ]
        if moved:
            told = StreamEntry(desk.now, StreamType.SLA, "maild", False, "; ".join(moved))
            cases.add_stream(desk.connection, after.number, [told])
    if before.last_responded_at != after.last_responded_at:
        now = timers.responded(now, policy, after.priority, calendar, desk.now)
    now = timers.moved(now, policy, calendar, after.status, desk.now)
    if now != had:
        clocks.save(desk.connection, after.number, now, next_step=escalation.upcoming(policy, calendar))


def first_asked(desk: Desk, case: Case) -> datetime | None:
    """From when the case's first response is counted: its start, or None where no customer has written on it."""
    return case.created_at if cases.has_customers_mail(desk.connection, case.number) else None


def asked_again(desk: Desk, case: Case, at: datetime) -> None:
    """A customer wrote to an open case: the next response is waited for from now on."""
    policy = desk.office.settings.sla.policies.get(case.sla or "")
    if policy is None:
        return
    had = clocks.load(desk.connection, case.number)
    calendar = desk.office.policy_calendars.get(case.sla or "", ALWAYS)
    now = timers.asked(had, policy, case.priority, calendar, at)
    if now != had:
        clocks.save(desk.connection, case.number, now, next_step=escalation.upcoming(policy, calendar))


def change(
    desk: Desk, case: Case, values: Mapping[str, Any], actor: str, *, reason: str | None = None, because: str = "",
    retime: bool = True,
) -> Case:  # fmt: skip
    """Set values of a case and store them; who has it now, and who had it, are told. Raises CaseError, and then nothing
    is changed."""
    checked = check_names(desk, values)
    changed = lifecycle.change(case, checked, actor, desk.now, reason=reason, because=because)
    return _done(desk, changed, actor, retime=retime)


def take_back(desk: Desk, case: Case, number: int, actor: str) -> Case:
    """Take back what event ``number`` of the case's stream (from 1) changed, as far as nothing came after. Raises CaseError."""
    events = cases.stream_of(desk.connection, case.number)
    if not 1 <= number <= len(events):
        raise CaseError(f"case {case.number} has events 1 to {len(events)}; maild case show {case.number} lists them")
    return _done(desk, lifecycle.taken_back(case, events[number - 1], actor, desk.now), actor)


def _done(desk: Desk, changed: CaseChange, actor: str, *, retime: bool = True) -> Case:
    """Store a change that a person or a workflow made, and tell those whose case it is or was."""
    before, after = changed.before, save(desk, changed, retime=retime)
    if after.status is not Status.CLOSED and (after.assignee, after.group) != (before.assignee, before.group):
        _handed_over(desk, before, after, actor)
    return after


def _handed_over(desk: Desk, before: Case, after: Case, actor: str) -> None:
    """Tell whose the case is now, and in one line those who would still think it theirs."""
    contact = people.contact(desk.connection, after.contact_id) if after.contact_id else None
    if after.assignee and after.assignee == before.assignee:
        return  # another group's case now, and still theirs
    asked = [after.assignee] if after.assignee else desk.told_of(after.group)
    told = desk.notify(after, contact, "assignment", asked, actor=actor, text=after.summary or after.title)
    if before.assignee:
        others = [before.assignee]
    elif after.assignee:
        heard = cases.told_of(desk.connection, after.number)
        others = [one for one in desk.told_of(before.group) if one in heard]
    else:
        others = []
    users = desk.office.settings.directory.users
    name = desk.who(actor)
    to = users[after.assignee].name if after.assignee else after.group or "nobody"
    said = f"{name} has taken this case." if actor == after.assignee else f"{name} has given this case to {to}."
    others = [one for one in others if one != after.assignee and one not in told]
    desk.notify(after, contact, "taken", others, actor=actor, reason=said, internal=True)


def check_names(desk: Desk, values: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse users, groups, mailboxes, SLAs, categories, organisations and fields that nobody knows."""
    import difflib

    settings = desk.office.settings
    known: dict[str, Sequence[str]] = {
        "assignee": [key for key, user in settings.directory.users.items() if user.active],
        "group": list(settings.directory.groups),
        "mailbox": list(settings.main.mailboxes),
        "sla": list(settings.sla.policies),
        "owner": list(settings.directory.users),
    }
    if values.get("organisation"):
        imported = people.organisation(desk.connection, str(values["organisation"]))
        known["organisation"] = [*settings.directory.organisations, *([imported.name] if imported else [])]
    if settings.main.categories is not None:
        known["category"] = settings.main.categories
    result = dict(values)
    for name, allowed in known.items():
        value = result.get(name)
        if value in (None, ""):
            if name in result:
                result[name] = None
            continue
        if value not in allowed:
            near = difflib.get_close_matches(str(value), allowed, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(allowed)) or 'none'}"
            raise UnknownValue(f"there is no {name} {value!r}; {hint}")
    if result.get("fields") and settings.main.fields is not None:
        from maild.rules.autofill import typed_value

        typed: dict[str, Any] = {}
        for name, value in result["fields"].items():
            if name not in settings.main.fields:
                near = difflib.get_close_matches(name, settings.main.fields, 1)
                hint = f"did you mean {near[0]}?" if near else f"declared are {', '.join(settings.main.fields) or 'none'}"
                raise UnknownValue(f"there is no field {name!r}; {hint}")
            try:
                typed[name] = value if value in (None, "") else typed_value(settings.main.fields[name], str(value))
            except ValueError as error:
                raise UnknownValue(f"{name}: {value!r} {error}") from None
        result["fields"] = typed
    return result


def pick(desk: Desk, wanted: Assign | None) -> tuple[str | None, str | None, str]:
    """Answer a request for an assignee: (group, user, why nobody). Absent, inactive and full users are passed over."""
    if wanted is None:
        return None, None, ""
    users = desk.office.settings.directory.users
    group = wanted.group
    if wanted.how is None:
        if wanted.user is None:
            return group, None, ""
        if wanted.user in users and users[wanted.user].active:
            return group, wanted.user, ""
        return group, None, f"{wanted.user} is not active"
    away = people.away(desk.connection, desk.now) | desk.office.settings.away(desk.now)
    members = [key for key in desk.group_members(group) if key not in away]
    alone(desk.connection, "assignment", group or "")  # of two at once the second sees the first's case
    load = people.open_cases_by_user(desk.connection, members)
    free = [key for key in members if users[key].capacity is None or load[key] < (users[key].capacity or 0)]
    if not free:
        return group, None, f"nobody in {group or 'the group'} is there and has room"
    if wanted.how == "least_busy":
        return group, min(free, key=lambda key: (load[key], free.index(key))), ""
    everyone = desk.group_members(group)
    return group, _turn(desk, group or "", everyone, set(free)), ""


def _turn(desk: Desk, group: str, members: Sequence[str], free: set[str]) -> str | None:
    for _ in members:
        chosen = people.next_in_turn(desk.connection, group, members)
        if chosen in free:
            return chosen
    return None


def note(desk: Desk, case: Case, actor: str, text: str, *, attachments: Sequence[PartRef] = ()) -> None:
    """Write an internal note; those mentioned (@bob) and the followers are told."""
    import re

    users = desk.office.settings.directory.users
    cases.add_stream(desk.connection, case.number, [StreamEntry(desk.now, StreamType.NOTE, actor, False, text)])
    cases.save_case(desk.connection, replace(case, updated_at=desk.now))
    mentioned = [key for key in re.findall(r"(?<![\w@.])@([\w.-]+)", text) if key in users]
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    hears = [*mentioned, *desk.hears(case, "note", cases.followers_of(desk.connection, case.number))]
    desk.notify(case, contact, "note", hears, text=text, actor=actor, internal=True, attachments=attachments)


def reply(
    desk: Desk, case: Case, actor: str, text: str, *, html: str = "", cc: Sequence[Address] = (),
    attachments: Sequence[PartRef] = (), not_before: datetime | None = None, had: Sequence[str] = (),
) -> Case:  # fmt: skip
    """Send a user's public answer to everyone outside who takes part, from the mailbox. Raises CaseError without any.

    ``cc`` take part from now on; ``had`` have the mail already and get no second one.
    """
    users, mailbox = desk.office.settings.directory.users, desk.office.settings.main.mailboxes[case.mailbox]
    taking = people.participants_of(desk.connection, case.number)
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    if contact is None:  # a case without a contact (create_contact: false) is still answered to who wrote
        contact = next((Contact(0, name, (address,)) for address, name, role in taking if role == "contact"), None)
    if contact is None or not contact.email:
        raise CaseError(f"case {case.number} has no contact to answer; give it one: maild case set {case.number} contact=…")
    outside = [
        (Address(name, address), role) for address, name, role in taking
        if not desk.office.addresses.user_of(address) and not desk.office.addresses.mailbox_of(address)
    ]  # fmt: skip
    others = [one for one, role in outside if role == "cc"]
    unseen = [one.email for one, role in outside if role == "bcc"]
    for one in cc:
        people.add_participant(desk.connection, case.number, one.email, one.name)
    last = [row for row in cases.messages_of(desk.connection, case.number) if row.public]
    parent = last[-1] if last else None
    agent = users.get(actor)
    number = desk.enqueue(
        Draft(
            kind=OutgoingKind.ANSWER, template="answer", mailbox=case.mailbox, case=case.number, title=case.title,
            to=(Address(contact.name, contact.email),), cc=tuple(dict.fromkeys([*others, *cc])),
            bcc=tuple(dict.fromkeys([*mailbox.bcc, *unseen])), language=contact.language or mailbox.language or "",
            names=desk.names(
                case, contact,
                agent={"name": agent.name if agent else "", "signature": agent.signature if agent else ""},
                event={"type": "answer", "text": text, "html": html, "actor": agent.name if agent else ""},
            ),
            about_subject=parent.subject if parent is not None else "", parent_id=parent.message_id if parent else "",
            parent_references=tuple(row.message_id for row in last[:-1] if row.message_id),
            body_text=text, body_html=html, attachments=tuple(attachments), had=tuple(had),
        ),
        not_before=not_before,
    )  # fmt: skip
    row = desk.record_outgoing(number, case.number, public=True, text=text)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, actor, True, text, {"kind": "answer"}, row)
    cases.add_stream(desk.connection, case.number, [entry])
    answered = lifecycle.answered(
        case, actor if actor in users else "", desk.now, takes=desk.office.settings.main.agents.answering_takes
    )
    return save(desk, answered)


def merge(desk: Desk, source: Case, target: Case, actor: str) -> None:
    """The source's mail leads to the target from now on; it ends closed as a duplicate, linked. Raises CaseError."""
    if source.number == target.number:
        raise CaseError("a case cannot be merged into itself")
    if target.status.value == "closed" or target.merged_into is not None:
        raise CaseError(f"case {target.number} is closed; merge into an open one")
    for address, name, role in people.participants_of(desk.connection, source.number):
        people.add_participant(desk.connection, target.number, address, name, "cc" if role == "contact" else role)
    cases.follow(desk.connection, target.number, cases.followers_of(desk.connection, source.number))
    if source.status.value != "closed":
        source = save(
            desk, lifecycle.change(source, {"status": Status.OPEN} if source.status is Status.RESOLVED else {}, actor, desk.now)
        )
        source = save(desk, lifecycle.change(source, {"status": Status.CLOSED}, actor, desk.now, reason="duplicate"))
    cases.save_case(desk.connection, replace(source, merged_into=target.number))
    cases.link(desk.connection, source.number, LinkType.MERGED_INTO, target.number)
    told = f"case {source.number} merged into case {target.number}"
    for number in (source.number, target.number):
        cases.add_stream(desk.connection, number, [StreamEntry(desk.now, StreamType.MERGE, actor, False, told)])
