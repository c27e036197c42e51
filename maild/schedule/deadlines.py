"""This is where the steps of SLA clocks are taken when they are due: escalations, and the breach itself.

A step and all that it causes commit together, so each happens once however many daemons look, whatever is killed when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from maild import casework
from maild.desk import Desk
from maild.errors import CaseError
from maild.log import get_logger
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.sla import Clock, Step
from maild.office import Office
from maild.plain.sandbox import TemplateFault
from maild.schedule import effects
from maild.schedule.effects import Done
from maild.settings.models import Escalation, Policy
from maild.sla import escalation, timers
from maild.sla.calendar import ALWAYS, WorkingCalendar
from maild.store import cases, clocks, due, installation
from maild.store.put_off import AGAIN_AFTER
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("sla")

BATCH = 20  # cases a transaction
A_SWEEP = 500  # cases a sweep
_TERMS = "sla_terms"


def sweep(store: Store, office: Office, now: datetime, limit: int = A_SWEEP) -> list[Done]:
    """Take every step that is due, of at most ``limit`` cases; returns what was done."""
    with store.read() as connection:
        numbers = clocks.waiting(connection, now, limit)
    done: list[Done] = []
    for start in range(0, len(numbers), BATCH):
        with store.write() as connection:
            desk = Desk(office, connection, now)
            free = due.lock_free(connection, numbers[start : start + BATCH])
            for number in (one for one in numbers[start : start + BATCH] if one in free):
                with apart(connection, partial(_failed, desk, number)):
                    done += of_case(desk, number)
    return done


def _failed(desk: Desk, number: int, error: Exception) -> None:
    """A case whose steps failed is looked at again, a while later."""
    log.error("sweep.failed", sweep="sla", case=number, reason=error, exc_info=error)
    clocks.put_off(desk.connection, number, desk.now + AGAIN_AFTER)


def of_case(desk: Desk, number: int) -> list[Done]:
    """Take the steps of one case that are due, in order of time; its row is locked by the caller."""
    done: list[Done] = []
    case = cases.get(desk.connection, number, lock=True)
    policy = desk.office.settings.sla.policies.get(case.sla or "") if case is not None else None
    if case is None or policy is None:
        clocks.save(desk.connection, number, ())
        return done
    calendar = desk.office.policy_calendars.get(case.sla or "", ALWAYS)
    while True:
        running = clocks.load(desk.connection, number)
        found = [
            (step.due_at, place, step)
            for place, clock in enumerate(running)
            for step in escalation.due(policy, clock, calendar, desk.now)
        ]
        taken = min(found, key=lambda one: one[:2], default=None)
        after = list(running)
        if taken is not None:
            after[taken[1]] = escalation.ran(running[taken[1]], taken[2])
        clocks.save(desk.connection, number, after, next_step=escalation.upcoming(policy, calendar))
        if taken is None:
            return done
        done.append(_take(desk, case, policy, running[taken[1]], taken[2]))
        again = cases.get(desk.connection, number)
        assert again is not None
        case = again


def _take(desk: Desk, case: Case, policy: Policy, clock: Clock, step: Step) -> Done:
    gone = due.downtime_at(desk.connection, step.due_at)
    late = ""
    if gone is not None:
        late = f"late: no maild ran from {gone[0]:%Y-%m-%d %H:%M} to {gone[1]:%Y-%m-%d %H:%M} UTC"
    data: dict[str, Any] = {
        "clock": step.kind.value, "due_at": clock.due_at.isoformat(), "percent": round(step.share * 100),
        "sla": case.sla, **({"late": True} if late else {}),
    }  # fmt: skip
    kind = step.kind.value.replace("_", " ")
    if step.escalation is None:
        text = f"{kind} violated: it was due {clock.due_at:%Y-%m-%d %H:%M} UTC"
        _tell(desk, case, text, late, {"event": "sla_violated", **data})
        log.warning("sla.violated", case=case.number, sla=case.sla, clock=step.kind, due_at=clock.due_at, late=bool(late))
        return Done(desk.now, case.number, f"sla:{case.sla}", f"{kind} violated", _reason(clock, step, late))
    escalation = policy.escalations[step.escalation]
    event = "sla_warning" if step.share < 1 else "sla_escalated"
    who = desk.named(case, escalation.notify)
    did = []
    desk.spared = frozenset(who)  # the escalation says it all
    for name, act in _acts(desk, escalation, f"sla:{case.sla}"):
        try:
            with desk.connection.begin_nested():
                case = act(case)
                did.append(name)
        except (CaseError, TemplateFault) as error:
            effects.note(desk, case, f"sla {case.sla}: {error}")
    desk.spared = frozenset()
    text = f"{step.key} of {kind}" + (f": {'; '.join(did)}" if did else "")
    _tell(desk, case, text, late, {"event": event, **data})
    zone = ZoneInfo(desk.office.settings.main.timezone)
    told = desk.notify(
        case, effects.contact_of(desk, case), "escalation", who, template="escalation", reason=text,
        more={"clock": step.kind.value, "percent": round(step.share * 100), "policy": case.sla or "",
              "due_at": clock.due_at.astimezone(zone), "lines": [*did, *([late] if late else [])]},
    ) if who else []  # fmt: skip
    if told:
        did.append(f"notify {', '.join(told)}")
    elif escalation.notify:
        effects.told_nobody(desk, case, escalation.notify, f"sla {case.sla}")
    log.warning("sla.warning" if step.share < 1 else "sla.escalated", case=case.number, sla=case.sla, clock=step.kind,
                step=step.key, did=did, late=bool(late))  # fmt: skip
    return Done(desk.now, case.number, f"sla:{case.sla}", f"{step.key} of {kind}: {'; '.join(did) or 'nothing to do'}",
                _reason(clock, step, late))  # fmt: skip


def _acts(desk: Desk, escalation: Escalation, actor: str) -> list[tuple[str, Any]]:
    """What a step does to its case besides telling people; it never moves this case's own deadlines."""
    found: list[tuple[str, Any]] = []
    if escalation.set:
        shown = " ".join(f"{name}={value}" for name, value in escalation.set.items())
        found.append((f"set {shown}", lambda case: effects.set_values(desk, case, escalation.set, actor, retime=False)))
    if escalation.assign:
        group, user = escalation.assign.get("group"), escalation.assign.get("user")
        found.append(
            (f"assign {' '.join(one for one in (group, user) if one)}",
             lambda case: effects.assign(desk, case, group, user, actor, retime=False))
        )  # fmt: skip
    if escalation.tag:
        found.append((f"tag {', '.join(escalation.tag)}", lambda case: effects.tag(desk, case, escalation.tag, actor)))
    if escalation.webhook:
        found.append((f"webhook {escalation.webhook}", lambda case: _posted(desk, case, str(escalation.webhook), actor)))
    if escalation.reply:
        found.append((f"reply {escalation.reply}", lambda case: _replied(desk, case, str(escalation.reply), actor)))
    return found


def _posted(desk: Desk, case: Case, url: str, actor: str) -> Case:
    effects.webhook(desk, case, url, actor, "sla.step")
    return case


def _replied(desk: Desk, case: Case, template: str, actor: str) -> Case:
    from maild.model.outbox import OutgoingKind

    contact = effects.contact_of(desk, case)
    why = effects.why_not_write(desk, case, contact)
    if why or contact is None:
        effects.note(desk, case, f"{actor}: no {template}: {why}")
        return case
    effects.write(desk, case, contact, template, OutgoingKind.REMINDER, actor)
    return case


def _tell(desk: Desk, case: Case, text: str, late: str, data: dict[str, Any]) -> None:
    said = f"{text} ({late})" if late else text
    cases.add_stream(
        desk.connection, case.number, [StreamEntry(desk.now, StreamType.SLA, f"sla:{case.sla}", False, said, data)]
    )


def _reason(clock: Clock, step: Step, late: str) -> str:
    reason = f"{step.kind.value.replace('_', ' ')} is due {clock.due_at:%Y-%m-%d %H:%M} UTC"
    return f"{reason}, {late}" if late else reason


# --- a configuration that changed -------------------------------------------------------------------------------


def renew(store: Store, office: Office, now: datetime) -> int:
    """After a start or reload: clocks of policies that changed go on by the new terms; returns of how many cases."""
    terms = {name: _fingerprint(office, policy) for name, policy in office.settings.sla.policies.items()}
    wanted = "\n".join(f"{name}\t{digest}" for name, digest in sorted(terms.items()))
    with store.read() as connection:
        kept = installation.get_meta(connection, _TERMS)
        if kept == wanted:
            return 0
        had = dict(line.split("\t") for line in (kept or "").splitlines())
        numbers = clocks.with_sla(connection)
    changed = {name for name, digest in terms.items() if had.get(name) != digest}
    done = 0
    for start in range(0, len(numbers), BATCH):
        with store.write() as connection:
            desk = Desk(office, connection, now)
            done += sum(_renewed(desk, number, changed) for number in numbers[start : start + BATCH])
    with store.write() as connection:
        installation.set_meta(connection, _TERMS, wanted)
    return done


def _renewed(desk: Desk, number: int, changed: set[str]) -> bool:
    case = cases.get(desk.connection, number, lock=True)
    if case is None or case.sla not in changed:
        return False
    policy = desk.office.settings.sla.policies[case.sla]
    calendar: WorkingCalendar = desk.office.policy_calendars.get(case.sla, ALWAYS)
    had = clocks.load(desk.connection, number)
    if not had:
        return False  # history has no clocks, and gets none by a reload
    after = timers.retimed(
        had, policy, case.priority, calendar, case.status, desk.now, since=casework.first_asked(desk, case),
        first_response_at=case.first_response_at,
    )  # fmt: skip
    clocks.save(desk.connection, number, after, next_step=escalation.upcoming(policy, calendar))
    moved = _moved(had, after)
    if moved:
        text = f"the terms of {case.sla} changed: {'; '.join(moved)}"
        cases.add_stream(desk.connection, number, [StreamEntry(desk.now, StreamType.SLA, "maild", False, text)])
    return bool(moved)


def _moved(had: Sequence[Clock], after: Sequence[Clock]) -> list[str]:
    before = {(clock.kind, clock.started_at): replace(clock, steps_done=()) for clock in had}
    return [
        f"{clock.kind}: due {clock.due_at:%Y-%m-%d %H:%M} UTC"
        for clock in after
        if clock.running and before.get((clock.kind, clock.started_at)) != replace(clock, steps_done=())
    ]


def _fingerprint(office: Office, policy: Policy) -> str:
    calendar = office.settings.sla.calendars.get(policy.calendar or "")
    text = f"{policy!r}{calendar!r}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
