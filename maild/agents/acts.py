"""This is where an agent's commands are carried out on a case, each in a function of its own, in one table.

They read the command as understood (`cases.commands`), change the case through `casework`, and say in a line for the
receipt what was done. Any of them may raise CaseError: the caller then rolls everything back, so that a mail with one
wrong command changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maild import casework, threads
from maild.agents import own, reads
from maild.agents.takeback import Journal
from maild.cases.commands import Block, Command
from maild.cases.permissions import Rights, rights_of
from maild.desk import Desk
from maild.errors import CaseError, NoSuchCase, UnknownValue
from maild.model.case import Case, Channel, LinkType, Priority, Status, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.decision import Assign
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.outbound.words import duration
from maild.plain.domains import fold_address
from maild.plain.subjects import bare_subject
from maild.store import agents, cases, faq, people, reminders, timelogs
from maild.store.agents import MailedTo

MORNING = time(9)


@dataclass(slots=True)
class Work:
    """A mail's commands on their way: the case as it is by now, what was done (``lines``), what can be taken back.

    ``about`` is the mail of ours that this one answers; ``text`` what the agent wrote; ``parts`` the attachments that
    came with it; ``quoted`` is FAQ text that goes into the answer.
    """

    desk: Desk
    user: str
    case: Case
    block: Block
    text: str = ""
    about: MailedTo | None = None
    parts: tuple[PartRef, ...] = ()
    lines: list[str] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    quoted: str = ""
    asked: bool = False  # the text was the question of #ask, so it goes to nobody else
    texts: list[str] = field(default_factory=list)  # what was asked for, for the receipt
    enclosed: list[PartRef] = field(default_factory=list)

    @property
    def rights(self) -> Rights:
        return rights_of(self.desk.office.settings, self.user)

    def parts_for(self, html: str) -> tuple[PartRef, ...]:
        """The attachments that go with an answer: of pictures inside the mail, with ``html``, those that it shows."""
        return tuple(
            one for one in self.parts if not (one.inline and html) or (one.content_id and f"cid:{one.content_id}" in html)
        )

    def change(self, values: Mapping[str, Any], *, reason: str | None = None) -> None:
        """Set values of the case, through the one door."""
        self.case = casework.change(self.desk, self.case, values, self.user, reason=reason)

    def stream(self, kind: StreamType, text: str, **data: Any) -> None:
        cases.add_stream(self.desk.connection, self.case.number, [StreamEntry(self.desk.now, kind, self.user, False, text, data)])

    def other(self, number: int) -> Case:
        """Another case, locked; NoSuchCase where there is none, CaseError where this agent may not see it."""
        found = cases.get_final(self.desk.connection, number, lock=True)
        if found is None:
            raise NoSuchCase(f"there is no case {number}")
        demand(self.desk, self.rights, found)
        return found


def demand(desk: Desk, rights: Rights, case: Case, *, told: bool = False) -> None:
    """Raise CaseError unless this user may see and command the case."""
    mailbox = desk.office.settings.main.mailboxes.get(case.mailbox)
    followers = cases.followers_of(desk.connection, case.number)
    if not rights.may(case, private=bool(mailbox and mailbox.private), followers=followers, told=told):
        raise CaseError(f"case {case.number} belongs to {case.group or 'another group'}; ask one of them, or your admins")


def carry_out(work: Work, command: Command) -> None:
    """Do what one command says. Raises CaseError."""
    before = len(work.lines)
    _ACTS[command.name](work, command)
    if len(work.lines) == before:
        work.lines.append(command.line)


# --- who has it -------------------------------------------------------------------------------------------------


def _take(work: Work, command: Command) -> None:
    work.change({"assignee": work.user})
    work.lines.append("the case is yours")


def _drop(work: Work, command: Command) -> None:
    work.change({"assignee": None})
    work.lines.append("nobody has the case")


def user_named(desk: Desk, word: str, me: str) -> str | None:
    """The key of the user that a word means: a key, an address, a name, `me`; None for `none`. Raises UnknownValue."""
    users = desk.office.settings.directory.users
    wanted = word.strip().removeprefix("@").casefold()
    if wanted in {"me", "myself"}:
        return me
    if wanted in {"none", "nobody"}:
        return None
    if (by_address := desk.office.addresses.user_of(wanted)) is not None:
        return by_address
    names = {key.casefold(): key for key in users} | {user.name.casefold(): key for key, user in users.items()}
    first: dict[str, list[str]] = {}
    for key, user in users.items():
        first.setdefault(user.name.casefold().partition(" ")[0], []).append(key)
    if wanted in names:
        return names[wanted]
    if len(first.get(wanted, ())) == 1:
        return first[wanted][0]
    near = difflib.get_close_matches(wanted, list(names), 1)
    hint = f"did you mean {names[near[0]]}?" if near else f"one of {', '.join(sorted(users)) or 'none'}"
    raise UnknownValue(f"there is no user {word!r}; {hint}")


def _assign(work: Work, command: Command) -> None:
    desk, word = work.desk, command.word.casefold().replace(" ", "_")
    if word in {"round_robin", "least_busy"}:
        _, chosen, nobody = casework.pick(desk, Assign(group=work.case.group, how=word))
        if chosen is None:
            raise CaseError(nobody)
    else:
        chosen = user_named(desk, command.word, work.user)
    work.change({"assignee": chosen})
    if chosen is None:
        work.lines.append("nobody has the case")
        return
    users, group = desk.office.settings.directory.users, work.case.group
    hint = ""
    if chosen in people.away(desk.connection, desk.now) | desk.office.away_by_directory(desk.now):
        hint = ", who is away"
    elif group and chosen not in desk.group_members(group):
        hint = f", who is not in {group}"
    work.lines.append(f"{users[chosen].name} has the case{hint}")


def _known(word: str, allowed: Sequence[str]) -> str:
    """The name in the configuration that a word means without case; the word itself where there is none."""
    return next((one for one in allowed if one.casefold() == word.strip().casefold()), word.strip())


def _group(work: Work, command: Command) -> None:
    group = _known(command.word, list(work.desk.office.settings.directory.groups))
    before = work.case.group
    work.change({"group": group})
    work.lines.append(f"the case is {group}'s")
    if group != before and not work.case.assignee:
        contact = people.contact(work.desk.connection, work.case.contact_id) if work.case.contact_id else None
        work.desk.notify(
            work.case, contact, "assignment", work.desk.group_members(group), actor=work.user,
            text=work.case.summary or work.case.title,
        )  # fmt: skip


def _mailbox(work: Work, command: Command) -> None:
    boxes = work.desk.office.settings.main.mailboxes
    key = work.desk.office.addresses.mailbox_of(command.word) or _known(command.word, list(boxes))
    work.change({"mailbox": key})
    work.lines.append(f"answers come from {boxes[key].address}")


# --- where it stands --------------------------------------------------------------------------------------------


def _status(work: Work, command: Command) -> None:
    work.change({"status": Status(command.word)})
    work.lines.append(f"status {work.case.status}")


def _wait(work: Work, command: Command) -> None:
    third = command.word == "third_party"
    work.change({"status": Status.WAIT_FOR_THIRD_PARTY if third else Status.WAIT_FOR_CUSTOMER})
    work.lines.append("waiting for a third party" if third else "waiting for the customer")


def resolve(work: Work, resolution: str) -> None:
    """Resolve the case, through `open` where it must; a resolution that is empty leaves the one it has."""
    if work.case.status not in {Status.OPEN, Status.RESOLVED, Status.CLOSED}:
        work.change({"status": Status.OPEN})
    values: dict[str, Any] = {"status": Status.RESOLVED}
    if resolution:
        values["resolution"] = resolution
    work.change(values)
    work.lines.append("resolved" + (f": {_short(resolution)}" if resolution else ""))


def _resolve(work: Work, command: Command) -> None:
    resolve(work, command.text or work.text.strip())


def _reopen(work: Work, command: Command) -> None:
    work.change({"status": Status.OPEN})
    work.lines.append("open again")


def close(work: Work, reason: str | None) -> None:
    """Close the case; one that is not resolved needs a reason."""
    work.change({"status": Status.CLOSED}, reason=reason or None)
    work.lines.append("closed" + (f": {reason.replace('_', ' ')}" if reason else ""))


def _close(work: Work, command: Command) -> None:
    close(work, command.word)


def _spam(work: Work, command: Command) -> None:
    close(work, "spam")


# --- what it is -------------------------------------------------------------------------------------------------


def _priority(work: Work, command: Command) -> None:
    work.change({"priority": Priority(command.word)})
    work.lines.append(f"priority {command.word}")


def _category(work: Work, command: Command) -> None:
    category = _known(command.word, work.desk.office.settings.main.categories or ())
    work.change({"category": category})
    work.lines.append(f"category {category}")


def _sla(work: Work, command: Command) -> None:
    sla = _known(command.word, list(work.desk.office.settings.sla.policies))
    work.change({"sla": sla})
    work.lines.append(f"SLA {sla}")


def _title(work: Work, command: Command) -> None:
    work.change({"title": command.word})
    work.lines.append(f"title: {command.word}")


def _set(work: Work, command: Command) -> None:
    work.change({"fields": dict(command.pairs)})
    work.lines += [f"{name}: {work.case.fields.get(name)}" for name, _ in command.pairs]


def _tag(work: Work, command: Command) -> None:
    tags = list(work.case.tags)
    for word in command.word.split():
        if word.startswith("-"):
            tags = [tag for tag in tags if tag.casefold() != word[1:].casefold()]
        elif word.casefold().lstrip("+") not in {tag.casefold() for tag in tags}:
            tags.append(word.lstrip("+"))
    work.change({"tags": tuple(tags)})
    work.lines.append(f"tags: {' '.join(tags) or 'none'}")


def _channel(work: Work, command: Command) -> None:
    work.change({"channel": Channel(command.word)})
    work.lines.append(f"channel {command.word}")


def _billable(work: Work, command: Command) -> None:
    yes = command.word == "yes"
    work.change({"billable": yes})
    missing = yes and timelogs.service(work.desk.connection, work.case.number) is None and not work.block.has("service")
    work.lines.append(("billable" if yes else "not billable") + ("; say what for: #service NAME rate=90" if missing else ""))


def _service(work: Work, command: Command) -> None:
    services = work.desk.office.settings.main.services
    name = _known(command.word, list(services))
    if services and name not in services:
        near = difflib.get_close_matches(name, list(services), 1)
        raise UnknownValue(f"there is no service {name!r}; " + (f"did you mean {near[0]}?" if near else f"one of {', '.join(services)}"))
    known = services.get(name)
    values: dict[str, Any] = {"name": name}
    if known is not None:
        values |= {"rate": known.rate, "per": known.per, "type": known.type, "location": known.location}
    values |= {key: value.casefold() if key == "location" else value for key, value in command.pairs}
    work.journal.service = timelogs.service(work.desk.connection, work.case.number)
    work.journal.service_set = True
    timelogs.set_service(work.desk.connection, work.case.number, values)
    shown = ", ".join(str(values[key]) for key in ("name", "type", "rate", "location") if values.get(key))
    work.stream(StreamType.FIELD, f"service: {shown}", service=values)
    work.lines.append(f"service: {shown}")


# --- time -------------------------------------------------------------------------------------------------------


def log_time(work: Work, spent: timedelta, text: str) -> None:
    """Write down time spent."""
    number = timelogs.add(
        work.desk.connection, work.case.number, work.user, spent, text, work.case.billable, work.desk.now
    )
    work.journal.times.append(number)
    shown = duration(spent.total_seconds())
    work.stream(StreamType.TIME, shown + (f": {text}" if text else ""), seconds=int(spent.total_seconds()), time=number)
    work.lines.append(f"{shown} written down" + (f": {text}" if text else ""))


def _time(work: Work, command: Command) -> None:
    assert command.span is not None
    log_time(work, command.span, command.text)


def timer(work: Work, action: str) -> None:
    """Start, pause, resume or stop the user's watch on this case. Raises CaseError where there is none."""
    connection, now = work.desk.connection, work.desk.now
    watch = timelogs.current(connection, work.user, work.case.number)
    if action == "start":
        if watch is not None and watch.state == "working":
            raise CaseError(f"your timer on case {work.case.number} is running already")
        if watch is not None:
            action = "resume"
        else:
            paused = timelogs.start(connection, work.case.number, work.user, work.case.billable, now)
            work.stream(StreamType.TIME, "timer started")
            work.lines.append("timer started" + (f"; the one on case {paused} is paused" if paused else ""))
            return
    if watch is None:
        raise CaseError(f"you have no timer on case {work.case.number}; #timer start begins one")
    other = None
    if action == "resume":
        if watch.state == "working":
            raise CaseError(f"your timer on case {work.case.number} is running already")
        other = timelogs.pause_running(connection, work.user, now)
    elif action == "pause" and watch.state == "paused":
        raise CaseError(f"your timer on case {work.case.number} is paused already")
    timelogs.set_state(connection, watch, {"pause": "paused", "resume": "working", "stop": "completed"}[action], now)
    shown = duration(watch.spent(now))
    said = {"pause": "timer paused at", "resume": "timer goes on from", "stop": "timer stopped at"}[action]
    work.stream(StreamType.TIME, f"{said} {shown}", seconds=watch.spent(now), time=watch.id)
    work.lines.append(f"{said} {shown}" + (f"; the one on case {other} is paused" if other else ""))


def _timer(work: Work, command: Command) -> None:
    timer(work, command.word)


# --- who and what belongs to it ---------------------------------------------------------------------------------


def _outsider(work: Work, address: str) -> str:
    addresses = work.desk.office.addresses
    if (mailbox := addresses.mailbox_of(address)) is not None:
        raise CaseError(f"{address} is our own mailbox {mailbox}")
    if (user := addresses.user_of(address)) is not None:
        raise CaseError(f"{address} is {user}, who is one of us: #assign {user}, or @{user} in a note")
    return address


def join(work: Work, address: str, name: str = "") -> bool:
    """Someone outside takes part from now on; returns whether they did not before."""
    folded = fold_address(_outsider(work, address))
    if any(one == folded for one, _, _ in people.participants_of(work.desk.connection, work.case.number)):
        return False
    people.add_participant(work.desk.connection, work.case.number, address, name)
    work.journal.joined.append(folded)
    work.stream(StreamType.CONTACT, f"{address} takes part", email=address)
    return True


def _cc(work: Work, command: Command) -> None:
    for address in command.addresses:
        new = join(work, address)
        work.lines.append(f"{address} takes part" if new else f"{address} takes part already")


def _contact(work: Work, command: Command) -> None:
    connection, (address,) = work.desk.connection, command.addresses
    _outsider(work, address)
    known = people.contact_by_address(connection, address)
    if work.case.contact_id is None:
        person = known or people.create_contact(connection, Contact(0, "", (address,)), work.desk.now)
        work.change({"contact_id": person.id})
        people.add_participant(connection, work.case.number, person.email, person.name, "contact")
        work.lines.append(f"the case is from {address}")
        return
    if known is not None and known.id != work.case.contact_id:
        raise CaseError(f"{address} is {known.name or 'another person'}'s; #cc {address} lets them take part")
    people.add_address(connection, work.case.contact_id, address)
    join(work, address)
    work.lines.append(f"{address} is the same person")


def _follow(work: Work, command: Command) -> None:
    if work.user not in cases.followers_of(work.desk.connection, work.case.number):
        cases.follow(work.desk.connection, work.case.number, [work.user])
        work.journal.followed.append(work.user)
    work.lines.append("you follow the case")


def _unfollow(work: Work, command: Command) -> None:
    if work.user in cases.followers_of(work.desk.connection, work.case.number):
        cases.unfollow(work.desk.connection, work.case.number, work.user)
        work.journal.unfollowed.append(work.user)
    work.lines.append("you no longer follow the case")


def _merge(work: Work, command: Command) -> None:
    assert command.number is not None
    target = work.other(command.number)
    casework.merge(work.desk, work.case, target, work.user)
    found = cases.get(work.desk.connection, work.case.number)
    assert found is not None
    work.case = found
    work.lines.append(f"merged into case {target.number}: {target.title}")


def _link(work: Work, command: Command) -> None:
    assert command.number is not None
    other = work.other(command.number)
    if other.number == work.case.number:
        raise CaseError("a case cannot be linked to itself")
    if (LinkType.LINKED.value, other.number) not in cases.links_of(work.desk.connection, work.case.number):
        cases.link(work.desk.connection, work.case.number, LinkType.LINKED, other.number)
        work.journal.linked.append(other.number)
        work.stream(StreamType.LINK, f"linked to case {other.number}", other=other.number)
    work.lines.append(f"linked to case {other.number}: {other.title}")


def _split(work: Work, command: Command) -> None:
    row = agents.message_of(work.desk.connection, work.about.caused_by) if work.about and work.about.caused_by else None
    work.case = split(work.desk, work.case, work.user, row)
    work.lines.append(f"the mail is case {work.case.number} now: {work.case.title}; what you wrote is about that one")


def split(desk: Desk, case: Case, user: str, row: Any = None) -> Case:
    """Make a case of its own out of one incoming message (``row``; else the newest one). Raises CaseError."""
    incoming = [one for one in cases.messages_of(desk.connection, case.number) if one.direction == "in" and one.public]
    if row is None or row.case_number != case.number or row.direction != "in":
        row = incoming[-1] if incoming else None
    if row is None or len(incoming) < 2:
        raise CaseError(f"case {case.number} has no second mail from outside that could become a case of its own")
    contact = people.contact_by_address(desk.connection, row.from_email)
    if contact is None and case.contact_id is not None:
        contact = people.contact(desk.connection, case.contact_id)
    new = Case(
        number=0, title=bare_subject(row.subject, desk.office.tag_pattern) or case.title, mailbox=case.mailbox,
        group=case.group, category=case.category, contact_id=contact.id if contact else None,
        organisation=case.organisation, owner=user, sla=case.sla, language=case.language,
    )  # fmt: skip
    new = casework.begin(desk, new, user, since=row.at)
    if contact is not None:
        people.add_participant(desk.connection, new.number, row.from_email, contact.name, "contact")
    agents.move_message(desk.connection, row.id, new.number)
    cases.link(desk.connection, case.number, LinkType.LINKED, new.number)
    for number, text in ((case.number, f"a mail became case {new.number}"), (new.number, f"split off case {case.number}")):
        cases.add_stream(desk.connection, number, [StreamEntry(desk.now, StreamType.LINK, user, False, text)])
    desk.notify(new, contact, "new_case", desk.hears(new, "new_case", []), text=row.text, actor=user)
    return new


# --- third parties, FAQ, reminders ------------------------------------------------------------------------------


def _ask(work: Work, command: Command) -> None:
    desk, (address,) = work.desk, command.addresses
    folded = fold_address(_outsider(work, address))
    if any(one == folded for one, _, _ in people.participants_of(desk.connection, work.case.number)):
        raise CaseError(f"{address} takes part in the case: answer them, or #note what you want to know")
    text = command.text
    if not text:
        text, work.asked = work.text.strip(), True
    if not text:
        raise CaseError(f"#ask needs a question: #ask {address} When can you deliver?")
    text = own.hidden(desk, work.user, work.case.mailbox, text)
    enclosed = ((*work.parts,) if work.asked else ()) + with_parts(work)
    number = agents.ask(desk.connection, work.case.number, work.user, address, text, desk.now)
    agent = desk.office.settings.directory.users[work.user]
    contact = people.contact(desk.connection, work.case.contact_id) if work.case.contact_id else None
    sent = desk.enqueue(
        Draft(
            kind=OutgoingKind.THIRD_PARTY, template="ask", mailbox=work.case.mailbox, case=work.case.number,
            to=(Address("", address),), reader=people.reader_number(desk.connection, f"ask:{number}"),
            title=work.case.title, body_text=text, attachments=enclosed,
            names=desk.names(
                work.case, contact, agent={"name": agent.name, "signature": agent.signature},
                event={"type": "ask", "text": text, "actor": agent.name},
            ),
        )
    )  # fmt: skip
    row = desk.record_outgoing(sent, work.case.number, public=False, text=text)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, work.user, False, text, {"kind": "third_party", "to": address}, row)
    cases.add_stream(desk.connection, work.case.number, [entry])
    if work.case.status not in {Status.RESOLVED, Status.CLOSED}:
        work.change({"status": Status.WAIT_FOR_THIRD_PARTY})
    files = f", with {', '.join(one.name for one in enclosed)}" if enclosed else ""
    work.lines.append(f"asked {address}{files}: {_short(text)}")


def with_parts(work: Work) -> tuple[PartRef, ...]:
    """The attachments of the case that `#with 1,3` names; without an answer beside it they are the question's."""
    command = work.block.get("with")
    if command is None:
        return ()
    return reads.attachments(work.desk, work.case, work.about, [int(one) for one in command.word.split()])


def _faq(work: Work, command: Command) -> None:
    if command.text.lstrip("#").isdigit():
        entry = faq.get(work.desk.connection, int(command.text.lstrip("#")))
        if entry is None:
            raise CaseError(f"there is no FAQ entry {command.text}")
        if entry.status != "published":
            raise CaseError(f"FAQ entry {entry.id} is {entry.status}: only published ones go to customers")
        work.quoted = entry.answer
        work.stream(StreamType.LINK, f"FAQ {entry.id}: {entry.question}", faq=entry.id)
        work.lines.append(f"FAQ {entry.id} goes into the answer: {entry.question}")
        return
    number = faq_draft(work.desk, work.case, work.user, command.text)
    work.journal.faqs.append(number)
    work.lines.append(f"FAQ draft {number}: {command.text}; maild faq publish {number} shows it to customers")


def faq_draft(desk: Desk, case: Case, user: str, question: str) -> int:
    """A draft out of a case: its summary, below it the resolution, with names and numbers marked ⟦so⟧."""
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    summary = case.summary or next(
        (row.text for row in cases.messages_of(desk.connection, case.number) if row.direction == "in" and row.public), ""
    )
    parts = [part.strip() for part in (summary, case.resolution or "") if part and part.strip()]
    private = [contact.name, *contact.emails, contact.phone] if contact else []
    answer = marked("\n\n".join(parts), [*private, case.organisation or "", *map(str, case.fields.values())])
    number = faq.add(
        desk.connection, question, answer, user, desk.now, case=case.number, category=case.category, language=case.language
    )
    entry = StreamEntry(desk.now, StreamType.LINK, user, False, f"FAQ draft {number}: {question}", {"faq": number})
    cases.add_stream(desk.connection, case.number, [entry])
    return number


def marked(text: str, private: Sequence[str]) -> str:
    """The text with these names, and every address and long number, in ⟦…⟧, so that nobody overlooks them."""
    names = sorted({word for one in private for word in (one, *one.split()) if len(word) > 2}, key=len, reverse=True)
    forms = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in names] + [r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", r"\+?\d[\d /-]{2,}\d"]
    return re.sub("|".join(forms), lambda found: f"⟦{found[0]}⟧", text, flags=re.IGNORECASE)


def zone_of(desk: Desk, user: str) -> ZoneInfo:
    """The time zone that a user lives in."""
    entry = desk.office.settings.directory.users.get(user)
    return ZoneInfo((entry.timezone if entry else None) or desk.office.settings.main.timezone)


def moment(desk: Desk, user: str, command: Command, at: time) -> datetime:
    """When a command means: so long from now, or at that time of the day named. Raises CaseError for the past."""
    if command.day is not None:
        when = datetime.combine(command.day, at, zone_of(desk, user)).astimezone(UTC)
    else:
        assert command.span is not None
        when = desk.now + command.span
    if when <= desk.now:
        raise CaseError(f"{command.line}: that is past")
    return when


def _remind(work: Work, command: Command) -> None:
    due = moment(work.desk, work.user, command, MORNING)
    number = reminders.add(work.desk.connection, work.case.number, work.user, due, command.text, work.desk.now)
    work.journal.reminders.append(number)
    local = due.astimezone(zone_of(work.desk, work.user))
    work.stream(StreamType.FIELD, f"reminder for {work.user}: {local:%Y-%m-%d %H:%M}" + (f", {command.text}" if command.text else ""))
    work.lines.append(f"you will be reminded on {local:%Y-%m-%d at %H:%M}" + (f": {command.text}" if command.text else ""))


def away(desk: Desk, user: str, command: Command) -> str:
    """Remember that a user is away, or back; returns the line that says so. Raises CaseError."""
    if command.word == "back":
        people.set_away(desk.connection, user, None)
        return "you are back"
    until = moment(desk, user, command, time(23, 59, 59))
    people.set_away(desk.connection, user, until)
    return f"you are away until {until.astimezone(zone_of(desk, user)):%Y-%m-%d}, and get no new cases"


def _away(work: Work, command: Command) -> None:
    work.lines.append(away(work.desk, work.user, command))


def use(work: Work, name: str) -> str:
    """The words of a canned answer: a template with the case's values. Raises CaseError."""
    templates = work.desk.office.templates
    fitting = [one for one in templates.names() if one not in _NOT_ANSWERS]
    key = _known(name, fitting)
    if key not in fitting:
        near = difflib.get_close_matches(key, fitting, 1)
        raise CaseError(f"there is no template {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    contact = people.contact(work.desk.connection, work.case.contact_id) if work.case.contact_id else None
    box = work.desk.office.settings.main.mailboxes[work.case.mailbox]
    agent = work.desk.office.settings.directory.users[work.user]
    names = work.desk.names(work.case, contact, agent={"name": agent.name, "signature": ""}, event={"text": work.text})
    language = (contact.language if contact else "") or box.language or work.desk.office.settings.main.language
    return templates.render(key, work.case.mailbox, language, names).text.strip()


# Templates of mail to users, and those that maild itself sends: no canned answers.
_NOT_ANSWERS = frozenset(
    {"notification", "note", "receipt", "refused", "held", "was_this_you", "digest", "escalation", "admin", "answer",
     "ask", "forward", "satisfaction", "status"}
)  # fmt: skip


def _use(work: Work, command: Command) -> None:
    words = use(work, command.word)
    work.text = f"{work.text.rstrip()}\n\n{words}".strip()
    work.lines.append(f"the answer is {command.word}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"


def organisation_of(desk: Desk, address: str) -> str | None:
    """The organisation that an address belongs to."""
    return threads.organisation_name(desk.connection, desk.office, address)


_ACTS: dict[str, Callable[[Work, Command], None]] = {
    "take": _take, "drop": _drop, "assign": _assign, "group": _group, "mailbox": _mailbox, "status": _status,
    "wait": _wait, "resolve": _resolve, "reopen": _reopen, "close": _close, "spam": _spam, "priority": _priority,
    "category": _category, "sla": _sla, "title": _title, "set": _set, "tag": _tag, "channel": _channel,
    "billable": _billable, "service": _service, "time": _time, "timer": _timer, "cc": _cc, "contact": _contact,
    "follow": _follow, "unfollow": _unfollow, "merge": _merge, "link": _link, "split": _split, "ask": _ask, "faq": _faq,
    "use": _use, "remind": _remind, "away": _away,
}  # fmt: skip
