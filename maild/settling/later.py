"""This is where the group of a further mailbox hears of a mail whose copy for it came after the case was made.

The same mail is one message (`ingest.identity`), whoever it came through: its copies only add mailboxes. What came while
the message waited is settled with it; this is for the others.
"""

from __future__ import annotations

from datetime import datetime

from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import StreamEntry, StreamType
from maild.model.message import Address, MessageKind
from maild.office import Office
from maild.store import agents, cases, people, spool
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("later")

_FOLLOWED = (MessageKind.CUSTOMER.value, MessageKind.LIST.value)  # answers by agents and machines bring no group in (answering)


def sweep(store: Store, office: Office, now: datetime) -> int:
    """Let the groups of such mailboxes follow the cases, and tell them; returns how many were added."""
    with store.read() as connection:
        late = spool.came_later(connection)
    done = 0
    for one in late:
        with store.write() as connection:
            if spool.take_later(connection, one.spool_seq, one.mailbox):
                desk = Desk(office, connection, now, cause=one.spool_seq, silent=one.import_id is not None)
                with apart(connection, _failed):
                    done += _follow(desk, one.spool_seq, one.mailbox, "answer" if one.disposition == "answer" else "new_case")
    return done


def _failed(error: Exception) -> None:
    """What broke on one of them keeps the others waiting no longer."""
    log.error("sweep.failed", sweep="later mailboxes", reason=error, exc_info=error)


def _follow(desk: Desk, seq: int, mailbox: str, event: str) -> bool:
    box = desk.office.settings.main.mailboxes.get(mailbox)
    row = agents.message_of(desk.connection, seq)
    case = cases.get(desk.connection, row.case_number, lock=True) if row is not None else None
    if box is None or not box.group or row is None or case is None or case.group == box.group:
        return False
    if event == "answer" and row.kind not in _FOLLOWED:
        return False
    follower = f"group:{box.group}"
    if follower in cases.followers_of(desk.connection, case.number):
        return False
    cases.follow(desk.connection, case.number, [follower])
    note = f"also sent to {box.address}: group {box.group} follows"
    cases.add_stream(desk.connection, case.number, [StreamEntry(desk.now, StreamType.FIELD, "maild", False, note)])
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    desk.notify(
        case, contact, event, desk.told_of(box.group), text=row.text, marks=[f"sent to {box.address}, too"],
        writer=Address(row.from_name, row.from_email),
    )  # fmt: skip
    return True
