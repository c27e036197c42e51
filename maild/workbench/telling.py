"""This is where one test beside a rule is played: its mails go through the mailroom's own steps, one after the other."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild import clock
from maild.errors import CaseError, MaildError
from maild.ingest.identity import peek
from maild.ingest.parse import parse
from maild.ingest.sender import recipients
from maild.model.message import Authentication, AuthResult, Automatic, Door, Envelope, MachineSort, MessageKind
from maild.model.spool import Arrival, SpoolEntry
from maild.office import Office
from maild.plain.domains import fold_address
from maild.plain.layers import within
from maild.plain.tokens import new_serial, sign_id
from maild.reading import Reading, read
from maild.rules.explain import rule_lines
from maild.settings.criteria import walk
from maild.settings.rule_models import Rule
from maild.settings.rule_tests import RuleTest, TestMessage
from maild.settling.matter import Settled
from maild.settling.way import settle
from maild.sla.calendar import WorkingCalendar
from maild.store import people, spool
from maild.workbench import given
from maild.workbench.comparing import Difference
from maild.workbench.expecting import Comparison, Story
from maild.workbench.testmail import compose
from maild.workbench.times import moment

# What a machine's answer of these kinds is taken for where a test names the kind.
_ANSWERS = frozenset({MessageKind.AUTO_REPLY, MessageKind.RECEIPT, MessageKind.LOOP})


class _Closed:
    """A calendar that is closed, for `given: {outside: [office]}`."""

    def is_open(self, at: datetime) -> bool:
        return False


class Telling:
    """One test while it runs."""

    def __init__(self, connection: Connection, office: Office, rule: Rule, test: RuleTest) -> None:
        self.connection, self.office, self.rule, self.test = connection, office, rule, test
        self.zone = ZoneInfo(office.settings.main.timezone)
        self.story = Story()
        self.now = clock.now()

    def tell(self) -> Story:
        """Play the test and compare; what cannot be played is a difference of its own."""
        try:
            self._play()
        except MaildError as error:
            self.story.differences.append(Difference("the test", "can be run", str(error)))
            return self.story
        self.story.differences += Comparison(self.connection, self.office, self.test, self.story, self.now).differences()
        if self.story.differences:
            self.story.lines += self._why()
        return self.story

    # --- playing it ------------------------------------------------------------------------------------------

    def _play(self) -> None:
        test = self.test
        self.now = moment(test.at or (test.given.at if test.given else None), self.zone)
        if test.given is not None:
            outside = {name: cast(WorkingCalendar, _Closed()) for name in test.given.outside}
            self.office = replace(self.office, calendars={**self.office.calendars, **outside})
            given.put(self.connection, self.office, test.given, self.now)
        for number, message in enumerate(self._messages(), 1):
            if message.at is not None:
                self.now = moment(message.at, self.zone, self.now)
            self._send(message, number)

    def _messages(self) -> Iterator[TestMessage]:
        if self.test.message is not None:
            yield self.test.message
        yield from self.test.messages
        for file in self.test.eml:
            yield TestMessage(eml=file)

    def _send(self, message: TestMessage, number: int) -> None:
        to = self._recipients(message)
        answered = self._answered(message)
        if message.eml is not None:
            raw = self._file(message.eml)
            if not message.envelope_to and not message.to:
                named = recipients(parse(raw), ())
                to = tuple(one for one in named if self.office.addresses.accepts(one)) or to
        else:
            written = f"test-{number}@tests.maild.invalid"
            raw = compose(message, to=to, message_id=message.message_id or written, at=self.now, in_reply_to=answered)
        entry = self._accepted(message, raw, to, number)
        reading = self._read(message, entry)
        settled = settle(self.connection, self.office, entry, reading, self.now)
        self.story.settled.append(settled)
        if settled.case is not None and settled.case not in self.story.touched:
            self.story.touched.append(settled.case)
        assert settled.desk is not None
        self.story.mails += [(mail, settled.desk.used.get(key, "")) for key, mail in settled.desk.mails]
        self.story.lines += self._told(number, settled)

    def _recipients(self, message: TestMessage) -> tuple[str, ...]:
        """The envelope's recipients; a test that names none means the mailbox that its rule is for, else the first."""
        named = [parseaddr(one)[1] for one in message.envelope_to or (*message.to, *message.cc)]
        ours = tuple(one for one in named if self.office.addresses.accepts(one))
        if ours:
            return ours
        if message.to and message.eml is None:
            raise CaseError(f"{', '.join(message.to)} is no address of a mailbox; maild mailbox lists them")
        mailboxes = self.office.settings.main.mailboxes
        key = message.mailbox or _mailbox_of(self.rule, mailboxes) or next(iter(mailboxes))
        if key not in mailboxes:
            raise CaseError(f"there is no mailbox {key!r}; one of {', '.join(mailboxes)}")
        return (mailboxes[key].address,)

    def _answered(self, message: TestMessage) -> str:
        """Our signed id of the case that the test says this mail answers, as the writer would have got it."""
        if message.case is None:
            return ""
        writer = parseaddr(message.from_[0])[1] if message.from_ else ""
        user = self.office.addresses.user_of(fold_address(writer)) if writer else None
        reader = people.reader_number(self.connection, user) if user else 0
        serial = new_serial(secrets.token_bytes(8))
        return sign_id(self.office.keyring, message.case, reader, "tests.maild.invalid", serial)

    def _file(self, name: str) -> bytes:
        """A mail in a file: its path is relative to the configuration directory, or to its rules."""
        folder = self.office.settings.named
        for file in (name, f"rules/{name}"):
            try:
                return within(folder, file).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CaseError(f"{name}: {error.strerror}") from None
        raise CaseError(f"{name}: there is no such file in {folder} (paths are relative to the configuration directory)")

    def _accepted(self, message: TestMessage, raw: bytes, to: tuple[str, ...], number: int) -> SpoolEntry:
        seen = peek(raw)
        mail_from = message.envelope_from if message.envelope_from is not None else parseaddr(seen.from_)[1]
        envelope = Envelope(Door.CLI, mail_from.strip("<> "), to, raw, self.now, trusted=True)
        arrival = Arrival(
            envelope=envelope, digest=f"test {number}", identified=True, message_id=seen.message_id, subject=seen.subject,
            sender=parseaddr(seen.from_)[1], conversation=seen.conversation,
            mailboxes=self.office.addresses.mailboxes_of(to),
        )  # fmt: skip
        ((spool_id, _),) = spool.accept(self.connection, [arrival])
        entry = spool.find(self.connection, spool_id)
        assert entry is not None
        return entry

    def _read(self, message: TestMessage, entry: SpoolEntry) -> Reading:
        """The mail as the mailroom reads it, with what the test says of it in place of what was found."""
        reading = read(self.office, entry)
        said = reading.classification
        if message.automatic is not None:
            said = replace(said, automatic=message.automatic, sort=said.sort if message.automatic is not Automatic.NO else None)
        if message.kind is not None:
            said = replace(said, kind=message.kind, sort=MachineSort.ANSWER if message.kind in _ANSWERS else said.sort)
        if message.language is not None:
            reading = replace(reading, message=replace(reading.message, language=message.language))
        if message.auth != "none":
            reading = replace(reading, authentication=_authentication(message.auth))
        return replace(reading, classification=said)

    # --- telling it ------------------------------------------------------------------------------------------

    def _told(self, number: int, settled: Settled) -> list[str]:
        rules = ", ".join(settled.decision.rules) if settled.decision else ""
        line = f"mail {number}: {settled.disposition}"
        line += f" {settled.case}" if settled.case else ""
        line += f" ({settled.reason})" if settled.reason else ""
        line += f"; rules: {rules or 'none matched'}"
        answer = settled.trace.get("answer") or {}
        return [line, *([f"mail {number}: no automatic answer: {answer['why_not']}"] if answer.get("why_not") else [])]

    def _why(self) -> list[str]:
        """Why the rule that the test stands beside did not match, criterion by criterion."""
        if not self.story.decisions:
            return []
        name = self.test.expect.rule or self.rule.name
        decision = self.story.decisions[-1]
        tried = [one for one in decision.trace.tried if one.rule == name and not one.matched]
        if tried:
            return [line for one in tried for line in rule_lines(one)]
        if name not in decision.rules and decision.trace.ended_by:
            return [f"rule {name!r} was not tried: {decision.trace.ended_by!r} matched before it and ended the search"]
        return []


def _mailbox_of(rule: Rule, mailboxes: Mapping[str, Any]) -> str:
    """The mailbox that a rule's criteria name, '' where they name none or several."""
    named = {
        key for criterion, negated in walk(rule.when) if criterion.field == "mailbox" and not negated
        for key in criterion.get("is") or () if key in mailboxes
    }  # fmt: skip
    return next(iter(named)) if len(named) == 1 else ""


def _authentication(auth: str | dict[str, str]) -> Authentication:
    if isinstance(auth, str):
        result = AuthResult(auth)
        return Authentication(result, result, result, passed=auth == "pass", failed=auth == "fail", source="the test")
    results = {name: AuthResult(auth[name]) for name in ("spf", "dkim", "dmarc") if name in auth}
    passed = auth.get("pass", "") == "true" or AuthResult.PASS in (results.get("dmarc"), results.get("dkim"))
    return Authentication(**results, passed=passed, failed=results.get("dmarc") is AuthResult.FAIL, source="the test")
