"""This is where an automatic answer to a customer is given or left out: what forbids one (RFC 3834, 2 and 5; our own
limits), and the acknowledgement with what it promises and suggests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from maild.cases import suggestions
from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.message import Address, Authentication, Automatic, Message
from maild.model.outbox import Draft, OutgoingKind
from maild.model.sla import ClockKind
from maild.plain.domains import fold_address
from maild.plain.subjects import bare_subject
from maild.settings.values import lasting
from maild.store import cases, clocks, faq, installation, outbox

log = get_logger(__name__)


def why_not(
    desk: Desk, case: Case, to: Contact | None, message: Message, mail_from: str | None, automatic: Automatic
) -> str:
    """Why this mail gets no automatic answer; '' where it may have one (RFC 3834, 2 and 5; our own limits)."""
    office = desk.office
    if to is None or not to.email:
        return "the case has no contact to answer"
    address = fold_address(to.email)
    if mail_from == "":
        return "the envelope sender is empty"
    if automatic is not Automatic.NO:
        return f"the mail is automatic ({automatic})"
    if address in office.addresses.own or office.addresses.mailbox_of(address):
        return f"{address} is an address of our own"
    if office.addresses.user_of(address):
        return f"{address} is a user's"
    if to.undeliverable:
        return f"mail to {address} could not be delivered"
    if desk.paused & {"automatic", f"mailbox {case.mailbox}"}:
        return "automatic answers are paused"
    return over_limit(desk, address, case.number, bare_subject(message.subject, office.tag_pattern).casefold())


def over_limit(desk: Desk, address: str, case: int, subject: str) -> str:
    """Which limit on automatic answers another one to this address would pass; '' for none. ``case`` 0: of no case."""
    limits = desk.office.settings.main.limits
    for rate in limits.answers_overall:
        if outbox.as_many_answers(desk.connection, desk.now - rate.window, rate.count):
            _pull_breaker(desk, f"more than {rate.count} automatic answers in {lasting(rate.window)}")
            return f"the limit on all automatic answers is reached ({rate})"
    widest = max((rate.window for rate in (*limits.answers_per_address, *limits.same_subject)), default=timedelta())
    given = outbox.answers_to(desk.connection, address, desk.now - widest)
    for rate in limits.answers_per_address:
        if sum(at > desk.now - rate.window for at, _ in given) >= rate.count:
            return f"{address} had {rate.count} automatic answers in {lasting(rate.window)}"
    for rate in limits.same_subject:
        if sum(at > desk.now - rate.window and about == subject for at, about in given) >= rate.count:
            return f"{address} had {rate.count} automatic answers about {subject!r} in {lasting(rate.window)}"
    for rate in limits.answers_per_case if case else ():
        if outbox.as_many_answers(desk.connection, desk.now - rate.window, rate.count, case=case):
            return f"case {case} had {rate.count} automatic answers in {lasting(rate.window)}"
    return ""


def _pull_breaker(desk: Desk, reason: str) -> None:
    installation.pause(desk.connection, "automatic", desk.now + timedelta(hours=1), reason, "maild", desk.now)
    log.warning("answer.breaker", reason=reason)
    desk.tell_admins(f"automatic answers are paused for an hour: {reason}", "run: maild resume automatic")


def acknowledge(
    desk: Desk, case: Case, contact: Contact | None, message: Message, *, template: str, why_not: str,
    authentication: Authentication, previous: int | None = None, found: Mapping[str, Any] | None = None,
    not_before: datetime | None = None, refused: Sequence[str] = (),
) -> str:  # fmt: skip
    """Send the automatic first answer, or write down why there is none; returns that reason ('' when sent)."""
    if desk.silent or template == "none":
        return "no template is set for an answer" if template == "none" else "history is not answered"
    if why_not:
        note = StreamEntry(desk.now, StreamType.SUPPRESSED, "maild", False, f"no automatic answer: {why_not}")
        cases.add_stream(desk.connection, case.number, [note])
        return why_not
    assert contact is not None
    mailbox = desk.office.settings.main.mailboxes[case.mailbox]
    # A client threads only under the same subject; but mail that failed authentication must not be a postman's bag.
    subject = "" if authentication.failed else desk.office.tag_pattern.sub("", message.subject)
    number = desk.enqueue(
        Draft(
            kind=OutgoingKind.ACKNOWLEDGEMENT, template=template, mailbox=case.mailbox, case=case.number,
            to=(Address(contact.name, contact.email),), language=contact.language or mailbox.language or "",
            names=desk.names(
                case, contact, message, found=dict(found or {}),
                event={
                    "previous": previous or 0, "due_at": _expected(desk, case), "faqs": _answers_to(desk, message),
                    "refused": list(refused),
                },
            ),
            about_subject=subject, title=case.title, parent_id=message.message_id,
            parent_references=message.references or message.in_reply_to[:1],
        ),
        not_before=not_before,
    )  # fmt: skip
    sent = desk.mails[-1][1]
    row = desk.record_outgoing(number, case.number, public=True, text=sent.text)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, "maild", True, sent.text, {"kind": "acknowledgement"}, row)
    cases.add_stream(desk.connection, case.number, [entry])
    outbox.count_answer(
        desk.connection, fold_address(contact.email), case.number,
        bare_subject(message.subject, desk.office.tag_pattern).casefold(), desk.now,
    )  # fmt: skip
    return ""


def _answers_to(desk: Desk, message: Message) -> list[dict[str, str]]:
    """The published answers that fit what the customer writes."""
    if not faq.any_published(desk.connection):
        return []
    wanted = suggestions.words_of(f"{message.subject}\n{message.new_text}")[: suggestions.LOOKED_AT]
    beginnings = list(dict.fromkeys(word[: suggestions.BEGINNING] for word in wanted))
    found = faq.published_with(desk.connection, beginnings, message.language)
    fitting = suggestions.best([(one.question, one.answer) for one in found], wanted)
    return [{"question": found[at].question, "answer": found[at].answer} for at in fitting]


def _expected(desk: Desk, case: Case) -> datetime | None:
    """By when the customer can expect an answer: what the SLA promises them, as long as it holds."""
    policy = desk.office.settings.sla.policies.get(case.sla or "")
    if policy is None or not policy.told_customers:
        return None
    known = desk.started.get(case.number)
    running = clocks.load(desk.connection, case.number) if known is None else known
    waiting = [
        clock.due_at for clock in running
        if clock.kind is ClockKind.FIRST_RESPONSE and clock.running and clock.due_at > desk.now
    ]  # fmt: skip
    return waiting[0] if waiting else None
