"""This is where maild finds every name that one file of the configuration uses and another one gives meaning to.

Read from the values as written, so that the names of a file are known even where its model was refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from maild.settings.source import Document

Path = tuple[str | int, ...]

RECEIVERS = frozenset({"assignee", "group", "manager", "none", "default"})
CHOOSERS = frozenset({"round_robin", "least_busy", "none"})


@dataclass(frozen=True, slots=True)
class Reference:
    """``name`` is used as a ``kind`` (group, user, sla, template, calendar, mailbox, field, category, notify, list)."""

    document: Document
    path: Path
    kind: str
    name: str
    key: bool = False


def of(name: str, document: Document) -> Iterator[Reference]:
    """The references in one file of this name within the directory."""
    value = document.value
    if not isinstance(value, dict):
        return
    walk = {"maild.yaml": _main, "directory.yaml": _directory, "sla.yaml": _sla, "workflows.yaml": _workflows}.get(
        name, _rules
    )
    for path, kind, used, key in walk(value):
        yield Reference(document, path, kind, used, key)


Found = Iterator[tuple[Path, str, str, bool]]


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """A text, or each text of a list, with its path."""
    if isinstance(value, list):
        for position, each in enumerate(value):
            if isinstance(each, str):
                yield (*path, position), each
    elif isinstance(value, str):
        yield path, value


def _one(kind: str, value: Any, path: Path, *, skip: frozenset[str] = frozenset()) -> Found:
    for place, text in _texts(value, path):
        if text not in skip and "{{" not in text:
            yield place, kind, text, False


def _items(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each mapping below a mapping's keys or in a list."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        if isinstance(each, dict):
            yield (*path, key), each


def _main(value: dict[str, Any]) -> Found:
    for path, mailbox in _items(value.get("mailboxes"), ("mailboxes",)):
        yield from _one("group", mailbox.get("group"), (*path, "group"))
        yield from _one("sla", mailbox.get("sla"), (*path, "sla"))
        yield from _one("category", mailbox.get("category"), (*path, "category"))
        yield from _acknowledge(mailbox.get("acknowledge"), (*path, "acknowledge"))


def _acknowledge(value: Any, path: Path) -> Found:
    if not isinstance(value, dict):
        yield from _one("template", value, path, skip=frozenset({"none"}))
        return
    yield from _one("template", value.get("template"), (*path, "template"), skip=frozenset({"none"}))
    outside = value.get("outside")
    for calendar, template in outside.items() if isinstance(outside, dict) else ():
        yield (*path, "outside", calendar), "calendar", str(calendar), True
        yield from _one("template", template, (*path, "outside", calendar), skip=frozenset({"none"}))


def _directory(value: dict[str, Any]) -> Found:
    for path, group in _items(value.get("groups"), ("groups",)):
        yield from _one("user", group.get("members"), (*path, "members"))
        yield from _one("user", group.get("manager"), (*path, "manager"))
        yield from _one("calendar", group.get("calendar"), (*path, "calendar"))
    for word in ("organisations", "organizations"):
        for path, organisation in _items(value.get(word), (word,)):
            for kind in ("sla", "group", "user"):
                yield from _one(kind, organisation.get(kind), (*path, kind))


def _sla(value: dict[str, Any]) -> Found:
    for path, policy in _items(value.get("policies"), ("policies",)):
        yield from _one("calendar", policy.get("calendar"), (*path, "calendar"))
        for where, step in _items(policy.get("escalations"), (*path, "escalations")):
            yield from _actions(step, where)


def _workflows(value: dict[str, Any]) -> Found:
    for path, workflow in _items(value.get("workflows"), ("workflows",)):
        yield from _when(workflow.get("when"), (*path, "when"))
        yield from _one("calendar", workflow.get("send_within"), (*path, "send_within"))
        yield from _one("calendar", workflow.get("calendar"), (*path, "calendar"))
        steps = workflow.get("do")
        for where, step in _items(steps, (*path, "do")) if isinstance(steps, list) else [((*path, "do"), steps)]:
            if isinstance(step, dict):
                yield from _actions(step, where)


def _rules(value: dict[str, Any]) -> Found:
    yield from _one("mailbox", value.get("mailbox"), ("mailbox",))
    conditions = value.get("conditions")
    for name, condition in conditions.items() if isinstance(conditions, dict) else ():
        yield from _when(condition, ("conditions", name))
    for path, rule in _items(value.get("rules"), ("rules",)):
        yield from _when(rule.get("when"), (*path, "when"))
        yield from _one("mailbox", rule.get("mailbox"), (*path, "mailbox"))
        yield from _actions({key: each for key, each in rule.items() if key in {"reply", "notify"}}, path)
        for word in ("case", "ticket"):
            if isinstance(rule.get(word), dict):
                yield from _case(rule[word], (*path, word))


def _actions(step: dict[str, Any], path: Path) -> Found:
    """What rules, workflows and escalations can do alike."""
    yield from _one("template", step.get("reply"), (*path, "reply"), skip=frozenset({"none"}))
    if isinstance(step.get("reply"), dict):
        yield from _one(
            "template", step["reply"].get("template"), (*path, "reply", "template"), skip=frozenset({"none"})
        )
    yield from _one("template", step.get("survey"), (*path, "survey"))
    yield from _one("template", step.get("template"), (*path, "template"))
    yield from _one("notify", step.get("notify"), (*path, "notify"), skip=RECEIVERS)
    yield from _assign(step.get("assign"), (*path, "assign"))
    yield from _set(step.get("set"), (*path, "set"))
    for word in ("digest", "report"):
        mail = step.get(word)
        if isinstance(mail, dict):
            yield from _one("digest", mail.get("to"), (*path, word, "to"), skip=RECEIVERS | {"groups", "admins"})
            yield from _one("template", mail.get("template"), (*path, word, "template"))
    for word in ("case", "ticket"):
        made = step.get(word)
        if isinstance(made, dict):
            yield from _case(made, (*path, word))


def _case(case: dict[str, Any], path: Path) -> Found:
    yield from _assign(case.get("assign"), (*path, "assign"))
    yield from _set(case.get("set"), (*path, "set"))
    sla = case.get("sla")
    yield from _one(
        "sla",
        sla.get("always") if isinstance(sla, dict) else sla,
        (*path, "sla", "always") if isinstance(sla, dict) else (*path, "sla"),
    )
    for kind in ("group", "category", "mailbox"):
        yield from _one(kind, case.get(kind), (*path, kind))
    yield from _one("user", case.get("user"), (*path, "user"), skip=CHOOSERS)
    yield from _one("user", case.get("followers"), (*path, "followers"))
    yield from _fields(case.get("update_by"), (*path, "update_by"))
    update = case.get("update")
    if isinstance(update, dict):
        yield from _fields(update.get("by"), (*path, "update", "by"))
        if isinstance(update.get("then"), dict):
            yield from _actions(update["then"], (*path, "update", "then"))
    autofill = case.get("autofill")
    if isinstance(autofill, dict):
        yield from _fields(autofill.get("require"), (*path, "autofill", "require"))
        otherwise = autofill.get("else")
        if isinstance(otherwise, dict):
            yield from _one("template", otherwise.get("reply"), (*path, "autofill", "else", "reply"))
        for label, target in autofill["map"].items() if isinstance(autofill.get("map"), dict) else ():
            where = (*path, "autofill", "map", label)
            meant = label if label in {"category", "sla", "group", "user"} else ""
            if meant and isinstance(target, dict) and isinstance(target.get("values"), dict):
                for word, meaning in target["values"].items():
                    yield from _one(meant, meaning, (*where, "values", word))
            if label.startswith("fields."):
                yield where, "field", label.removeprefix("fields."), True
            else:
                yield from _fields(target, where)
    yield from _bare_fields(case.get("fields"), (*path, "fields"))


def _fields(value: Any, path: Path) -> Found:
    for place, text in _texts(value, path):
        if text.startswith("fields."):
            yield place, "field", text.removeprefix("fields."), False


def _bare_fields(value: Any, path: Path) -> Found:
    for name in value if isinstance(value, dict) else ():
        yield (*path, name), "field", name, True


def _assign(value: Any, path: Path) -> Found:
    if isinstance(value, dict):
        group = value.get("group")
        if isinstance(group, dict):
            for choice in group:
                if choice != "by":
                    yield from _one("group", group[choice], (*path, "group", choice))
        yield from _one("group", group, (*path, "group"))
        yield from _one("user", value.get("user"), (*path, "user"), skip=CHOOSERS)


def _set(value: Any, path: Path) -> Found:
    if not isinstance(value, dict):
        return
    for key, given in value.items():
        where = (*path, key)
        if key in {"group", "sla", "category", "mailbox"}:
            yield from _one(key, given, where, skip=frozenset({"none"}))
        elif key in {"user", "assignee"}:
            yield from _one("user", given, where, skip=CHOOSERS)
        elif key.startswith("fields."):
            yield where, "field", key.removeprefix("fields."), True
        elif key == "fields":
            yield from _bare_fields(given, where)


_NAMED = {
    "mailbox": "mailbox", "case.group": "group", "case.category": "category", "case.sla": "sla",
    "case.assignee": "user",
    "group": "group", "category": "category", "sla": "sla", "assignee": "user",
}  # fmt: skip


def _when(value: Any, path: Path) -> Found:
    """The references in a condition; a bare value, a list, `is` and `in_list` name things."""
    if isinstance(value, list):
        for position, each in enumerate(value):
            yield from _when(each, (*path, position))
    if not isinstance(value, dict):
        return
    for key, given in value.items():
        where = (*path, key)
        if key in {"any", "all", "none"}:
            yield from _when(given, where)
            continue
        if key in _NAMED:
            wanted = given.get("is") if isinstance(given, dict) else given
            yield from _one(_NAMED[key], wanted, (*where, "is") if isinstance(given, dict) else where)
        for prefix in ("fields.", "case.fields."):
            if key.startswith(prefix):
                yield where, "field", key.removeprefix(prefix), True
        if key == "received" and isinstance(given, dict):
            for side in ("outside", "inside", "within"):
                yield from _one("calendar", given.get(side), (*where, side))
        yield from _lists(given, where)


def _lists(value: Any, path: Path) -> Found:
    if isinstance(value, dict):
        for key, given in value.items():
            if key == "in_list":
                for place, text in _texts(given, (*path, key)):
                    yield place, "list", text, False
            else:
                yield from _lists(given, (*path, key))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _lists(each, (*path, position))
