"""This is where maild reads what an agent orders in the first lines of a mail: `#take`, `#resolve TEXT`, `#cc a@b` …

A command is `#` (or `＃`) and at once a letter. The block of commands begins with the first line and ends before the
first line that is no command; blank lines between commands do not count. What follows is what the agent wrote to people.
Under a command with a TEXT a line belongs to that TEXT only if it follows without a blank line and the line above has 60
or more characters: then a mail client has wrapped it. Pure: nothing is looked up here, so users, groups and templates
are compared with the configuration when the commands are carried out.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from enum import Enum

from maild.model.case import CHANNEL_WORDS, PRIORITY_WORDS, STATUS_WORDS, Channel, CloseReason, Priority, Status

WRAPPED = 60  # characters from which on a line was wrapped by the mail client
MOST = 50  # commands in one mail
LINE = 2000  # characters of one line that are looked at

_EDGE = " \t\v\f\r\u00a0\u2007\u202f\u3000\u200b\u200c\u200d\u2060\ufeff\u00ad"
_QUOTES = "\"'`“”„‟‘’‚«»‹›「」"
_MINUS = ("-", "–", "−")
_BULLETS = "-*•·–—‣◦▪●○∙⁃"
_NAME = re.compile(r"[#＃﹟]([^\W\d_]+(?:[-_][^\W\d_]+)*)[ \t]*[:：]?(.*)\Z", re.DOTALL)
_ESCAPED = re.compile(r"[#＃﹟]{2}(?![#＃﹟])")
# From the beginning of a word on: tried at each of its letters, a long word would take quadratic time.
_ADDRESS = re.compile(
    r"(?:mailto:)?(?<![^\s<>()\[\],;:\"'|])([^\s<>()\[\],;:\"'|]+@[^\s<>()\[\],;:\"'|]+[^\s<>()\[\],;:\"'|.!?])",
    re.IGNORECASE,
)
_PIECE = re.compile(
    r"\s*(\d+(?:[.,]\d+)?)\s*(weeks?|wochen?|days?|tage?|hours?|hrs?|stunden?|std|minutes?|minuten?|mins?|w|d|h|m)(?![^\W\d_])",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?!\d)")
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)|(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)")
_EMPHASIS = re.compile(r"(\*{1,2}|_{1,2})([#＃﹟].*)\1", re.DOTALL)
_PAIR = re.compile(r"([^\s=]+)\s*=\s*")
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Days as people say them, in the languages that lengths of time are understood in.
_DAY_WORDS = {
    "today": "today", "heute": "today", "tomorrow": "tomorrow", "morgen": "tomorrow", "next week": "week",
    "nächste woche": "week", "the day after tomorrow": "day after tomorrow", "day after tomorrow": "day after tomorrow",
    "übermorgen": "day after tomorrow", **{day: day for day in _WEEK}, **{day[:3]: day for day in _WEEK},
    **dict(zip(("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"), _WEEK, strict=True)),
}  # fmt: skip
_DAY_WORD = re.compile(
    r"(?:next\s+(?!week)|nächste[nrs]?\s+(?!woche))?("
    + "|".join(word.replace(" ", r"\s+") for word in sorted(_DAY_WORDS, key=len, reverse=True))
    + r")(?![^\W_])",
    re.IGNORECASE,
)
_AT_CLOCK = re.compile(r"[\s,]+(?:(?:at|um|@)\s+)?([01]?\d|2[0-3]):([0-5]\d)(?!\d)(?:\s*(?:h|uhr)\b)?", re.IGNORECASE)


class Phase(Enum):
    """When a command is carried out: before the answer goes out, after it, or by what it says of the whole mail."""

    MAIL = "mail"
    BEFORE = "before"
    AFTER = "after"
    ASKS = "asks"


@dataclass(frozen=True, slots=True)
class Command:
    """One command as understood. ``word`` is an argument out of a closed set or a name, ``number`` a case or attachment,
    ``addresses``, ``pairs``, ``span`` and ``day`` what else it was given; ``text`` its TEXT. ``line`` is as written.
    ``day_word`` is a day counted from today (`day_named`), ``clock`` the time of day beside a day."""

    name: str
    line: str
    word: str = ""
    number: int | None = None
    addresses: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    span: timedelta | None = None
    day: date | None = None
    day_word: str = ""
    clock: time | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that looks like a command and is none: why, and what was probably meant ('' where nothing is near)."""

    line: str
    reason: str
    nearest: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """What the first lines of a mail say: the commands in their order, what is wrong, the text below, and the lines
    that the block took, as written (a wrapped TEXT is several)."""

    commands: tuple[Command, ...] = ()
    text: str = ""
    wrong: tuple[Wrong, ...] = ()
    taken: tuple[str, ...] = ()

    def has(self, *names: str) -> bool:
        """Whether one of these commands is in the block."""
        return any(command.name in names for command in self.commands)

    def get(self, name: str) -> Command | None:
        """The first command of this name, or None."""
        return next((command for command in self.commands if command.name == name), None)


@dataclass(frozen=True, slots=True)
class Spec:
    """A command of the table: how it is written, what it does, when, and how its argument is read."""

    name: str
    usage: str
    does: str
    phase: Phase
    read: Callable[[Command, str], Command | str]
    text: bool = False  # it has a TEXT that a mail client may have wrapped
    needs_case: bool = True
    whole: bool = False  # only the whole word counts, never its beginning


# --- reading arguments: each takes the command and what stands behind its name, and returns the command or a fault ---


def _nothing(command: Command, rest: str) -> Command | str:
    return command if not rest.strip(".!, ") else f"#{command.name} takes nothing behind it"


def _words(command: Command, rest: str) -> Command | str:
    return replace(command, word=rest) if rest else f"#{command.name} needs a word behind it"


def _free(command: Command, rest: str) -> Command | str:
    return replace(command, text=rest)


def _needed(command: Command, rest: str) -> Command | str:
    return replace(command, text=rest) if rest else f"#{command.name} needs words behind it"


def _one_of(*allowed: str, words: dict[str, str] | None = None, empty: str | None = None) -> Callable[[Command, str], Command | str]:
    known = {**{one: one for one in allowed}, **(words or {})}

    def read(command: Command, rest: str) -> Command | str:
        wanted = " ".join(rest.casefold().strip(".! ").split())
        if not wanted:
            return replace(command, word=empty) if empty is not None else f"#{command.name} needs one of {', '.join(allowed)}"
        found = known.get(wanted) or known.get(wanted.replace(" ", "_").replace("-", "_"))
        if found is None:
            begun = {value for key, value in known.items() if key.startswith(wanted)}
            found = begun.pop() if len(begun) == 1 else None
        if found is None:
            near = difflib.get_close_matches(wanted, list(known), 1, 0.6)
            hint = f"did you mean {known[near[0]]}?" if near else f"one of {', '.join(allowed)}"
            return f"#{command.name} does not know {rest!r}; {hint}"
        return replace(command, word=found)

    return read


def _number(command: Command, rest: str) -> Command | str:
    match = re.fullmatch(r"(?:case|ticket)?\s*\[?[#＃]?\s*(\d{1,9})\]?[.!]?", rest, re.IGNORECASE)
    return replace(command, number=int(match[1])) if match else f"#{command.name} needs a number: #{command.name} 12"


def _maybe_number(command: Command, rest: str) -> Command | str:
    return _number(command, rest) if rest else command


def _numbers(command: Command, rest: str) -> Command | str:
    found = re.fullmatch(r"\d{1,3}(?:[\s,;+]+\d{1,3})*", rest)
    return replace(command, word=" ".join(re.findall(r"\d+", rest))) if found else f"#{command.name} needs numbers: #{command.name} 1,3"


def _listed(command: Command, rest: str) -> Command | str:
    return replace(command, word="all") if rest.casefold().strip(".! ") == "all" else _numbers(command, rest)


def _addresses(command: Command, rest: str) -> Command | str:
    found = addresses_in(rest)
    return replace(command, addresses=found) if found else f"#{command.name} needs an address: #{command.name} jo@acme.example"


def _cc(command: Command, rest: str) -> Command | str:
    pieces = re.split(r"[\s,;]+", rest)
    going = [piece for piece in pieces if piece[:1] in _MINUS]
    leave = addresses_in(" ".join(piece[1:] for piece in going))
    found = _addresses(command, " ".join(piece for piece in pieces if piece not in going))
    if not leave:
        return found
    return replace(command, word=" ".join(leave), addresses=() if isinstance(found, str) else found.addresses)


def _one_address(command: Command, rest: str) -> Command | str:
    found = addresses_in(rest)
    if len(found) != 1:
        return f"#{command.name} needs one address: #{command.name} jo@acme.example"
    return replace(command, addresses=found)


def _maybe_address(command: Command, rest: str) -> Command | str:
    return _one_address(command, rest) if rest else command


def _contact(command: Command, rest: str) -> Command | str:
    word, _, more = rest.partition(" ")
    if word.casefold() in {"add", "is"}:
        return _one_address(replace(command, word="add"), more)
    return _one_address(replace(command, word="add"), rest)


def _ask(command: Command, rest: str) -> Command | str:
    found = addresses_in(rest)
    if not found:
        return "#ask needs an address and a question: #ask supplier@parts.example When can you deliver?"
    first = next(_ADDRESS.finditer(rest))
    text = rest[first.end() :]
    again = re.match(r"\s*[<\[(]\s*(?:mailto:)?" + re.escape(found[0]) + r"\s*[>\])]|\s*>", text, re.IGNORECASE)
    text = text[again.end() :] if again else text
    return replace(command, addresses=found[:1], text=text.lstrip(" ,;:>)]").strip())


def _span(command: Command, rest: str) -> Command | str:
    found = span_at_start(rest)
    if found is None:
        return f"#{command.name} needs a time: #{command.name} 25m, 1h30m or 2d"
    return replace(command, span=found[0], text=rest[found[1] :].strip(" ,;:–—-").strip())


def _later(command: Command, rest: str) -> Command | str:
    rest = re.sub(r"\A(?:in|on|at|until|am|bis)\s+|\A\+\s*(?=\d)", "", rest, flags=re.IGNORECASE)
    day = day_at_start(rest)
    word = _DAY_WORD.match(rest) if day is None else None
    if day is None and word is None:
        found = _span(command, rest)
        return found if isinstance(found, Command) else f"{found}, or a day: tomorrow, friday, 2026-12-01"
    end = day[1] if day is not None else word.end() if word is not None else 0
    clock = _AT_CLOCK.match(rest, end)
    if clock is not None:
        command, end = replace(command, clock=time(int(clock[1]), int(clock[2]))), clock.end()
    text = rest[end:].strip(" ,;:–—-").strip()
    if day is not None:
        return replace(command, day=day[0], text=text)
    assert word is not None
    return replace(command, day_word=_DAY_WORDS[" ".join(word[1].casefold().split())], text=text)


def _away(command: Command, rest: str) -> Command | str:
    if rest.casefold().strip(".! ") in {"off", "back", "no", "end"}:
        return replace(command, word="back")
    found = _later(command, re.sub(r"\A(?:until|till|to|bis)\b\s*", "", rest, flags=re.IGNORECASE))
    return found if isinstance(found, Command) else "#away needs a day: #away until 2026-12-01, until friday, or #away back"


def _pairs(command: Command, rest: str) -> Command | str:
    marks = list(_PAIR.finditer(rest))
    if not marks or rest[: marks[0].start()].strip():
        return f"#{command.name} needs name=value: #{command.name} order=7"
    ends = [mark.start() for mark in marks[1:]] + [len(rest)]
    pairs = tuple(
        (unquoted(mark[1]).removeprefix("fields."), unquoted(rest[mark.end() : end].strip().rstrip(",;").strip()))
        for mark, end in zip(marks, ends, strict=True)
    )
    return replace(command, pairs=pairs)


def _service(command: Command, rest: str) -> Command | str:
    first = _PAIR.search(rest)
    name = unquoted((rest[: first.start()] if first else rest).strip())
    if not name:
        return "#service needs a name: #service Repair rate=90 location=remote"
    if first is None:
        return replace(command, word=name)
    found = _pairs(command, rest[first.start() :])
    if isinstance(found, str):
        return found
    wrong = [key for key, _ in found.pairs if key.casefold() not in {"rate", "location", "type", "per"}]
    if wrong:
        return f"#service has no {wrong[0]!r}; it takes rate, per, type and location"
    pairs = tuple((key.casefold(), value) for key, value in found.pairs)
    if any(key == "location" and value.casefold() not in {"remote", "onsite"} for key, value in pairs):
        return "#service: a location is remote or onsite"
    return replace(found, word=name, pairs=pairs)


def _tags(command: Command, rest: str) -> Command | str:
    names = [unquoted(one).lstrip("#") for one in re.split(r"[\s,;]+", rest) if one.strip(_QUOTES + "#")]
    return replace(command, word=" ".join(names)) if names else "#tag needs a word: #tag returns"


def _status(command: Command, rest: str) -> Command | str:
    return _one_of(*Status, words=STATUS_WORDS)(command, rest)


_REASON_WORDS = {
    "no answer needed": CloseReason.NO_ANSWER_NEEDED.value, "no_answer": CloseReason.NO_ANSWER_NEEDED.value,
    "no answer": CloseReason.NO_ANSWER_NEEDED.value, "none needed": CloseReason.NO_ANSWER_NEEDED.value,
    "double": CloseReason.DUPLICATE.value, "dup": CloseReason.DUPLICATE.value, "junk": CloseReason.SPAM.value,
}  # fmt: skip
_THIRD = dict.fromkeys(
    ("3rd", "third", "3rd party", "third party", "3rd_party", "third_party", "3", "supplier"), "third_party"
)
_YES = {"y": "yes", "true": "yes", "ja": "yes", "oui": "yes", "n": "no", "false": "no", "nein": "no", "non": "no"}
_BEFORE, _AFTER, _MAIL, _ASKS = Phase.BEFORE, Phase.AFTER, Phase.MAIL, Phase.ASKS

# Every command: the contract's table (section 6), in its order.
TABLE: tuple[Spec, ...] = (
    Spec("note", "#note [TEXT]", "nothing of this mail goes to a customer: it is a note", _MAIL, _free),
    Spec("reply", "#reply [TEXT]", "this mail goes to the customer, though it answers an internal one", _MAIL, _free),
    Spec("take", "#take", "gives the case to you", _BEFORE, _nothing),
    Spec("drop", "#drop", "nobody has the case", _BEFORE, _nothing),
    Spec("assign", "#assign bob", "gives the case to a user (or round_robin, least_busy, none)", _BEFORE, _words),
    Spec("group", "#group billing", "gives the case to a group", _BEFORE, _words),
    Spec("mailbox", "#mailbox billing", "moves the case to a mailbox: answers come from there", _BEFORE, _words),
    Spec("status", "#status open", "sets the status", _AFTER, _status),
    Spec("wait", "#wait [3rd]", "waits for the customer, or for a third party", _AFTER,
         _one_of("customer", "third_party", words=_THIRD, empty="customer")),
    Spec("resolve", "#resolve [TEXT]", "resolves it; without TEXT the answer is the resolution", _AFTER, _free, text=True),
    Spec("reopen", "#reopen", "opens a resolved or waiting case", _AFTER, _nothing),
    Spec("close", "#close [REASON]", "closes it; an unresolved case needs spam, duplicate or no_answer_needed", _AFTER,
         _one_of(*CloseReason, words=_REASON_WORDS, empty="")),
    Spec("spam", "#spam", "closes it as spam", _AFTER, _nothing),
    Spec("priority", "#priority high", "urgent, high, medium or low", _BEFORE, _one_of(*Priority, words=PRIORITY_WORDS)),
    Spec("category", "#category sales", "sets the category", _BEFORE, _words),
    Spec("organisation", "#organisation Acme Ltd", "whose matter it is", _BEFORE, _words, whole=True),
    Spec("sla", "#sla Gold", "sets the SLA", _BEFORE, _words),
    Spec("title", "#title WORDS", "sets the title", _BEFORE, _words),
    Spec("set", "#set order=7", "sets declared fields", _BEFORE, _pairs),
    Spec("tag", "#tag returns [-old]", "adds tags; with a minus it takes one away", _BEFORE, _tags),
    Spec("channel", "#channel phone", "email, phone, chat, social, webform or other", _BEFORE,
         _one_of(*Channel, words=CHANNEL_WORDS)),
    Spec("billable", "#billable yes", "whether the customer is charged", _BEFORE, _one_of("yes", "no", words=_YES, empty="yes")),
    Spec("service", "#service Repair rate=90 location=remote", "what was done, at what rate, where", _BEFORE, _service),
    Spec("time", "#time 25m [TEXT]", "writes down time spent", _BEFORE, _span, text=True),
    Spec("timer", "#timer start|pause|resume|stop", "your stop-watch on this case", _BEFORE,
         _one_of("start", "pause", "resume", "stop")),
    Spec("cc", "#cc sue@acme.example [-jo@acme.example]", "they take part: answers go to them too; with a minus no longer", _BEFORE, _cc),
    Spec("bcc", "#bcc boss@acme.example [-jo@acme.example]", "the same, but nobody sees it", _BEFORE, _cc, whole=True),
    Spec("contact", "#contact add jo@home.example", "another address of the same person", _BEFORE, _contact),
    Spec("follow", "#follow", "you hear of all that happens", _BEFORE, _nothing),
    Spec("unfollow", "#unfollow", "you no longer do", _BEFORE, _nothing),
    Spec("merge", "#merge 12", "this case goes into case 12", _AFTER, _number),
    Spec("link", "#link 12", "links the two cases", _BEFORE, _number),
    Spec("split", "#split", "the mail that you answer becomes a case of its own", _BEFORE, _nothing),
    Spec("ask", "#ask supplier@parts.example TEXT", "asks a third party; the answer stays internal", _BEFORE, _ask, text=True),
    Spec("faq", "#faq QUESTION", "a draft FAQ entry of this case; #faq 12 puts entry 12 into the answer", _BEFORE, _needed,
         text=True),
    Spec("use", "#use TEMPLATE", "the answer is a template's text, with yours above it", _BEFORE, _words),
    Spec("remind", "#remind 3d [TEXT]", "reminds you (tomorrow, friday, 2026-12-01 14:00 are understood, too)", _BEFORE, _later, text=True),
    Spec("show", "#show [12]", "the whole case, by mail", _ASKS, _maybe_number, needs_case=False),
    Spec("list", "#list [mine|group|waiting|overdue]", "your cases, your groups', those of both that wait for somebody, those past due", _ASKS,
         _one_of("mine", "group", "waiting", "overdue", words={"my": "mine", "groups": "group", "late": "overdue"}, empty="mine"),
         needs_case=False),
    Spec("search", "#search WORDS", "cases that have all the words", _ASKS, _needed, needs_case=False),
    Spec("history", "#history [jo@acme.example]", "all cases of an address, or of this case's contact, newest first", _ASKS, _maybe_address,
         needs_case=False, whole=True),
    Spec("get", "#get 2", "an attachment", _ASKS, _number),
    Spec("why", "#why", "why the mail went where it went", _ASKS, _nothing),
    Spec("help", "#help", "this table", _ASKS, _free, needs_case=False),
    Spec("new", "#new jo@acme.example", "a new case on a customer's behalf; your text goes to them", _MAIL, _one_address,
         needs_case=False),
    Spec("silent", "#silent", "with #new: the case is made and nobody outside gets mail", _MAIL, _nothing, needs_case=False),
    Spec("away", "#away until 2026-12-01", "you get no cases until then; #away back ends it", _BEFORE, _away, needs_case=False),
    Spec("undo", "#undo", "takes your last mail back, for 15 minutes", _MAIL, _nothing),
    Spec("send", "#send", "send all the same what was held back", _MAIL, _nothing),
    Spec("with", "#with 1,3", "these attachments of the case go along with the answer, or with #ask", _MAIL, _numbers, whole=True),
    Spec("release", "#release 2", "in answer to the list of held mail: it becomes a case (1,3 and all are possible)", _MAIL,
         _listed, needs_case=False, whole=True),
    Spec("discard", "#discard 2", "the same: it is given up", _MAIL, _listed, needs_case=False, whole=True),
    Spec("never", "#never 2", "the same, and nothing more is taken from its sender", _MAIL, _listed, needs_case=False, whole=True),
    Spec("now", "#now", "the answer does not wait for #undo", _MAIL, _nothing, whole=True),
)  # fmt: skip
COMMANDS: dict[str, Spec] = {spec.name: spec for spec in TABLE}
STATUS_COMMANDS = frozenset({"status", "wait", "resolve", "reopen", "close", "spam"})


def read_block(text: str) -> Block:
    """The commands in the first lines of ``text`` (what the agent wrote, without quotations), and the text below.

    Never raises. A command that is wrong is in ``wrong``; then nothing of the mail may be carried out.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    commands: list[Command] = []
    wrong: list[Wrong] = []
    said: list[str] = []
    at = end = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip(_EDGE):
            at += 1
            continue
        match = _NAME.match(undecorated(line)[:LINE])
        if match is None:
            break
        name, rest = match[1], match[2]
        at += 1
        spec = find(name)
        if spec is not None and spec.text:
            while at < len(lines) and len(lines[at - 1].rstrip(_EDGE)) >= WRAPPED and _goes_on(lines[at]):
                rest += " " + lines[at].strip(_EDGE)
                at += 1
        end = at
        read = _command(name, " ".join(line.split()), rest, spec)
        if isinstance(read, Wrong):
            wrong.append(read)
        elif len(commands) == MOST:
            wrong.append(Wrong(line.strip(), f"more than {MOST} commands in one mail"))
            break
        else:
            commands.append(read)
            if read.name in {"note", "reply"} and read.text:
                said.append(read.text)
    below = lines[end:]
    while below and not below[0].strip(_EDGE):
        below.pop(0)
    if below and _ESCAPED.match(undecorated(below[0])):
        below[0] = _ESCAPED.sub("#", below[0], count=1)
    answer = "\n".join([*said, *below]).strip("\n").rstrip()
    return Block(tuple(commands), answer, tuple(wrong), tuple(one for one in lines[:end] if one.strip(_EDGE)))


def _goes_on(line: str) -> bool:
    return bool(line.strip(_EDGE)) and _NAME.match(undecorated(line)) is None


def _command(name: str, line: str, rest: str, spec: Spec | None) -> Command | Wrong:
    if spec is None:
        begun = [one.name for one in _begun(name)]
        if len(begun) > 1:
            return Wrong(line, f"#{name} can be {' or '.join('#' + one for one in begun)}", begun[0])
        near = nearest(name)
        return Wrong(line, f"#{name} is no command" + (f"; did you mean #{near}?" if near else ""), near)
    rest = unquoted(rest.strip(_EDGE + "\n"))
    read = spec.read(Command(spec.name, line), rest)
    return Wrong(line, read, spec.name) if isinstance(read, str) else read


def find(name: str) -> Spec | None:
    """The command of this name, or the only one that begins so; None for none and for several."""
    folded = _folded(name)
    if folded in COMMANDS:
        return COMMANDS[folded]
    begun = _begun(name)
    return begun[0] if len(begun) == 1 else None


def _begun(name: str) -> list[Spec]:
    folded = _folded(name)
    return [spec for spec in TABLE if spec.name.startswith(folded) and not spec.whole]


def nearest(name: str) -> str:
    """The command that was probably meant, or ''."""
    near = difflib.get_close_matches(_folded(name), list(COMMANDS), 1, 0.5)
    return near[0] if near else ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def undecorated(line: str) -> str:
    """The line without what phones and mail clients put before a command: blanks, bullets, quotation marks."""
    text = line.strip(_EDGE)
    emphasised = _EMPHASIS.fullmatch(text)
    if emphasised is not None:
        return emphasised[2]
    if text[:1] and text[0] in _BULLETS:
        text = text[1:].strip(_EDGE)
    if text[:1] and text[0] in _QUOTES and text[1:2] in {"#", "＃", "﹟"}:
        text = text[1:].rstrip(_EDGE + _QUOTES)
    return text


def unquoted(text: str) -> str:
    """The text without quotation marks of any kind around the whole of it."""
    if len(text) >= 2 and text[0] in _QUOTES and text[-1] in _QUOTES and not any(c in _QUOTES for c in text[1:-1]):
        return text[1:-1].strip(_EDGE)
    return text


def addresses_in(text: str) -> tuple[str, ...]:
    """Every address in a text, each once and as first written; `jo@a.example<mailto:jo@a.example>` is one."""
    found: dict[str, str] = {}
    for match in _ADDRESS.finditer(text):
        address = re.sub(r"\Amailto:", "", match[1], flags=re.IGNORECASE).strip(_QUOTES)
        if address.count("@") == 1 and not address.startswith("@"):
            found.setdefault(address.casefold(), address)
    return tuple(found.values())


_SECONDS = {"w": 604800, "d": 86400, "t": 86400, "h": 3600, "s": 3600, "m": 60}


def span_at_start(text: str) -> tuple[timedelta, int] | None:
    """A length of time at the beginning (`25m`, `1h30m`, `1:30`, `2 days`) and where it ends; None without one."""
    clock = _CLOCK.match(text)
    if clock is not None:
        return timedelta(hours=int(clock[1]), minutes=int(clock[2])), clock.end()
    seconds, end = 0.0, 0
    while match := _PIECE.match(text, end):
        seconds += float(match[1].replace(",", ".")) * _SECONDS[match[2][0].casefold()]
        end = match.end()
        if seconds > 10 * 366 * 86400:
            return None
    return (timedelta(seconds=seconds), end) if end and seconds else None


def day_at_start(text: str) -> tuple[date, int] | None:
    """A day at the beginning (`2026-12-01`, `1.12.2026`) and where it ends; None without one."""
    match = _DAY.match(text)
    if match is None:
        return None
    parts = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
    try:
        return date(int(parts[0]), int(parts[1]), int(parts[2])), match.end()
    except ValueError:
        return None


def day_named(word: str, today: date) -> date:
    """The day that a ``day_word`` means: a weekday is the next one that is not today, a week seven days from now."""
    days = {"today": 0, "tomorrow": 1, "day after tomorrow": 2, "week": 7}
    if word in days:
        return today + timedelta(days=days[word])
    return today + timedelta(days=(_WEEK.index(word) - today.weekday() - 1) % 7 + 1)


def help_text() -> str:
    """The table of commands, as `#help` mails it."""
    width = max(len(spec.usage) for spec in TABLE if len(spec.usage) <= 34)
    return "\n".join(f"{spec.usage:<{width}}  {spec.does}" for spec in TABLE)
