"""This is where an agent looks at cases by mail: `#show`, `#list`, `#search`, `#history`, `#get`, `#why`, `#help`. Nothing is changed.

Each returns text for one mail to the agent, cut to what a person reads, and the attachments that go with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from maild import views
from maild.cases.commands import Command, help_text
from maild.cases.permissions import Rights, rights_of
from maild.desk import Desk
from maild.errors import CaseError, NoSuchCase
from maild.model.case import Case
from maild.model.outbox import PartRef
from maild.outbound.words import duration
from maild.store import agents, cases, clocks, people, spool
from maild.store.agents import MailedTo

ROWS = 50  # cases in a list
LONGEST = 60_000  # characters of a case that is shown
WHY_LINES = 12

Found = tuple[str, tuple[PartRef, ...]]


def answer(desk: Desk, user: str, case: Case | None, about: MailedTo | None, command: Command) -> Found:
    """What a question is answered with. Raises CaseError where the case or attachment is not there, or not theirs."""
    match command.name:
        case "show":
            number = command.number or (case.number if case else None)
            if number is None:
                raise CaseError("#show needs a number: #show 12")
            return _show(desk, user, number, own=case is not None and case.number == number), ()
        case "list":
            return _list(desk, user, command.word), ()
        case "search":
            return _rows(desk, user, {"words": command.text.split(), "newest": True}), ()
        case "history":
            return _history(desk, user, case, command.addresses), ()
        case "get":
            if case is None or command.number is None:
                raise CaseError("#get needs a case: answer one of its mails")
            parts = attachments(desk, case, about, [command.number])
            return f"attachment {command.number}: {parts[0].name}", parts
        case "why":
            return _why(desk, case, about), ()
        case "help":
            return help_text(), ()
        case _:
            raise AssertionError(command.name)


def _seen_by(desk: Desk, rights: Rights, case: Case) -> bool:
    mailbox = desk.office.settings.main.mailboxes.get(case.mailbox)
    return rights.may(
        case, private=bool(mailbox and mailbox.private), followers=cases.followers_of(desk.connection, case.number)
    )


def _show(desk: Desk, user: str, number: int, *, own: bool) -> str:
    case = cases.get(desk.connection, number)
    if case is None:
        raise NoSuchCase(f"there is no case {number}")
    if not own and not _seen_by(desk, rights_of(desk.office.settings, user), case):
        raise CaseError(f"case {number} belongs to {case.group or 'another group'}; ask one of them, or your admins")
    shown = views.case(desk.connection, desk.office.settings, number, desk.now)
    assert shown is not None
    labels = {name: spec.label for name, spec in (desk.office.settings.main.fields or {}).items() if spec.label}
    return as_text(shown, desk.zone_of(user), labels)


def as_text(shown: dict[str, Any], zone: ZoneInfo, labels: Mapping[str, str] | None = None) -> str:
    """A case as `case show --json` has it, in words: its values, then what happened, newest last, by the clocks of ``zone``.
    ``labels`` are what fields are called in mails."""
    contact = shown["contact"] or {}
    values: list[tuple[str, Any]] = [
        ("status", shown["status"]), ("priority", shown["priority"]), ("contact", contact.get("email")),
        ("organisation", shown["organisation"]), ("mailbox", shown["mailbox"]), ("group", shown["group"]),
        ("assignee", shown["assignee"]), ("category", shown["category"]), ("sla", shown["sla"]),
        *_promises(shown["sla_state"], zone), ("tags", " ".join(shown["tags"])), *(((labels or {}).get(name, name), value) for name, value in shown["fields"].items()),
        ("time spent", duration(shown["time_spent"]) if shown["time_spent"] else ""),
        ("summary", shown["summary"]), ("resolution", shown["resolution"]),
        *((link["type"].replace("_", " "), link["number"]) for link in shown["links"]),
    ]  # fmt: skip
    lines = [f"Case {shown['number']}: {shown['title']}", ""]
    lines += [f"{name}: {value}" for name, value in values if value not in (None, "")]
    for entry in shown["stream"]:
        mark = "" if entry["public"] else ", internal"
        words = (entry["text"] or "").strip()
        at = datetime.fromisoformat(entry["at"]).astimezone(zone)
        lines += ["", f"{at:%Y-%m-%d %H:%M}  {entry['type']} by {entry['actor']}{mark}"]
        lines += [f"    {line}" for line in words.split("\n")]
    text = "\n".join(lines)
    return text if len(text) <= LONGEST else "[… the beginning is left out]\n" + text[-LONGEST:]


def _promises(state: dict[str, Any], zone: ZoneInfo) -> list[tuple[str, str]]:
    """How each target of the SLA stands: `first response: pending, due 2026-11-24 17:30`."""
    found = []
    for name, one in state.items():
        if isinstance(one, dict) and one.get("status"):
            due = one.get("due_at")
            at = f", due {datetime.fromisoformat(due).astimezone(zone):%Y-%m-%d %H:%M}" if due else ""
            found.append((name.replace("_", " "), f"{one['status']}{at}".replace("_", " ")))
    return found


def _list(desk: Desk, user: str, which: str) -> str:
    unfinished = ["new", "assigned", "open", "wait_for_customer", "wait_for_third_party"]
    match which:
        case "mine":
            return _rows(desk, user, {"assignee": [user], "status": unfinished})
        case "group":
            groups = sorted(rights_of(desk.office.settings, user).groups)
            return _rows(desk, user, {"group": groups, "status": unfinished}) if groups else "you are in no group"
        case "waiting":
            filters = {"status": ["wait_for_customer", "wait_for_third_party"]}
            groups = sorted(rights_of(desk.office.settings, user).groups)
            own = [case.number for case, _, _ in cases.search(desk.connection, filters | {"assignee": [user]})]
            theirs = [case.number for case, _, _ in cases.search(desk.connection, filters | {"group": groups})] if groups else []
            return _rows(desk, user, {"numbers": {*own, *theirs}})
        case _:
            return _rows(desk, user, {"numbers": clocks.overdue(desk.connection, desk.now), "status": unfinished})


def _history(desk: Desk, user: str, case: Case | None, named: Sequence[str]) -> str:
    contact = people.contact(desk.connection, case.contact_id) if case is not None and case.contact_id else None
    address = named[0] if named else contact.email if contact is not None else ""
    if not address:
        raise CaseError("#history needs an address: #history jo@acme.example")
    return f"{address}:\n{_rows(desk, user, {'contact': address, 'newest': True})}"


def _rows(desk: Desk, user: str, filters: dict[str, Any]) -> str:
    rights = rights_of(desk.office.settings, user)
    found = [row for row in cases.search(desk.connection, filters) if _seen_by(desk, rights, row[0])]
    if not found:
        return "no cases"
    lines = [
        f"{case.number:>6}  {case.status:<22} {case.priority:<7} {case.assignee or '-':<10} {case.title}"
        + (f"  ({name or email})" if name or email else "")
        for case, name, email in found[:ROWS]
    ]
    if len(found) > ROWS:
        lines.append(f"… and {len(found) - ROWS} more")
    return "\n".join(lines)


def attachments(desk: Desk, case: Case, about: MailedTo | None, numbers: Sequence[int]) -> tuple[PartRef, ...]:
    """These attachments (from 1) of the mail that the agent was notified of; else of all mails of the case, in order.

    Raises CaseError for a number that is not there.
    """
    row = agents.message_of(desk.connection, about.caused_by) if about is not None and about.caused_by is not None else None
    rows = [row] if row is not None and row.attachments else cases.messages_of(desk.connection, case.number)
    every = [
        PartRef(agents.spool_id(desk.connection, one.spool_seq), a["part"], a["name"], a["type"], a["size"])
        for one in rows if one is not None and one.direction == "in" and one.spool_seq is not None
        for a in one.attachments
    ]  # fmt: skip
    wrong = [number for number in numbers if not 1 <= number <= len(every)]
    if wrong:
        raise CaseError(f"there is no attachment {wrong[0]}; there are {len(every)}")
    return tuple(every[number - 1] for number in numbers)


def _why(desk: Desk, case: Case | None, about: MailedTo | None) -> str:
    """Why the mail that the agent was notified of went where it went, in a dozen lines."""
    seq = about.caused_by if about is not None else None
    if seq is None and case is not None:
        first = next((row for row in cases.messages_of(desk.connection, case.number) if row.direction == "in"), None)
        seq = first.spool_seq if first is not None else None
    if seq is None:
        return "no mail from outside led to this"
    row = spool.details(desk.connection, seq)
    trace = row.trace or {}
    lines = [f"mail from {row.sender or row.mail_from or 'nobody'}: {row.subject or '(no subject)'}", f"became: {row.disposition}"]
    lines += [f"thread: {signal}" for signal in trace.get("threading", [])[:3]]
    decision = trace.get("decision") or {}
    inner = decision.get("trace") or {}
    for tried in inner.get("tried", []):
        if tried.get("matched"):
            lines.append(f"rule {tried.get('rule')}: matched" + (f" ({tried['why']})" if tried.get("why") else ""))
    if not any(line.startswith("rule ") for line in lines):
        lines.append(f"no rule matched, of {len(inner.get('tried', []))} tried: the mailbox's defaults")
    for write in inner.get("writes", []):
        if write.get("used"):
            lines.append(f"{write.get('name')} = {write.get('value')}, by rule {write.get('rule')}")
    if trace.get("update"):
        lines.append(f"update: {trace['update']}")
    told = (trace.get("answer") or {}).get("why_not")
    lines.append(f"no automatic answer: {told}" if told else "an automatic answer was sent")
    if trace.get("notified"):
        lines.append(f"told: {', '.join(trace['notified'])}")
    return "\n".join(lines[:WHY_LINES])
