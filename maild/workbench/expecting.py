"""This is where what became of the mails of a test is compared with what the test expects: only what it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from maild import views
from maild.model.decision import Decision
from maild.model.outbox import OutgoingKind, OutgoingMessage
from maild.office import Office
from maild.settings.rule_tests import RuleTest, TestExpect
from maild.settling.matter import Settled
from maild.store import people
from maild.workbench.comparing import Difference, differences, same, shown

# Mail to users and to admins is not mail to people outside.
_INSIDE = frozenset({OutgoingKind.NOTIFICATION, OutgoingKind.ADMIN})


@dataclass(slots=True)
class Story:
    """What became of the mails of one test: each settled, the cases that they made or joined, the mails that went out with
    the template of each, and lines for people."""

    settled: list[Settled] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    mails: list[tuple[OutgoingMessage, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def decisions(self) -> list[Decision]:
        return [one.decision for one in self.settled if one.decision is not None]


def became(settled: Settled) -> str:
    """What became of a mail, in a clause."""
    return f"the mail was {settled.disposition}" + (f" ({settled.reason})" if settled.reason else "")


class Comparison:
    """One test's expectations beside its story, while the store still holds it."""

    def __init__(self, connection: Connection, office: Office, test: RuleTest, story: Story, now: datetime) -> None:
        self.connection, self.office, self.test, self.story, self.now = connection, office, test, story, now

    def differences(self) -> Iterator[Difference]:
        """Everything that is not as expected."""
        expect = self.test.expect
        last = self.story.settled[-1]
        if self.test.no_case or expect.no_case:
            if self.story.touched:
                yield Difference("cases", "no case", ", ".join(f"case {number}" for number in self.story.touched))
        elif expect.no_case is False and not self.story.touched:
            yield Difference("cases", "a case", f"none: {became(last)}")
        if expect.case is not None:
            yield from self._one_case(expect.case, self.story.touched[-1] if self.story.touched else None, "case")
        if isinstance(expect.cases, int) and len(self.story.touched) != expect.cases:
            yield Difference("cases", str(expect.cases), str(len(self.story.touched)))
        elif isinstance(expect.cases, tuple):
            if len(self.story.touched) != len(expect.cases):
                yield Difference("cases", str(len(expect.cases)), str(len(self.story.touched)))
            for place, one in enumerate(expect.cases):
                number = self.story.touched[place] if place < len(self.story.touched) else None
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
            yield Difference(what, shown(wanted), f"there is no case: {became(self.story.settled[-1])}")
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
        mailbox = self._shown(self.story.touched[-1])["mailbox"] if self.story.touched else last.decision.mailbox if last.decision else ""
        if expect.mailbox is not None and expect.mailbox != mailbox:
            yield Difference("mailbox", expect.mailbox, mailbox)
        for what, wanted in (("held", expect.held), ("discarded", expect.discarded), ("forwarded", expect.forwarded)):
            if wanted is None:
                continue
            is_so = last.disposition == what
            if is_so is (wanted is False):
                yield Difference(what, "no" if wanted is False else "yes" if wanted is True else str(wanted), became(last))
            elif isinstance(wanted, str) and wanted.lower() not in last.reason.lower():
                yield Difference(f"{what}, because", wanted, last.reason)

    def _people(self, expect: TestExpect) -> Iterator[Difference]:
        if expect.contact is None and expect.organisation is None:
            return
        if not self.story.touched:
            yield Difference("contact", shown(expect.contact or expect.organisation), "there is no case")
            return
        case = self._shown(self.story.touched[-1])
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
        every = [self._mail(mail, template) for mail, template in self.story.mails]
        outside = [one for one, (mail, _) in zip(every, self.story.mails, strict=True) if mail.kind not in _INSIDE]
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
        if expect.stream is not None and self.story.touched:
            texts = [str(entry["text"]) for entry in self._shown(self.story.touched[-1])["stream"]]
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
