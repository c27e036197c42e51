"""This is where maild says to people why it decided so, line by line; as data a decision goes as it is (`plain.jsontext`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from maild.model.decision import Condition, Decision, Disposition, Tried, Values


def lines(decision: Decision) -> list[str]:
    """The decision for a person: what becomes of the mail, which rule and which words, who wrote which value, who lost."""
    return [
        *_outcome(decision),
        *_tried(decision),
        *_found(decision),
        *_written(decision),
        *(f"note: {note}" for note in decision.notes),
    ]


def _outcome(decision: Decision) -> Iterator[str]:
    because = f" by rule {decision.rule!r}" if decision.rule else ""
    match decision.disposition:
        case Disposition.CASE:
            yield f"a case in mailbox {decision.mailbox}{because or ' (no rule decided; the mailbox does)'}"
        case Disposition.HOLD:
            hold = decision.hold
            until = f" for {_span(hold.lasting)}, then {hold.then}" if hold is not None and hold.lasting is not None else ""
            yield f"held{because}: {decision.reason}{until}"
        case Disposition.DISCARD:
            yield f"discarded{because}: {decision.reason}"
        case Disposition.FORWARD:
            yield f"{decision.reason}{because}"
        case Disposition.NONE:
            yield f"left to maild itself: {decision.reason}"
    if decision.disposition is Disposition.CASE:
        yield from (f"  {name}: {value}" for name, value in summary(decision))


def summary(decision: Decision) -> Iterator[tuple[str, str]]:
    """(name, value) for all that the decision names, in a fixed order."""
    yield from _named(decision.values)
    if decision.update is not None:
        update = decision.update
        wanted = ", ".join(f"{name} {value}" for name, value in update.values.items())
        within = f" of the last {_span(update.within)}" if update.within is not None else ""
        yield "update", f"a case with {wanted} among {update.among}{within}, else {update.otherwise}"
    if decision.contact.source != "sender":
        yield (
            "contact",
            " ".join(
                each for each in (decision.contact.source, decision.contact.label, decision.contact.address) if each
            ),
        )
    for name, value in (
        ("match organisation", decision.match_organisation),
        ("create contact", decision.create_contact),
    ):
        if value is not None:
            yield name, "yes" if value else "no"
    if decision.reply is not None:
        yield "reply", decision.reply
    if decision.notify is not None:
        yield "notify", ", ".join(decision.notify) or "nobody"
    if decision.followers:
        yield "followers", ", ".join(decision.followers)


def _named(values: Values) -> Iterator[tuple[str, str]]:
    for name in ("title", "summary", "status", "priority", "category", "channel", "sla", "resolution", "billable"):
        value = getattr(values, name)
        if value is not None:
            yield name, "yes" if value is True else "no" if value is False else str(value)
    if values.raise_priority is not None:
        yield "priority at least", str(values.raise_priority)
    if values.assign is not None:
        yield "assign", ", ".join(each for each in (values.assign.group, values.assign.user, values.assign.how) if each)
    if values.tags:
        yield "tags", ", ".join(values.tags)
    yield from ((f"fields.{name}", str(value)) for name, value in values.fields.items())
    yield from ((f"contact.{name}", value) for name, value in values.contact.items())


def _tried(decision: Decision) -> Iterator[str]:
    trace = decision.trace
    if trace.passed_over:
        yield f"rules: {trace.passed_over} could not match and were not looked at one by one"
    for each in trace.tried:
        yield from rule_lines(each, ended=each.matched and each.rule == trace.ended_by)


def rule_lines(tried: Tried, *, ended: bool = False) -> Iterator[str]:
    """One rule as it was tried: its line, and one for each criterion."""
    outcome = (
        ("matched, and ended the search" if ended else "matched, and goes on") if tried.matched else "did not match"
    )
    if tried.why:
        yield f"rule {tried.rule!r}: {outcome} ({tried.why})"
    else:
        yield f"rule {tried.rule!r}: {outcome}" + ("" if tried.condition else " (it has no criteria)")
    if tried.condition is not None:
        yield from _condition(tried.condition, 1)


def _condition(condition: Condition, depth: int) -> Iterator[str]:
    mark = "yes" if condition.held else "no "
    indent = "  " * depth
    if condition.parts or condition.text in ("all", "any", "none"):
        yield f"{indent}{mark}  {condition.text}{' of' if condition.text in ('all', 'any', 'none') else ''}:"
        for part in condition.parts:
            yield from _condition(part, depth + 1)
        return
    words = f"  found: {', '.join(condition.words)}" if condition.held and condition.words else ""
    seen = f"  saw: {condition.seen}" if condition.seen else "  saw nothing"
    yield f"{indent}{mark}  {condition.text}{words}{seen}"


def _found(decision: Decision) -> Iterator[str]:
    for each in decision.trace.extracted:
        pieces = "nothing" if each.found is None else ", ".join(f"{name}={text}" for name, text in each.found.items())
        yield f"extract from {each.source}: {pieces}"
    for label in decision.trace.labels:
        outcome = "" if label.used else f"  (not used: {label.why})"
        yield f"label {label.label!r} -> {label.target}: {' '.join(label.value.split())}{outcome}"


def _written(decision: Decision) -> Iterator[str]:
    for write in decision.trace.writes:
        value = ", ".join(map(str, write.value)) if isinstance(write.value, tuple) else str(write.value)
        by = f"rule {write.rule!r}" + (f" ({write.source})" if write.source not in ("set", write.name) else "")
        outcome = "" if write.used else f"  (not used: {write.why})"
        yield f"{write.name} = {' '.join(value.split())}  by {by}{outcome}"


def _span(span: timedelta) -> str:
    """A duration as the configuration writes it: 30d, 90m."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
