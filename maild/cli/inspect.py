"""This is where maild shows what it reads in a message, without a configuration or a database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.cli import show

_FROM_LINE = re.compile(rb"\A>?From [^\r\n]*(?:\r\n|\n|\r)")
_PROGRESS_FROM = 50


def register(app: typer.Typer) -> None:
    """Add the command `inspect` to the program."""

    @app.command("inspect")
    def inspect(
        paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Messages, or folders of them.")],
        json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    ) -> None:
        """Show what maild reads in messages: kind, sender, text, attachments, bounce. Needs no configuration."""
        missing = [path for path in paths if not path.exists()]
        for path in missing:
            show.error(f"{path}: there is no such file or folder; name messages (.eml) or folders of them")
        files = [file for path in paths if path.exists() for file in messages_in(path)]
        with show.progress("reading", len(files) if len(files) >= _PROGRESS_FROM else None) as step:
            for number, file in enumerate(files):
                record = read(file)
                if json:
                    show.as_json(record, lines=True)
                else:
                    summary(record, first=number == 0)
                step(number + 1)
        if missing:
            raise typer.Exit(1)


def messages_in(path: Path) -> Iterator[Path]:
    """The files below a path in natural order, without *.jsonl and dot files; a file named outright is always one."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden and file.suffix != ".jsonl":
            yield file


def read(file: Path) -> dict[str, Any]:
    """What maild reads in one file, as contract section 2 names it. Never fails: what cannot be read is a defect."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        return describe(str(file), b"", (f"file: {error.strerror or type(error).__name__}",))
    return describe(str(file), raw)


def describe(name: str, raw: bytes, defects: tuple[str, ...] = ()) -> dict[str, Any]:
    """One message as a record for JSON; the envelope sender is its Return-Path."""
    from maild.ingest.classify import NOTHING_OWN, classify, verification_details
    from maild.ingest.parse import parse
    from maild.model.message import MessageKind

    message = parse(_FROM_LINE.sub(b"", raw, count=1))
    found = classify(message, return_path(message.header_all("Return-Path")), NOTHING_OWN)
    bounce = found.bounce
    record: dict[str, Any] = {
        "file": name,
        "message_id": message.message_id,
        "kind": found.kind.value,
        "automatic": found.automatic.value,
        "from": _address(message.from_[0]) if message.from_ else None,
        "reply_to": [_address(one) for one in message.reply_to],
        "to": [_address(one) for one in message.to],
        "cc": [_address(one) for one in message.cc],
        "subject": message.subject,
        "date": show.instant(message.date),
        "text": message.text,
        "new_text": message.new_text,
        "language": message.language,
        "attachments": [
            {"name": one.name, "type": one.type, "size": one.size, "sha256": one.sha256} for one in message.attachments
        ],
        "bounce": None
        if bounce is None
        else {
            "recipients": [
                {"address": one.address, "status": one.status, "action": one.action.value, "hard": one.hard}
                for one in bounce.recipients
            ],
            "original_message_id": bounce.original_message_id,
        },
        "defects": [*defects, *message.defects],
    }
    if found.kind is MessageKind.VERIFICATION:
        record["verification"] = list(verification_details(message))
    return record


def return_path(values: Iterable[str]) -> str | None:
    """The envelope sender that a Return-Path field tells: '' for the empty one, None without a field."""
    for value in values:
        return value.strip().strip("<>").strip()
    return None


def _address(one: Any) -> dict[str, str]:
    return {"name": one.name, "email": one.email}


def summary(record: dict[str, Any], first: bool) -> None:
    """One message for a person to read."""
    if not first:
        show.line()
    show.line(record["file"])

    def people(found: list[dict[str, str]]) -> str:
        return ", ".join(f"{one['name']} <{one['email']}>" if one["name"] else one["email"] for one in found)

    rows = [
        (
            "kind",
            record["kind"]
            + {"certain": ", certainly automatic", "likely": ", likely automatic"}.get(record["automatic"], ""),
        ),
        ("from", people([record["from"]] if record["from"] else [])),
        ("reply to", people(record["reply_to"])),
        ("to", people(record["to"])),
        ("cc", people(record["cc"])),
        ("subject", record["subject"]),
        ("date", record["date"] or ""),
        ("message id", record["message_id"]),
        ("language", record["language"]),
        ("attachments", ", ".join(f"{a['name']} ({a['type']}, {a['size']} bytes)" for a in record["attachments"])),
        ("bounced", ", ".join(_bounced(one) for one in (record["bounce"] or {}).get("recipients", []))),
        ("verification", "  ".join(record.get("verification", []))),
        ("defects", "; ".join(record["defects"])),
    ]
    for label, value in rows:
        if value:
            show.line(f"  {label + ':':13} {value}")
    text = record["new_text"] or record["text"]
    if text.strip():
        show.line()
        show.block("\n".join("  " + line for line in text.strip().split("\n")))


def _bounced(one: dict[str, Any]) -> str:
    return f"{one['address']} {one['action']}{' ' + one['status'] if one['status'] else ''}{' for good' if one['hard'] else ''}"
