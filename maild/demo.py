"""This is where `make demo` lives: the real daemon, the shipped configuration, sample mails, and what became of them.

A throw-away state directory, a sink as the smarthost, the samples through SMTP one by one; then the cases, why each rule
matched, and the mails that went out. With --keep the daemon stays until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from maild.cli import show
from maild.cli.trace import became, matched_words, written

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0


class Sink:
    """The smarthost of the demo: takes every mail and keeps it."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.mail_from or "", list(envelope.rcpt_tos), mail))
        return "250 2.0.0 taken by the demo's sink"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def configuration(folder: Path, smtp_port: int, sink_port: int) -> None:
    """The shipped configuration, with ports that are free here."""
    shutil.copytree(ROOT / "config", folder)
    path = folder / "maild.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:2525", f"127.0.0.1:{smtp_port}").replace("port: 2526", f"port: {sink_port}")
    text = re.sub(r"^web:.*$", "", text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")


def wait_for(what: str, condition: Callable[[], bool], daemon: subprocess.Popen[bytes]) -> None:
    """Look again and again until it is so. Raises SystemExit after a minute, or when the daemon is gone."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or daemon.poll() is not None:
            raise SystemExit(f"the demo waited in vain for {what}")
        time.sleep(0.05)


def envelope_of(raw: bytes) -> tuple[str, list[str]]:
    """The envelope that a sample says of itself, in X-Demo-From and X-Demo-To; by default From and To."""
    mail = message_from_bytes(raw, policy=policy.default)
    sender = mail["X-Demo-From"] or mail["From"].addresses[0].addr_spec
    to = mail["X-Demo-To"] or ", ".join(one.addr_spec for one in mail["To"].addresses)
    return ("" if sender == "<>" else str(sender)), [one.strip() for one in str(to).split(",")]


def prepared(raw: bytes, sink: Sink) -> bytes:
    """The sample with the acknowledgement that it answers filled in, and without the demo's own lines."""
    for placeholder in re.findall(rb"<ACKNOWLEDGEMENT-TO:([^>]+)>", raw):
        wanted = placeholder.decode()
        found = next(
            (m for _, to, m in sink.mails if wanted in to and str(m["Auto-Submitted"]) == "auto-replied"), None
        )
        own = str(found["Message-ID"]).encode() if found is not None else b"<none@example.com>"
        raw = raw.replace(b"<ACKNOWLEDGEMENT-TO:" + placeholder + b">", own)
    return re.sub(rb"(?m)^X-Demo-[^\n]*\n", b"", raw)


def main(argv: list[str]) -> int:
    """Run the demo; returns the exit status."""
    keep = "--keep" in argv
    with tempfile.TemporaryDirectory(prefix="maild-demo-") as scratch:
        folder = Path(scratch) / "config"
        smtp_port, sink_port = free_port(), free_port()
        configuration(folder, smtp_port, sink_port)
        sink = Sink()
        controller = Controller(sink, hostname="127.0.0.1", port=sink_port)
        controller.start()
        log = (Path(scratch) / "maild.log").open("wb")
        daemon = subprocess.Popen(
            [sys.executable, "-P", "-m", "maild", "--config", str(folder), "run"], stdout=log, stderr=log,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            return _tell(folder, smtp_port, sink, daemon, Path(scratch) / "maild.log", keep)
        finally:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(40)
            controller.stop()
            log.close()


def _tell(
    folder: Path, port: int, sink: Sink, daemon: subprocess.Popen[bytes], log: Path, keep: bool
) -> int:
    from maild import clock, views
    from maild.office import open_store
    from maild.settings.load import load
    from maild.store import cases, outbox, spool, tracing

    def listening() -> bool:
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
        except OSError:
            return False
        return True

    try:
        wait_for("the SMTP door", listening, daemon)
    except SystemExit:
        show.block(log.read_text(encoding="utf-8", errors="replace")[-2000:])
        raise
    settings = load(folder)
    store = open_store(settings)
    samples = sorted((ROOT / "config" / "samples").glob("*.eml"))

    def settled() -> bool:
        with store.read() as connection:
            waiting = spool.figures(connection, clock.now())
            unsent = outbox.figures(connection, clock.now())
        return bool(waiting["pending"] + waiting["processing"] + unsent["pending"] == 0)

    show.line(f"maild's demo: {len(samples)} sample mails through SMTP on 127.0.0.1:{port}, by the rules in config/rules/")
    show.line()
    ids: list[tuple[Path, str]] = []
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for path in samples:
            raw = path.read_bytes()
            sender, to = envelope_of(raw)
            data = prepared(raw, sink)
            client.sendmail(sender, to, data)
            ids.append((path, str(message_from_bytes(data)["Message-ID"]).strip("<>")))
            wait_for(path.name, settled, daemon)

    show.line("What became of each mail, and why")
    with store.read() as connection:
        for path, message_id in ids:
            one = tracing.find(connection, message_id)["messages"][-1]
            _tell_message(path, one)
        rows = [views.case(connection, settings, case.number, clock.now()) for case, _, _ in cases.search(connection, {})]
    show.line()
    show.line("The cases")
    columns = ("#", "status", "priority", "title", "from", "organisation", "group", "assignee", "fields")
    show.table(
        columns,
        [
            (
                row["number"], row["status"], row["priority"], row["title"], (row["contact"] or {}).get("email", ""),
                row["organisation"], row["group"], row["assignee"],
                " ".join(f"{key}={value}" for key, value in row["fields"].items()),
            )
            for row in rows if row is not None
        ],
    )  # fmt: skip
    show.line()
    show.line("The mails that went out")
    with store.read() as connection:
        sent = [(", ".join(to), mail["Subject"], _kind(connection, mail)) for _, to, mail in sink.mails]
    show.table(("to", "subject", "what it is"), sent)
    first = next((mail for _, _, mail in sink.mails if str(mail["Auto-Submitted"]) == "auto-replied"), None)
    if first is not None:
        body = first.get_body(("plain",))
        show.line()
        show.line("One of them, as the customer sees it")
        for name in ("From", "Reply-To", "To", "Subject", "In-Reply-To", "Auto-Submitted"):
            show.line(f"  {name}: {first[name]}")
        show.block("  " + (body.get_content().strip() if body is not None else "").replace("\n", "\n  "))
    show.line()
    if keep:
        show.line(f"the daemon goes on: SMTP on 127.0.0.1:{port}; try: .venv/bin/maild --config {folder} case; end with Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            daemon.wait()
    store.close()
    return 0


def _kind(connection: Connection, mail: EmailMessage) -> str:
    """Acknowledgement, notification …: what the outbox says of a mail that came out at the sink."""
    from maild.store import outbox

    entry = outbox.by_message_id(connection, str(mail["Message-ID"]).strip("<>"))
    return entry.message.kind.value.replace("_", " ") if entry is not None else ""


def _tell_message(path: Path, one: dict[str, Any]) -> None:
    trace = one["trace"] or {}
    decision = (trace.get("decision") or {}).get("trace") or {}
    show.line(f"  {path.name}")
    show.line(f"    from {trace.get('from') or one['mail_from'] or '<>'}: {one['subject']}")
    show.line(f"    became {became(one)}")
    for tried in decision.get("tried", []):
        if tried.get("matched"):
            words = ", ".join(matched_words(tried.get("condition")))
            show.line(f"    rule {tried['rule']!r} matched" + (f" on {words}" if words else ""))
    if wrote := written(decision):
        show.line(f"    wrote {wrote}")
    for note in (trace.get("decision") or {}).get("notes", []):
        show.line(f"    note: {note}")
    for signal_ in [one for one in trace.get("threading", []) if "new matter" not in one][:2]:
        show.line(f"    thread: {signal_}")
    answer = trace.get("answer") or {}
    if answer.get("why_not") and one["disposition"] in {"case", "follow_up"}:
        show.line(f"    no acknowledgement: {answer['why_not']}")
    for mail in one["mails"]:
        show.line(f"    sent {mail['kind']} to {', '.join(mail['to'])}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
