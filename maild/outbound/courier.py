"""This is where maild hands mail to the smarthost: one SMTP client with a few connections that are used again.

The only importer of aiosmtplib. What the smarthost says of a recipient is a value (Sent, Deferred, Refused); what keeps
it from being used at all (no connection, a TLS or login fault, 421 as greeting) is SmarthostUnavailable and costs no
message a try. Nothing is ever sent in clear where TLS is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPResponseException

from maild.errors import ConfigError, Fault, SmarthostUnavailable
from maild.model.outbox import Deferred, Outcome, Refused, Sent
from maild.outbound import headers
from maild.outbound.conversation import Answer, Closed, Conversation, NoAnswer, Silent, Talk
from maild.settings.models import Smarthost

# At MAIL or RCPT these say that we are not let in, whoever the mail is for (RFC 4954, 6; RFC 3207, 4).
NOT_LET_IN = frozenset({530, 534, 535, 538})
SLOWEST = 16 * 1024  # bytes a second that a line must carry for the mail's body to get through in time


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for the smarthost (RFC 5321, 4.5.3.2): 5 min for greeting, MAIL, RCPT, 2 DATA, 10 the dot."""

    connect: float = 300
    command: float = 300
    data: float = 120
    dot: float = 600
    idle: float = 30  # an unused connection is closed after this


class _Lost(Exception):
    """The connection broke or fell silent; ``first`` where nothing of this mail had been answered yet."""

    def __init__(self, reason: str, first: bool) -> None:
        self.reason = reason
        self.first = first
        super().__init__(reason)


class Courier:
    """Sends mail through one smarthost, over at most ``smarthost.connections`` connections.

    Belongs to one event loop. Raises ConfigError where ``ca_file`` cannot be read.
    """

    def __init__(self, smarthost: Smarthost, password: str | None, *, timeouts: Timeouts | None = None) -> None:
        self.smarthost = smarthost
        self.timeouts = timeouts or Timeouts()
        self._password = password
        self._slots = asyncio.Semaphore(smarthost.connections)
        self._idle: list[Conversation] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._tls: ssl.SSLContext | None = None
        if smarthost.security != "none":
            try:
                self._tls = ssl.create_default_context(cafile=smarthost.ca_file)
            except OSError as error:
                fault = f"outbound.smtp.ca_file: {smarthost.ca_file} cannot be used: {error.strerror or error}"
                raise ConfigError([Fault("maild.yaml", 0, 0, fault)]) from error

    @property
    def where(self) -> str:
        return f"{self.smarthost.host}:{self.smarthost.port}"

    async def send(
        self, outgoing_bytes: bytes, sender: str, recipients: Sequence[str], *, smtputf8: bool = False
    ) -> dict[str, Outcome]:
        """Send one mail (CRLF lines, not dot-stuffed); ``sender`` '' is the empty one. Gives each recipient's outcome.

        ``smtputf8``: the header holds addresses that are not ASCII. Raises SmarthostUnavailable where the smarthost as
        a whole cannot be used: then nothing was sent to anybody.
        """
        outcomes: dict[str, Outcome] = {}
        envelope: dict[str, str] = {}
        for recipient in recipients:
            try:
                envelope[recipient] = headers.sendable(recipient)
            except ValueError as error:
                outcomes[recipient] = Refused(553, str(error))
        try:
            sender = headers.sendable(sender) if sender else ""
        except ValueError as error:
            return {recipient: Refused(553, f"sender: {error}") for recipient in recipients}
        if not envelope:
            return outcomes
        async with self._slots:
            try:
                answered = await self._send_once(outgoing_bytes, sender, envelope, smtputf8, fresh=False)
            except _Lost as lost:
                if not lost.first:
                    answered = dict.fromkeys(envelope, Deferred(0, lost.reason))
                else:  # the smarthost had closed the connection meanwhile: that says nothing of this mail
                    try:
                        answered = await self._send_once(outgoing_bytes, sender, envelope, smtputf8, fresh=True)
                    except _Lost as again:
                        answered = dict.fromkeys(envelope, Deferred(0, again.reason))
        return {recipient: (outcomes | answered)[recipient] for recipient in recipients}

    async def close(self) -> None:
        """Say QUIT on every idle connection. What is being sent goes on."""
        connections, self._idle = self._idle, []
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for connection in connections:
            await _leave(connection)

    async def check(self) -> str:
        """Connect, start TLS, log in, and leave: '' or what is wrong, for `maild check --connect`."""
        try:
            connection = await self._connect()
        except SmarthostUnavailable as error:
            return str(error)
        await _leave(connection)
        return ""

    async def _send_once(
        self, data: bytes, sender: str, envelope: dict[str, str], smtputf8: bool, *, fresh: bool
    ) -> dict[str, Outcome]:
        connection = None if fresh else self._reuse()
        used_before = connection is not None
        if connection is None:
            connection = await self._connect()
        clean = False
        try:
            answered = await self._transaction(connection, data, sender, envelope, smtputf8, used_before)
            clean = True
            return answered
        finally:
            if clean and connection.open:
                self._keep(connection)
            else:
                connection.close()

    async def _transaction(
        self, connection: Conversation, data: bytes, sender: str, envelope: dict[str, str], smtputf8: bool, used_before: bool
    ) -> dict[str, Outcome]:
        """MAIL, RCPT, DATA on an open connection; gives each recipient's outcome. Raises _Lost."""
        everybody = list(envelope)
        limit = _size_limit(connection)
        if limit and len(data) > limit:
            reason = f"the mail has {_mib(len(data))}, {self.where} takes {_mib(limit)} at most"
            return dict.fromkeys(everybody, Refused(552, reason))

        outcomes: dict[str, Outcome] = {}
        if "smtputf8" not in connection.extensions:
            reason = f"{self.where} does not offer SMTPUTF8, so mail cannot go to an address that is not ASCII"
            foreign = (
                everybody
                if smtputf8 or not sender.isascii()
                else [one for one in everybody if not envelope[one].isascii()]
            )
            outcomes |= dict.fromkeys(foreign, Refused(553, reason))
        waiting = [one for one in everybody if one not in outcomes]
        if not waiting:
            return outcomes

        command = f"MAIL FROM:<{sender}>"
        if "size" in connection.extensions:
            command += f" SIZE={len(data)}"
        if not data.isascii() and "8bitmime" in connection.extensions:
            command += " BODY=8BITMIME"
        if smtputf8 or not all(one.isascii() for one in (sender, *(envelope[one] for one in waiting))):
            command += " SMTPUTF8"
        talk = Talk(connection, [command, *(f"RCPT TO:<{envelope[one]}>" for one in waiting), "DATA"])
        answer = await self._next(talk, "MAIL", self.timeouts.command, first=used_before)
        if answer.code != 250:
            await self._end(talk)
            return outcomes | dict.fromkeys(waiting, _no(answer))

        accepted: list[str] = []
        for recipient in waiting:
            answer = await self._next(talk, "RCPT", self.timeouts.command)
            if answer.code in (250, 251):
                accepted.append(recipient)
            elif answer.code == 421:  # the smarthost leaves; what it said yes to before it will not carry out
                connection.close()
                left = [one for one in waiting if one not in outcomes]
                return outcomes | dict.fromkeys(left, _no(answer))
            elif answer.code == 552 and accepted:  # RFC 5321, 4.5.3.1.10: too many recipients for one mail
                outcomes[recipient] = Deferred(answer.code, answer.text)
            else:
                outcomes[recipient] = _no(answer)
        if not accepted:
            await self._end(talk)
            return outcomes

        answer = await self._next(talk, "DATA", self.timeouts.data)
        if answer.code != 354:
            await self._end(talk)
            return outcomes | dict.fromkeys(accepted, _no(answer))
        answer = await self._body(connection, data)
        if answer.code == 421:
            connection.close()
        return outcomes | dict.fromkeys(accepted, Sent(answer.text) if 200 <= answer.code < 300 else _no(answer))

    async def _next(self, talk: Talk, command: str, timeout: float, *, first: bool = False) -> Answer:
        """The smarthost's answer to the next command of a mail; ``first``: on a connection that was used before."""
        try:
            answer = await talk.next(timeout)
        except Silent:
            raise _Lost(f"{self.where} gave no answer to {command} within {timeout:.0f} s", first=False) from None
        except Closed:
            raise _Lost(f"{self.where} closed the connection at {command}", first) from None
        except NoAnswer as error:
            raise _Lost(f"{self.where} gave no SMTP answer to {command}: {_said(str(error))}", first) from None
        if answer.code == 421 and first:
            raise _Lost(f"{self.where} closed the connection", first=True)
        if answer.code in NOT_LET_IN:
            raise SmarthostUnavailable(
                f"{self.where} wants a login or TLS: {answer.code} {_said(answer.text)}: "
                "look at username, password and security in outbound.smtp"
            )
        return Answer(answer.code, _said(answer.text))

    async def _body(self, connection: Conversation, data: bytes) -> Answer:
        message = _dotted(data)
        timeout = self.timeouts.dot + len(message) / SLOWEST
        try:
            connection.say(message)
            answer = await connection.hear(timeout)
        except Silent:
            raise _Lost(f"{self.where} gave no answer to the mail within {timeout:.0f} s", first=False) from None
        except Closed:
            reason = f"{self.where} cut the connection before it answered; the mail may be there already"
            raise _Lost(reason, first=False) from None
        except NoAnswer as error:
            raise _Lost(f"{self.where} gave no SMTP answer to the mail: {_said(str(error))}", first=False) from None
        return Answer(answer.code, _said(answer.text))

    async def _end(self, talk: Talk) -> None:
        """What was answered before stands, whatever comes now."""
        try:
            await talk.end(self.timeouts.data)
        except (Closed, Silent, NoAnswer):
            talk.cut()

    async def _connect(self) -> Conversation:
        host, security = self.smarthost.host, self.smarthost.security
        connection = aiosmtplib.SMTP(
            hostname=host,
            port=self.smarthost.port,
            timeout=self.timeouts.connect,
            use_tls=security == "tls",
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            await connection.connect()
            await connection.ehlo(timeout=self.timeouts.command)
            if security == "starttls":
                if not connection.supports_extension("starttls"):
                    raise SmarthostUnavailable(
                        f"{self.where} does not offer STARTTLS, and nothing is sent in clear: let the smarthost "
                        "offer it, or set outbound.smtp.security to tls or none"
                    )
                await connection.starttls(timeout=self.timeouts.command)
                await connection.ehlo(timeout=self.timeouts.command)
            if self.smarthost.username:
                await connection.login(self.smarthost.username, self._password or "", timeout=self.timeouts.command)
        except SmarthostUnavailable:
            connection.close()
            raise
        except aiosmtplib.SMTPAuthenticationError as error:
            connection.close()
            raise SmarthostUnavailable(
                f"{self.where} refuses the login of {self.smarthost.username} ({error.code} {_said(error.message)}): "
                "look at outbound.smtp.username and its password"
            ) from error
        except (SMTPException, OSError, ssl.SSLError) as error:
            connection.close()
            raise SmarthostUnavailable(self._fault(error)) from error
        except BaseException:
            connection.close()
            raise
        transport = connection.transport
        if not isinstance(transport, asyncio.Transport):  # it went away at this very moment
            raise SmarthostUnavailable(f"{self.where} closed the connection")
        return Conversation(transport, connection.esmtp_extensions)

    def _fault(self, error: BaseException) -> str:
        chain: list[BaseException] = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
            chain.append(cause)
        for one in chain:
            if isinstance(one, ssl.SSLCertVerificationError):
                return (f"the certificate of {self.where} is not valid ({one.verify_message}): renew it, or name its "
                        "authority in outbound.smtp.ca_file")  # fmt: skip
            if isinstance(one, ssl.SSLError):
                return (f"{self.where} does not speak TLS as outbound.smtp.security: {self.smarthost.security} wants "
                        f"({one.reason or one})")  # fmt: skip
        if isinstance(error, SMTPResponseException):
            return f"{self.where} refuses us: {error.code} {_said(error.message)}"
        if isinstance(error, TimeoutError):
            return f"{self.where} does not answer: look at outbound.smtp and at the smarthost"
        return f"{self.where} cannot be used: {_said(str(error))}: look at outbound.smtp and at the smarthost"

    def _reuse(self) -> Conversation | None:
        while self._idle:
            connection = self._idle.pop()
            timer = self._timers.pop(id(connection), None)
            if timer is not None:
                timer.cancel()
            if connection.open:
                return connection
        return None

    def _keep(self, connection: Conversation) -> None:
        self._idle.append(connection)
        loop = asyncio.get_running_loop()
        self._timers[id(connection)] = loop.call_later(self.timeouts.idle, self._drop, connection)

    def _drop(self, connection: Conversation) -> None:
        self._timers.pop(id(connection), None)
        if connection in self._idle:
            self._idle.remove(connection)
            connection.close()


def _dotted(data: bytes) -> bytes:
    """The mail as it stands after DATA: lines end with CRLF and nothing else, leading dots are doubled."""
    breaks = data.count(b"\r\n")
    if data.count(b"\r") != breaks or data.count(b"\n") != breaks:  # a bare one could end the mail for some servers
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    return (b"." if data.startswith(b".") else b"") + data.replace(b"\r\n.", b"\r\n..") + b".\r\n"


async def _leave(connection: Conversation) -> None:
    with contextlib.suppress(Closed, Silent, NoAnswer):
        await connection.ask("QUIT", 5)
    connection.close()


def _no(answer: Answer) -> Outcome:
    return (Refused if 500 <= answer.code < 600 else Deferred)(answer.code, answer.text)


def _said(text: str) -> str:
    return headers.one_line(text)[:500]


def _size_limit(connection: Conversation) -> int:
    value = connection.extensions.get("size", "").strip()
    return int(value) if value.isascii() and value.isdigit() else 0


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size} bytes"
