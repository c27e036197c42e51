"""This is where maild talks to an IMAP server: one connection, logged in, with one folder open.

The only importer of imapclient, which speaks the commands; the bytes go through `imap_wire.Wire`. Everything that goes
wrong is a `MailboxUnavailable` that says in words where and why.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, IMAPClientReadOnlyError

from maild.errors import MailboxUnavailable
from maild.ingest.imap_faults import FolderUnavailable, ServerRefuses, faults, plain_text
from maild.ingest.imap_login import log_in
from maild.ingest.imap_wire import Timing, Wire
from maild.settings.models import Imap

PIECE = 1024**2  # a message is fetched in pieces of this many bytes
DONE_KEYWORD = "$MaildDone"  # marks a processed message that could not be moved or deleted


@dataclass(frozen=True, slots=True)
class Selected:
    """What the server said of the folder when it was opened; ``uidnext`` is 0 where it did not say."""

    uidvalidity: int
    uidnext: int
    messages: int
    writable: bool


def tls_context(config: Imap) -> ssl.SSLContext:
    """A context that verifies certificate and host name, with the CAs of ``ca_file`` if one is named.

    Raises MailboxUnavailable where that file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise MailboxUnavailable(f"ca_file {config.ca_file} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient over a wire that is already connected."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(wire.host, port=wire.port, ssl=False, timeout=None)
        wire.debug = 0  # imaplib would format every line for a log that nobody reads

    def _create_IMAP4(self) -> Wire:
        return self._wire


class Session:
    """A logged-in connection; made by `Session.open`, ended by leaving the `with` block."""

    def __init__(self, wire: Wire, client: _Client, config: Imap, timing: Timing) -> None:
        self._wire, self._client, self._config, self._timing = wire, client, config, timing
        self._targets: dict[str, str] = {}
        self._no_idle = False

    @classmethod
    def open(
        cls,
        config: Imap,
        secret: Callable[[], str],
        *,
        timing: Timing = Timing(),
        stopping: Callable[[], bool] = lambda: False,
        largest: int = 64 * 1024**2,
    ) -> Session:
        """Connect, begin TLS as configured, and log in.

        ``secret`` gives the password, or with ``auth: {oauth2: …}`` the access token; it is asked only when the
        connection is safe. Raises MailboxUnavailable, LoginRefused, Stopping.
        """
        tls = tls_context(config) if config.security != "none" else None
        with faults(config, "connect"):
            wire = Wire(
                config.host,
                config.port,
                tls=tls if config.security == "tls" else None,
                timing=timing,
                stopping=stopping,
                largest=largest,
            )
        try:
            with faults(config, "greeting"):
                client = _Client(wire)
            if wire.state != "NONAUTH":
                # Who is not asked for a login can be anybody: without one, what follows is not our account (PREAUTH).
                raise MailboxUnavailable(f"{config.host}: the server logs us in without asking (PREAUTH): refused")
            if config.security == "starttls":
                with faults(config, "STARTTLS"):
                    if not client.has_capability("STARTTLS"):
                        raise MailboxUnavailable(
                            f"{config.host}: the server offers no STARTTLS, so no password was sent"
                            " (use security: tls with port 993, or look who sits in between)"
                        )
                    client.starttls(tls)
            session = cls(wire, client, config, timing)
            log_in(client, session.capabilities, config, secret())
            return session
        except BaseException:
            wire.shutdown()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye if all is well, and hang up."""
        if kind is None:
            with contextlib.suppress(Exception):
                self._client.logout()
        self._wire.shutdown()

    # -- what the server is asked ---------------------------------------------------------------------------------

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities after login, in capitals."""
        with faults(self._config, "CAPABILITY"):
            return frozenset(item.decode("ascii", "replace").upper() for item in self._client.capabilities())

    @property
    def can_idle(self) -> bool:
        return "IDLE" in self.capabilities and not self._no_idle

    def folders(self) -> list[str]:
        """The names of all folders."""
        with faults(self._config, "LIST"):
            return [name for _, _, name in self._client.list_folders()]

    def select(self, *, readonly: bool) -> Selected:
        """Open the configured folder. Raises FolderUnavailable where it is not there or has no stable UIDs."""
        folder = self._config.folder
        try:
            with faults(self._config, f"folder {folder}"):
                writable = not readonly
                try:
                    answer = self._client.select_folder(folder, readonly=readonly)
                except IMAPClientReadOnlyError:
                    answer, writable = self._client.select_folder(folder, readonly=True), False
        except ServerRefuses as error:
            raise FolderUnavailable(str(error)) from error
        self._wire.untagged_responses.clear()
        if not answer.get(b"UIDVALIDITY"):
            raise FolderUnavailable(
                f"{self._config.host}: folder {folder} has no UIDVALIDITY: it cannot be followed safely"
            )
        return Selected(
            uidvalidity=int(answer[b"UIDVALIDITY"]),
            uidnext=int(answer.get(b"UIDNEXT", 0)),
            messages=int(answer.get(b"EXISTS", 0)),
            writable=writable,
        )

    def highest(self) -> int:
        """The highest UID in the folder, 0 where it is empty."""
        return max(self._search("UID", "*"), default=0)

    def uids(self, first: int, last: int) -> list[int]:
        """The UIDs that exist from ``first`` to ``last``, both included, ascending."""
        return sorted({uid for uid in self._search("UID", f"{first}:{last}") if first <= uid <= last})

    def flagged(self) -> list[int]:
        """The UIDs of the messages marked as done (`flag`)."""
        return sorted(set(self._search("KEYWORD", DONE_KEYWORD)))

    def _search(self, *criteria: str) -> list[int]:
        with faults(self._config, "SEARCH"):
            kind, data = self._wire.uid("SEARCH", *criteria)
            if kind != "OK":
                raise IMAPClientError(f"SEARCH failed: {data!r}")
            return [int(number) for line in data if line for number in line.split()]

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """UID -> size in bytes as the server says it; those that are gone are missing."""
        with faults(self._config, "FETCH"):
            answer = self._client.fetch(uids, ["RFC822.SIZE"])
            return {uid: int(item[b"RFC822.SIZE"]) for uid, item in answer.items() if b"RFC822.SIZE" in item}

    def pieces(self, uids: Sequence[int], offset: int) -> dict[int, bytes]:
        """UID -> at most PIECE bytes from ``offset`` on; no flag is changed. Messages that are gone are missing."""
        with faults(self._config, "FETCH"):
            answer = self._client.fetch(uids, [f"BODY.PEEK[]<{offset}.{PIECE}>"])
            found: dict[int, bytes] = {}
            for uid, item in answer.items():
                for key, value in item.items():
                    if key == f"BODY[]<{offset}>".encode() or (key == b"BODY[]" and offset == 0):
                        found[uid] = bytes(value) if isinstance(value, bytes | bytearray) else b""
            return found

    # -- what is changed there, only for messages that are safe here ------------------------------------------------

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages into ``folder``, which is made if it is not there (RFC 6851; else COPY and `delete`).

        Raises ServerRefuses where that is not possible (quota, rights).
        """
        target = self._target(folder)
        try:
            self._move(uids, target)
        except ServerRefuses:
            with faults(self._config, "LIST"):
                if self._client.list_folders("", target):
                    raise
            self._targets.clear()  # somebody removed the folder since we looked
            self._move(uids, self._target(folder))

    def _move(self, uids: Sequence[int], target: str) -> None:
        with faults(self._config, f"move to {target}"):
            if "MOVE" in self.capabilities:
                self._client.move(uids, target)
                return
            self._client.copy(uids, target)
        self.delete(uids)

    def delete(self, uids: Sequence[int]) -> None:
        """Delete exactly these messages (RFC 4315). Without UIDPLUS they stay, marked \\Deleted: a plain EXPUNGE
        would also take what others have marked."""
        with faults(self._config, "delete"):
            self._client.add_flags(uids, [b"\\Deleted"], silent=True)
            if "UIDPLUS" in self.capabilities:
                self._client.uid_expunge(uids)

    def flag(self, uids: Sequence[int]) -> None:
        """Mark messages as done. Raises ServerRefuses where the server keeps no keywords."""
        with faults(self._config, "STORE"):
            self._client.add_flags(uids, [DONE_KEYWORD], silent=True)

    def append(self, folder: str, raw: bytes) -> None:
        """Put a message into a folder, as read; the folder is made if it is not there."""
        name = self._target(folder)
        with faults(self._config, f"APPEND to {folder}"):
            self._client.append(name, raw, [b"\\Seen"])

    def _target(self, folder: str) -> str:
        """The folder's name on this server, made if it is not there: some keep all folders below ``INBOX.``"""
        plain_text(folder)
        if folder in self._targets:
            return self._targets[folder]
        with faults(self._config, f"folder {folder}"):
            names = [folder]
            if "NAMESPACE" in self.capabilities:
                personal = self._client.namespace().personal or ()
                names += [prefix + folder for prefix, _ in personal if prefix and not folder.startswith(prefix)]
            for name in names:
                if self._client.list_folders("", name):
                    break
            else:
                name = self._create(names)
        self._targets[folder] = name
        return name

    def _create(self, names: Sequence[str]) -> str:
        """Make the first of these folders that the server lets us make; it may just have been made by somebody else."""
        for name in names:
            try:
                self._client.create_folder(name)
            except IMAPClientAbortError:
                raise
            except IMAPClientError as error:
                if "ALREADYEXISTS" in str(error) or self._client.list_folders("", name):  # RFC 5530
                    return name
                if name == names[-1]:
                    raise
                continue
            with contextlib.suppress(IMAPClientError):
                self._client.subscribe_folder(name)
            return name
        raise AssertionError("names is never empty")

    # -- waiting --------------------------------------------------------------------------------------------------

    def news(self) -> bool:
        """Whether the server has said, since last asked, that the number of messages changed."""
        said = "EXISTS" in self._wire.untagged_responses
        self._wire.untagged_responses.clear()
        return said

    def idle(self, seconds: float, go_on: Callable[[], bool]) -> None:
        """Wait in IDLE (RFC 2177) until mail comes, ``go_on`` says no, or ``seconds`` are over."""
        wire = self._wire
        with faults(self._config, "IDLE"):
            tag = wire._command("IDLE")
            while wire._get_response() is not None:
                if (refused := wire.tagged_commands.get(tag)) is not None:
                    self._no_idle = True  # announced but not done: polling it is
                    raise IMAPClientError(f"IDLE refused: {refused!r}")
            end = time.monotonic() + seconds
            while "EXISTS" not in wire.untagged_responses and (left := end - time.monotonic()) > 0 and go_on():
                if wire.line_waits(min(left, self._timing.slice)):
                    wire._get_response()
                    if "BYE" in wire.untagged_responses:
                        raise wire.abort(f"the server says goodbye: {wire.untagged_responses['BYE']!r}")
                wire.untagged_responses.pop("FETCH", None)
            wire.send(b"DONE\r\n")
            while wire.tagged_commands.get(tag) is None:
                wire._get_response()
            wire.tagged_commands.pop(tag)
            wire.untagged_responses.clear()

    def noop(self) -> None:
        """Let the server say what is new, and show that it is there."""
        with faults(self._config, "NOOP"):
            self._client.noop()


def probe(config: Imap, secret: str | Callable[[], str], *, timing: Timing = Timing()) -> list[str]:
    """Try the account and change nothing there; a line for each thing found. Raises MailboxUnavailable."""
    give = secret if callable(secret) else (lambda: secret)
    with Session.open(config, give, timing=timing) as session:
        offered = session.capabilities
        lines = [
            f"{config.host}:{config.port}: logged in as {config.username} ({config.security})",
            f"IDLE: {'yes' if 'IDLE' in offered else 'no, polled every ' + str(config.poll)}",
            f"MOVE: {'yes' if 'MOVE' in offered else 'no, copied and deleted instead'}",
            "UIDPLUS: " + ("yes" if "UIDPLUS" in offered else "no, moved messages stay there marked as deleted"),
        ]
        try:
            selected = session.select(readonly=True)
        except FolderUnavailable as error:
            raise FolderUnavailable(f"{error}; folders there: {', '.join(_first(session.folders(), 30))}") from error
        return [*lines, f"folder {config.folder}: {selected.messages} messages"]


def _first(names: Iterable[str], count: int) -> list[str]:
    listed = list(names)
    return listed if len(listed) <= count else [*listed[:count], "…"]
