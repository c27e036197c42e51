"""This is where the tests beside rules are run: each mail goes through the mailroom's own steps in a database of its own,
and what became of it is compared with what the test expects. Nothing is kept.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild import clock, views
from maild.errors import CaseError, MaildError
from maild.ingest.identity import peek
from maild.ingest.sender import recipients
from maild.model.decision import Decision
from maild.model.message import Authentication, AuthResult, Automatic, Door, Envelope, MachineSort, MessageKind
from maild.model.outbox import OutgoingKind, OutgoingMessage
from maild.model.spool import Arrival, SpoolEntry
from maild.office import Compiled, open_office
from maild.plain.domains import fold_address
from maild.plain.tokens import new_serial, sign_id
from maild.reading import Reading, read
from maild.rules.explain import rule_lines
from maild.settings.models import Settings
from maild.settings.rule_models import Rule
from maild.settings.rule_tests import RuleTest, TestExpect, TestMessage
from maild.settling.matter import Settled
from maild.settling.way import settle
from maild.sla.calendar import WorkingCalendar
from maild.store import installation, people, spool
from maild.store.unit_of_work import Store
from maild.workbench import given
from maild.workbench.comparing import Difference, differences, same, shown
from maild.workbench.coverage import Coverage
from maild.workbench.testmail import compose
from maild.workbench.times import moment

# Mail to users and to admins is not mail to people outside.
_INSIDE = frozenset({OutgoingKind.NOTIFICATION, OutgoingKind.ADMIN})
# What a machine's answer of these kinds is taken for where a test names the kind.
_ANSWERS = frozenset({MessageKind.AUTO_REPLY, MessageKind.RECEIPT, MessageKind.LOOP})


@dataclass(frozen=True, slots=True)
class Result:
    """One test: ``place`` is file:line, ``story`` what became of its mails in a few lines, ``skipped`` why it was not run."""

    rule: str
    test: str
    place: str
    differences: tuple[Difference, ...] = ()
    story: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def ok(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "test": self.test, "place": self.place, "ok": self.ok, "skipped": self.skipped or None,
            "differences": [one.as_json() for one in self.differences], "story": list(self.story),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """A failed test for people."""
        found = [f"FAIL {self.place}: {self.rule}, {self.test}"]
        found += [f"  {line}" for one in self.differences for line in one.lines()]
        return [*found, *(f"  | {line}" for line in self.story)]


@dataclass(slots=True)
class Report:
    """What all tests gave. ``left`` are tests for which there was no time."""

    results: list[Result] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    seconds: float = 0.0
    left: int = 0

    @property
    def failed(self) -> list[Result]:
        return [one for one in self.results if not one.ok]

    @property
    def ok(self) -> bool:
        return not self.failed

    def as_json(self, settings: Settings) -> dict[str, Any]:
        return {
            "ok": self.ok, "tests": len(self.results), "failed": len(self.failed),
            "skipped": sum(bool(one.skipped) for one in self.results), "left": self.left, "seconds": round(self.seconds, 2),
            "results": [one.as_json() for one in self.results], "coverage": self.coverage.report(settings),
        }  # fmt: skip


def run(
    settings: Settings, compiled: Compiled | None = None, *, only: str = "", seconds: float | None = None
) -> Report:
    """Run the tests beside the rules of this configuration, or those whose rule or name contains ``only``.

    With ``seconds`` no test is begun after that time; how many were left is in the report.
    """
    report = Report()
    started = time.monotonic()
    every = [
        (position, rule, number, test, test.name or f"test {number + 1}")
        for position, rule in _once(settings) for number, test in enumerate(rule.tests)
    ]  # fmt: skip
    wanted = [one for one in every if only.lower() in one[1].name.lower() or only.lower() in one[4].lower()]
    if not wanted:
        return report
    places = _places(settings)
    with Bench(settings, compiled) as bench:
        for position, rule, number, test, name in wanted:
            if seconds is not None and time.monotonic() - started > seconds:
                report.left += 1
                continue
            place = places.get((position, number), "rules")
            if not rule.enabled:
                report.results.append(Result(rule.name, name, place, skipped="the rule is switched off (enabled: false)"))
                continue
            story = bench.tell(rule, test)
            for decision in story.decisions:
                report.coverage.saw(decision)
            report.results.append(Result(rule.name, name, place, tuple(story.differences), tuple(story.lines)))
    report.seconds = time.monotonic() - started
    return report


def _once(settings: Settings) -> Iterator[tuple[int, Rule]]:
    """Each rule with its position; one whose file is included several times where it stands first."""
    seen: set[tuple[str, int]] = set()
    for position, rule in enumerate(settings.rules):
        place = settings.rule_places[position] if settings.rule_places else ("", position)
        if place not in seen:
            seen.add(place)
            yield position, rule


def _places(settings: Settings) -> dict[tuple[int, int], str]:
    """file:line of each test, by the place of its rule in order and the test's number; {} where the files have changed."""
    from maild.settings.load import rule_documents

    documents = rule_documents(settings)
    found: dict[tuple[int, int], str] = {}
    for position, (name, index) in enumerate(settings.rule_places) if documents else ():
        document = documents[name]
        for number in range(len(settings.rules[position].tests)):
            line, _ = document.place(("rules", index, "tests", number))
            found[position, number] = f"{name if settings.rules_folder is None else document.file}:{line}"
    return found


@dataclass(slots=True)
class Story:
    """What became of the mails of one test."""

    differences: list[Difference] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)


@cache
def _empty() -> bytes:
    """A database with our tables and nothing in them, made once a process."""
    with tempfile.TemporaryDirectory(prefix="maild-tests-") as name:
        folder = Path(name)
        store = Store(f"sqlite:///{folder / 'tests.db'}", folder)
        store.create_or_upgrade()
        store.close()
        return (folder / "tests.db").read_bytes()


class Bench:
    """A database of its own with one configuration on it, in which tests are run one after the other."""

    def __init__(self, settings: Settings, compiled: Compiled | None = None) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing of it need survive
        self._folder = tempfile.TemporaryDirectory(prefix="maild-tests-", dir=memory)
        folder = Path(self._folder.name)
        self.store = Store(f"sqlite:///{folder / 'tests.db'}", folder)
        (folder / "tests.db").write_bytes(_empty())
        self.office = open_office(settings, installation.ensure_key(self.store, clock.now()), compiled)
        self.settings = settings
        self.zone = ZoneInfo(settings.main.timezone)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.store.close()
        self._folder.cleanup()

    def tell(self, rule: Rule, test: RuleTest) -> Story:
        """Run one test; the database is afterwards as it was."""
        with self.store.engine.connect() as connection:
            transaction = connection.execution_options(maild_write=True).begin()
            try:
                return _Telling(self, connection, rule, test).tell()
            finally:
                transaction.rollback()
                self.office.readers.clear()


class _Closed:
    """A calendar that is closed, for `given: {outside: [office]}`."""

    def is_open(self, at: datetime) -> bool:
        return False


class _Telling:
    """One test while it runs."""

    def __init__(self, bench: Bench, connection: Connection, rule: Rule, test: RuleTest) -> None:
        self.bench, self.connection, self.rule, self.test = bench, connection, rule, test
        self.office, self.zone = bench.office, bench.zone
        self.story = Story()
        self.touched: list[int] = []
        self.mails: list[tuple[OutgoingMessage, str]] = []
        self.now = clock.now()

    def tell(self) -> Story:
        try:
            self._play()
        except MaildError as error:
            self.story.differences.append(Difference("the test", "can be run", str(error)))
            return self.story
        self.story.differences += self._compared()
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
                named = recipients(_parsed(raw), ())
                to = tuple(one for one in named if self.office.addresses.accepts(one)) or to
        else:
            written = f"test-{number}@tests.maild.invalid"
            raw = compose(message, to=to, message_id=message.message_id or written, at=self.now, in_reply_to=answered)
        entry = self._accepted(message, raw, to, number)
        reading = self._read(message, entry)
        settled = settle(self.connection, self.office, entry, reading, self.now)
        self.story.settled.append(settled)
        if settled.decision is not None:
            self.story.decisions.append(settled.decision)
        if settled.case is not None and settled.case not in self.touched:
            self.touched.append(settled.case)
        assert settled.desk is not None
        self.mails += [(mail, settled.desk.used.get(key, "")) for key, mail in settled.desk.mails]
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
        folder = self.office.settings.folder
        for base in (folder, folder / "rules"):
            try:
                return (base / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
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

    # --- comparing it ----------------------------------------------------------------------------------------

    def _compared(self) -> Iterator[Difference]:
        expect = self.test.expect
        last = self.story.settled[-1]
        if self.test.no_case or expect.no_case:
            if self.touched:
                yield Difference("cases", "no case", ", ".join(f"case {number}" for number in self.touched))
        elif expect.no_case is False and not self.touched:
            yield Difference("cases", "a case", f"none: {self._became(last)}")
        if expect.case is not None:
            yield from self._one_case(expect.case, self.touched[-1] if self.touched else None, "case")
        if isinstance(expect.cases, int) and len(self.touched) != expect.cases:
            yield Difference("cases", str(expect.cases), str(len(self.touched)))
        elif isinstance(expect.cases, tuple):
            if len(self.touched) != len(expect.cases):
                yield Difference("cases", str(len(expect.cases)), str(len(self.touched)))
            for place, one in enumerate(expect.cases):
                number = self.touched[place] if place < len(self.touched) else None
                yield from self._one_case(one, number, f"cases[{place + 1}]")
        yield from self._decided(expect, last)
        yield from self._people(expect)
        yield from self._sent(expect, last)

    def _shown(self, number: int) -> dict[str, Any]:
        case = views.case(self.connection, self.office.settings, number, self.now)
        assert case is not None
        return {**case, "user": case["assignee"]}

    def _one_case(self, wanted: dict[str, Any], number: int | None, what: str) -> Iterator[Difference]:
        if number is None:
            yield Difference(what, shown(wanted), f"there is no case: {self._became(self.story.settled[-1])}")
        else:
            yield from differences(wanted, self._shown(number), what)

    def _decided(self, expect: TestExpect, last: Settled) -> Iterator[Difference]:
        matched = list(last.decision.rules) if last.decision else []
        ever = {name for decision in self.story.decisions for name in decision.rules}
        if expect.rule is not None and expect.rule not in matched and not (expect.rule == "none" and not matched):
            yield Difference("rule", expect.rule, ", ".join(matched) or "no rule matched")
        if expect.rules is not None and list(expect.rules) != matched:
            yield Difference("rules", ", ".join(expect.rules) or "none", ", ".join(matched) or "none")
        for name in expect.not_rule or ():
            if name in ever:
                yield Difference("not_rule", f"{name} does not match", f"{name} matched")
        mailbox = self._shown(self.touched[-1])["mailbox"] if self.touched else last.decision.mailbox if last.decision else ""
        if expect.mailbox is not None and expect.mailbox != mailbox:
            yield Difference("mailbox", expect.mailbox, mailbox)
        for what, wanted in (("held", expect.held), ("discarded", expect.discarded), ("forwarded", expect.forwarded)):
            if wanted is None:
                continue
            became = last.disposition == what
            if became is (wanted is False):
                yield Difference(what, "no" if wanted is False else "yes" if wanted is True else str(wanted), self._became(last))
            elif isinstance(wanted, str) and wanted.lower() not in last.reason.lower():
                yield Difference(f"{what}, because", wanted, last.reason)

    def _people(self, expect: TestExpect) -> Iterator[Difference]:
        if expect.contact is None and expect.organisation is None:
            return
        if not self.touched:
            yield Difference("contact", shown(expect.contact or expect.organisation), "there is no case")
            return
        case = self._shown(self.touched[-1])
        if expect.contact is not None:
            address = (case["contact"] or {}).get("email") or ""
            known = people.contact_by_address(self.connection, address) if address else None
            got: Any = None
            if known is not None:
                got = {"name": known.name, "email": known.email, "emails": list(known.emails), "phone": known.phone,
                       "language": known.language, "organisation": known.organisation, "sla": known.sla,
                       "tags": list(known.tags)}  # fmt: skip
            yield from differences(expect.contact, got, "contact")
        if expect.organisation is not None:
            name = case["organisation"] or ""
            found = (self.office.addresses.organisation(name) or people.organisation(self.connection, name)) if name else None
            whole: Any = None
            if found is not None:
                whole = {"name": found.name, "domains": list(found.domains), "sla": found.sla, "tags": list(found.tags)}
            wanted = expect.organisation
            yield from differences({"name": wanted} if isinstance(wanted, str) and whole else wanted, whole, "organisation")

    def _sent(self, expect: TestExpect, last: Settled) -> Iterator[Difference]:
        every = [self._mail(mail, template) for mail, template in self.mails]
        outside = [one for one, (mail, _) in zip(every, self.mails, strict=True) if mail.kind not in _INSIDE]
        lines = "; ".join(f"{one['kind']} to {', '.join(one['to'])}" for one in every) or "no mail"
        if expect.reply is not None:
            answer = last.trace.get("answer") or {}
            sent = "none" if answer.get("why_not") or not answer else str(answer.get("template", "none"))
            if not same(expect.reply, sent):
                yield Difference("reply", expect.reply, sent + (f" ({answer['why_not']})" if answer.get("why_not") else ""))
        if expect.notify is not None:
            told = [str(one) for settled in self.story.settled for one in settled.trace.get("notified") or ()]
            wrong = bool(told) if tuple(expect.notify) in {(), ("none",)} else any(one not in told for one in expect.notify)
            if wrong:
                yield Difference("notify", ", ".join(expect.notify) or "nobody", ", ".join(told) or "nobody")
        if isinstance(expect.sent, int) and len(every) != expect.sent:
            yield Difference("sent", str(expect.sent), f"{len(every)}: {lines}")
        elif isinstance(expect.sent, tuple):
            for place, wanted in enumerate(expect.sent, 1):
                if not any(not differences(wanted, one, "") for one in every):
                    yield Difference(f"sent[{place}]", shown(wanted), lines)
        if expect.sent_to_customers is not None and len(outside) != expect.sent_to_customers:
            yield Difference("sent_to_customers", str(expect.sent_to_customers), f"{len(outside)}: {lines}")
        if expect.not_sent and outside:
            yield Difference("not_sent", "no mail to people outside", lines)
        if expect.stream is not None and self.touched:
            texts = [str(entry["text"]) for entry in self._shown(self.touched[-1])["stream"]]
            for text in expect.stream:
                if not any(text.lower() in one.lower() for one in texts):
                    yield Difference("stream", text, " / ".join(texts) or "nothing")

    @staticmethod
    def _mail(mail: OutgoingMessage, template: str) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in mail.headers}
        return {
            "to": list(mail.recipients), "subject": mail.subject, "kind": mail.kind.value, "template": template,
            "text": mail.text, "from": headers.get("from", ""), "reply_to": headers.get("reply-to", ""),
            "case": mail.case, "headers": headers, "sender": mail.sender,
        }  # fmt: skip

    # --- telling it ------------------------------------------------------------------------------------------

    @staticmethod
    def _became(settled: Settled) -> str:
        return f"the mail was {settled.disposition}" + (f" ({settled.reason})" if settled.reason else "")

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


def _parsed(raw: bytes) -> Any:
    from maild.ingest.parse import parse

    return parse(raw)


def _mailbox_of(rule: Rule, mailboxes: Any) -> str:
    """The mailbox that a rule's criteria name, '' where they name none or several."""
    from maild.settings.criteria import walk

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
