"""This is where maild logs: structlog events from a closed list, to the journal, as JSON lines or as key=value.

Logging never blocks and never fails the service: a line that nobody takes is dropped and counted. Bodies and secrets
are hidden by their keys, control characters are escaped, long values cut, and a warning ends with what to do.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from maild import clock
from maild.log_events import EVENTS, Event
from maild.log_output import Journal, Record, Sink, as_json, as_text, is_journal, prefix

if TYPE_CHECKING:  # importing structlog takes 0.1 s, too long for a pipe delivery: it comes with the first line
    from structlog.typing import FilteringBoundLogger

__all__ = ["EVENTS", "Event", "Format", "bound", "configure", "dropped_total", "get_logger", "markdown"]

Format = Literal["auto", "journal", "json", "text"]

JOURNAL_SOCKET = "/run/systemd/journal/socket"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_HIDDEN = frozenset({"password", "passwd", "secret", "token", "body", "text", "html", "raw", "authorization",
                     "credential", "credentials", "passphrase"})  # fmt: skip
_HIDE_AS = "[hidden]"
_VALUE_LIMIT = 500
_TRACE_LIMIT = 8000
_REPEAT_WINDOW = timedelta(seconds=60)
# What databases quote of a row may be a mail's words or an address: cut it out of their errors.
_ROW = re.compile(r"(DETAIL:|\[parameters:).*?(?=\n\[SQL:|\n\(Background|\n\nThe above|\n\nDuring|\Z)", re.DOTALL)


def configure(
    format: Format = "auto", level: str = "info", *, fd: int = 2, journal: str = JOURNAL_SOCKET, strict: bool = False
) -> None:
    """Send all logging from ``level`` up to ``fd`` or the journal, and route the libraries' warnings there too.

    ``auto`` is the native journal where ``fd`` is the journal's stream (systemd.exec(5), $JOURNAL_STREAM), key=value
    on a terminal, JSON lines elsewhere. With ``strict`` an event that is not in EVENTS is an AssertionError (tests).
    Call it again at any time, also in a forked process.
    """
    _install(format, level, fd, journal, strict)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(_LibraryHandler())
    root.setLevel(logging.WARNING)
    # these have levels or handlers of their own, and aiosmtpd logs DATA lines at debug
    for name in ("mail.log", "apscheduler", "imapclient", "uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()
        library.propagate = True


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger for the part of maild called ``name``; it follows later calls of configure."""
    return cast("FilteringBoundLogger", _Late(name))


def bound(**fields: Any) -> AbstractContextManager[Any]:
    """`with bound(message_id=…, spool_id=…):` puts these fields on every line that is logged inside, in this task."""
    from structlog.contextvars import bound_contextvars

    return bound_contextvars(**fields)


def dropped_total() -> int:
    """How many lines this process has dropped because nobody took them."""
    return _dropped


def markdown() -> str:
    """The table of events as docs/reference/events.md has it: event, level, meaning, what to do."""
    rows = [f"| `{name}` | {event.level} | {event.meaning} | {event.action or '-'} |" for name, event in EVENTS.items()]
    return "\n".join(["| event | level | meaning | what to do |", "|---|---|---|---|", *rows, ""])


# What follows is how a line is made -------------------------------------------------------------------------------

_dropped = 0
_installed = False


class _Late:
    """A logger that wakes structlog when its first line is logged.

    Until configure is called (commands, tests) that is warnings on stderr, never structlog's own default of stdout.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        if not _installed:
            _install("auto" if is_journal(2) else "text", "warning", 2, JOURNAL_SOCKET, strict=False)
        import structlog

        return getattr(structlog.get_logger(self._name), method)


def _drop() -> None:
    global _dropped
    _dropped += 1


def _install(format: Format, level: str, fd: int, journal: str, strict: bool) -> None:
    global _installed
    import structlog
    from structlog.contextvars import merge_contextvars

    under_journal = is_journal(fd)
    if format == "auto":
        format = "journal" if under_journal else "text" if os.isatty(fd) else "json"
    sink = Sink(fd, _drop)
    write: Callable[[Record], None]
    match format:
        case "journal":
            write = Journal(journal, lambda record: sink.write(prefix(record) + as_json(record)), _drop)
        case "json":
            write = lambda record: sink.write((prefix(record) if under_journal else b"") + as_json(record))  # noqa: E731
        case _:
            colour = os.isatty(fd) and "NO_COLOR" not in os.environ
            write = lambda record: sink.write(as_text(record, colour))  # noqa: E731
    repeats = _Repeats()

    def finish(output: _Output, method: str, record: Record) -> tuple[tuple[Record], dict[str, Any]]:
        if strict:
            assert record["event"] in EVENTS, f"{record['event']!r} is not in maild.log_events.EVENTS: add it there"
        try:
            done = _finish(output.name, method, record, clock.now())
        except Exception as error:  # a value whose str() fails must not stop the work that is logged
            if strict:
                raise
            _drop()
            raise structlog.DropEvent from error
        if not repeats.passes(done):
            raise structlog.DropEvent
        return (done,), {}

    structlog.configure(
        processors=[merge_contextvars, finish],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level.lower(), 20)),
        logger_factory=lambda name="maild", *_: _Output(str(name), write),
        cache_logger_on_first_use=False,
    )
    _installed = True


class _Output:
    """What structlog calls at the end of its chain; all levels are one."""

    def __init__(self, name: str, write: Callable[[Record], None]) -> None:
        self.name = name
        self._write = write

    def msg(self, record: Record) -> None:
        try:
            self._write(record)
        except (OSError, ValueError):
            _drop()

    debug = info = warning = warn = error = critical = fatal = exception = msg


class _LibraryHandler(logging.Handler):
    """Takes what libraries log by the standard library and makes `library.warned` of it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            says = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a library's wrong format string
            says = str(record.msg)
        log = get_logger(record.name)
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method("library.warned", says=says, exc_info=record.exc_info or None)


def _finish(name: str, method: str, record: Record, now: datetime) -> Record:
    """The record as it is written: time, level, event and logger, then the plain, safe fields, then what to do."""
    level = {"warn": "warning", "exception": "error", "fatal": "critical"}.get(method, method)
    event = _plain(record.pop("event", ""), _VALUE_LIMIT)
    done: Record = {"timestamp": _instant(now), "level": level, "event": event, "logger": name}
    trace = _trace(record.pop("exc_info", None))
    for key, value in record.items():
        if value is not None:
            done[key] = _HIDE_AS if _is_hidden(key) else _plain(value, _VALUE_LIMIT)
    if LEVELS.get(level, 20) >= 30 and "do" not in done and event in EVENTS and EVENTS[event].action:
        done["do"] = re.sub(r"\{(\w+)\}", lambda m: str(done.get(m[1], m[1].upper())), EVENTS[event].action)
    if trace:
        done["exception"] = trace
    return done


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_hidden(key: object) -> bool:
    return not _HIDDEN.isdisjoint(re.split(r"[^a-z0-9]+", str(key).lower()))


def _plain(value: object, limit: int, depth: int = 0) -> Any:
    """The value as JSON can hold it, without secrets inside it, text cut at ``limit`` characters."""
    match value:
        case bool() | None:
            return value
        case int():
            return int(value)
        case float():
            return round(value, 6) if value == value and abs(value) != float("inf") else str(value)
        case datetime() if value.tzinfo is not None:
            return _instant(value)
        case timedelta():
            return value.total_seconds()
        case Mapping() if depth < 3:
            return {str(k): _HIDE_AS if _is_hidden(k) else _plain(v, limit, depth + 1) for k, v in value.items()}
        case list() | tuple() | set() | frozenset() if depth < 3:
            items = [_plain(item, limit, depth + 1) for item in list(value)[:20]]
            return [*items, f"and {len(value) - 20} more"] if len(value) > 20 else items
        case bytes() | bytearray():
            return f"{len(value)} bytes"  # bytes are mail more often than not
        case BaseException():
            return _cut(_without_rows(f"{type(value).__name__}: {value}"), limit)
        case _:
            return _cut(_without_rows(str(value)), limit)


def _without_rows(text: str) -> str:
    return _ROW.sub(r"\1 " + _HIDE_AS, text)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _trace(exc_info: object) -> str:
    """The traceback without local variables and without what a database quotes of its rows; '' where there is none."""
    match exc_info:
        case BaseException():
            error: BaseException | None = exc_info
        case tuple() if len(exc_info) == 3 and isinstance(exc_info[1], BaseException):
            error = exc_info[1]
        case _:
            error = sys.exc_info()[1] if exc_info else None
    if error is None:
        return ""
    text = _without_rows("".join(traceback.format_exception(error, limit=-12))).rstrip()
    return text if len(text) <= _TRACE_LIMIT else f"{text[: _TRACE_LIMIT // 2]}\n…\n{text[-_TRACE_LIMIT // 2 :]}"


class _Repeats:
    """The same warning again within a minute is counted, not written; the next one written says how many there were."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[Any, ...], tuple[str, int]] = OrderedDict()

    def passes(self, record: Record) -> bool:
        if LEVELS.get(record["level"], 20) < 30:
            return True
        key = tuple((k, str(v)) for k, v in record.items() if k != "timestamp")
        at, count = self._seen.pop(key, ("", 0))
        now = datetime.fromisoformat(record["timestamp"])
        if at and abs(now - datetime.fromisoformat(at)) < _REPEAT_WINDOW:
            self._seen[key] = (at, count + 1)
            return False
        self._seen[key] = (record["timestamp"], 0)
        if len(self._seen) > 256:
            self._seen.popitem(last=False)
        if count:
            record["repeated"] = count
        return True
