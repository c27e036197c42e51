"""This is where maild decides what becomes of a mail: the rules in order, what each writes, who wins, and the end of it.

`decide` is pure: the same ruleset and facts give the same decision, so that it can be tried, replayed and tested.
"""

from __future__ import annotations

from maild.model.case import Channel, Priority, Status
from maild.model.decision import Decision, Disposition, Hold, Trace, Tried, Update, Write
from maild.model.message import Automatic, MachineSort, MessageKind
from maild.plain.subjects import bare_subject
from maild.rules.apply import NO_SUBJECT, Draft, apply, values_of
from maild.rules.extract import extract
from maild.rules.facts import Facts
from maild.rules.operators import cut
from maild.rules.ruleset import CompiledRule, Ruleset
from maild.rules.view import View

EVERY_RULE = 64  # up to so many rules all are looked at for the trace, also those that could not match

# Mail of these kinds meets only rules that name its kind; the four after it open no case whatever a rule says.
NAMED_ONLY = frozenset((MessageKind.AGENT, MessageKind.BOUNCE, MessageKind.AUTO_REPLY, MessageKind.RECEIPT, MessageKind.LOOP,
                         MessageKind.VERIFICATION))  # fmt: skip
OPENS_NOTHING = frozenset((MessageKind.BOUNCE, MessageKind.AUTO_REPLY, MessageKind.RECEIPT, MessageKind.LOOP))

_DEFAULTS = {"priority": Priority.MEDIUM.value, "status": Status.NEW.value, "channel": Channel.EMAIL.value}


def decide(
    ruleset: Ruleset, facts: Facts, *, every: bool | None = None, brief: bool = False, view: View | None = None
) -> Decision:
    """What the rules ask for this mail. ``every``: look at each rule for the trace, also at those that cannot match
    (default: where there are few rules). ``brief``: write nothing down of the rules that were tried. ``view``: the facts'
    view, where several rulesets are asked about them. None of these changes the decision."""
    view = View(facts) if view is None else view
    look_at_all = len(ruleset.rules) <= EVERY_RULE if every is None else every
    draft = Draft(ruleset, facts, view)
    for compiled in ruleset.rules if look_at_all else ruleset.candidates(view):
        if _try(compiled, draft, look_at_all, brief) and (compiled.rule.ends_search() or draft.hold is not None):
            draft.ended_by = compiled
            break
    return _decision(draft)


# ---- trying one rule ------------------------------------------------------------------------------------------------------


def _try(compiled: CompiledRule, draft: Draft, look: bool, brief: bool) -> bool:
    """Try one rule, write down what was seen, and apply it where it matched."""
    rule = compiled.rule
    why = _passed_over(compiled, draft)
    if why:
        if look:
            draft.tried.append(Tried(rule.name, False, why=why))
        return False
    check = compiled.check
    told = not brief and (look or len(draft.tried) < EVERY_RULE)
    condition = check.look(draft.view) if check is not None and told else None
    matched = check is None or (condition.held if condition is not None else check.holds(draft.view))
    if matched and not told and not brief:
        told, condition = True, check.look(draft.view) if check is not None else None
    found: dict[str, str] = {}
    if matched and rule.extract:
        found, results, missing = extract(rule, draft.view)
        draft.extracted.extend(results)
        matched = not missing
        why = f"extract from {missing} found nothing, and is required" if missing else ""
    if told:
        draft.tried.append(Tried(rule.name, matched, condition, why))
    if matched:
        draft.rules.append(rule.name)
        apply(compiled, draft, found)
    return matched


def _passed_over(compiled: CompiledRule, draft: Draft) -> str:
    """Why this rule is not for this mail, whatever its criteria; '' where it is."""
    rule, facts = compiled.rule, draft.facts
    if rule.applies_to != "all" and (rule.applies_to == "answers") != facts.is_answer:
        return "it is for answers only" if rule.applies_to == "answers" else "it is for new mail only"
    if _reserved(facts) and facts.kind not in compiled.named_kinds:
        return f"mail of kind {facts.kind.value} meets only rules that name the kind"
    if rule.until is not None and draft.ruleset.day(draft.view) > rule.until:
        return f"it ended on {rule.until.isoformat()}"
    return ""


def _reserved(facts: Facts) -> bool:
    return facts.kind in NAMED_ONLY or facts.sort is MachineSort.ANSWER


# ---- the end ------------------------------------------------------------------------------------------------------------


def _decision(draft: Draft) -> Decision:
    facts = draft.facts
    _finish_update(draft)
    if not facts.is_answer and draft.free("title"):
        draft.values["title"] = bare_subject(facts.message.subject, draft.ruleset.tag) or NO_SUBJECT
    mailbox = draft.mailbox or facts.mailbox
    disposition, reason, hold = _disposition(draft, mailbox)
    ended = draft.ended_by
    looked = ended.place + 1 if ended is not None else len(draft.ruleset.rules)
    trace = Trace(tuple(draft.tried), tuple(draft.writes), tuple(draft.labels), tuple(draft.extracted),
                  max(looked - len(draft.tried), 0), ended.rule.name if ended is not None else "")  # fmt: skip
    return Decision(
        disposition, mailbox, rule=trace.ended_by, rules=tuple(draft.rules), reason=reason,
        values=values_of(draft.values, draft.tags, draft.raised), update=draft.update, contact=draft.contact,
        match_organisation=draft.values.get("match_organisation"), create_contact=draft.values.get("create_contact"),
        reply=draft.values.get("reply"), notify=None if draft.notify is None else tuple(draft.notify),
        followers=tuple(draft.followers), accept_automatic=draft.accept, hold=hold, forward=draft.forward,
        notes=(*(_bad_line(each, draft) for each in draft.bad), *draft.notes), trace=trace,
    )  # fmt: skip


def _finish_update(draft: Draft) -> None:
    """Give the update its values; without all of them there is none."""
    update = draft.update
    if update is None:
        return
    values = {name: draft.values.get(name) for name in update.by}
    if "title" in values and values["title"] is None:
        values["title"] = bare_subject(draft.facts.message.subject, draft.ruleset.tag) or None
    missing = [name for name, value in values.items() if value in (None, "")]
    if missing:
        draft.update = None
        draft.writes.append(
            Write(update.rule, "update", update.by, False, f"{', '.join(missing)} is missing", "update")
        )
        return
    draft.update = Update(
        update.by, values, update.among, update.within, update.then, update.resolve, update.otherwise, update.rule
    )


def _disposition(draft: Draft, mailbox: str) -> tuple[Disposition, str, Hold | None]:
    """What becomes of the mail, why, and how it is held if it is."""
    facts, configured = draft.facts, draft.ruleset.mailboxes.get(mailbox)
    if draft.discard:
        return Disposition.DISCARD, draft.discard, None
    if draft.hold is not None:
        return Disposition.HOLD, draft.hold.reason, draft.hold
    if draft.forward:
        return Disposition.FORWARD, f"forwarded to {draft.forward}", None
    if _reserved(facts):
        return _of_reserved(draft)
    if facts.is_answer:
        return Disposition.CASE, "", None
    if draft.ended_by is None:
        unmatched = configured.unmatched if configured is not None else "case"
        reason = f"no rule matched, and mailboxes.{mailbox}.unmatched is {unmatched}"
        if unmatched == "hold":
            return Disposition.HOLD, reason, Hold(reason)
        if unmatched == "discard":
            return Disposition.DISCARD, reason, None
    accepts = draft.accept or (configured is not None and configured.accept_automatic)
    if facts.automatic is Automatic.CERTAIN and not accepts:
        reason = f"made by a machine: no rule that matched has accept_automatic: true, nor has mailboxes.{mailbox}"
        return Disposition.HOLD, reason, Hold(reason)
    return Disposition.CASE, "", None


def _of_reserved(draft: Draft) -> tuple[Disposition, str, Hold | None]:
    facts = draft.facts
    if not draft.rules:
        return Disposition.NONE, f"no rule names mail of kind {facts.kind.value}", None
    if facts.is_answer:
        return Disposition.CASE, "", None
    if facts.kind in OPENS_NOTHING or draft.ended_by is None:
        return Disposition.NONE, f"mail of kind {facts.kind.value} opens no case", None
    if facts.kind is not MessageKind.AGENT and facts.automatic is Automatic.CERTAIN and not draft.accept:
        return Disposition.NONE, f"mail of kind {facts.kind.value} opens a case only with accept_automatic: true", None
    return Disposition.CASE, "", None


def _bad_line(bad: tuple[str, str, str, str], draft: Draft) -> str:
    """`Urgency: "soonish" is no priority; kept medium`."""
    label, text, why, target = bad
    shown = f'{label}: "{cut(" ".join(text.split()), 80)}" {why}'
    if draft.update is not None:  # which case that is, is not known yet
        return f"{shown}; kept what the case has"
    kept = draft.values.get(target)
    if kept is None and draft.facts.is_answer and draft.facts.case is not None:
        kept = getattr(draft.facts.case, target, None)
    kept = kept if kept not in (None, "") else _DEFAULTS.get(target)
    return f"{shown}; {f'kept {kept}' if kept else 'left empty'}"
