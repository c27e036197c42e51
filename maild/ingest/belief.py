"""This is where maild decides whether a mail in an agent's name was written by that agent.

A token proves the case, never the person; From alone proves nothing. Believed is one From that is theirs, and one of: the
mail came over SMTP AUTH as them; the trusted server says that DMARC, aligned DKIM or auth= as them passed; the mark that
only our own Exchange sets. Where no trusted server is configured, and only there, From together with a signed id that
went to that agent alone is enough. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.model.message import Authentication, Door, Identity, Message
from maild.plain.domains import fold_address
from maild.settings.models import Trust, User


@dataclass(frozen=True, slots=True)
class Belief:
    """Whether the agent is believed: ``by`` says by what ('' where not), ``why_not`` what is missing."""

    by: str = ""
    why_not: str = ""


def believe(
    message: Message, identity: Identity, authentication: Authentication, *, key: str, user: User, trust: Trust | None,
    others: frozenset[str], login: str | None, door: Door, token_is_theirs: bool,
) -> Belief:  # fmt: skip
    """Whether this mail is the work of the user ``key``.

    ``login`` is the SMTP AUTH name at our own door, ``others`` are the folded logins, keys and addresses of the other
    users; ``token_is_theirs`` says that the mail answers a signed id that was sent to this user alone.
    """
    theirs = {fold_address(one) for one in user.email}
    if not user.active:
        return Belief(why_not=f"{key} is no longer active")
    if identity.address is None:
        return Belief(why_not=identity.why or "From is no identity")
    if identity.source != "from" or fold_address(identity.address.email) not in theirs:
        return Belief(why_not=f"From is not an address of {key}")
    if len(message.header_all("From")) != 1 or len(message.from_) != 1:
        return Belief(why_not="there is more than one From")
    names = theirs | {key.casefold()} | ({user.login.casefold()} if user.login else set())
    if login:
        if login.casefold() in names:
            return Belief(by=f"SMTP AUTH as {login}")
        if login.casefold() in others:
            return Belief(why_not=f"it came over SMTP AUTH as {login}")
    if trust is None:
        if token_is_theirs:
            return Belief(by="From and the id that was sent to them alone (no trusted server is configured)")
        return Belief(why_not="it answers nothing that was sent to them alone, and no trusted server is configured")
    if authentication.passed:
        return Belief(by="the trusted server's result")
    if authentication.login and authentication.login.casefold() in names and not authentication.failed:
        return Belief(by=f"the trusted server's auth= as {authentication.login}")
    if door is Door.IMAP and trust.header:
        # Set by the account's own server on mail from inside; stripped by it from mail that comes from outside.
        if all([one.strip().casefold() == wanted.casefold() for one in message.header_all(name)] == [True]
               for name, wanted in trust.header.items()):  # fmt: skip
            return Belief(by="the header that only our own server sets")
    if authentication.failed:
        return Belief(why_not="the trusted server says that the sender failed authentication")
    return Belief(why_not="the trusted server does not say that the sender was authenticated")
