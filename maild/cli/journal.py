"""This is where `maild log` is: what the daemon logged, out of the journal or a file of JSON lines, for a person to read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.given import moment

Record = dict[str, Any]

_LEVELS = {"7": "debug", "6": "info", "5": "info", "4": "warning", "3": "error"}
_FIELDS = {"MAILD_SPOOL": "spool_id"}  # journal fields whose name is not the log field's in capitals
_WORSE = ("warning", "error", "critical")


def register(app: typer.Typer) -> None:
    """Add `log` to the command line."""
    app.command("log")(log)


def log(
    file: Annotated[Path | None, typer.Argument(help="JSON lines (log.format: json), - is standard input; else the journal.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes (journal).")] = False,
    case: Annotated[int | None, typer.Option(help="Of this case.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="Of this mailbox.")] = None,
    sender: Annotated[str | None, typer.Option("--from", help="Of mails with this envelope sender.")] = None,
    message: Annotated[str | None, typer.Option("--message", help="Of this Message-ID or spool id.")] = None,
    since: Annotated[str | None, typer.Option(help="2d, 1h, or 2026-11-01; by default the last 1,000 lines.")] = None,
    warnings: Annotated[bool, typer.Option("--warnings", help="Only warnings and faults.")] = False,
) -> None:  # fmt: skip
    """Show what the daemon logged, each warning with what to do."""
    begin = moment(since) if since else None
    wanted = _Wanted(case, mailbox, sender, message, begin, warnings)
    records = _of_file(file) if file is not None else _of_journal(follow, begin)
    for record in records:
        if wanted(record):
            show.event(record)


class _Wanted:
    """Whether a line is asked for; what belongs to a mail from the sender is known by the line of its acceptance."""

    def __init__(
        self, case: int | None, mailbox: str | None, sender: str | None, message: str | None, since: datetime | None, warnings: bool
    ) -> None:
        self._sender = sender.strip("<>").lower() if sender is not None else None
        self._theirs: set[str] = set()
        self._fits: list[Callable[[Record], bool]] = []
        if case is not None:
            self._fits.append(lambda one: str(one.get("case")) == str(case))
        if mailbox is not None:
            self._fits.append(lambda one: mailbox in str(one.get("mailbox", "")).split(","))
        if message is not None:
            named = message.strip("<>")
            self._fits.append(lambda one: one.get("message_id") == named or str(one.get("spool_id", "")).startswith(named))
        if warnings:
            self._fits.append(lambda one: one["level"] in _WORSE)
        if since is not None:
            self._fits.append(lambda one: _at(one) is None or _at(one) >= since)

    def __call__(self, record: Record) -> bool:
        if self._sender is not None:
            spool_id = str(record.get("spool_id", ""))
            if str(record.get("mail_from", "")).lower() == self._sender:
                self._theirs.add(spool_id)
            elif not spool_id or spool_id not in self._theirs:
                return False
        return all(fits(record) for fits in self._fits)


def _at(record: Record) -> Any:
    try:
        return datetime.fromisoformat(str(record["timestamp"]))
    except ValueError:
        return None


def _of_file(file: Path) -> Iterator[Record]:
    """The lines of a file that are maild's; the journal's priority before a line does not matter."""
    source = typer.get_text_stream("stdin") if str(file) == "-" else file.open(encoding="utf-8", errors="replace")
    with source as lines:
        for line in lines:
            try:
                record = json.loads(re.sub(r"\A<\d>", "", line))
            except ValueError:
                continue
            if isinstance(record, dict) and {"timestamp", "level", "event"} <= set(record):
                yield record


def _of_journal(follow: bool, since: datetime | None) -> Iterator[Record]:
    """What stands in the journal of this machine under the name maild."""
    import shutil
    import subprocess

    if shutil.which("journalctl") is None:
        show.error("there is no journal here: name the file that holds the log of maild run, or - for standard input")
        raise typer.Exit(1)
    command = ["journalctl", "--identifier=maild", "--output=json", "--quiet", "--no-pager"]
    command += [f"--since=@{int(since.timestamp())}"] if since is not None else ["--lines=1000"]
    command += ["--follow"] if follow else []
    seen = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as journal:
        assert journal.stdout is not None
        for line in journal.stdout:
            if (record := _from_journal(line)) is not None:
                seen = True
                yield record
    if not seen:
        show.error("the journal has no line of maild; its log is where `maild run` writes: maild log FILE")
        raise typer.Exit(1)


def _from_journal(line: str) -> Record | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or "MAILD_EVENT" not in fields:
        return None
    at = datetime.fromtimestamp(int(fields.get("__REALTIME_TIMESTAMP", 0)) / 1e6, UTC)
    record: Record = {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _LEVELS.get(str(fields.get("PRIORITY", "6")), "critical"), "event": fields["MAILD_EVENT"],
    }  # fmt: skip
    for name, value in fields.items():
        if name.startswith("MAILD_") and name != "MAILD_EVENT":
            record[_FIELDS.get(name, name.removeprefix("MAILD_").lower())] = value
    return record
