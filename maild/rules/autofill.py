"""This is where maild reads labelled lines of a mail (`Order: 77`) into values.

Lines come from plain text and from HTML, where table rows and `<dt>`/`<dd>` are label and value. Only labels that are
asked for are labels; each part of the work is linear in the size of the mail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from maild.plain.fold import fold_label, tidy
from maild.rules.lines import Line, is_blank, lines_of_html, lines_of_text
from maild.rules.values import field_value as typed_value

MAX_VALUE = 2000  # characters that a value of many lines may have
MAX_LABEL = 120  # characters before the delimiter that are looked at

_BULLET = re.compile(r"[\s\u00a0]*(?:[-–—•·‣◦▪●○■□►➢✓+]+|\*(?=[\s\u00a0]))?[\s\u00a0]*")
_NUMBERED = re.compile(r"\(?\d{1,2}[.)][\s\u00a0]+")
_SIGNATURE = re.compile(r"--[ \u00a0]?\Z")
_WIDE = {0xFF01 + offset: 0x21 + offset for offset in range(94)} | {0xFE55: ":", 0x2236: ":", 0xFE66: "=", 0xA0: " "}


@dataclass(frozen=True, slots=True)
class Found:
    """One label found: as it stands in the mail, folded, and its value ('' where there is none)."""

    label: str
    key: str
    value: str


def keys_of(label: str, delimiters: Sequence[str] = ()) -> str:
    """A label as it is compared, a delimiter at its end left off."""
    text = tidy(label).translate(_WIDE).strip()
    for delimiter in delimiters:
        text = text.removesuffix(delimiter.translate(_WIDE).strip() or "\0").strip()
    return fold_label(text)


def word_key(word: str) -> str:
    """A value as it is looked up among the words of `values`: as a label, without an exclamation mark at its end."""
    return keys_of(word.strip().rstrip("!！. "))


def _split(line: str, delimiters: Sequence[str]) -> tuple[str, str] | None:
    """What stands before and after the first delimiter of a line; of two at one place the longer counts."""
    plain = line if line.isascii() else line.translate(_WIDE)
    best, width = -1, 0
    for delimiter in delimiters:
        at = plain.find(delimiter)
        if at >= 0 and (best < 0 or at < best or (at == best and len(delimiter) > width)):
            best, width = at, len(delimiter)
    if best < 0 or best > MAX_LABEL:
        return None
    return line[:best], line[best + width :]


def _delimiters(delimiters: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(delimiter.translate(_WIDE) for delimiter in delimiters))


def _candidates(before: str) -> tuple[str, ...]:
    """The folded label, and the same without a list number in front."""
    text = _BULLET.sub("", before, count=1)
    key = fold_label(text)
    numbered = _NUMBERED.match(text)
    return (key, fold_label(text[numbered.end() :])) if numbered else (key,)


def _match(line: str, delimiters: Sequence[str], wanted: Mapping[str, bool]) -> tuple[str, str, str] | None:
    """(label as written, key, rest) where the line begins with a wanted label, else None."""
    parts = _split(line, delimiters)
    if parts is None:
        return None
    key = next((each for each in _candidates(parts[0]) if each in wanted), None)
    if key is None:
        return None
    label = _BULLET.sub("", parts[0], count=1).strip()
    return label.strip("*_ \u00a0"), key, _unwrapped(parts[1], label)


def _unwrapped(rest: str, label: str) -> str:
    """The value without the other half of emphasis that was opened before the label: `*Order:* 77`, `*Order: 77*`."""
    value = rest.strip()
    mark = label[:1] if label[:1] in ("*", "_") else ""
    if mark and not label.endswith(mark):
        opening = label[: len(label) - len(label.lstrip(mark))]
        if value.startswith(opening):
            value = value[len(opening) :]
        elif value.endswith(opening):
            value = value[: -len(opening)]
    value = value.strip()
    if len(value) > 2 and value[0] == value[-1] == "*" and "*" not in value[1:-1]:
        value = value[1:-1].strip()
    return value


def read(
    lines: Sequence[Line], delimiters: Sequence[str], wanted: Mapping[str, bool], within: int | None = None
) -> list[Found]:
    """Every wanted label in these lines, in order; a label twice stands twice.

    ``wanted`` maps folded labels to whether their value may have many lines. ``within`` bounds the lines looked at for
    labels, counted from the top.
    """
    delimiters = _delimiters(delimiters)
    found: list[Found] = []
    for place, line in enumerate(lines[:within] if within else lines):
        if len(line) > 1:
            found.extend(_of_row(line, delimiters, wanted))
            continue
        match = _match(line[0], delimiters, wanted)
        if match is not None:
            label, key, rest = match
            found.append(Found(label, key, _value(lines, place, rest, delimiters, wanted, wanted[key])))
    return found


def _of_row(cells: Line, delimiters: Sequence[str], wanted: Mapping[str, bool]) -> Iterable[Found]:
    """Label cell and value cell beside it; a cell that is no label may hold labelled lines itself."""
    used = -1
    for place, cell in enumerate(cells):
        if place == used:
            continue
        key = keys_of(_BULLET.sub("", cell, count=1), delimiters) if len(cell) <= MAX_LABEL else ""
        if key in wanted and place + 1 < len(cells):
            used = place + 1
            value = cells[used].strip()
            if not wanted[key]:
                value = value.split("\n", 1)[0].strip()
            yield Found(cell.strip(), key, value[:MAX_VALUE])
        else:
            yield from read(lines_of_text(cell), delimiters, wanted)


def _value(
    lines: Sequence[Line], place: int, rest: str, delimiters: Sequence[str], wanted: Mapping[str, bool], many: bool
) -> str:
    after = place + 1
    if not rest:
        while after < len(lines) and is_blank(lines[after]):
            after += 1
        if after >= len(lines) or _ends_value(lines[after], delimiters, wanted):
            return ""
        rest = lines[after][0].strip()
        after += 1
    if not many or len(rest) >= MAX_VALUE:
        return rest[:MAX_VALUE]
    kept, size = [rest], len(rest)
    for line in lines[after:]:
        if size >= MAX_VALUE or is_blank(line) or _ends_value(line, delimiters, wanted):
            break
        kept.append(line[0].strip())
        size += len(kept[-1]) + 1
    return "\n".join(kept)[:MAX_VALUE].rstrip()


def _ends_value(line: Line, delimiters: Sequence[str], wanted: Mapping[str, bool]) -> bool:
    return len(line) > 1 or _SIGNATURE.match(line[0]) is not None or _match(line[0], delimiters, wanted) is not None


def best(plain: Sequence[Line], html: Sequence[Line], delimiters: Sequence[str], wanted: Mapping[str, bool],
         within: int | None = None) -> list[Found]:  # fmt: skip
    """What is found in plain text or in HTML, whichever holds more of the wanted labels; plain text where they tie."""
    in_plain = read(plain, delimiters, wanted, within)
    if not html:
        return in_plain
    in_html = read(html, delimiters, wanted, within)
    filled_plain, filled_html = (({each.key for each in found}, {each.key for each in found if each.value})
                                 for found in (in_plain, in_html))  # fmt: skip
    more = (len(filled_html[0]), len(filled_html[1])) > (len(filled_plain[0]), len(filled_plain[1]))
    return in_html if more else in_plain


def labels_of(lines: Sequence[Line], delimiters: Sequence[str]) -> frozenset[str]:
    """Every text that stands where a label could, folded: before the first delimiter of a line, or in a table cell."""
    delimiters = _delimiters(delimiters)
    found: set[str] = set()
    for line in lines:
        if len(line) > 1:
            found.update(keys_of(cell, delimiters) for cell in line[:-1] if len(cell) <= MAX_LABEL)
        for cell in line:
            for (part,) in lines_of_text(cell):
                parts = _split(part, delimiters)
                if parts is not None:
                    found.update(_candidates(parts[0]))
    found.discard("")
    return frozenset(found)


# ---- a block to paste -------------------------------------------------------------------------------------------------

_NO_LABEL = frozenset(("http", "https", "mailto", "tel", "ftp", "file", "cid", "re", "aw", "fwd", "wg", "fw"))
_USUAL: tuple[tuple[str, frozenset[str]], ...] = (
    ("summary", frozenset(["issue", "problem", "summary", "message", "description", "details", "anliegen", "nachricht", "beschreibung", "betreff", "question", "frage", "zusammenfassung", "probleme", "mensaje", "descripcion", "descrizione", "messaggio", "bericht"])),
    ("priority", frozenset(["priority", "urgency", "prioritat", "dringlichkeit", "priorite", "urgence", "prioridad", "urgencia", "priorita", "prioriteit"])),
    ("category", frozenset(["category", "kategorie", "categorie", "categoria", "rubrik"])),
    ("contact.phone", frozenset(["phone", "tel", "telephone", "telefon", "mobile", "mobil", "handy", "telefono", "telefone", "telefoon"])),
    ("contact.name", frozenset(["name", "nom", "nombre", "nome", "naam", "contact", "ansprechpartner", "kunde", "customer"])),
)  # fmt: skip


def find_pairs(text: str, html: str, delimiters: Sequence[str]) -> list[tuple[str, str]]:
    """(label, value) for each line that looks labelled, in order, a label once. For suggestions only: here any short
    text before a delimiter counts, and table cells."""
    delimiters = _delimiters(delimiters)
    plain, rows = lines_of_text(text), lines_of_html(html)
    found = max((_pairs(lines, delimiters) for lines in (plain, rows)), key=len)
    return list(found.items())


def _pairs(lines: Sequence[Line], delimiters: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    keys: set[str] = set()
    for place, line in enumerate(lines):
        pairs = []
        if len(line) == 2:
            pairs = [(line[0].translate(_WIDE).strip().rstrip("".join(delimiters)).strip(), line[1])]
        elif len(line) == 1 and (parts := _split(line[0], delimiters)):
            label = _BULLET.sub("", parts[0], count=1).strip("*_ \u00a0")
            pairs = [(label, _value(lines, place, _unwrapped(parts[1], parts[0].strip()), delimiters, {}, False))]
        for label, value in pairs:
            key = fold_label(label)
            likely = 0 < len(label) <= 40 and len(label.split()) <= 5 and label[0].isalpha() and key not in _NO_LABEL
            if likely and "\n" not in label and value and not value.startswith("//") and key not in keys:
                keys.add(key)
                found[label] = value
    return found


def as_block(pairs: Iterable[tuple[str, str]], delimiters: Sequence[str] = (":",)) -> str:
    """The `autofill:` block for these labels, ready to paste under `case:`; each value found stands behind its line."""
    lines: list[tuple[str, str]] = []
    fields: list[str] = []
    taken: set[str] = set()
    contact = ""
    for label, value in pairs:
        key = fold_label(label)
        words = set(re.split(r"[\W_]+", key))
        target = next((name for name, usual in _USUAL if words & usual and name not in taken), "")
        if words & {"mail", "email"} and "@" in value:
            contact = contact or label
            continue
        if not target:
            slug = re.sub(r"[^a-z0-9]+", "_", key).strip("_") or f"field_{len(fields) + 1}"
            target = f"fields.{slug}"
            fields.append(f"{slug}: {{type: text, label: {_quoted(label)}}}")
        taken.add(target)
        seen = " ".join(value.split())
        lines.append((f"    {_quoted(label)}: {target}", seen if len(seen) <= 40 else f"{seen[:39]}…"))
    if not lines and not contact:
        return ""
    width = max((len(left) for left, _ in lines), default=0)
    marks = [_quoted(delimiter, always=True) for delimiter in delimiters]
    block = [
        "autofill:",
        f"  delimiter: {marks[0] if len(marks) == 1 else '[' + ', '.join(marks) + ']'}",
        "  map:" if lines else "  map: {}",
    ]
    block += [f"{left:<{width}}  # {seen}" for left, seen in lines]
    if contact:
        block += [
            f"# the address is under {_quoted(contact)}; beside autofill: contact: {{from: {_quoted('field:' + contact)}}}"
        ]
    if fields:
        block += ["# maild.yaml, where fields are declared:", *(f"#   {each}" for each in fields)]
    return "\n".join(block) + "\n"


def _quoted(text: str, always: bool = False) -> str:
    plain = re.fullmatch(r"[^\W\d][\w .()/-]*", text) and text.lower() not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
        "off",
    )
    return text if plain and not always and text == text.strip() else json.dumps(text, ensure_ascii=False)


__all__ = [
    "Found", "Line", "as_block", "best", "find_pairs", "keys_of", "labels_of", "lines_of_html", "lines_of_text", "read",
    "typed_value",
]  # fmt: skip
