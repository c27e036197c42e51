"""This is where tests get their mails, configurations, databases and a mailroom to try them in."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from maild import views
from maild.mailroom import Mailroom
from maild.model.message import Door, Envelope
from maild.model.outbox import OutboxEntry, OutboxState
from maild.model.spool import SpoolEntry
from maild.office import Compiled, Office, open_office
from maild.outbound.templates import Templates
from maild.plain.tokens import new_serial, sign_id
from maild.processes.door import arrival
from maild.rules.ruleset import compile_rules
from maild.settings.load import load
from maild.store import cases, installation, outbox, spool
from maild.store.unit_of_work import Store

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)  # a Monday
TRUSTED = "Authentication-Results: mx.example.com; dmarc=pass header.from={}"

MAIN: dict[str, Any] = {
    "database": "sqlite:///maild.db",
    "state_dir": "./var",
    "timezone": "Europe/Berlin",
    "admins": ["root@example.com"],
    "mailboxes": {
        "support": {
            "address": "support@example.com", "aliases": ["help@example.com"], "receives": ["cases-7f3k@in.example.com"],
            "name": "Example Support", "group": "support", "sla": "Standard",
        },
        "billing": {"address": "billing@example.com", "name": "Example Billing", "group": "billing"},
        "alerts": {"address": "alerts@example.com", "group": "support", "accept_automatic": True},
        "quiet": {"address": "quiet@example.com", "acknowledge": "none", "notify": "none"},
    },
    "ingest": {"smtp": {"listen": "127.0.0.1:0"}},
    "outbound": {"smtp": {"host": "127.0.0.1", "port": 9, "security": "none"}},
    "fields": {"order": {"type": "text"}, "host": {"type": "text"}},
}  # fmt: skip
DIRECTORY: dict[str, Any] = {
    "users": {
        "alice": {"name": "Alice Ng", "email": "alice@example.com"},
        "bob": {"name": "Bob Roy", "email": "bob@example.com"},
        "carol": {"name": "Carol Wu", "email": "carol@example.com"},
    },
    "groups": {
        "support": {"members": ["alice", "bob"], "manager": "carol"},
        "billing": {"members": ["carol"], "manager": "carol"},
    },
    "organisations": {
        "Acme Ltd": {"domains": ["acme.example"], "sla": "Gold"},
        "Own Ltd": {"domains": ["own.example"], "cases": "own"},
    },
}  # fmt: skip
SLA: dict[str, Any] = {
    "policies": {
        "Standard": {"targets": {"medium": {"first_response": "4h", "resolution": "5d"}}},
        "Gold": {"targets": {"medium": {"first_response": "1h", "resolution": "1d"}}},
    }
}  # fmt: skip


# --- mails ------------------------------------------------------------------------------------------------------

_serial = iter(range(1, 1 << 30))


def mail(
    body: str = "Hello, it does not work.\n", *, sender: str | None = "Jo Doe <jo@home.example>",
    to: str = "support@example.com", subject: str | None = "It does not work", message_id: str | None = "",
    headers: Sequence[str] = (), date: datetime | None = NOW,
) -> bytes:  # fmt: skip
    """A mail as bytes with CRLF. ``message_id`` '' makes a new one, None leaves the header out; ``headers`` are lines."""
    if message_id == "":
        message_id = f"m{next(_serial)}@home.example"
    lines = list(headers)
    lines += [f"From: {sender}"] if sender is not None else []
    lines += [f"To: {to}"] if to else []
    lines += [f"Subject: {subject}"] if subject is not None else []
    lines += [f"Message-ID: <{message_id}>"] if message_id is not None else []
    lines += [f"Date: {format_datetime(date)}"] if date is not None else []
    if not any(line.lower().startswith("content-type:") for line in lines):
        lines += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
    return ("\n".join(lines) + "\n\n" + body).replace("\r\n", "\n").replace("\n", "\r\n").encode()


def envelope(
    raw: bytes, to: Sequence[str] = ("support@example.com",), mail_from: str | None = "jo@home.example",
    at: datetime = NOW, *, door: Door = Door.LMTP, trusted: bool = True,
) -> Envelope:  # fmt: skip
    """What a door hands on."""
    return Envelope(door=door, mail_from=mail_from, rcpt_tos=tuple(to), raw=raw, received_at=at, trusted=trusted)


# --- configurations ---------------------------------------------------------------------------------------------


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with these changes, mapping by mapping; a key set to ``...`` is taken out."""
    result = dict(base)
    for key, value in changes.items():
        if value is ...:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def configuration(
    folder: Path, *, main: Mapping[str, Any] | None = None, directory: Mapping[str, Any] | None = None,
    rules: Sequence[Mapping[str, Any]] | str = (), sla: Mapping[str, Any] | None = None,
    workflows: Sequence[Mapping[str, Any]] = (),
) -> Path:  # fmt: skip
    """Write a configuration directory: the one above with these changes. Returns it."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    texts = {
        "maild.yaml": yaml.safe_dump(merged(MAIN, main or {})),
        "directory.yaml": yaml.safe_dump(merged(DIRECTORY, directory or {})),
        "sla.yaml": yaml.safe_dump(merged(SLA, sla or {})),
    }
    if rules:
        texts["rules/10-tests.yaml"] = rules if isinstance(rules, str) else yaml.safe_dump({"rules": list(rules)})
    if workflows:
        texts["workflows.yaml"] = yaml.safe_dump({"workflows": list(workflows)})
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def office(folder: Path, store: Store, **parts: Any) -> Office:
    """The office of a configuration made of these parts (see `configuration`), with the keys of this database."""
    settings = load(configuration(folder, **parts))
    compiled = Compiled(compile_rules(settings), _shipped_templates())
    return open_office(settings, installation.ensure_key(store, NOW), compiled)


@cache
def _shipped_templates() -> Templates:
    """The package's own templates: dear to compile, the same for all tests."""
    return Templates()


# --- a mailroom to try mails in ---------------------------------------------------------------------------------


def daemons_at_once(store: Store, work: Callable[[Store], object], count: int = 4) -> None:
    """Do the same in several threads at the same moment, each with the database opened for itself as a daemon does."""
    stores = [Store(store.url.render_as_string(hide_password=False), store.state_dir) for _ in range(count)]
    ready = threading.Barrier(count)

    def daemon(one: Store) -> None:
        with one.read():
            ready.wait(30)
        work(one)
        one.close()

    threads = [threading.Thread(target=daemon, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


@dataclass
class Room:
    """A mailroom without a daemon: what `put` accepted, `work` processes; the rest looks at what came of it."""

    store: Store
    office: Office
    now: datetime = NOW
    sent: int = 0
    accepted: list[str] = field(default_factory=list)

    def put(
        self, raw: bytes, to: Sequence[str] = ("support@example.com",), mail_from: str | None = "jo@home.example",
        *, trusted: bool = True,
    ) -> str:  # fmt: skip
        """Accept one message as a door does; returns its spool id."""
        wanted = arrival(envelope(raw, to, mail_from, self.now, trusted=trusted), self.office.addresses)
        with self.store.write() as connection:
            ((spool_id, _new),) = spool.accept(connection, [wanted])
        return spool_id

    def work(self) -> None:
        """Process everything that waits."""
        room = Mailroom(self.store, self.office)
        lease = {"limit": 20, "max_bytes": 1 << 22, "seconds": 60.0, "also": room.reserve}
        while entries := spool.lease(self.store, "test#1", **lease):
            room.process(entries, self.now)

    def receive(
        self, raw: bytes, to: Sequence[str] = ("support@example.com",), mail_from: str | None = "jo@home.example",
        *, trusted: bool = True,
    ) -> SpoolEntry:  # fmt: skip
        """Accept and process one message; returns its entry as it is then."""
        spool_id = self.put(raw, to, mail_from, trusted=trusted)
        self.work()
        return self.entry(spool_id)

    def entry(self, spool_id: str) -> SpoolEntry:
        with self.store.read() as connection:
            found = spool.find(connection, spool_id)
        assert found is not None
        return found

    def trace(self, spool_id: str) -> dict[str, Any]:
        with self.store.read() as connection:
            found = spool.find(connection, spool_id)
            assert found is not None
            return dict(spool.details(connection, found.seq).trace or {})

    def later(self, **how: float) -> None:
        self.now += timedelta(**how)

    def case(self, number: int | None) -> dict[str, Any]:
        """The case as `case show --json` prints it."""
        assert number is not None
        with self.store.read() as connection:
            shown = views.case(connection, self.office.settings, number, self.now)
        assert shown is not None
        return shown

    def numbers(self) -> list[int]:
        with self.store.read() as connection:
            return sorted(case.number for case, _name, _email in cases.search(connection, {}))

    def outgoing(self) -> list[OutboxEntry]:
        """Every mail in the outbox."""
        with self.store.read() as connection:
            return outbox.listed(connection, states=tuple(OutboxState))

    def fresh(self) -> list[OutboxEntry]:
        """The mails that came into the outbox since the last look."""
        every = self.outgoing()
        new, self.sent = every[self.sent :], len(every)
        return new

    def signed_id(self, case: int, reader: int = 0) -> str:
        """A Message-ID of ours for this case, as its acknowledgement or notification would carry it."""
        return sign_id(self.office.keyring, case, reader, "example.com", new_serial(secrets.token_bytes(8)))


def header(entry: OutboxEntry, name: str) -> str:
    """A header of an outgoing mail, '' where it has none."""
    return next((value for key, value in entry.message.headers if key.lower() == name.lower()), "")
