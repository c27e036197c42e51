"""This is where customers are asked how it was, and where their answer arrives: by the page, by a click that writes a
mail, or by a digit in reply.

The token proves that we sent the survey; it serves for nothing else, and ends. One answer, which may be changed for
seven days. Nobody is asked after automatic closing, about a machine's case, or by mail that could not be delivered.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from maild import casework
from maild.cases import lifecycle
from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, Status
from maild.model.message import Automatic, Message, MessageKind
from maild.model.outbox import OutgoingKind
from maild.office import Office
from maild.plain.domains import fold_address
from maild.plain.tokens import new_serial, sign_token, verify_id, verify_token
from maild.schedule import effects
from maild.store import cases, due, people
from maild.store import surveys as kept
from maild.store.unit_of_work import Store
from maild.web.survey import SurveyPages, SurveyView

log = get_logger("survey")

EXPIRES = timedelta(days=30)
CHANGEABLE = timedelta(days=7)
_PURPOSE, _STOP = "survey", "unsubscribe"
_TOKEN = re.compile(r"\b([a-z0-9]{1,8}\.\d{1,18}\.[a-z2-7]{10}\.[a-z2-7]{26})\b", re.IGNORECASE)
_RATING = re.compile(r"\b([1-5])\s*/\s*5\b")
_DIGIT = re.compile(r"\s*([1-5])(?:\s*/\s*5)?\s*[.!)]?\s*(?:\n|\Z)")


# --- asking -----------------------------------------------------------------------------------------------------


def send(desk: Desk, case: Case, template: str, actor: str, not_before: datetime | None = None) -> str:
    """Ask the case's contact how it was; returns why not ('' where they are asked), which then stands in the stream."""
    contact = effects.contact_of(desk, case)
    why = effects.why_not_write(desk, case, contact) or _why_not_ask(desk, case)
    if why or contact is None:
        effects.note(desk, case, f"no survey: {why}")
        return why or "the case has no contact"
    serial = new_serial(secrets.token_bytes(8))
    number = kept.add(
        desk.connection, case.number, case.contact_id, contact.email, serial, desk.now,
        max(desk.now, not_before or desk.now) + EXPIRES,
    )  # fmt: skip
    token = sign_token(desk.office.keyring, _PURPOSE, str(number), serial)
    link = {
        "survey": partial(survey_link, desk.office, case.mailbox, case.number, token),
        "unsubscribe": unsubscribe_link(desk.office, contact.email),
    }
    _, message_id = effects.write(
        desk, case, contact, template, OutgoingKind.SURVEY, actor, link=link, not_before=not_before
    )
    kept.sent_as(desk.connection, number, message_id)
    return ""


def _why_not_ask(desk: Desk, case: Case) -> str:
    if case.merged_into is not None:
        return "the case was merged"
    if not cases.has_customers_mail(desk.connection, case.number):
        return "no customer wrote about it"
    by_itself = due.last_status_by(desk.connection, case.number).startswith(("workflow:", "sla:"))
    if by_itself and case.status in {Status.CLOSED, Status.RESOLVED}:
        return f"the case was {case.status} by itself"
    return ""


def survey_link(office: Office, mailbox: str, case: int, token: str, rating: int) -> str:
    """Where a smiley leads: to the page, or without one to a mail that says it."""
    web = office.settings.main.web
    if web is not None and web.public_url:
        return f"{web.public_url}/survey/{token}?r={rating}"
    address = office.settings.main.mailboxes[mailbox].address
    subject = f"{office.settings.main.cases.tag.format(number=case)} {rating}/5 {token}"
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}"


def unsubscribe_link(office: Office, address: str) -> str:
    """Where one asks for no more surveys and reminders; '' without a page."""
    web = office.settings.main.web
    if web is None or not web.public_url:
        return ""
    named = fold_address(address).encode().hex()
    return f"{web.public_url}/survey/stop/{sign_token(office.keyring, _STOP, named)}" if len(named) < 340 else ""


# --- answers by mail --------------------------------------------------------------------------------------------


def answer_in(subject: str) -> tuple[str, int] | None:
    """(token, rating) out of the subject of a mail that a smiley wrote, or None."""
    token, rating = _TOKEN.search(subject), _RATING.search(subject)
    return (token[1].lower(), int(rating[1])) if token is not None and rating is not None else None


def digit_in(text: str) -> tuple[int, str] | None:
    """(rating, comment) of a reply that begins with a line of one digit from 1 to 5, or None."""
    found = _DIGIT.match(text)
    return (int(found[1]), text[found.end() :].strip()) if found is not None else None


def by_mail(
    desk: Desk, message: Message, kind: MessageKind, automatic: Automatic, sender: str, ids: tuple[str, ...]
) -> Case | None:
    """The case that this mail rates, the answer being kept; None where it is no answer to a survey of ours.

    ``sender`` is the address in From, ``ids`` the Message-IDs that the mail answers.
    """
    if desk.silent or kind not in {MessageKind.CUSTOMER, MessageKind.LIST} or automatic is Automatic.CERTAIN:
        return None
    found = answer_in(message.subject)
    if found is not None:
        survey = _verified(desk.office, desk.connection, found[0])
        rating, comment = found[1], message.new_text.strip()
    else:
        said = digit_in(message.new_text or message.text)
        if said is None:
            return None
        rating, comment = said
        survey = _replied_to(desk, ids, lone=not comment)
        if survey is not None and fold_address(sender) != survey.address:
            survey = None
    if survey is None or _closed(survey, desk.now):
        return None
    return answered(desk, survey, rating, comment)


def _replied_to(desk: Desk, ids: tuple[str, ...], *, lone: bool) -> Any:
    """The survey whose mail this answers; where a server replaced its Message-ID, a lone digit is enough."""
    survey = kept.by_message_id(desk.connection, list(ids))
    if survey is not None or not lone:
        return survey
    signed = [one for each in ids if (one := verify_id(desk.office.keyring, each)) is not None and one.case]
    return kept.newest_of(desk.connection, signed[0].case) if signed else None


def _closed(survey: Any, now: datetime) -> bool:
    """Whether it is too late to answer, or to change the answer."""
    return bool(now > survey.expires_at if survey.answered_at is None else now > survey.answered_at + CHANGEABLE)


def answered(desk: Desk, survey: Any, rating: int, comment: str) -> Case | None:
    """Keep an answer: rating and feedback on the case, an event, and its assignee hears of it."""
    case = cases.get_final(desk.connection, survey.case_number, lock=True)
    if case is None:
        return None
    first = survey.answered_at is None
    kept.answer(desk.connection, survey.id, rating, comment, desk.now, first)
    contact = effects.contact_of(desk, case)
    values = {"rating": rating, "feedback": comment or None}
    change = lifecycle.change(case, values, survey.address, desk.now, because="" if first else "changed")
    after = casework.save(desk, change)
    if change.changed:
        desk.notify(
            after, contact, "rating", desk.hears(after, "rating", ()), text=comment, actor=survey.address,
            more={"actor": (contact.name if contact else "") or survey.address},
        )  # fmt: skip
    log.info("survey.answered", case=case.number, rating=rating)
    return after


def _verified(office: Office, connection: Connection, token: str, *, lock: bool = False) -> Any:
    parts = verify_token(office.keyring, _PURPOSE, token)
    if parts is None or len(parts) != 2 or not parts[0].isdecimal():
        return None
    survey = kept.get(connection, int(parts[0]), lock=lock)
    return survey if survey is not None and survey.serial == parts[1] else None


# --- the page ---------------------------------------------------------------------------------------------------


def pages(store: Store, open_office: Callable[[], Office], now: Callable[[], datetime]) -> SurveyPages:
    """The pages behind the smileys, on this database; ``now()`` gives the time."""

    def load(token: str) -> SurveyView | None:
        office = open_office()
        with store.read() as connection:
            survey = _verified(office, connection, token)
            case = cases.get_final(connection, survey.case_number) if survey is not None else None
            if case is None or (survey.answered_at is None and now() > survey.expires_at):
                return None
            contact = people.contact(connection, case.contact_id) if case.contact_id else None
        mailbox = office.settings.main.mailboxes.get(case.mailbox)
        language = (contact.language if contact else "") or (mailbox.language if mailbox else "") or "en"
        name = (mailbox.name or mailbox.address) if mailbox is not None else case.mailbox
        return SurveyView(name, case.title, case.number, language, _closed(survey, now()))

    def save(token: str, rating: int, comment: str) -> None:
        office = open_office()
        with store.write() as connection:
            survey = _verified(office, connection, token, lock=True)
            if survey is not None and not _closed(survey, now()):
                answered(Desk(office, connection, now()), survey, rating, comment)

    def stop(token: str, certain: bool) -> bool:
        parts = verify_token(open_office().keyring, _STOP, token)
        try:
            address = bytes.fromhex(parts[0]).decode() if parts is not None and len(parts) == 1 else ""
        except ValueError:
            address = ""
        if address and certain:
            with store.write() as connection:
                kept.unsubscribe(connection, address, now())
        return bool(address)

    return SurveyPages(load, save, stop=stop)
