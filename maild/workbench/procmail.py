"""This is where maild reads a .procmailrc (procmailrc(5)) and makes rules of what has a meaning here.

Conditions on single header fields, on the body and on the size, `^TO_`, negation, blocks and the flags H, B, D and c are
understood; so are folders, addresses to forward to and /dev/null. Everything else is named with its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from maild.workbench.imported import Imported, Left, filed, joined

_RECIPE = re.compile(r":0([A-Za-z ]*)(?::.*)?\Z")
_FIELD = re.compile(r"\^\(?([A-Za-z][A-Za-z-]*(?:\|[A-Za-z-]+)*)\)?:(.*)\Z", re.DOTALL)
_TO = re.compile(r"\^TO_?(.*)\Z", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\s*(?:=|$)")
_QUIET = frozenset(("SHELL", "PATH", "MAILDIR", "LOGFILE", "VERBOSE", "LOGABSTRACT", "LOCKFILE", "UMASK", "DEFAULT", "SENDMAIL"))


class _Untranslated(Exception):
    """A condition that has no meaning here."""


def read(text: str) -> Imported:
    """The rules that a .procmailrc means. Never raises: what cannot be read is named as not translated."""
    imported = Imported()
    lines = _joined(text)
    _recipes(lines, 0, (), imported)
    imported.left.sort(key=lambda one: one.line)
    return imported


def _joined(text: str) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers, continued ones as one."""
    found: list[tuple[int, str]] = []
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        whole = held + line.strip()
        start = start or number
        if whole.endswith("\\"):
            held = whole[:-1]
            continue
        held = ""
        if whole and not whole.startswith("#"):
            found.append((start, whole))
        start = 0
    return found


def _recipes(lines: Sequence[tuple[int, str]], at: int, outer: tuple[dict[str, Any], ...], imported: Imported) -> int:
    while at < len(lines):
        number, line = lines[at]
        if line.startswith("}"):
            return at + 1
        recipe = _RECIPE.match(line)
        if recipe is None:
            name = line.partition("=")[0].strip()
            if not (_ASSIGNMENT.match(line) and name in _QUIET):
                imported.left.append(Left(number, line, "variables and INCLUDERC have no meaning here"))
            at += 1
            continue
        at = _recipe(lines, at, recipe[1].replace(" ", ""), outer, imported)
    return at


def _recipe(
    lines: Sequence[tuple[int, str]], at: int, flags: str, outer: tuple[dict[str, Any], ...], imported: Imported
) -> int:
    number, _ = lines[at]
    at += 1
    conditions: list[dict[str, Any]] = []
    broken: list[Left] = []
    while at < len(lines) and lines[at][1].startswith("*"):
        try:
            conditions.append(_condition(lines[at][1][1:].strip(), flags))
        except _Untranslated as error:
            broken.append(Left(lines[at][0], lines[at][1], str(error)))
        at += 1
    if at >= len(lines):
        imported.left.append(Left(number, ":0", "a recipe without an action"))
        return at
    where, action = lines[at]
    strange = sorted(set(flags) & set("AaEefhbwWir") - set("wWir"))
    if strange:
        broken.append(Left(number, f":0 {flags}", f"the flag {strange[0]} is not translated"))
    reached = (*outer, *conditions)
    if action.startswith("{"):
        if action.rstrip().endswith("}"):
            return at + 1
        if not broken:
            return _recipes(lines, at + 1, reached, imported)
        imported.left += broken
        skipped = Imported()
        end = _recipes(lines, at + 1, reached, skipped)
        imported.left.append(Left(where, action, "the block is left out: its conditions were not translated"))
        return end
    at += 1
    if broken:
        imported.left += broken
        return at
    does = _action(where, action, imported)
    if does is not None:
        rule: dict[str, Any] = {"name": f"procmail line {number}"}
        when = joined("all", reached)
        rule |= {"when": when} if when else {}
        rule |= does
        if "c" in flags and "case" in does:
            rule["continue"] = True
        elif "c" in flags:
            imported.left.append(Left(number, action, "a copy beside the case: write followers in case, or notify"))
            return at
        imported.rules.append(rule)
    return at


def _condition(text: str, flags: str) -> dict[str, Any]:
    if text.startswith("!"):
        return {"none": [_condition(text[1:].strip(), flags)]}
    if text[:1] in "<>":
        return {"size": {"below" if text[0] == "<" else "above": int(re.sub(r"\D", "", text) or 0)}}
    if text.startswith("?"):
        raise _Untranslated("programs are never run by rules")
    if text.startswith("$"):
        raise _Untranslated("variables are not known here")
    if re.match(r"-?\d+(\.\d+)?\^", text):
        raise _Untranslated("scores are not translated")
    if "\\/" in text:
        raise _Untranslated(r"what \/ would match is cut out with extract")
    case = "(?-i)" if "D" in flags else ""
    source = text.lstrip("\\") if text.startswith("\\ ") else text
    body = "B" in flags and "H" not in flags
    if re.match(r"(?:HB|BH|H|B)\s+\?\?\s*", source):
        which, _, source = source.partition("??")
        body, source = which.strip() == "B", source.strip()
    if source.startswith(("^FROM_DAEMON", "^FROM_MAILER")):
        return {"automatic": ["certain", "likely"]}
    if body:
        return {"whole_text": {"matches": case + _pattern(source)}}
    to = _TO.match(source)
    if to is not None:
        return {"recipient": {"matches": case + _pattern(to[1])}}
    field = _FIELD.match(source)
    if field is None:
        raise _Untranslated("a pattern over the whole header; name a field, as ^Subject: does")
    pattern = case + _pattern(re.sub(r"\A(?:\.\*|\[ \t\]\*|\s+\*?|\\ \*?)+", "", field[2]) if not field[2].startswith((" ", "\t")) else "^" + field[2].strip())
    parts = [{_name(name): {"matches": pattern} if pattern else {"exists": True}} for name in field[1].split("|")]
    return joined("any", parts)


def _name(name: str) -> str:
    return "subject" if name.lower() == "subject" else f"header.{name}"


def _pattern(source: str) -> str:
    """procmail's word borders as RE2 has them."""
    return source.replace("\\<", r"\b").replace("\\>", r"\b")


def _action(line: int, action: str, imported: Imported) -> dict[str, Any] | None:
    if action.startswith("!"):
        addresses = action[1:].split()
        if len(addresses) == 1 and "@" in addresses[0] and "$" not in addresses[0]:
            return {"forward": addresses[0]}
        why = "forwarding to one plain address is translated"
    elif action.startswith("|"):
        why = "programs are never run by rules"
    elif action == "/dev/null":
        return {"discard": "sent to /dev/null by procmail before"}
    elif "$" in action:
        why = "variables are not known here"
    else:
        return filed(action.rstrip("/").rpartition("/")[2].removeprefix(".") or action) or None
    imported.left.append(Left(line, action, why))
    return None
