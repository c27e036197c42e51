"""This is where maild speaks SMTP with one client: what it takes, what it refuses, and when it says 250.

Built on aiosmtpd's session (connection, STARTTLS, AUTH, the command loop), whose commands are replaced: messages are
read in pieces of bounded size, a fault of ours is always temporary (451) and never described, and a client that goes
away does not stop what is being stored. RFC 5321, 1870, 2034, 2920, 3207, 4954, 6152, 6531.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as Unused
from aiosmtpd.smtp import Session as Connection

from maild.errors import StoreFull, TransientError
from maild.ingest.doors import Desk
from maild.ingest.limits import is_inside, is_loopback
from maild.ingest.protocol import NotUnderstood, binary_size, coded, mail_command, rcpt_command
from maild.ingest.receive import FarTooBig, receive
from maild.log import get_logger
from maild.model.message import Door, Envelope
from maild.model.refusal import Refusal

log = get_logger("door")

STORE_WITHIN = 240.0  # seconds; clients wait ten minutes for the answer to the final dot (RFC 5321, 4.5.3.2.6)
LOGIN_TRIES = 5
COMMAND_OCTETS = 2048  # RFC 5321, 4.5.3.1.4 asks for 512 and more where extensions need it
AUTH_OCTETS = 12288  # RFC 4954, 4
RATE_GRACE = 60.0  # seconds before the rate of a mail is looked at

TAKEN = "250 2.1.0 Sender taken"
TRY_LATER = "451 4.3.0 This mail could not be stored just now; please try again later"
NO_ROOM = "452 4.3.1 There is no room for mail just now; please try again later"
UNKNOWN = "550 5.1.1 There is no such mailbox here; check the address for typing mistakes"
STOPPING = "421 4.3.2 The service is being restarted; please try again in a minute"
IDLE = "421 4.4.2 Nothing came for too long; please connect again"
TOO_SLOW = "421 4.4.2 This mail took too long; please try again"
TOO_MANY_COMMANDS = "421 4.7.0 Too many commands that lead to no mail; please connect again"


class Transaction:
    """The mail that is being spoken of: sender, recipients; begun anew by MAIL, RSET, EHLO and after each message."""

    def __init__(self) -> None:
        self.mail_from: str | None = None
        self.utf8 = False
        self.rcpt_tos: list[str] = []


class SmtpSession(SMTP):
    """One connection. ``client`` is the peer's address as text, '' on a Unix socket."""

    door = Door.SMTP
    greeting = "ESMTP maild"
    hello = "EHLO"
    mail: Transaction
    link: Connection

    def __init__(self, desk: Desk, client: str) -> None:
        limits = desk.config.limits
        self.line_length_limit = max(limits.line, COMMAND_OCTETS, AUTH_OCTETS)
        super().__init__(
            None,
            data_size_limit=desk.config.max_size,
            enable_SMTPUTF8=True,
            hostname=desk.hostname,
            ident=self.greeting,
            tls_context=desk.tls,
            timeout=limits.idle.total_seconds(),
            authenticator=self._check_login,
        )
        self.command_size_limit = COMMAND_OCTETS
        self.command_size_limits = defaultdict(lambda: COMMAND_OCTETS, AUTH=AUTH_OCTETS)  # the class's own is shared
        self.client = client
        self._desk = desk
        self._greeted = False
        self._in_data = False
        self._wasted = 0
        self._failed_logins = 0
        self._deadline: asyncio.TimerHandle | None = None

    # --- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the client is there, and again when STARTTLS has changed the transport."""
        super().connection_made(transport)
        if self not in self._desk.sessions:
            self._desk.sessions.add(self)
            self._restart_deadline()
            assert self._handler_coroutine is not None
            self._handler_coroutine.add_done_callback(_take_notice)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self in self._desk.sessions:  # aiosmtpd calls this twice when a handshake fails
            self._desk.sessions.discard(self)
            self._desk.load.leave(self.client)
            if self._deadline is not None:
                self._deadline.cancel()
            self._desk.look()

    def eof_received(self) -> bool | None:
        """The client has said its last: what it sent before is still done and answered (aiosmtpd would drop it)."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    async def handle_exception(self, error: Exception) -> str:
        """What a fault inside a command is answered with; nothing of it is told to the client."""
        if isinstance(error, asyncio.IncompleteReadError | ConnectionError | ssl.SSLError):  # gone, or no TLS spoken
            assert self.transport is not None
            self.transport.close()
            raise asyncio.CancelledError
        log.error("door.session_failed", client=self.client, exc_info=error)
        return "451 4.3.0 A fault on our side; please try again later"

    def retire(self) -> None:
        """End as soon as no message is being taken: a client that is between two messages is told to come again."""
        if not self._in_data:
            self._hang_up(STOPPING)

    def abort(self) -> None:
        """End at once."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    def _hang_up(self, reply: str) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self._write(reply)
        assert self._handler_coroutine is not None
        self._handler_coroutine.cancel()
        self.transport.close()
        self.loop.call_later(10, self.abort)  # a client that does not read must not keep the connection

    def _timeout_cb(self) -> None:
        self._hang_up(TOO_SLOW if self._in_data else IDLE)

    def _restart_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self._desk.config.limits.total.total_seconds(), self._hang_up, TOO_SLOW)

    # --- replies ------------------------------------------------------------------------------------------------

    async def push(self, status: Any) -> None:
        """Send a reply that leads to no mail; too many of them end the session. Gives it its enhanced code."""
        if status is None:
            return
        reply = status.decode("ascii", "replace") if isinstance(status, bytes) else str(status)
        if not self._greeted:
            self._greeted = True
        elif not reply.startswith("3"):
            if self._is_too_much():
                return
            reply = coded(reply)
        await self._answer(reply)

    def _is_too_much(self) -> bool:
        """Count a command that led to no mail; over the limit the session ends."""
        self._wasted += 1
        if self._wasted <= self._desk.config.limits.commands:
            return False
        log.warning("door.limited", client=self.client, reason="too many commands that lead to no mail")
        self._note_refusal(TOO_MANY_COMMANDS)
        self._hang_up(TOO_MANY_COMMANDS)
        return True

    async def _answer(self, reply: str) -> None:
        self._write(reply)
        await self._writer.drain()

    def _write(self, reply: str) -> None:
        self._writer.write(reply.encode("utf-8", "replace") + b"\r\n")

    async def _refuse(self, reply: str, rcpt: str = "") -> None:
        self._note_refusal(reply, rcpt)
        await self.push(reply)

    def _note_refusal(self, reply: str, rcpt: str = "") -> None:
        hooks = self._desk.hooks
        hooks.refused(Refusal(hooks.now(), self.client, self.mail.mail_from or "", rcpt, reply))

    # --- commands -----------------------------------------------------------------------------------------------

    def _create_envelope(self) -> Unused:
        """Called by aiosmtpd wherever what was said of a mail is to be forgotten."""
        self.mail = Transaction()
        return super()._create_envelope()

    def _create_session(self) -> Connection:
        """Called by aiosmtpd when a connection begins, and again after STARTTLS."""
        self.link = super()._create_session()
        return self.link

    def _forget(self) -> None:
        self._set_rset_state()  # type: ignore[no-untyped-call]

    async def check_helo_needed(self, helo: str = "HELO") -> bool:
        """Says 503 and gives True while the client has not greeted."""
        if self.link.host_name:
            return False
        await self.push(f"503 5.5.1 Say {self.hello} first")
        return True

    async def smtp_HELO(self, hostname: str | None) -> None:
        """The old greeting: no extensions (RFC 5321, 4.1.1.1)."""
        await self._greet(hostname, "HELO", [])

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """The greeting; announces what is spoken here."""
        await self._greet(hostname, "EHLO", self._extensions())

    async def _greet(self, hostname: str | None, command: str, extensions: list[str]) -> None:
        if not hostname:
            await self.push(f"501 5.5.4 Say {command} and your host's name")
            return
        if self._is_too_much():
            return
        self._forget()
        self.link.extended_smtp = command != "HELO"
        self.link.host_name = hostname
        *lines, last = [self.hostname, *extensions]
        await self._answer("".join(f"250-{line}\r\n" for line in lines) + f"250 {last}")

    def _extensions(self) -> list[str]:
        names = ["PIPELINING", f"SIZE {self._desk.config.max_size}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        if self.tls_context is not None and self.link.ssl is None:
            names.append("STARTTLS")
        if self._may_log_in():
            names.append("AUTH PLAIN LOGIN")
        return names

    async def smtp_MAIL(self, arg: str | None) -> None:
        """A message begins: its sender, and its size if the client knows it (RFC 1870, 6.1)."""
        if await self.check_helo_needed():
            return
        if self.mail.mail_from is not None:
            await self.push("503 5.5.1 There is a sender already; RSET begins anew")
            return
        try:
            mail = mail_command(arg)
        except NotUnderstood as error:
            await self.push(str(error))
            return
        limit = self._desk.config.max_size
        if mail.size > limit:
            self.mail.mail_from = mail.sender
            reply = self._too_big()
            self._note_refusal(reply)
            self._forget()
            await self.push(reply)
            return
        if not self._desk.hooks.has_room(mail.size or limit):
            await self._refuse(NO_ROOM)
            return
        self.mail.mail_from = mail.sender
        self.mail.utf8 = mail.utf8
        await self._answer(TAKEN)

    async def smtp_RCPT(self, arg: str | None) -> None:
        """A recipient: known here, or refused at once, so that nobody gets a bounce for a forged sender."""
        if await self.check_helo_needed():
            return
        if self.mail.mail_from is None:
            await self.push("503 5.5.1 Say MAIL first")
            return
        try:
            address = rcpt_command(arg, self.mail.utf8)
        except NotUnderstood as error:
            await self._refuse(str(error))
            return
        if len(self.mail.rcpt_tos) >= self._desk.config.limits.recipients:
            # no reason to hang up: the client sends the rest in another transaction (RFC 5321, 4.5.3.1.10)
            await self._answer("452 4.5.3 Too many recipients for one mail; send it to the others apart")
            return
        if self._desk.hooks.mailbox_of(address) is None:
            await self._refuse(UNKNOWN, address)
            return
        self.mail.rcpt_tos.append(address)
        await self._answer("250 2.1.5 Recipient taken")

    async def smtp_VRFY(self, arg: str | None) -> None:
        """Nothing is told about who is here (RFC 5321, 3.5.3)."""
        await self.push("252 2.1.5 Send mail to find out" if arg else "501 5.5.4 Say VRFY and an address")

    async def smtp_EXPN(self, arg: str | None) -> None:
        """Not told either."""
        await self.push("502 5.5.1 EXPN is not done here")

    async def smtp_ETRN(self, arg: str | None) -> None:
        """No queue is held here for anybody (RFC 1985)."""
        await self.push("502 5.5.1 ETRN is not done here")

    async def smtp_HELP(self, arg: str | None) -> None:
        """Where to read on."""
        await self.push("214 2.0.0 This is SMTP as in RFC 5321")

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """Go on encrypted; all that was said before is forgotten (RFC 3207, 4.2)."""
        if self.tls_context is None:
            await self.push("502 5.5.1 STARTTLS is not offered here")
        elif self.link.ssl is not None:
            await self.push("503 5.5.1 TLS is on already")
        else:
            await super().smtp_STARTTLS(arg)

    def _may_log_in(self) -> bool:
        return bool(self._desk.config.auth) and (self.link.ssl is not None or is_loopback(self.client))

    async def smtp_AUTH(self, arg: str | None) -> None:
        """Log in with PLAIN or LOGIN, only where nobody can listen (RFC 4954)."""
        if not self._desk.config.auth:
            await self.push("502 5.5.1 AUTH is not offered here")
        elif not self._may_log_in():
            await self.push("538 5.7.11 Say STARTTLS first: a password must not go in the clear")
        elif self.link.authenticated or self.mail.mail_from is not None:
            await self.push("503 5.5.1 AUTH comes once, and before MAIL")
        elif not arg:
            await self.push("501 5.5.4 Say AUTH and a mechanism: PLAIN or LOGIN")
        else:
            mechanism, *rest = arg.split()
            match mechanism.upper(), len(rest):
                case "PLAIN", 0 | 1:
                    result = await self.auth_PLAIN(self, ["PLAIN", *rest])
                case "LOGIN", 0 | 1:
                    result = await self.auth_LOGIN(self, ["LOGIN", *rest])
                case _:
                    await self.push("504 5.5.4 Only AUTH PLAIN and AUTH LOGIN are known here")
                    return
            if result.success:
                await self.push("235 2.7.0 You are logged in")
            elif not result.handled:
                await self.push("535 5.7.8 User or password is wrong")
                if self._failed_logins >= LOGIN_TRIES:
                    self._hang_up("421 4.7.0 Too many wrong passwords; please connect again")

    def _check_login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        user = data.login.decode("utf-8", "replace")
        if not self._desk.hooks.login(user, data.password):
            self._failed_logins += 1
            return AuthResult(success=False, handled=False)
        self.link.authenticated = True
        self.link.auth_data = user  # type: ignore[assignment]
        return AuthResult(success=True)

    # --- the message --------------------------------------------------------------------------------------------

    async def smtp_DATA(self, arg: str | None) -> None:
        """Take the message itself, and say 250 only when it is durable (RFC 5321, 6.1)."""
        if await self.check_helo_needed():
            return
        if arg:
            await self.push("501 5.5.4 DATA takes nothing behind it")
            return
        if not self.mail.rcpt_tos:
            await self.push("503 5.5.1 There is no recipient yet")
            return
        self._in_data = True
        try:
            await self._answer("354 Go on; end with a dot on a line of its own")
            message = await self._receive()
            reply = message if isinstance(message, str) else await self._store(message)
            await self._finish(reply)
        except (ConnectionError, asyncio.IncompleteReadError):
            raise
        except Exception as error:
            # where the message ends is not known now: what follows must not be read as commands
            log.error("door.session_failed", client=self.client, exc_info=error)
            self._hang_up("421 4.3.0 A fault on our side; please try again later")
        finally:
            self._in_data = False
        self._forget()
        if self._desk.draining:
            self._hang_up(STOPPING)

    async def _receive(self) -> bytes | str:
        """The message, or the reply that refuses it; a client that goes far beyond the limit is cut off."""
        limits, too_big = self._desk.config.limits, self._too_big()
        began = self.loop.time()

        def going_on(received: int) -> None:
            elapsed = self.loop.time() - began
            if elapsed < RATE_GRACE or received >= limits.rate * elapsed:
                self._reset_timeout()

        try:
            return await receive(
                self._reader, self._desk.config.max_size, self._desk.load, going_on, too_big=too_big, no_room=NO_ROOM
            )
        except FarTooBig:
            self._note_refusal(too_big)
            self._hang_up(too_big)
            raise asyncio.CancelledError from None

    def _too_big(self) -> str:
        return f"552 5.3.4 This mail is too big: at most {binary_size(self._desk.config.max_size)} are taken here"

    async def _store(self, message: bytes) -> str:
        """Hand the message on; returns the reply. The storing goes on if the client leaves, or time runs out here."""
        envelope = Envelope(
            door=self.door,
            mail_from=self.mail.mail_from,
            rcpt_tos=tuple(dict.fromkeys(self.mail.rcpt_tos)),
            raw=message,
            received_at=self._desk.hooks.now(),
            client=self.client,
            login=self.link.auth_data,
            trusted=self.door is Door.LMTP or is_inside(self.client, self._desk.trusted),
        )
        self._reset_timeout(STORE_WITHIN + 60)
        try:
            async with asyncio.timeout(STORE_WITHIN):
                spool_id = await asyncio.shield(self._desk.store(envelope))
        except StoreFull:
            return NO_ROOM
        except (TransientError, TimeoutError):
            return TRY_LATER
        except Exception as error:
            log.error("door.session_failed", client=self.client, exc_info=error)
            return TRY_LATER
        return f"250 2.0.0 Stored as {spool_id}"

    async def _finish(self, reply: str) -> None:
        """Answer the final dot."""
        if reply.startswith("250"):
            self._wasted = 0
            self._restart_deadline()
            await self._answer(self._final(reply))
        else:
            for rcpt in self.mail.rcpt_tos:
                self._note_refusal(reply, rcpt)
            await self.push(self._final(reply))

    def _final(self, reply: str) -> str:
        """The answer to the final dot as this protocol writes it."""
        return reply


def _take_notice(task: asyncio.Task[None]) -> None:
    """A session that ends by a broken connection is nothing to report."""
    if not task.cancelled():
        error = task.exception()
        if error is not None and not isinstance(error, ConnectionError):
            log.error("door.session_failed", exc_info=error)
