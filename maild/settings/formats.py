"""This is where maild proves the written forms of its configuration: addresses, listeners, URLs, patterns, case values.

Each function takes the text as written and gives it back, or raises ValueError with a sentence; what follows a newline
in that sentence is what to write instead. Forms of time are in `settings.times`.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from maild.model.case import CHANNEL_WORDS, PRIORITY_WORDS, STATUS_WORDS, Channel, Priority, Status

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@(?:[\w-]+(?:\.[\w-]+)*|\[[0-9a-fA-F:.]+\])\Z")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*\Z")
_LISTEN = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):(\d{1,5})\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
_PASSWORD = re.compile(r"\A[\w+.-]+://[^/@:]*:[^/@]+@")


def address(text: str) -> str:
    if not _ADDRESS.match(text):
        raise ValueError(f"{text!r} is no email address\nwrite the bare address: support@example.com")
    return text


def domain(text: str) -> str:
    if not _DOMAIN.match(text):
        raise ValueError(f"{text!r} is no domain\nwrite example.com, without @ and *")
    return text


def ending(text: str) -> str:
    if not re.match(r"\.?\w{1,12}\Z", text):
        raise ValueError(f"{text!r} is no ending of a file's name\nwrite exe, js, docm")
    return text.lower().lstrip(".")


def zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        from maild.settings.faults import nearest

        hint = nearest(text, zoneinfo.available_timezones()) or "for example Europe/Berlin"
        raise ValueError(f"there is no time zone {text!r}\n{hint}") from None
    return text


def one_line(text: str) -> str:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError(f"{text!r} has a line end or a control character in it\nwrite it on one line")
    return text


def language(text: str) -> str:
    if not _LANGUAGE.match(text):
        raise ValueError(f"{text!r} is no language\nwrite its code: en, de, pt-br")
    return text


def listen(text: str) -> str:
    match = _LISTEN.match(text)
    if (match is not None and int(match[1]) <= 65535) or (text.startswith(("unix:", "systemd:")) and len(text) > 8):
        return text
    raise ValueError(f"{text!r} is nowhere to listen\nwrite HOST:PORT (127.0.0.1:2525, [::1]:25) or unix:PATH")


def network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network\nwrite 192.0.2.0/24, 192.0.2.7 or 2001:db8::/32") from None
    return text


def web_url(text: str) -> str:
    return web_address(text).rstrip("/")


def web_address(text: str) -> str:
    if not re.match(r"https?://[^\s/]+", text):
        raise ValueError(f"{text!r} is no web address\nwrite https://cases.example.com")
    return text


def url_alone(value: Any) -> Any:
    """`database: sqlite:///maild.db` is short for `database: {url: sqlite:///maild.db}`."""
    return {"url": value} if isinstance(value, str) else value


def database_url(text: str) -> str:
    if _PASSWORD.match(text):
        raise ValueError("a password is never written in this file\nwrite {url: …, password: {credential: db}}")
    if text.startswith(("sqlite:///", "sqlite+pysqlite:///")):
        if len(text.split(":///", 1)[1]) == 0:
            raise ValueError("this URL names no file\nwrite sqlite:///maild.db")
        return text
    if text.startswith("postgresql://"):
        return "postgresql+psycopg://" + text.removeprefix("postgresql://")
    if not text.startswith("postgresql+psycopg://"):
        raise ValueError(
            "maild keeps its data in SQLite or PostgreSQL\n"
            "write sqlite:///maild.db or postgresql+psycopg://maild@HOST/maild"
        )
    return text


def tag(text: str) -> str:
    if text.count("{number}") != 1 or not text.replace("{number}", "").strip():
        raise ValueError('a tag holds {number} once, and a sign that no other number has\nwrite "[#{number}]"')
    return text


def pattern(text: str) -> str:
    from maild.plain.patterns import compiled  # brings google-re2 along, which few commands need

    compiled(text)
    return text


def legacy_tag(text: str) -> str:
    from maild.plain.patterns import compiled

    if compiled(text).groups != 1:
        raise ValueError("an old tag is a pattern with one group, the number\nwrite '\\[RT #(\\d+)\\]'")
    return text


def none_word(value: Any) -> Any:
    """`null` written out means the word `none`."""
    return "none" if value is None else value


def _word(words: dict[str, str]) -> Callable[[Any], Any]:
    return lambda value: words.get(value.lower(), value.lower()) if type(value) is str else value


StatusWord = Annotated[Status, BeforeValidator(_word(STATUS_WORDS))]
PriorityWord = Annotated[Priority, BeforeValidator(_word(PRIORITY_WORDS))]
ChannelWord = Annotated[Channel, BeforeValidator(_word(CHANNEL_WORDS))]


_SETTABLE = (
    "status", "priority", "category", "channel", "group", "user", "assignee", "owner", "sla", "title", "summary",
    "resolution", "mailbox", "tags", "billable", "fields",
)  # fmt: skip
_CLOSED_SETS: dict[str, tuple[type[StrEnum], dict[str, str]]] = {
    "status": (Status, STATUS_WORDS), "priority": (Priority, PRIORITY_WORDS), "channel": (Channel, CHANNEL_WORDS),
}  # fmt: skip


def case_values(value: Any) -> Any:
    """What `set:` of an escalation or workflow sets: known values of a case and `fields.NAME`, words in their own form.

    Raises ValidationError with each fault at its key.
    """
    if not isinstance(value, dict):
        return value
    from maild.settings.faults import nearest

    found: dict[str, Any] = {}
    wrong: list[InitErrorDetails] = []

    def refuse(key: str, said: str) -> None:
        kind = PydanticCustomError("value_error", "{error}", {"error": said})
        wrong.append(InitErrorDetails(type=kind, loc=(key,), input=value[key]))

    for key, given in value.items():
        found[key] = given
        if key not in _SETTABLE and not key.startswith("fields."):
            refuse(key, f"{key!r} is no value of a case\n{nearest(key, _SETTABLE, shown=20)}")
        elif key in _CLOSED_SETS and not (isinstance(given, str) and "{{" in given):
            closed, words = _CLOSED_SETS[key]
            word = words.get(str(given).lower(), str(given).lower())
            found[key] = word
            if word not in set(closed):
                refuse(key, f"there is no {key} {given!r}\n{nearest(word, set(closed), shown=9)}")
    if wrong:
        raise ValidationError.from_exception_data("set", wrong)
    return found


CaseValues = Annotated[dict[str, Any], BeforeValidator(case_values)]
