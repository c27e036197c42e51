"""A plain reading of `when`, as docs/reference/rules.md says it and as slow as need be: nothing of it is compiled, indexed or
remembered, and it takes the YAML values as they are written. The compiled rules are compared with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import re2

from maild.plain.domains import to_ascii
from maild.plain.fold import fold, fold_label
from maild.rules.facts import Facts

ADDRESSES = {"from", "to", "cc", "reply_to", "recipient", "envelope.from", "envelope.to", "contact", "contact.email"}


def holds(when: Any, facts: Facts, lists: Mapping[str, Sequence[str]], conditions: Mapping[str, Any], delimiters: Sequence[str]) -> bool:
    """Whether a `when` holds for a mail."""

    def all_of(tree: Mapping[str, Any]) -> bool:
        return all(part(name, value) for name, value in tree.items())

    def part(name: str, value: Any) -> bool:
        match name:
            case "all":
                return all(all_of(each) for each in value)
            case "any":
                return any(all_of(each) for each in value)
            case "none":
                return not any(all_of(each) for each in value)
            case "condition":
                return any(all_of(conditions[each]) for each in (value if isinstance(value, list) else [value]))
            case "received":
                outside = value["outside"]
                return any(each in facts.outside for each in (outside if isinstance(outside, list) else [outside]))
            case "attachment":
                return of_attachments(value)
            case _:
                return criterion(name, value, values_of(name, facts))

    def of_attachments(value: Mapping[str, Any]) -> bool:
        there = [each for each in facts.message.attachments if not each.decoration]
        if "exists" in value or "empty" in value:
            return bool(there) == (value["exists"] if "exists" in value else not value["empty"])
        return any(
            all(criterion(f"attachment.{key}", below, of_one(key, each)) for key, below in value.items()) for each in there
        )

    def criterion(name: str, value: Any, values: Sequence[str]) -> bool:
        operators = value if isinstance(value, dict) else {"is": value}
        if operators.get("empty") is True:
            return not any(each.strip() for each in values)
        if operators.get("exists") is False:
            return not values
        return any(all(operator(name, which, operand, each, operators) for which, operand in operators.items()) for each in values)

    def operator(name: str, which: str, operand: Any, value: str, operators: Mapping[str, Any]) -> bool:
        wanted = [str(each).lower() if isinstance(each, bool) else str(each) for each in (operand if isinstance(operand, list) else [operand])]
        folded = fold(value)
        match which:
            case "is" if name in ADDRESSES:
                return any(plain_address(each) == plain_address(value) for each in wanted)
            case "is" if name == "attachment.type":
                return any(fold(each) == folded or (each.endswith("/*") and folded.startswith(each[:-1])) for each in wanted)
            case "is" if name in ("size", "attachment.size", "attachment.count"):
                return any(float(each) == float(value) for each in wanted)
            case "is":
                return any(fold(each).strip() == folded.strip() for each in wanted)
            case "contains":
                return any(fold(each) in folded for each in wanted)
            case "contains_all":
                return all(fold(each) in folded for each in wanted)
            case "words":
                return any(as_words(fold(each).strip(), folded) for each in wanted)
            case "starts_with":
                return any(folded.lstrip().startswith(fold(each).lstrip()) for each in wanted)
            case "ends_with":
                return any(folded.rstrip().endswith(fold(each).rstrip()) for each in wanted)
            case "domain":
                mine = to_ascii(value.rpartition("@")[2])
                return any(mine == to_ascii(each) or mine.endswith("." + to_ascii(each)) for each in wanted)
            case "exists":
                return True
            case "empty":
                return bool(value.strip())
            case "in_list":
                return any(listed(name, entry, value) for entry in lists[str(operand)])
            case "has_field":
                return any(label in labels(name) for label in (label_of(each) for each in wanted))
            case "matches":
                return any(pattern_fits(each, value, operators) for each in wanted)
            case "above" | "below":
                return "matches" in operators or compared(number_in(value), operators)
            case _:
                raise AssertionError(which)

    def listed(name: str, entry: str, value: str) -> bool:
        if name.startswith("organisation") and facts.organisation is not None:
            return fold(entry).strip() == fold(value).strip() or to_ascii(entry) in map(to_ascii, facts.organisation.domains)
        if name in ADDRESSES:
            domain = to_ascii(value.rpartition("@")[2])
            mine = to_ascii(entry.removeprefix("@"))
            exact = "@" in entry
            return plain_address(entry) == plain_address(value) or (domain == mine if exact else (domain == mine or domain.endswith(f".{mine}")))
        return fold(entry).strip() == fold(value).strip()

    def labels(name: str) -> set[str]:
        text = facts.message.text if name == "whole_text" else facts.message.new_text
        found = set()
        subject = re.sub(r"(?i)\A(\s*(re|aw|fwd):\s*)+", "", facts.message.subject) if name == "text" else ""
        for line in [*subject.splitlines(), *text.splitlines()]:
            cuts = [(line.index(each), -len(each)) for each in delimiters if each in line]
            if cuts:
                found.add(label_of(line[: min(cuts)[0]]))
        return found

    return all_of(when)


def label_of(text: str) -> str:
    return fold_label(re.sub(r"\A\s*[-+]*\s*", "", text))


def as_words(phrase: str, text: str) -> bool:
    """Whether the phrase stands in the text between two edges: where a letter, digit, mark or _ meets something else."""

    def joined(left: str, right: str) -> bool:
        return all(re.match(r"\w", each) and not "\u3400" <= each <= "\u9fff" for each in (left, right))

    for at in range(len(text) - len(phrase) + 1):
        end = at + len(phrase)
        if phrase and text[at:end] == phrase:
            before, after = text[at - 1 : at], text[end : end + 1]
            if not (before and joined(before, phrase[0])) and not (after and joined(phrase[-1], after)):
                return True
    return False


def pattern_fits(pattern: str, value: str, operators: Mapping[str, Any]) -> bool:
    compiled = re2.compile(f"(?im){pattern}")
    found = compiled.search(value)
    if found is None:
        return False
    if "above" in operators or "below" in operators:
        return compared(number_in((found.group(1) or "") if compiled.groups == 1 else value), operators)
    return True


def number_in(text: str) -> float | None:
    found = re.search(r"(?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?", text)
    return float(found[0]) if found else None


def compared(number: float | None, operators: Mapping[str, Any]) -> bool:
    if number is None:
        return False
    above, below = operators.get("above"), operators.get("below")
    return (above is None or number > float(above)) and (below is None or number < float(below))


def plain_address(text: str) -> str:
    local, at, domain = text.strip().lower().rpartition("@")
    return f"{local}{at}{to_ascii(domain)}" if at else text.strip().lower()


def of_one(key: str, attachment: Any) -> list[str]:
    match key:
        case "type":
            return [each for each in (attachment.type, attachment.detected) if each]
        case "size":
            return [str(attachment.size)]
        case _:
            return [each for each in (attachment.declared_name, attachment.name) if each]


def values_of(name: str, facts: Facts) -> list[str]:
    """What a criterion looks at."""
    message, contact, company, case = facts.message, facts.contact, facts.organisation, facts.case
    there = case if facts.is_answer or facts.follow_up_of is not None else None
    attachments = [each for each in message.attachments if not each.decoration]
    if name.startswith("header."):
        return [value for key, value in message.headers if key.lower() == name[7:].lower()]
    found: dict[str, Any] = {
        "mailbox": facts.mailbox, "from": [each.email for each in message.from_], "from.name": [each.name for each in message.from_],
        "to": [each.email for each in message.to], "cc": [each.email for each in message.cc],
        "reply_to": [each.email for each in message.reply_to], "recipient": list(facts.recipients),
        "envelope.from": facts.envelope_from, "envelope.to": list(facts.envelope_to), "subject": message.subject,
        "body": message.new_text, "text": "\n".join(each for each in (message.subject, message.new_text) if each),
        "whole_text": message.text, "size": str(message.size), "attachment.count": str(len(attachments)),
        "attachment.type": [each for one in attachments for each in of_one("type", one)],
        "attachment.name": [each for one in attachments for each in of_one("name", one)],
        "language": [message.language, message.language.split("-")[0]], "kind": facts.kind.value, "automatic": facts.automatic.value,
        "auth": "pass" if facts.auth.passed else "fail" if facts.auth.failed else "none",
        "auth.dmarc": str(facts.auth.dmarc), "auth.dkim": str(facts.auth.dkim), "auth.spf": str(facts.auth.spf),
        "contact": contact.email if contact and contact.known else "", "contact.email": contact.email if contact else "",
        "contact.known": "true" if contact and contact.known else "false", "contact.name": contact.name if contact else "",
        "contact.tags": list(contact.tags) if contact else [], "contact.language": contact.language if contact else "",
        "contact.sla": contact.sla if contact else "", "organisation": company.name if company else "",
        "organisation.name": company.name if company else "", "organisation.tags": list(company.tags) if company else [],
        "organisation.domain": list(company.domains) if company else [], "organisation.sla": company.sla if company else "",
        "case.follow_up_of": "" if facts.follow_up_of is None else str(facts.follow_up_of),
    }  # fmt: skip
    if name.startswith("case.") and name != "case.follow_up_of":
        key = name[5:]
        value = None if there is None else there.fields.get(key[7:]) if key.startswith("fields.") else getattr(there, key)
        found[name] = list(value) if isinstance(value, tuple) else "" if value is None else str(value)
    value = found[name]
    return [each for each in (value if isinstance(value, list) else [value]) if each and each.strip()]
