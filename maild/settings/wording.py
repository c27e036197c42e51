"""This is where maild says in mailroom words what is wrong with a YAML file, each time with the corrected line.

Each function takes the text of the file and a mark in it and returns (sentence, hint).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maild.errors import Fault

PAGE = "docs/reference/configuration.md#yaml"
MAX_DEPTH = 60
TOO_DEEP = f"this is nested more than {MAX_DEPTH} deep; no configuration is"


ODD_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]")
ODD_INDENTATION = (
    "a no-break space stands in the indentation; YAML takes plain blanks only",
    "write blanks in its place (text pasted from web pages brings them along)",
)
OPENING, CLOSING = frozenset("“„‟«‘‚"), frozenset("”“‟»’‘")  # typographic quotes
_CONFLICT = re.compile(r"<{7}(?: |$)|={7}$|>{7}(?: |$)")


def unreadable(path: Path, error: OSError) -> tuple[str, str]:
    """Why a file that is there cannot be opened."""
    if path.is_dir():
        return "this is a directory, and a file is wanted", "move or rename it"
    if path.is_symlink() and not isinstance(error, PermissionError):
        return "this link leads to no file", "mend it, or remove it"
    return f"cannot be read: {(error.strerror or str(error)).lower()}", "check its owner and mode"


def typographic(value: str) -> tuple[str, str]:
    return (
        f"{value[0]} and {value[-1]} are letters to YAML, and part of the text",
        f"write: {quoted(value[1:-1])}, if they were meant as quotes",
    )


def quoted(value: str) -> str:
    """The text in quotes that change nothing in it: double, or single where it holds backslashes or double quotes."""
    if '"' in value or "\\" in value:
        return "'" + value.replace("'", "''") + "'"
    return f'"{value}"'


def _line(text: str, mark: Any) -> str:
    lines = text.split("\n", mark.line + 1)
    return lines[mark.line].rstrip("\r") if mark.line < len(lines) else ""


def _rest(text: str, mark: Any) -> str:
    return _line(text, mark)[mark.column :]


_KEY_BEFORE = re.compile(r"""((?:"[^"]*"|'[^']*'|[^\s:,{}\[\]#"']+):\s+|-\s+)\Z""")


def _corrected(line: str, column: int) -> str:
    """`key: value` with the value that begins at this column in quotes, up to the end of the line or of the { }."""
    before = _KEY_BEFORE.search(line[:column])
    if before is None or column >= len(line):
        return ""
    value = line[column:]
    if re.search(r"[{\[]", line[:column]):
        template = re.match(r"(?:\{\{.*?\}\}|[^,}\]])+", value)
        value = template[0] if template else value
    if not value.startswith("#"):
        value = re.sub(r"\s+#.*\Z", "", value)
    value = value.strip()
    if value[:1] in "\"'" and value.count(value[0]) == 2 and len(value) > 2:
        value = value.replace(value[0], "")
    key = before[1] if before[1].startswith("-") else before[1].strip() + " "
    return f"write: {key.lstrip('- ') or '- '}{quoted(value)}"


def tag(name: str) -> tuple[str, str]:
    shown = name.replace("tag:yaml.org,2002:", "!!")
    return (f"{shown} is a YAML tag, and tags are not read: text that begins with ! must be quoted", "put it in quotes")


def control(value: str) -> tuple[str, str]:
    names = {"\x08": "\\b", "\x07": "\\a", "\x1b": "\\e", "\x0c": "\\f", "\x0b": "\\v", "\x00": "\\0"}
    found = next(c for c in value if (ord(c) < 32 and c not in "\n\r\t") or ord(c) == 127)
    as_written = names.get(found, f"\\x{ord(found):02x}")
    return (
        f"in double quotes {as_written} is a control character, not what a pattern means by it",
        "put the pattern in single quotes: '\\bword\\b'",
    )


def complex_key(text: str, mark: Any) -> tuple[str, str]:
    if _rest(text, mark).startswith("{{"):
        return "text that begins with {{ must be quoted", _corrected(
            _line(text, mark), mark.column
        ) or 'write: "{{ … }}"'
    return ("a key must be plain text, not a mapping or list", "quote it if it is text that begins with { or [")


def alias(text: str, mark: Any, name: str) -> tuple[str, str]:
    return ("text that begins with * must be quoted", _corrected(_line(text, mark), mark.column) or f'write: "*{name}"')


def empty_block(text: str, mark: Any) -> tuple[str, str]:
    sign = _rest(text, mark)[:1]
    return (
        f"{sign} alone begins a block of text, and there is none; the sign itself must be quoted",
        _corrected(_line(text, mark), mark.column) or f'write: "{sign}"',
    )


def empty(text: str, mark: Any, key: str | None, flow: bool) -> tuple[str, str]:
    rest = _rest(text, mark)
    if key is None:
        return ("this item is empty", "remove the dash or comma, or write a value")
    after = rest.split(":", 1)[1] if ":" in rest else ""
    comment = re.match(r"\s+(#\S.*|#+)\s*$", after)
    if flow and not re.match(r"\s*(?:\"[^\"]*\"|'[^']*'|[^,:{}\[\]]+?)\s*:(?:\s|[,}]|$)", rest):
        if OPENING & set(_line(text, mark)):
            return (f"{key!r} has no value: the quotes “ ” in this line are letters to YAML", 'write " or \' in their place')
        return (f"{key!r} has no value: inside {{ }} a comma ends a key or value", "quote names that hold a comma")
    if comment and key not in {"reply", "acknowledge"}:
        return (
            f"{key!r} has nothing after the colon: what follows # is a comment",
            f"write: {key}: {quoted(comment[1].strip())}, if it is the value",
        )
    if key in {"reply", "acknowledge"}:
        return (f"{key!r} has nothing after the colon", f"no answer is written: {key}: none")
    return (f"{key!r} has nothing after the colon", "write a value, null, {} or [], or remove the key")


def explain(error: yaml.YAMLError, file: str, text: str) -> Fault:
    """The one fault that stopped the parser, in words of what the person meant to write."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line = before.count("\n") + 1
        return Fault(
            file, line, len(before) - before.rfind("\n"), "there is a control character here", "remove it", PAGE
        )
    problem = str(getattr(error, "problem", "") or "")
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    if mark is None:
        return Fault(file, 0, 0, f"this is not YAML: {problem or error}", "", PAGE)
    at, message, hint = _sentence(problem, str(getattr(error, "context", "") or ""), mark, context or mark, text)
    return Fault(file, at.line + 1, at.column + 1, message, hint, PAGE)


def _sentence(problem: str, context: str, mark: Any, start: Any, text: str) -> tuple[Any, str, str]:
    line, rest = _line(text, mark), _rest(text, mark)
    if "\t" in line[: mark.column + 1] and not line[: mark.column + 1].strip():
        return mark, "a tab stands in the indentation; YAML takes blanks only", "write two blanks for each tab"
    for place in (mark, start):
        if _CONFLICT.match(_line(text, place)):
            return place, "a merge conflict stands here", "keep one of the two sides, and remove the lines <<<<<<<, ======= and >>>>>>>"
        if ODD_BLANK.match(_line(text, place).lstrip(" ")):
            return _At(place.line, 0), *ODD_INDENTATION
    if "cannot start any token" in problem:
        return mark, f"text that begins with {rest[:1]} must be quoted", _corrected(line, mark.column)
    if "scanning an alias" in context or "scanning an anchor" in context:
        return (
            start,
            f"text that begins with {_rest(text, start)[:1]} must be quoted",
            _corrected(_line(text, start), start.column),
        )
    if "maximum nesting depth" in problem:  # libyaml's own limit, met in the scanner before ours is counted
        return mark, TOO_DEEP, ""
    if "unknown escape" in problem:
        return (
            mark,
            f"in double quotes {rest[:2]} means nothing; a pattern goes into single quotes",
            _single(line, start.column),
        )
    if "block sequence entries are not allowed" in problem or "mapping keys are not allowed" in problem:
        return (
            mark,
            f"{rest[:1]} here must be quoted if it is text; a list begins on a line of its own",
            _corrected(line, mark.column),
        )
    if "mapping values are not allowed" in problem:
        return _second_colon(mark, text)
    if "unexpected end of stream" in problem and "quoted" in context:
        return start, "these quotes are opened and never closed", "close them, or double a quote that is meant: ''"
    if "expected ',' or" in problem or ("did not find expected node content" in problem and "flow" in context):
        return _unclosed(mark, start, text)
    if "expected comment or line break" in problem:
        return (
            start,
            f"{_rest(text, start)[:1]} begins a block of text on the next lines; text on this line must be quoted",
            _corrected(line, start.column),
        )
    if "did not find expected node content" in problem:
        return mark, f"a value cannot begin with {rest[:1]}; quote it if it is text", _corrected(line, mark.column)
    if "could not find expected ':'" in problem:
        return start, "this line is neither `key: value` nor a list item", "add the colon, or indent it below its key"
    if "expected '-'" in problem:
        return (
            mark,
            "a list stands above, and this line does not begin with a dash at the same depth",
            "indent it, or add the dash",
        )
    if "did not find expected key" in problem:
        return _unexpected(mark, text)
    if "directive" in context:
        return start, "text that begins with % must be quoted", ""
    return mark, f"this is not YAML: {problem}", ""


def _opened_above(mark: Any, text: str) -> Any:
    """Where the quotes were opened that end just before this mark, if that is on a line above; else None."""
    found = None
    try:
        for token in yaml.scan(text[: mark.index], Loader=yaml.CSafeLoader):
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"') and token.start_mark.line < token.end_mark.line:
                found = token
    except yaml.YAMLError:
        pass
    if found is None or text[found.end_mark.index : mark.index].strip():
        return None
    return found.start_mark


def _unclosed(mark: Any, start: Any, text: str) -> tuple[Any, str, str]:
    """A { or [ without its end: often a comment or quotes in between swallowed it."""
    lines = text.split("\n")
    opened = _opened_above(mark, text)
    if opened is not None:
        return (
            opened,
            f"these quotes are not closed on their line: they would end in line {mark.line + 1}",
            "close them where the text ends",
        )
    for number in range(min(mark.line, len(lines) - 1), max(start.line - 3, -1), -1):
        comment = re.search(r"[{\[][^}\]]*?\s(#\S[^}\]]*?)\s*([}\]]+)\s*$", lines[number])
        if comment is not None:
            at = comment.start(1)
            begun = re.search(r"([\w.-]+):\s+([^\s{}\[\],][^{}\[\],]*)\Z", lines[number][:at])
            whole = f"write: {begun[1]}: {quoted(begun[2] + comment[1])}" if begun else ""
            return (
                _At(number, at),
                f"what follows # is a comment, and takes the closing {comment[2]} with it",
                whole or _corrected(lines[number][: comment.end(1)], at) or f"write: {quoted(comment[1])}",
            )
    if _line(text, mark)[: mark.column].rstrip()[-1:] in {"'", '"'}:
        return (
            mark,
            "the quotes end before the text does",
            "put quotes of the other kind around all of it, or double the inner ones",
        )
    sign = _rest(text, start)[:1] or "{"
    end = "]" if sign == "[" else "}"
    return (
        start,
        f"this {sign} is never closed, or holds text that must be quoted",
        f"close it with {end}, or quote the text",
    )


@dataclass(frozen=True, slots=True)
class _At:
    """A place like the parser's marks."""

    line: int
    column: int


def _single(line: str, column: int) -> str:
    value = re.match(r'"((?:[^"\\]|\\.)*)"', line[column:])
    before = _KEY_BEFORE.search(line[:column])
    if value is None or before is None or "'" in value[1]:
        return "write: '…'"
    return f"write: {before[1].strip('- ')} '{value[1]}'"


def _second_colon(mark: Any, text: str) -> tuple[Any, str, str]:
    line = _line(text, mark)
    first = re.match(r"""^\s*(?:-\s+)*(?:"[^"]*"|'[^']*'|[^\s:#"'][^:#]*?):\s+""", line)
    if first is not None and mark.column >= first.end():
        return (
            mark,
            "a second colon on one line: a value that holds a colon and a blank must be quoted",
            _corrected(line, first.end()),
        )
    above = text.split("\n")[mark.line - 1] if mark.line else ""
    squeezed = re.match(r"^\s*(?:-\s+)*([\w.]+):([^\s/].*)$", above)
    if squeezed is not None:
        return (
            _At(mark.line - 1, above.index(":")),
            "there is no blank after this colon",
            f"write: {squeezed[1]}: {squeezed[2]}",
        )
    return (
        mark,
        "a key cannot stand here: the line above already has a value or is indented otherwise",
        "indent it like the keys beside it",
    )


def _unexpected(mark: Any, text: str) -> tuple[Any, str, str]:
    line = _line(text, mark)
    opened = re.search(r"""(?::\s+|-\s+)(\{\{|[\[{"'])""", line[: mark.column])
    if opened is None:
        return (
            mark,
            "this line is indented otherwise than the keys beside it",
            "give keys of one mapping the same indentation",
        )
    if opened[1] in "\"'":
        return (
            mark,
            "the quotes end before the text does",
            f"put quotes of the other kind around all of it; {opened[1]} opens in column {opened.start(1) + 1}",
        )
    return mark, f"text that begins with {opened[1]} must be quoted", _corrected(line, opened.start(1))
