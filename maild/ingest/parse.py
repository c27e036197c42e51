"""This is where maild reads a mail: raw bytes in, a Message out, whatever the bytes are.

The only importer of mail-parser, which reads addresses and dates and says what is wrong with them. It is given the
fields it is asked about, capped, and never the bodies: those stay places in the raw bytes (`ingest.mime`), so that
attachments keep their exact bytes and a large one costs no more than its decoding.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import mailparser

from maild.ingest import addresses, attached, charsets, content, decoration, header, mime
from maild.ingest.body import Body
from maild.ingest.language import language
from maild.ingest.reply_text import new_text
from maild.model.message import Address, Message

NEW_TEXT_LIMIT, NEW_TEXT_LINES = 256 * 1024, 2000  # in which new text is looked for
ADDRESS_LIMIT = 1000
_ASKED = (b"from", b"sender", b"reply-to", b"to", b"cc", b"date")
# Addresses and dates as most mail writes them: every parser reads them alike.
_ATOM, _HOST = r"[A-Za-z0-9_+=-]{1,24}", r"[A-Za-z0-9-]{1,40}"
_BOX = rf"{_ATOM}(?:\.{_ATOM}){{0,3}}@{_HOST}(?:\.{_HOST}){{1,5}}"
_NAMED = rf"(?:(?:[A-Za-z0-9]+(?: [A-Za-z0-9]+)*|\"[A-Za-z0-9]+(?:[ .,'-]+[A-Za-z0-9]+)*\") <{_BOX}>|<{_BOX}>|{_BOX})"
_PLAIN = re.compile(rf"[ \t]*{_NAMED}(?:,[ \t]?{_NAMED})*[ \t]*")
_PLAIN_DATE = re.compile(
    r"[ \t]*(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}(?: \([A-Z]{2,5}\))?[ \t]*", re.ASCII
)
_ONCE = frozenset((b"subject", b"message-id", b"date", b"sender", b"reply-to", b"in-reply-to", b"content-type"))
_SMIME = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_ENVELOPED = frozenset(("enveloped-data", "authenveloped-data"))
_SIGNED = frozenset(("signed-data", "certs-only"))

logging.getLogger("mailparser").setLevel(logging.CRITICAL + 1)
_log = logging.getLogger(__name__)


def parse(raw: bytes) -> Message:
    """Read a mail. No bytes make it raise: what is wrong stands in ``defects``, and what could be read is there.

    In: the bytes as they came. Out: a Message whose strings are all valid UTF-8 without NUL. Raises ImportError where the
    installation is not whole: that is no fault of the mail, which must not become an empty case.
    """
    try:
        return _message(raw)
    except ImportError:
        raise
    except Exception as error:  # bytes from outside must never stop a message; the raw bytes are kept anyway
        _log.debug("a mail could not be read", exc_info=True)
        return _salvaged(raw, f"parse: {type(error).__name__}")


def attachment_bytes(raw: bytes, part: int) -> bytes:
    """The decoded bytes of ``Attachment.part`` (or ``Part.number``) of this mail; KeyError if it has no such part."""
    root, _ = mime.read(header.line_ends(raw))
    for leaf in root.walk():
        if leaf.number == part:
            return leaf.content()
    for piece in attached.pieces(root).files:
        if piece.number == part:
            return piece.data
    raise KeyError(part)


def _message(raw: bytes) -> Message:
    root, defects = mime.read(header.line_ends(raw))
    hint = _charset_hint(root)
    fields = tuple((name.decode("ascii"), header.value(value, hint)) for name, value in root.fields)
    first: dict[str, str] = {}
    for name, value in fields:
        first.setdefault(name.lower(), value)
    asked = _Asked(root.fields, hint)
    body = Body(root)
    text, page = body.texts()
    pieces = attached.pieces(root)
    if not text and (pieces.text or pieces.html):
        text, page = content.lines(pieces.text), pieces.html
        text = text or content.html_text(page)
    if pieces.in_text:
        text = attached.without_uuencoded(text)
    head = "\n".join(text[:NEW_TEXT_LIMIT].split("\n", NEW_TEXT_LINES)[:NEW_TEXT_LINES])
    new = charsets.clean(new_text(head, page[:NEW_TEXT_LIMIT]))
    if pieces.more:
        defects.append(f"attachments: more than {attached.FILES_LIMIT} files inside parts, the rest is kept in them")
    parts = body.parts()
    return Message(
        message_id=_own_id(first.get("message-id", "")),
        in_reply_to=addresses.ids(first.get("in-reply-to", "")),
        references=addresses.ids(first.get("references", "")),
        from_=asked.from_,
        sender=asked.sender,
        reply_to=asked.reply_to,
        to=asked.to,
        cc=asked.cc,
        subject=first.get("subject", ""),
        date=asked.date,
        headers=fields,
        text=text,
        html=page,
        new_text=new,
        language=language(new if len(new) > 20 else text),
        attachments=decoration.marked(attached.attachments(root, body.shown, pieces), page, new),
        parts=parts,
        content_type=root.type,
        content_params=tuple(root.params.items()),
        size=len(raw),
        encrypted=_encrypted(root, text),
        signed=_signed(root, text),
        defects=tuple(dict.fromkeys(charsets.clean(d) for d in (*defects, *asked.defects, *body.defects))),
    )


def _salvaged(raw: bytes, defect: str) -> Message:
    """A mail that cannot be read as one: its fields, and its source as text."""
    try:
        fields, body, _ = header.fields(raw, 0, len(raw))
        values = tuple((name.decode("ascii"), header.value(value)) for name, value in fields)
        one = Message(headers=values, size=len(raw), defects=(defect,))
        return replace(
            one,
            message_id=_own_id(one.header("Message-ID")),
            subject=one.header("Subject"),
            from_=addresses.read(one.header("From")),
            text=content.lines(charsets.decode(raw[body : body + NEW_TEXT_LIMIT])[0]),
        )
    except Exception:
        _log.debug("nor its fields", exc_info=True)
        return Message(size=len(raw), defects=(defect,))


def _charset_hint(root: mime.Entity) -> str:
    """The charset that the mail's first text declares, for fields with bare 8-bit bytes."""
    if all(value.isascii() for _, value in root.fields):
        return ""
    return next((one.params["charset"] for one in root.walk() if one.params.get("charset")), "")


class _Asked:
    """What mail-parser says of the address fields and the date, with our own reading where it gives up."""

    def __init__(self, fields: list[tuple[bytes, bytes]], hint: str) -> None:
        self.defects: list[str] = []
        self.texts: dict[bytes, str] = {}
        senders = 0
        seen: set[bytes] = set()
        for name, raw in fields:
            key = name.lower()
            if key in _ONCE and key in seen:
                self.defects.append(f"header: more than one {name.decode()} field")
            seen.add(key)
            if key not in _ASKED:
                continue
            text = addresses.with_safe_words(header.unfold(header.raw_text(raw, hint)))
            senders += key == b"from"
            if key in (b"to", b"cc") and key in self.texts:
                self.texts[key] += ", " + text  # against RFC 5322, 3.6, but both name recipients
            elif key not in self.texts or (key == b"from" and "@" not in self.texts[key]):
                self.texts[key] = text
        for key, text in self.texts.items():
            if text.count(",") > ADDRESS_LIMIT:
                self.texts[key] = ",".join(text.split(",", ADDRESS_LIMIT)[:ADDRESS_LIMIT])
                self.defects.append(f"header: more than {ADDRESS_LIMIT} addresses, the rest was not read")
        # What has one reading only needs no second reader, and that is most mail.
        plain = senders <= 1 and all(
            (_PLAIN_DATE if key == b"date" else _PLAIN).fullmatch(text) and len(text) < 2000
            for key, text in self.texts.items()
        )
        parser = None if plain else self._parser()
        self.from_ = self._addresses(parser, b"from") or self._hidden_sender()
        self.sender = self._addresses(parser, b"sender")
        self.reply_to = self._addresses(parser, b"reply-to")
        self.to = self._addresses(parser, b"to")
        self.cc = self._addresses(parser, b"cc")
        self.date = self._date(parser)
        # what `sender.identify` wants to know: two fields, or parsers that disagree
        if senders > 1:
            self.defects.append("from: more than one From field")
        if len(self.from_) == 1 and not plain:
            self.defects.extend(addresses.doubts(self.texts[b"from"], self.from_[0]))

    def _parser(self) -> Any:
        block = "".join(f"{key.decode()}: {text}\n" for key, text in self.texts.items())
        try:
            return mailparser.parse_from_bytes(block.encode("utf-8", "replace") + b"\n")
        except Exception:  # a fault of the library is one of the mail; our own reading stays
            _log.debug("mail-parser failed", exc_info=True)
            self.defects.append("header: addresses could not be read")
            return None

    def _addresses(self, parser: Any, key: bytes) -> tuple[Address, ...]:
        text = self.texts.get(key)
        if text is None:
            return ()
        name = key.decode()
        found: list[tuple[str, str]] = []
        if parser is not None:
            value = getattr(parser, name.replace("-", "_"))
            # Sender is no address field to mail-parser, and an empty field is '': both are text
            found = [pair for pair in value if pair[1]] if isinstance(value, list) else []
            for defect in parser.address_header_defects:
                if defect.get("header") == name:
                    self.defects.append(f"{name}: {defect.get('reason')}")
        ours = addresses.read(text, bare_names=key == b"from")
        if not found or len(ours) > len(found):
            return ours
        if [one.email for one in ours] == [pair[1] for pair in found]:
            return ours  # the same mailboxes; our names know more charsets
        return tuple(addresses.address(header.decode(shown), email) for shown, email in found)

    def _hidden_sender(self) -> tuple[Address, ...]:
        """From's mailbox where the sender's program put even the address into an encoded-word: to be shown, no identity."""
        text = self.texts.get(b"from", "")
        if "=?" not in text:
            return ()
        found = addresses.read(header.decode(text))
        if found:
            self.defects.append("from: the address stands in an encoded-word")
        return found

    def _date(self, parser: Any) -> datetime | None:
        text = self.texts.get(b"date")
        if text is None:
            return None
        found = parser.date if parser is not None else None
        if isinstance(found, datetime):
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        lenient = addresses.lenient_date(header.decode(text))
        if lenient is None:
            self.defects.append("date: cannot be read")
        return lenient


def _own_id(text: str) -> str:
    found = addresses.ids(text)
    return found[0] if found else text.strip("<> ").split(" ")[0][:998]


def _encrypted(root: mime.Entity, text: str) -> bool:
    """Whether there is something in the mail that only the reader's key opens (RFC 3156, RFC 8551)."""
    return "-----BEGIN PGP MESSAGE-----" in text or any(
        one.type == "multipart/encrypted"
        or (one.type in _SMIME and one.params.get("smime-type", "enveloped-data").lower() in _ENVELOPED)
        for one in root.walk()
    )


def _signed(root: mime.Entity, text: str) -> bool:
    return "-----BEGIN PGP SIGNED MESSAGE-----" in text or any(
        one.type == "multipart/signed" or (one.type in _SMIME and one.params.get("smime-type", "").lower() in _SIGNED)
        for one in root.walk()
    )
