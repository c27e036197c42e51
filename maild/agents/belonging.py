"""This is where commands say who and what belongs to a case: participants, followers, links, merging, splitting."""

from __future__ import annotations

from typing import Any

from maild import casework
from maild.agents.work import Work
from maild.cases.commands import Command
from maild.desk import Desk
from maild.errors import CaseError
from maild.model.case import Case, LinkType, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.plain.domains import fold_address
from maild.plain.subjects import bare_subject
from maild.store import agents, cases, people


def outsider(work: Work, address: str) -> str:
    addresses = work.desk.office.addresses
    if (mailbox := addresses.mailbox_of(address)) is not None:
        raise CaseError(f"{address} is our own mailbox {mailbox}")
    if (user := addresses.user_of(address)) is not None:
        raise CaseError(f"{address} is {user}, who is one of us: #assign {user}, or @{user} in a note")
    return address


def join(work: Work, address: str, name: str = "", role: str = "cc") -> bool:
    """Someone outside takes part from now on; returns whether they did not before."""
    folded = fold_address(outsider(work, address))
    if any(one == folded for one, _, _ in people.participants_of(work.desk.connection, work.case.number)):
        return False
    people.add_participant(work.desk.connection, work.case.number, address, name, role)
    work.journal.joined.append(folded)
    unseen = ", unseen by the others" if role == "bcc" else ""
    work.stream(StreamType.CONTACT, f"{address} takes part{unseen}", email=address)
    return True


def leave(work: Work, address: str) -> None:
    """Someone outside takes no part any more; raises CaseError where they did not, or where it is their case."""
    folded = fold_address(address)
    contact = people.contact(work.desk.connection, work.case.contact_id) if work.case.contact_id else None
    taking = people.participants_of(work.desk.connection, work.case.number)
    name, role = next(((name, role) for one, name, role in taking if one == folded), ("", None))
    if role == "contact" or (contact is not None and folded in map(fold_address, contact.emails)):
        raise CaseError(f"the case is {address}'s; #contact says whose else it is")
    if role is None:
        raise CaseError(f"{address} takes no part in case {work.case.number}")
    people.remove_participant(work.desk.connection, work.case.number, folded)
    work.journal.left.append((folded, name, role))
    work.stream(StreamType.CONTACT, f"{address} takes no part any more", email=address)
    work.lines.append(f"{address} takes no part any more")


def cc(work: Work, command: Command) -> None:
    """`#cc`, `#bcc`: they take part: answers go to them too, as a blind copy with `#bcc`; with a minus no longer."""
    for address in command.word.split():
        leave(work, address)
    for address in command.addresses:
        new = join(work, address, role=command.name)
        work.lines.append(f"{address} takes part{', unseen' if command.name == 'bcc' else ''}" if new else f"{address} takes part already")


def contact(work: Work, command: Command) -> None:
    """`#contact`: another address of the same person."""
    connection, (address,) = work.desk.connection, command.addresses
    outsider(work, address)
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


def follow(work: Work, command: Command) -> None:
    """`#follow`: you hear of all that happens."""
    if work.user not in cases.followers_of(work.desk.connection, work.case.number):
        cases.follow(work.desk.connection, work.case.number, [work.user])
        work.journal.followed.append(work.user)
    work.lines.append("you follow the case")


def unfollow(work: Work, command: Command) -> None:
    """`#unfollow`: you no longer do."""
    if work.user in cases.followers_of(work.desk.connection, work.case.number):
        cases.unfollow(work.desk.connection, work.case.number, work.user)
        work.journal.unfollowed.append(work.user)
    work.lines.append("you no longer follow the case")


def merge(work: Work, command: Command) -> None:
    """`#merge`: this case goes into case 12."""
    assert command.number is not None
    target = work.other(command.number)
    casework.merge(work.desk, work.case, target, work.user)
    found = cases.get(work.desk.connection, work.case.number)
    assert found is not None
    work.case = found
    work.lines.append(f"merged into case {target.number}: {target.title}")


def link(work: Work, command: Command) -> None:
    """`#link`: links the two cases."""
    assert command.number is not None
    other = work.other(command.number)
    if other.number == work.case.number:
        raise CaseError("a case cannot be linked to itself")
    if (LinkType.LINKED.value, other.number) not in cases.links_of(work.desk.connection, work.case.number):
        cases.link(work.desk.connection, work.case.number, LinkType.LINKED, other.number)
        work.journal.linked.append(other.number)
        work.stream(StreamType.LINK, f"linked to case {other.number}", other=other.number)
    work.lines.append(f"linked to case {other.number}: {other.title}")


def split_(work: Work, command: Command) -> None:
    """`#split`: the mail that you answer becomes a case of its own."""
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
