"""This is where maild shows a mail to criteria: the values of each criterion, normalised once however many rules ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from maild.model.message import Attachment
from maild.plain.domains import fold_address
from maild.plain.fold import fold, is_forward, tidy
from maild.plain.subjects import LONGEST, without_marks
from maild.rules import autofill
from maild.rules.facts import Facts

MAX_TEXT = 1_000_000  # characters of a text that rules look at, so that no mail takes long


class Seen:
    """Values of criteria: as they are, folded, tidied for patterns, and as addresses; each made once."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        self._folded: dict[str, tuple[str, ...]] = {}
        self._tidied: dict[str, tuple[str, ...]] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._shown: dict[str, str] = {}

    def _look(self, field: str) -> Iterable[str]:
        raise NotImplementedError

    def values(self, field: str) -> tuple[str, ...]:
        found = self._values.get(field)
        if found is None:
            found = self._values[field] = tuple(self._look(field))
        return found

    def shown(self, field: str, shorten: Callable[[Sequence[str]], str]) -> str:
        """The values as the trace has them."""
        found = self._shown.get(field)
        if found is None:
            found = self._shown[field] = shorten(self.values(field))
        return found

    def folded(self, field: str) -> tuple[str, ...]:
        found = self._folded.get(field)
        if found is None:
            found = self._folded[field] = tuple(fold(value) for value in self.values(field))
        return found

    def tidied(self, field: str) -> tuple[str, ...]:
        found = self._tidied.get(field)
        if found is None:
            found = self._tidied[field] = tuple(tidy(value) for value in self.values(field))
        return found

    def addresses(self, field: str) -> tuple[str, ...]:
        found = self._addresses.get(field)
        if found is None:
            found = self._addresses[field] = tuple(fold_address(bare_address(value)) for value in self.values(field))
        return found


def bare_address(text: str) -> str:
    """The address out of `Jo <jo@a.example>`; an address alone is given back as it is."""
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1 : -1]
    return text.strip()


class AttachmentView(Seen):
    """What the parts of an `attachment` criterion see: one attachment."""

    def __init__(self, attachment: Attachment) -> None:
        super().__init__()
        self.attachment = attachment

    def _look(self, field: str) -> Iterable[str]:
        match field:
            case "attachment.type":
                return types_of(self.attachment)
            case "attachment.size":
                return (str(self.attachment.size),)
            case _:
                return names_of(self.attachment)


def types_of(attachment: Attachment) -> list[str]:
    return list(dict.fromkeys(each.lower() for each in (attachment.type, attachment.detected) if each))


def names_of(attachment: Attachment) -> list[str]:
    return list(dict.fromkeys(each for each in (attachment.declared_name, attachment.name) if each))


class View(Seen):
    """One mail as criteria see it."""

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.facts = facts
        self._labels: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}

    @cached_property
    def attachments(self) -> tuple[AttachmentView, ...]:
        """The attachments that count: what only decorates (logos of signatures) does not."""
        return tuple(AttachmentView(each) for each in self.facts.message.attachments if not each.decoration)

    @cached_property
    def forwarded(self) -> bool:
        return bool(self.facts.forwarded_text) or is_forward(self.facts.message.subject)

    @cached_property
    def plain_lines(self) -> list[autofill.Line]:
        """The lines that autofill reads: of the new text; of a forward the forwarded text too."""
        message = self.facts.message
        if not self.forwarded:
            return autofill.lines_of_text(message.new_text[:MAX_TEXT])
        text = self.facts.forwarded_text or message.text or message.new_text
        return autofill.lines_of_text(text[:MAX_TEXT])

    @cached_property
    def html_lines(self) -> list[autofill.Line]:
        """The same of the HTML part; none where there is none."""
        return autofill.lines_of_html(self.facts.message.html[:MAX_TEXT], quotes=self.forwarded)

    def labels(self, field: str, delimiters: tuple[str, ...]) -> frozenset[str]:
        """Every folded text that stands where a label could, for `has_field`."""
        key = (field, delimiters)
        found = self._labels.get(key)
        if found is None:
            lines = (
                autofill.lines_of_text(self.facts.message.text[:MAX_TEXT])
                if field == "whole_text"
                else self.plain_lines
            )
            found = autofill.labels_of(lines, delimiters) | autofill.labels_of(self.html_lines, delimiters)
            if field == "text":  # subject and new text together: what stands behind Re: is a line too
                subject = autofill.lines_of_text(without_marks(self.facts.message.subject[:LONGEST]))
                found |= autofill.labels_of(subject, delimiters)
            self._labels[key] = found
        return found

    def _look(self, field: str) -> Iterable[str]:
        facts, message = self.facts, self.facts.message
        match field:
            case "mailbox":
                return _some(facts.mailbox)
            case "from":
                return [each.email for each in message.from_ if each.email]
            case "from.name":
                return [each.name for each in message.from_ if each.name]
            case "to":
                return [each.email for each in message.to if each.email]
            case "cc":
                return [each.email for each in message.cc if each.email]
            case "reply_to":
                return [each.email for each in message.reply_to if each.email]
            case "recipient":
                return [each for each in facts.recipients if each]
            case "envelope.from":
                return _some(facts.envelope_from)
            case "envelope.to":
                return [each for each in facts.envelope_to if each]
            case "subject":
                return _some(message.subject) or message.header_all("subject")
            case "body":
                return _some(message.new_text[:MAX_TEXT])
            case "text":
                return _some("\n".join(part for part in (message.subject, message.new_text) if part)[:MAX_TEXT])
            case "whole_text":
                return _some(message.text[:MAX_TEXT])
            case "attachment.type":
                return [each for view in self.attachments for each in types_of(view.attachment)]
            case "attachment.name":
                return [each for view in self.attachments for each in names_of(view.attachment)]
            case "attachment.count":
                return (str(len(self.attachments)),)
            case "size":
                return (str(message.size),)
            case "language":
                base = message.language.partition("-")[0]
                return [each for each in dict.fromkeys((message.language, base)) if each]
            case "kind":
                return (facts.kind.value,)
            case "automatic":
                return (facts.automatic.value,)
            case _:
                return self._of_people(field)

    def _of_people(self, field: str) -> Iterable[str]:
        facts, head = self.facts, field.partition(".")[0]
        if head == "header":
            return facts.message.header_all(field[7:])
        if head == "auth":
            auth = facts.auth
            if field == "auth":
                return ("pass" if auth.passed else "fail" if auth.failed else "none",)
            return (str({"auth.dmarc": auth.dmarc, "auth.dkim": auth.dkim, "auth.spf": auth.spf}[field]),)
        if head == "contact":
            contact = facts.contact
            if field == "contact.known":
                return ("true" if contact is not None and contact.known else "false",)
            if contact is None:
                return ()
            if field == "contact.tags":
                return contact.tags
            return _some({"contact": contact.email if contact.known else "", "contact.email": contact.email, "contact.name": contact.name,
                          "contact.language": contact.language, "contact.sla": contact.sla}[field])  # fmt: skip
        if head == "organisation":
            company = facts.organisation
            if company is None:
                return ()
            match field:
                case "organisation.tags":
                    return company.tags
                case "organisation.domain":
                    return company.domains
                case "organisation.sla":
                    return _some(company.sla)
                case _:
                    return _some(company.name)
        if field == "case.follow_up_of":
            return _some(None if facts.follow_up_of is None else str(facts.follow_up_of))
        case = facts.case if facts.is_answer or facts.follow_up_of is not None else None
        if case is None:
            return ()
        if field.startswith("case.fields."):
            value = case.fields.get(field[12:])
            return _some(None if value is None else str(value))
        if field == "case.tags":
            return case.tags
        return _some(str({"case.status": case.status, "case.priority": case.priority, "case.group": case.group,
                          "case.category": case.category, "case.sla": case.sla, "case.assignee": case.assignee,
                          "case.number": case.number}[field]))  # fmt: skip


def _some(value: str | None) -> tuple[str, ...]:
    return (value,) if value and value.strip() else ()
