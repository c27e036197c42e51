"""This is where maild says what a mail is: as it came in (Envelope), as it is read (Message), and what it is (Classification)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

SENT = "sent mail on "  # how ``Envelope.client`` begins where the mail was found among what people sent from a mailbox


class Door(StrEnum):
    """How a message came in."""

    SMTP = "smtp"
    LMTP = "lmtp"
    IMAP = "imap"
    PIPE = "pipe"
    IMPORT = "import"
    CLI = "cli"


class MessageKind(StrEnum):
    """What a mail is, as `maild inspect` prints it and rules compare `kind` with."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto_reply"
    LIST = "list"
    LOOP = "loop"
    RECEIPT = "receipt"
    CALENDAR = "calendar"
    ABUSE_REPORT = "abuse_report"
    DMARC_REPORT = "dmarc_report"
    VERIFICATION = "verification"


class Automatic(StrEnum):
    """How sure it is that no person wrote this mail."""

    CERTAIN = "certain"
    LIKELY = "likely"
    NO = "no"


class MachineSort(StrEnum):
    """Which sort of certain automatic mail: a machine's answer opens nothing; machine-made mail may open a case."""

    ANSWER = "answer"  # auto-replied, reports, receipts, our own mail
    MADE = "made"  # auto-generated, or an empty envelope sender without being a report


@dataclass(frozen=True, slots=True)
class Address:
    """A display name (decoded, may be empty) and a bare address (local-part as written, domain in lower case)."""

    name: str
    email: str

    @property
    def key(self) -> str:
        """The address as it is compared: all in lower case."""
        return self.email.lower()


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as a door received it; nothing of ``raw`` is changed.

    ``mail_from`` is '' for the empty sender and None where the door has none (IMAP without Return-Path, import).
    ``client`` is the peer's address as text, '' where there is none; ``login`` the SMTP AUTH user, if any.
    ``trusted`` says whether this door's Authentication-Results headers may be believed (details.md, Doors).
    """

    door: Door
    mail_from: str | None
    rcpt_tos: tuple[str, ...]
    raw: bytes
    received_at: datetime
    client: str = ""
    login: str | None = None
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A named or non-text part of the raw message: a place in it, never a copy.

    ``part`` is the part's number in depth-first order of all leaf parts (from 0), by which its bytes are found again.
    ``name`` is safe to show and to save; ``declared_name`` is what the mail says. ``type`` is the declared media
    type, ``detected`` what the bytes look like ('' where unknown). ``sha256`` (hex) and ``size`` are of the decoded bytes.
    ``decoration``: a picture of a signature, or one that this domain sends all the time; kept, and not counted.
    """

    part: int
    name: str
    declared_name: str
    type: str
    detected: str
    size: int
    sha256: str
    inline: bool = False
    content_id: str = ""
    decoration: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """What kind of file it is, as endings: that of its name, and exe for a program of Windows by any name."""
        _, dot, last = self.name.lower().rpartition(".")
        return (*((last,) if dot else ()), *(("exe",) if self.detected == "application/x-msdownload" else ()))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the message whose words matter: text/*, message/delivery-status, text/rfc822-headers, nested messages.

    ``text`` is decoded; for message/rfc822 it is the nested message's whole source, decoded as far as text goes.
    """

    number: int
    type: str
    text: str
    params: tuple[tuple[str, str], ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as read: everything later steps want to know of it. Made again from the raw bytes at any time.

    ``headers`` are all fields in order, names as written, values decoded (RFC 2047) and unfolded.
    ``message_id``, ``in_reply_to`` and ``references`` keep their angle brackets off.
    ``text`` is the readable body (plain part, else HTML as text), ``html`` the HTML part as it came ('' without one),
    ``new_text`` what the person wrote now, without quotes and signature.
    Every str is valid UTF-8 without NUL.
    """

    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    date: datetime | None = None
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    html: str = ""
    new_text: str = ""
    language: str = ""
    attachments: tuple[Attachment, ...] = ()
    parts: tuple[Part, ...] = ()
    content_type: str = ""
    content_params: tuple[tuple[str, str], ...] = ()
    size: int = 0
    encrypted: bool = False
    signed: bool = False
    defects: tuple[str, ...] = ()
    _fields: dict[str, list[str]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.headers:  # asked for by name some hundred times a message
            self._fields.setdefault(name.lower(), []).append(value)

    def header(self, name: str) -> str:
        """The first field of this name (any case), or ''."""
        found = self._fields.get(name.lower())
        return found[0] if found else ""

    def header_all(self, name: str) -> tuple[str, ...]:
        """Every field of this name, from the top."""
        return tuple(self._fields.get(name.lower(), ()))


class BounceAction(StrEnum):
    """What a delivery report says of one recipient (RFC 3464, 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """One recipient of a delivery report; ``status`` is the enhanced code (5.1.1) or '', ``reason`` the diagnostic text.

    ``original`` is the address that was written to where the report names another one as the final recipient, else ''.
    """

    address: str
    status: str
    action: BounceAction
    hard: bool
    reason: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class BounceReport:
    """What a bounce says: about whom, and which message it returns ('' where it does not say)."""

    recipients: tuple[BouncedRecipient, ...]
    original_message_id: str = ""
    original_references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Classification:
    """What the mail is, and the signs by which that was seen (each a line for the trace).

    ``only_no_reply``: nothing but the sender's no-reply address makes it likely automatic, which says nothing of a
    person who is named elsewhere (a web form's Reply-To).
    """

    kind: MessageKind = MessageKind.CUSTOMER
    automatic: Automatic = Automatic.NO
    sort: MachineSort | None = None
    signs: tuple[str, ...] = ()
    bounce: BounceReport | None = None
    only_no_reply: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a mail says it is from, if it says so without doubt.

    ``address`` is None where From is no identity (none, two, a defect, parsers that disagree); ``why`` then says so.
    ``source`` names the header it was taken from: from, reply_to, x-original-from, resent-from, forwarded.
    """

    address: Address | None
    source: str = "from"
    why: str = ""


class AuthResult(StrEnum):
    """A result of SPF, DKIM or DMARC as far as rules care (RFC 8601, 2.7)."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a trusted server said of the sender. ``passed``: DMARC or aligned DKIM passed, or auth= as this very sender."""

    spf: AuthResult = AuthResult.NONE
    dkim: AuthResult = AuthResult.NONE
    dmarc: AuthResult = AuthResult.NONE
    login: str = ""
    passed: bool = False
    failed: bool = False
    source: str = ""  # the Authentication-Results header believed, for the trace


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """Where a mail says it belongs, most trusted first; decided on by the mailroom.

    ``ids`` are Message-IDs to look up: In-Reply-To first, then References from the right, then
    X-Microsoft-Original-Message-ID; ``tags`` the case numbers found in the subject.
    """

    ids: tuple[str, ...] = ()
    tags: tuple[int, ...] = ()
    own_id: str = ""
    signs: tuple[str, ...] = field(default=())
