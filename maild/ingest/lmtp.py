"""This is where maild speaks LMTP: as SMTP, but greeted with LHLO, and with one answer a recipient (RFC 2033)."""

from __future__ import annotations

from maild.ingest.session import SmtpSession
from maild.model.message import Door


class LmtpSession(SmtpSession):
    """One LMTP connection. What comes here was handed on by our own mail server, so its headers are believed."""

    door = Door.LMTP
    greeting = "LMTP maild"
    hello = "LHLO"

    async def smtp_LHLO(self, hostname: str | None) -> None:
        """The greeting; PIPELINING and ENHANCEDSTATUSCODES must be announced (RFC 2033, 5)."""
        await self._greet(hostname, "LHLO", self._extensions())

    async def smtp_HELO(self, hostname: str | None) -> None:
        """Not LMTP: a client that speaks SMTP here must notice (RFC 2033, 4.1)."""
        await self.push("500 5.5.1 This is LMTP: say LHLO")

    async def smtp_EHLO(self, hostname: str | None) -> None:
        """Not LMTP either."""
        await self.push("500 5.5.1 This is LMTP: say LHLO")

    def _final(self, reply: str) -> str:
        """One reply for each recipient that was taken, in their order, also where one came twice (RFC 2033, 4.2)."""
        code, enhanced, text = reply.split(" ", 2)
        return "\r\n".join(f"{code} {enhanced} <{rcpt}> {text}" for rcpt in self.mail.rcpt_tos)
