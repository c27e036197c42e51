"""This is where the owner of held mail decides about it: `#release 2`, `#discard 2`, `#never 2` in answer to the list.

An owner is a user, or one of the admins, who need not be in directory.yaml. Both are believed as agents are, and what is
wrong in one line leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maild.agents import letters
from maild.agents.letters import Outcome, is_automatic
from maild.cases.commands import Block, Command
from maild.desk import Desk
from maild.errors import CaseError
from maild.ingest.belief import believe
from maild.model.message import Address, Message
from maild.model.outbox import Draft, OutgoingKind
from maild.model.spool import SpoolEntry
from maild.plain.domains import fold_address
from maild.plain.tokens import verify_id
from maild.reading import Reading
from maild.settings.models import User
from maild.store import agents, held, installation, spool

ORDERS = ("release", "discard", "never")
_HELP = "answer the list of held mail, with #release 2, #discard 2 or #never 2"


def listed(desk: Desk, ids: Sequence[str], owner: str, address: str) -> tuple[str, ...]:
    """The spool ids in the list of held mail that a mail from this owner answers, in their order; () where it answers
    none. Where a server has replaced the list's Message-ID, the owner's last list is meant."""
    found = held.listed_in(desk.connection, ids, address)
    if found is not None:
        return found
    reader = desk.reader(owner)
    signed = (verify_id(desk.office.keyring, one) for one in ids)
    if any(one is not None and (one.case, one.reader) == (0, reader) for one in signed):
        return held.newest_list(desk.connection, address)
    return ()


def carry_out(desk: Desk, entries: Sequence[str], block: Block, by: str) -> list[str]:
    """Do what the commands say about the entries of a list; returns what was done, a line each. Raises CaseError."""
    if block.text.strip() or any(one.name not in ORDERS for one in block.commands):
        raise CaseError(f"an answer to the list of held mail holds nothing but commands about it: {_HELP}")
    lines: list[str] = []
    for command in block.commands:
        for number in _numbers(command, len(entries)):
            lines.append(f"{number}: {_decided(desk, command.name, entries[number - 1], by)}")
    return lines


def _numbers(command: Command, most: int) -> list[int]:
    numbers = list(range(1, most + 1)) if command.word == "all" else [int(one) for one in command.word.split()]
    wrong = [one for one in numbers if not 1 <= one <= most]
    if wrong:
        raise CaseError(f"{command.line}: there is no {wrong[0]} in that list; it has {most}")
    return numbers


def _decided(desk: Desk, order: str, spool_id: str, by: str) -> str:
    connection = desk.connection
    entry = spool.find(connection, spool_id)
    if entry is None or entry.state.value != "held":
        return "waits no more, it was decided already"
    sender = fold_address(spool.details(connection, entry.seq).sender or entry.mail_from or "")
    what = f"{entry.subject or '(no subject)'}, from {sender or 'nobody'}"
    if order == "release":
        if entry.reason.startswith(agents.UNPROVEN):
            raise CaseError(f"{what}: {entry.reason.split(':')[0]}; only their own answer to our question releases it")
        spool.release(connection, entry.seq, by)
        told = "released"
    else:
        spool.give_up(connection, entry.seq, f"discarded by {by}", desk.now)
        told = "discarded"
    if order == "never":
        if "@" not in sender:
            raise CaseError(f"{what}: it has no sender to be named; #discard drops it")
        if desk.office.addresses.user_of(sender) or desk.office.addresses.mailbox_of(sender):
            raise CaseError(f"{what}: {sender} is one of ours; #discard drops this one mail")
        held.refuse_from(connection, sender, by, desk.now)
        told = f"discarded, and so is what {sender} sends from now on (maild spool welcome {sender} ends that)"
    installation.note_change(connection, by, f"#{order} {entry.id}", desk.now)
    return f"{told}: {what}"


# --- an admin who is no user ------------------------------------------------------------------------------------


def of_admin(desk: Desk, entry: SpoolEntry, reading: Reading, mailbox: str) -> Outcome | None:
    """The answer of an admin who is not in directory.yaml to a list of held mail; None for every other mail."""
    author = reading.identity.address
    if author is None or fold_address(author.email) not in {fold_address(one) for one in desk.office.settings.main.admins}:
        return None
    address = next(one for one in desk.office.settings.main.admins if fold_address(one) == fold_address(author.email))
    entries = listed(desk, reading.keys.ids, address, address)
    if not entries:
        return None
    if is_automatic(reading.classification.automatic, reading.classification.kind):
        return Outcome("ignored", None, "a machine's answer to the list of held mail")
    belief = believe(
        reading.message, reading.identity, reading.authentication, key=address, user=User(name=address, email=(address,)),
        trust=desk.office.settings.main.agents.trust, others=frozenset(), login=entry.login, door=entry.door,
        token_is_theirs=True,
    )  # fmt: skip
    if not belief.by:
        return Outcome("held", None, f"not proven to be the admin {address}: {belief.why_not}")
    try:
        with letters.attempt(desk):
            block = letters.block_of(reading.message)
            if block.wrong or not block.commands:
                raise CaseError(f"{block.wrong[0].line}: {block.wrong[0].reason}" if block.wrong else _HELP)
            lines = carry_out(desk, entries, block, address)
    except CaseError as error:
        _tell(desk, address, reading.message, mailbox, "refused", {"reason": str(error), "text": reading.message.new_text})
        return Outcome("returned", None, str(error))
    _tell(desk, address, reading.message, mailbox, "receipt", {"lines": lines})
    return Outcome("commands", None, "; ".join(lines)[:200])


def _tell(desk: Desk, address: str, message: Message, mailbox: str, template: str, event: dict[str, Any]) -> None:
    desk.enqueue(
        Draft(
            kind=OutgoingKind.RECEIPT if template == "receipt" else OutgoingKind.REFUSED, template=template, mailbox=mailbox,
            case=None, to=(Address("", address),), reader=desk.reader(address), title=message.subject or "held mail",
            names={"event": {"type": template, "subject": message.subject, **event}, "now": desk.now},
            parent_id=message.message_id, parent_references=message.references[-8:],
        )
    )  # fmt: skip
