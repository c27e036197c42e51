"""This is where maild tries what a configuration names, for `check --connect`: database, smarthost, IMAP, sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maild.settings.models import Imap, Settings, SmtpDoor

_PATIENCE = 10  # seconds for each answer


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried, whether it worked, and what was seen or what to do."""

    what: str
    ok: bool
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def attempts(settings: Settings) -> Iterator[Attempt]:
    """Try each thing once; never raises for what does not work."""
    for what, attempt in _table(settings):
        try:
            yield Attempt(what, True, attempt())
        except Exception as error:  # the report is the purpose: whatever a library raises is what the person must read
            yield Attempt(what, False, f"{str(error).strip() or type(error).__name__}")


def _table(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    from maild import fetching

    yield "database", partial(_database, settings)
    yield (
        f"smarthost {settings.main.outbound.smtp.host}:{settings.main.outbound.smtp.port}",
        partial(_smarthost, settings),
    )
    for name in settings.main.mailboxes:
        for account in fetching.folders(settings, name):
            where = f"{account.username} at {account.host}:{account.port}, {account.folder}"
            yield f"imap {name} ({where})", partial(_imap, name, account, settings)
    for door in settings.main.ingest.smtp:
        yield f"smtp door {door.listen}", partial(_door, door)
    for door in settings.main.ingest.lmtp:
        yield f"lmtp door {door.listen}", partial(_door, door)


def _database(settings: Settings) -> str:
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    from maild.settings.load import database_url

    url = database_url(settings)
    if url.startswith("sqlite"):
        path = Path(url.split(":///", 1)[1].partition("?")[0])
        if not path.exists():
            place = next(parent for parent in path.parents if parent.exists())
            if not os.access(place, os.W_OK):
                raise PermissionError(f"{place} cannot be written by this user; the database {path} is not there yet")
            return f"{path} is not there yet; maild run makes it"
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": _PATIENCE} if "postgresql" in url else {}
    )
    with engine.connect() as connection:
        version = "select sqlite_version()" if url.startswith("sqlite") else "show server_version"
        return f"{engine.dialect.name} {connection.execute(text(version)).scalar()} answers"


def _smarthost(settings: Settings) -> str:
    import smtplib
    import ssl

    from maild.settings import secrets

    to = settings.main.outbound.smtp
    context = ssl.create_default_context(cafile=str(settings.folder / to.ca_file) if to.ca_file else None)
    client: smtplib.SMTP
    if to.security == "tls":
        client = smtplib.SMTP_SSL(to.host, to.port, timeout=_PATIENCE, context=context)
    else:
        client = smtplib.SMTP(to.host, to.port, timeout=_PATIENCE)
    with client:
        client.ehlo()
        if to.security == "starttls":
            client.starttls(context=context)
            client.ehlo()
        if to.username:
            client.login(to.username, secrets.read(to.password, settings.folder) if to.password else "")
        code, answer = client.noop()
        if code != 250:
            raise OSError(f"{code} {answer.decode('utf-8', 'replace')}")
    return f"answers{', login accepted' if to.username else ''}{', ' + to.security if to.security != 'none' else ''}"


def _imap(name: str, account: Imap, settings: Settings) -> str:
    from maild.ingest.imap import located, probe
    from maild.ingest.imap_wire import Timing
    from maild.ingest.oauth import TokenSource, token_file
    from maild.settings import secrets

    secret: str | Callable[[], str] = ""
    if account.auth is not None:
        config = account.auth.oauth2
        known = config.client_secret
        secret = TokenSource(
            name, config, lambda: secrets.read(known, settings.folder) if known else None,
            token_file(settings.state_dir, name, account.username),
        )  # fmt: skip
    elif account.password is not None:
        secret = secrets.read(account.password, settings.folder)
    return "; ".join(probe(located(account, settings.folder), secret, timing=Timing(connect=_PATIENCE, read=_PATIENCE)))


def _door(door: SmtpDoor) -> str:
    """A door that answers is open already; one that does not must be free to be opened."""
    if door.listen.startswith("systemd:"):
        return "opened by systemd"
    if door.listen.startswith("unix:"):
        path = Path(os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or ".") / door.listen.removeprefix("unix:")
        if path.exists():
            with socket.socket(socket.AF_UNIX) as client:
                return _greeting(client, str(path))
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(
                f"{path.parent} cannot be written by this user; systemd makes it ($RUNTIME_DIRECTORY)"
            )
        return f"{path} is free"
    host, _, port = door.listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = ({"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port))
    with socket.socket(family) as client:
        try:
            return _greeting(client, where)
        except ConnectionRefusedError:
            pass
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("" if host == "*" else host, int(port)))
    return "free"


def _greeting(client: socket.socket, where: Any) -> str:
    client.settimeout(_PATIENCE)
    client.connect(where)
    greeting = client.recv(512).decode("utf-8", "replace").strip()
    client.sendall(b"QUIT\r\n")
    return f"open, says {greeting[:80]!r}"
