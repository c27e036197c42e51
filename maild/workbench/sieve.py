"""This is where maild reads a Sieve script (RFC 5228) and makes rules of what has a meaning here.

Tests on headers, addresses, envelope, size and body, `if`/`elsif`/`else` within each other, fileinto, redirect, discard,
keep and stop are understood. Everything else is named with its line and left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maild.workbench.imported import Imported, Left, filed, joined

_TOKEN = re.compile(
    r'(?P<space>[ \t\r\n]+)|(?P<comment>#[^\n]*|/\*.*?\*/)|(?P<text>"(?:\\.|[^"\\])*")|(?P<multi>text:[ \t]*(?:#[^\n]*)?\r?\n.*?\r?\n\.\r?\n)'
    r"|(?P<number>\d+[KMGkmg]?)|(?P<tag>:[A-Za-z_][\w]*)|(?P<name>[A-Za-z_][\w]*)|(?P<mark>[][(){};,])|(?P<other>.)",
    re.DOTALL,
)
_ADDRESS_FIELDS = {"from": "from", "to": "to", "cc": "cc", "reply-to": "reply_to"}
_UNITS = {"K": "KiB", "M": "MiB", "G": "GiB"}
_QUIET = frozenset(("require", "keep", "stop"))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


@dataclass(slots=True)
class _Command:
    """A command or test: its name, its arguments (texts, numbers, tags, lists), tests in it, and its block."""

    name: str
    line: int
    arguments: list[Any]
    tests: list[_Command]
    block: list[_Command] | None
    source: str


class _Untranslated(Exception):
    """A test that has no meaning here."""


def read(script: str) -> Imported:
    """The rules that a script means. Never raises: what cannot be read is named as not translated."""
    imported = Imported()
    try:
        commands = _Parser(script).commands()
    except _Untranslated as error:
        line, _, why = str(error).partition("\n")
        imported.left.append(Left(int(line), script.splitlines()[int(line) - 1] if script else "", why))
        return imported
    _block(commands, (), imported, top=True)
    imported.left.sort(key=lambda one: one.line)
    return imported


# --- reading ----------------------------------------------------------------------------------------------------


def _tokens(script: str) -> list[_Token]:
    found: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(script):
        kind = match.lastgroup or ""
        if kind not in ("space", "comment"):
            found.append(_Token(kind, match[0], line))
        line += match[0].count("\n")
    return found


class _Parser:
    def __init__(self, script: str) -> None:
        self._script = script.splitlines()
        self._tokens = _tokens(script)
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _wrong(self, why: str) -> _Untranslated:
        last = self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else 1
        return _Untranslated(f"{last}\n{why}")

    def commands(self) -> list[_Command]:
        found: list[_Command] = []
        while self._at < len(self._tokens) and self._peek() != "}":
            found.append(self._command(test=False))
        return found

    def _command(self, *, test: bool) -> _Command:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.kind != "name":
            raise self._wrong(f"a command is expected, not {token.text if token else 'the end'}")
        self._at += 1
        command = _Command(token.text.lower(), token.line, [], [], None, self._script[token.line - 1].strip())
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.text == ";" and not test:
                self._at += 1
                return command
            if token.text == "{" and not test:
                self._at += 1
                command.block = self.commands()
                if self._peek() != "}":
                    raise self._wrong("a block is not closed")
                self._at += 1
                return command
            if token.text == "(":
                self._at += 1
                while self._peek() != ")":
                    command.tests.append(self._command(test=True))
                    if self._peek() == ",":
                        self._at += 1
                    elif self._peek() != ")":
                        raise self._wrong("a list of tests is not closed")
                self._at += 1
                continue
            if token.kind == "name":
                command.tests.append(self._command(test=True))
                continue
            if token.text == "[":
                self._at += 1
                items: list[str] = []
                while self._at < len(self._tokens) and self._peek() != "]":
                    if self._tokens[self._at].kind == "text":
                        items.append(_text(self._tokens[self._at]))
                    self._at += 1
                self._at += 1
                command.arguments.append(items)
                continue
            if token.kind in ("text", "multi"):
                command.arguments.append([_text(token)])
            elif token.kind in ("number", "tag"):
                command.arguments.append(token.text)
            else:
                break
            self._at += 1
        if test:
            return command
        raise self._wrong("a ; is missing")


def _text(token: _Token) -> str:
    if token.kind == "multi":
        return token.text.partition("\n")[2].rpartition("\n.")[0]
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)


# --- translating ------------------------------------------------------------------------------------------------


def _block(
    commands: Sequence[_Command], conditions: tuple[dict[str, Any], ...], imported: Imported, *, top: bool = False
) -> None:
    """Rules for the commands of one block, which is reached under ``conditions``."""
    chain: list[dict[str, Any]] = []  # the conditions of the branches before, in an if … elsif … else
    broken = False
    for command in commands:
        if command.name not in ("if", "elsif", "else"):
            chain, broken = [], False
            continue
        if command.name == "if":
            chain, broken = [], False
        if broken:
            imported.left.append(Left(command.line, command.source, "a branch before it was not translated"))
            continue
        try:
            condition = _test(command.tests[0]) if command.name != "else" and command.tests else {}
        except _Untranslated as error:
            imported.left.append(Left(command.line, command.source, str(error)))
            broken = True
            continue
        before = joined("none", chain) if chain else {}
        reached = (*conditions, *([before] if before else []), *([condition] if condition else []))
        chain.append(condition)
        _rule(command, reached, imported)
        _block(command.block or [], reached, imported)
    if top:
        _actions([one for one in commands if one.name not in ("if", "elsif", "else")], (), 1, imported)


def _rule(command: _Command, conditions: tuple[dict[str, Any], ...], imported: Imported) -> None:
    plain = [one for one in command.block or [] if one.name not in ("if", "elsif", "else")]
    _actions(plain, conditions, command.line, imported)


def _actions(commands: Sequence[_Command], conditions: tuple[dict[str, Any], ...], line: int, imported: Imported) -> None:
    """One rule for the actions that stand side by side in a block."""
    rule: dict[str, Any] = {"name": f"sieve line {line}"}
    if conditions:
        rule["when"] = joined("all", conditions)
    does: dict[str, Any] = {}
    stops = any(one.name == "stop" for one in commands)
    for one in commands:
        done = _action(one, imported)
        if "case" in done and "case" in does:
            does["case"]["tags"] += done["case"]["tags"]
        elif any(end in does for end in ("forward", "discard", "hold")) and done:
            imported.left.append(Left(one.line, one.source, "a mail meets one of forward, discard and hold only"))
        else:
            does |= done
    if not does and not (stops and conditions):
        return
    if "case" in does and len(does) > 1:
        imported.left.append(Left(line, "", "filing beside forwarding or discarding: only the latter is kept"))
        del does["case"]
    rule |= does
    if not stops and not {"forward", "discard", "hold"} & set(does):
        rule["continue"] = True
    imported.rules.append(rule)


def _action(command: _Command, imported: Imported) -> dict[str, Any]:
    texts = [one for one in command.arguments if isinstance(one, list)]
    tags = [one for one in command.arguments if isinstance(one, str)]
    why = "this action has no meaning here"
    match command.name:
        case "discard":
            return {"discard": "discarded by a Sieve script before"}
        case "redirect" if texts and ":copy" not in tags:
            return {"forward": texts[0][0]}
        case "fileinto" if texts:
            return filed(texts[0][0])
        case "redirect":
            why = "a copy beside the case: write followers in case, or notify"
        case "vacation":
            why = "write a rule with received: {outside: CALENDAR} and reply: out_of_hours"
        case "reject" | "ereject":
            why = "accepted mail is never returned: write hold or discard"
        case "addflag" | "setflag" | "removeflag":
            why = "flags of a mailbox: write tags in case"
        case name if name in _QUIET:
            return {}
    imported.left.append(Left(command.line, command.source, why))
    return {}


def _test(test: _Command) -> dict[str, Any]:
    """The criteria that a test means. Raises _Untranslated."""
    tags = [one.lower() for one in test.arguments if isinstance(one, str) and one.startswith(":")]
    texts = [one for one in test.arguments if isinstance(one, list)]
    match test.name:
        case "allof":
            return joined("all", [_test(one) for one in test.tests])
        case "anyof":
            parts = [_test(one) for one in test.tests]
            return {} if not all(parts) else joined("any", parts)
        case "not" if test.tests:
            below = _test(test.tests[0])
            if not below:
                raise _Untranslated("it never holds")
            return {"none": [below]}
        case "true":
            return {}
        case "header" | "address" | "envelope" if len(texts) >= 2:
            fields = [_field(test.name, one) for one in texts[0]]
            operator = _operator(tags, texts[1], test.name)
            return joined("any", [{name: operator} for name in dict.fromkeys(fields)])
        case "exists" if texts:
            return joined("all", [{_header(one): {"exists": True}} for one in texts[0]])
        case "size":
            number = next((one for one in test.arguments if isinstance(one, str) and one[0].isdigit()), "0")
            size: Any = f"{number[:-1]}{_UNITS[number[-1].upper()]}" if number[-1].isalpha() else int(number)
            return {"size": {"above" if ":over" in tags else "below": size}}
        case "body" if texts:
            return {"whole_text": _operator(tags, texts[0], "body")}
        case _:
            raise _Untranslated(f"the test {test.name} has no meaning here")


def _field(test: str, name: str) -> str:
    folded = name.lower()
    if test == "envelope":
        return {"from": "envelope.from", "to": "envelope.to"}.get(folded, "envelope.to")
    if test == "address":
        return _ADDRESS_FIELDS.get(folded, _header(name))
    return "subject" if folded == "subject" else _header(name)


def _header(name: str) -> str:
    return "subject" if name.lower() == "subject" else f"header.{name}"


def _operator(tags: Sequence[str], keys: Sequence[str], test: str) -> Any:
    """The operator and its values. An address test compares the whole address unless it says which part."""
    if {":count", ":value"} & set(tags):
        raise _Untranslated("relational tests (:count, :value) are not translated")
    known = {":is", ":contains", ":matches", ":regex", ":domain", ":localpart", ":all", ":comparator", ":text", ":raw", ":content"}
    unknown = [tag for tag in tags if tag not in known]
    if unknown:
        raise _Untranslated(f"{unknown[0]} is not translated")
    values: Any = list(keys) if len(keys) > 1 else keys[0]
    if values == "" and not {":contains", ":matches", ":regex"} & set(tags):
        return {"empty": True}
    if "" in keys:
        raise _Untranslated("an empty text beside others: write a second criterion with empty: true")
    if ":domain" in tags and not {":contains", ":matches", ":regex"} & set(tags):
        return {"domain": values}
    if ":regex" in tags:
        return {"matches": values}
    if ":matches" in tags:
        patterns = [_glob(key, tags) for key in keys]
        return {"matches": patterns if len(patterns) > 1 else patterns[0]}
    if ":contains" in tags:
        if ":domain" in tags:
            return {"matches": [f"@.*{re.escape(key)}" for key in keys]}
        return {"contains": values}
    if ":localpart" in tags:
        return {"starts_with": [f"{key}@" for key in keys]}
    return {"contains": values} if test == "body" else {"is": values}


def _glob(key: str, tags: Sequence[str]) -> str:
    """`*` and `?` as a pattern of the whole value."""
    found = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in key)
    if ":domain" in tags:
        return f"@{found}$"
    return f"^{found}@" if ":localpart" in tags else f"^{found}$"
