"""This is where an answer that somebody wrote outside maild, in the shared mailbox itself, is recorded on its case.

Teams change over slowly: what stands in the mailbox's folder of sent mail, and was not sent by maild, is a public answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from maild import casework, threads
from maild.cases import lifecycle
from maild.desk import Desk
from maild.ingest.sender import identify
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.model.message import Automatic, Classification, Message, MessageKind, ThreadKeys
from maild.plain.domains import fold_address
from maild.store import cases

UNKNOWN = "unknown"  # who wrote it, where neither Sender nor From is a user's


def record(
    desk: Desk, message: Message, classification: Classification, keys: ThreadKeys, mailbox: str,
    add: Callable[[Case], int], signals: list[str], *, by: str = "",
) -> tuple[Case | None, str]:  # fmt: skip
    """Record a sent mail as a public answer; returns its case, or None and why it belongs to none.

    ``add`` files the message in the case and returns its number there; ``signals`` gets the lines for the trace. ``by`` is
    the user who wrote it where the mail itself names none.
    """
    if classification.kind is MessageKind.LOOP:
        return None, "sent by maild itself"
    if classification.automatic is Automatic.CERTAIN:
        return None, "sent by a machine from the mailbox"
    addresses = desk.office.addresses
    outside = [
        one.email for one in (*message.to, *message.cc)
        if "@" in one.email and not addresses.mailbox_of(one.email) and not addresses.user_of(one.email)
    ]  # fmt: skip
    if not outside:
        return None, "sent to nobody outside"
    case: Case | None = None
    for one in dict.fromkeys(fold_address(address) for address in outside[:20]):
        thread = threads.find(desk.connection, desk.office, keys, one, mailbox)
        signals += thread.signals
        if thread.case is not None:
            case = thread.case
            break
    if case is None:
        return None, "sent from the mailbox itself, and answers no case"
    user = _writer(desk, message) or by
    number = add(case)
    words = message.new_text or message.text
    entry = StreamEntry(
        desk.now, StreamType.MESSAGE, user or UNKNOWN, True, words, {"kind": "answer", "outside_maild": True}, number
    )
    cases.add_stream(desk.connection, case.number, [entry])
    if case.status is Status.CLOSED:
        if desk.silent:  # history: the case was closed in the same breath
            answered = case.first_response_at or desk.now
            cases.save_case(desk.connection, replace(case, first_response_at=answered, last_responded_at=desk.now))
        return case, ""
    takes = desk.office.settings.main.agents.answering_takes
    case = casework.save(desk, lifecycle.answered(case, user, desk.now, takes=takes))
    wanted = desk.office.settings.main.agents.after_reply
    usual = wanted not in {Status.NEW, Status.ASSIGNED, Status.CLOSED} and case.status is not Status.RESOLVED
    if usual and wanted is not case.status and wanted in lifecycle.TRANSITIONS[case.status]:
        case = casework.change(desk, case, {"status": wanted}, user or UNKNOWN, because="answered")
    return case, ""


def _writer(desk: Desk, message: Message) -> str:
    """The user who sent it: Sender's (Exchange names the person there), else From's, else ''."""
    for one in message.sender:
        if user := desk.office.addresses.user_of(one.email):
            return user
    who = identify(message, None, frozenset()).address
    return (desk.office.addresses.user_of(who.email) if who else None) or ""
