"""This is where a message is tried: the mailroom's own steps in a transaction that is rolled back.

There is no second implementation of a decision: what `maild rules try` shows is what the mailroom would do now.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from maild import clock, views
from maild.errors import CaseError
from maild.ingest.identity import peek
from maild.model.message import Door, Envelope
from maild.model.spool import Arrival, SpoolEntry
from maild.office import Office, open_office
from maild.reading import read
from maild.rules.explain import lines as decision_lines
from maild.settings.models import Settings
from maild.settling.matter import Settled
from maild.settling.way import settle
from maild.store import cases, installation, spool
from maild.store.unit_of_work import Store


@dataclass(frozen=True, slots=True)
class Trial:
    """What would have happened: the settled message, the case as it would be, the mails that would go out."""

    settled: Settled
    case: dict[str, Any] | None
    mails: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {
            "disposition": self.settled.disposition,
            "reason": self.settled.reason or None,
            "rules": list(self.settled.decision.rules) if self.settled.decision else [],
            "case": self.case,
            "mails": self.mails,
            "trace": self.settled.trace,
        }

    def lines(self) -> list[str]:
        trace = self.settled.trace
        found = [f"would be: {self.settled.disposition}" + (f" ({self.settled.reason})" if self.settled.reason else "")]
        found.append(f"kind: {trace.get('kind')}, automatic: {trace.get('automatic')}" + "".join(f"; {s}" for s in trace.get("signs", [])))
        found += [f"from: {trace.get('from') or 'nobody known'} ({trace.get('identity')})"]
        found += [f"thread: {signal}" for signal in trace.get("threading", [])]
        if self.settled.decision is not None:
            found += decision_lines(self.settled.decision)
        if trace.get("update"):
            found.append(f"update: {trace['update']}")
        if self.case is not None:
            found.append(f"case: {self.case['title']!r} in {self.case['mailbox']}, {self.case['status']}, {self.case['priority']}")
            contact = self.case["contact"] or {}
            for name, value in (
                ("contact", contact.get("email")), ("organisation", self.case["organisation"]), ("group", self.case["group"]),
                ("assignee", self.case["assignee"]), ("sla", self.case["sla"]), ("category", self.case["category"]),
                ("summary", self.case["summary"]), ("tags", " ".join(self.case["tags"])),
                *((f"fields.{key}", value) for key, value in self.case["fields"].items()),
            ):  # fmt: skip
                if value:
                    found.append(f"  {name}: {value}")
        answer = trace.get("answer") or {}
        if answer.get("why_not"):
            found.append(f"no automatic answer: {answer['why_not']}")
        found += [f"would send: {mail['kind']} to {', '.join(mail['to'])}: {mail['subject']}" for mail in self.mails]
        return found


def run(
    settings: Settings, open_store: Callable[[], Store | None], *, raw: bytes | None = None, stored: str | None = None,
    to: tuple[str, ...] = (), mail_from: str | None = None,
) -> Trial:  # fmt: skip
    """Try a message (raw bytes), or a stored one by its id, against today's cases; nothing is kept. What the stored one made
    when it came is out of the way: it is tried as if it came now.

    Raises CaseError where there is no such stored message, or it is to none of our addresses.
    """
    store = open_store()
    with tempfile.TemporaryDirectory() as folder:
        if store is None:
            store = Store(f"sqlite:///{folder}/trial.db", Path(folder))
            store.create_or_upgrade()
        now = clock.now()
        office = open_office(settings, installation.ensure_key(store, now))
        with store.engine.connect() as connection:
            transaction = connection.execution_options(maild_write=True).begin()
            try:
                if stored is not None:
                    entry = spool.find(connection, stored)
                    if entry is None:
                        raise CaseError(f"no accepted message is known by {stored!r}")
                    entry = _again(entry)
                    cases.set_aside(connection, entry.seq)
                else:
                    entry = _accepted(connection, office, raw or b"", to, mail_from)
                settled = settle(connection, office, entry, read(office, entry), now)
                case = views.case(connection, settings, settled.case, now) if settled.case else None
                assert settled.desk is not None
                mails = [
                    {"kind": mail.kind.value, "to": list(mail.recipients), "subject": mail.subject, "text": mail.text}
                    for _, mail in settled.desk.mails
                ]
                return Trial(settled, case, mails)
            finally:
                transaction.rollback()
                connection.close()
                if str(store.url.database or "").startswith(folder):
                    store.close()


def _again(entry: SpoolEntry) -> SpoolEntry:
    from dataclasses import replace

    return replace(entry, released_by=None, case=None)


def _accepted(connection: Any, office: Office, raw: bytes, to: tuple[str, ...], mail_from: str | None) -> SpoolEntry:
    from maild.ingest.parse import parse
    from maild.ingest.sender import recipients

    if not to:
        to = tuple(one for one in recipients(parse(raw), ()) if office.addresses.accepts(one))
    unknown = [one for one in to if not office.addresses.accepts(one)]
    if unknown or not to:
        raise CaseError(f"{', '.join(unknown) or 'the mail'} is to none of our addresses; name one: --to ADDRESS")
    seen = peek(raw)
    if mail_from is None:
        returned = parse(raw).header("Return-Path").strip()
        mail_from = returned.strip("<>") if returned else parseaddr(seen.from_)[1] or None
    envelope = Envelope(Door.CLI, mail_from, to, raw, clock.now(), trusted=True)
    arrival = Arrival(
        envelope=envelope, digest=f"trial {clock.now().isoformat()}", identified=True,
        message_id=seen.message_id, subject=seen.subject, sender=parseaddr(seen.from_)[1], conversation=seen.conversation,
        mailboxes=office.addresses.mailboxes_of(to),
    )  # fmt: skip
    ((spool_id, _),) = spool.accept(connection, [arrival])
    entry = spool.find(connection, spool_id)
    assert entry is not None
    return entry
