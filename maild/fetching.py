"""This is where it is said how fetching by IMAP stands: when each mailbox was last fetched, its faults, its sign-ins.

A mailbox with several folders is as well as the worst of them: any fault shows, and the oldest last fetch counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from maild.errors import MailboxUnavailable
from maild.settings.models import Imap, Settings
from maild.store import installation
from maild.store.alone import alone
from maild.store.unit_of_work import Store

if TYPE_CHECKING:
    from maild.office import Office

TELL_AGAIN = timedelta(days=1)
_TOLD = "oauth_told_at"


def folders(settings: Settings, mailbox: str) -> list[Imap]:
    """What is fetched for a mailbox: its folders, and where it is named the one with its sent mail."""
    found: dict[str, Imap] = {}
    for one in settings.main.mailboxes[mailbox].imap:
        found.setdefault(one.place, one)
        if one.sent:
            sent = one.model_copy(update={"folder": one.sent, "after": "keep", "sent": one.sent})
            found.setdefault(sent.place, sent)
    return list(found.values())


def states(connection: Connection, settings: Settings) -> dict[str, tuple[datetime | None, str | None]]:
    """For each mailbox that is fetched: the oldest last fetch of its folders (None: one was never), and its faults."""
    rows = {(row.mailbox, row.folder): row for row in installation.folders(connection)}
    found: dict[str, tuple[datetime | None, str | None]] = {}
    for key, mailbox in settings.main.mailboxes.items():
        if not mailbox.imap:
            continue
        fetched: list[datetime | None] = []
        faults: list[str] = []
        for one in folders(settings, key):
            row = rows.get((key, one.place))
            fetched.append(row.last_fetch if row is not None else None)
            if row is not None and row.fault:
                faults.append(row.fault)
        known = [at for at in fetched if at is not None]
        found[key] = (
            min(known) if known and len(known) == len(fetched) else None,
            "; ".join(dict.fromkeys(faults)) or None,
        )
    return found


def sign_ins(settings: Settings) -> dict[str, datetime]:
    """When the sign-in of each mailbox with OAuth ends, as far as known: the earliest of its accounts."""
    if not any(one.auth is not None for mailbox in settings.main.mailboxes.values() for one in mailbox.imap):
        return {}
    from maild.ingest.oauth import expiry, token_file

    found: dict[str, datetime] = {}
    for key, mailbox in settings.main.mailboxes.items():
        for one in mailbox.imap:
            if one.auth is None or one.auth.oauth2.flow == "client_credentials":
                continue
            try:
                grant = token_file(settings.state_dir, key, one.username).load()
            except MailboxUnavailable:  # the door says so
                continue
            ends = expiry(grant, one.auth.oauth2) if grant is not None else None
            if ends is not None:
                found[key] = min(ends, found.get(key, ends))
    return found


def tell_of_expiry(store: Store, office: Office, now: datetime) -> int:
    """Once a day the admins hear of sign-ins that end within a week; returns how many."""
    from maild.desk import Desk
    from maild.ingest.oauth import WARN_BEFORE

    ending = {key: ends for key, ends in sign_ins(office.settings).items() if ends - now <= WARN_BEFORE}
    if not ending:
        return 0
    with store.write() as connection:
        alone(connection, "sweep", "sign-ins")
        last = installation.get_meta(connection, _TOLD)
        if last is not None and datetime.fromisoformat(last) > now - TELL_AGAIN:
            return 0
        desk = Desk(office, connection, now)
        for key, ends in ending.items():
            over = ends <= now
            desk.tell_admins(
                f"the sign-in of mailbox {key} {'has ended' if over else f'ends on {ends:%Y-%m-%d}'}",
                f"run: maild oauth login {key}",
                "Its mail is no longer fetched." if over else "After that its mail is no longer fetched.",
            )
        installation.set_meta(connection, _TOLD, now.isoformat())
    return len(ending)
