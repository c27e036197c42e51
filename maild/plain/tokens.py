"""This is where maild signs what it hands out and will be shown again: Message-IDs, loop marks, one-time words.

A signature proves that maild made the token, never who shows it. Each kind of token has a purpose of its own, so that
one can never stand for another. The key id stands in the token: after a rotation the old keys still verify.

The signed id is ``KEYID.CASE.READER.SIG@domain`` (one fixed id for a case and a reader: the root of their thread), or
``KEYID.CASE.READER.SERIAL.SIG@domain`` (a Message-ID). Left of the @ stand only lower-case letters, digits and dots.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

ID_LENGTH = 75  # with the angle brackets: Python's email package makes ids of 78 and more into encoded-words
SIGNATURE_LENGTH = 26  # base32 characters of 5 bits: 130 bits of HMAC-SHA-256
_SIGNED_BYTES = 20  # base32 takes five at a time; no more than these are looked at
SERIAL_LENGTH = 10
KEY_BYTES = 16

_KEY_ID = re.compile(r"[a-z0-9]{1,8}\Z", re.ASCII)
_PART = re.compile(r"[a-z0-9]+\Z", re.ASCII)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_SERIAL = re.compile(r"[a-z2-7]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The signing keys by id: 1-8 lower-case letters and digits; 16 bytes or more. ``current`` signs, all verify.

    Raises ValueError where ``current`` is not among the keys, or an id or a key is unfit.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError(f"the current signing key {self.current!r} is not in the keyring")
        for keyid, key in self.keys.items():
            if not _KEY_ID.match(keyid):
                raise ValueError(f"a key id is 1-8 lower-case letters and digits, not {keyid!r}")
            if len(key) < KEY_BYTES:
                raise ValueError(f"the signing key {keyid!r} is shorter than {KEY_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class SignedId:
    """What a verified id says: the case (0: none), the reader (0: people outside), the serial ('' for a root)."""

    case: int
    reader: int
    serial: str
    keyid: str


def new_serial(random_bytes: bytes) -> str:
    """The serial of a new Message-ID out of 7 or more random bytes: ten base32 characters."""
    if len(random_bytes) < 7:
        raise ValueError("a serial needs 7 random bytes")
    return base64.b32encode(random_bytes).decode("ascii").lower()[:SERIAL_LENGTH]


def sign_token(keyring: Keyring, purpose: str, *parts: str) -> str:
    """``KEYID.PART.….SIG`` for one purpose. Parts are lower-case letters and digits. Raises ValueError for others."""
    for part in parts:
        if not _PART.match(part):
            raise ValueError(f"a token's parts are lower-case letters and digits, not {part!r}")
    keyid = keyring.current
    return ".".join((keyid, *parts, _signature(keyring.keys[keyid], purpose, keyid, parts)))


def verify_token(keyring: Keyring, purpose: str, token: str) -> tuple[str, ...] | None:
    """The parts of a token that was signed for this purpose by any key of the ring, else None. Case does not matter."""
    if len(token) > 400 or not token.isascii():
        return None
    keyid, *parts = token.lower().split(".")
    if not parts or not all(_PART.match(part) for part in parts):
        return None
    key = keyring.keys.get(keyid)
    if key is None:
        return None
    signature = parts.pop()
    expected = _signature(key, purpose, keyid, tuple(parts))
    return tuple(parts) if hmac.compare_digest(signature.encode(), expected.encode()) else None


def sign_id(
    keyring: Keyring, case: int, reader: int, domain: str, serial: str = "", *, fallback_domain: str = "maild.invalid"
) -> str:
    """The signed id of a case and a reader, without angle brackets, at most 73 characters.

    Without ``serial`` it is always the same: the root of the reader's thread. Where the mailbox's domain is too long
    its parent domains are tried, after ``fallback_domain``. Raises ValueError for a negative number or an unfit serial.
    """
    if case < 0 or reader < 0:
        raise ValueError("a case's and a reader's number are 0 or more")
    if serial and not _SERIAL.match(serial):
        raise ValueError(f"a serial comes from new_serial(), not {serial!r}")
    parts = (str(case), str(reader), serial) if serial else (str(case), str(reader))
    left = sign_token(keyring, "message-id", *parts)
    room = ID_LENGTH - 3 - len(left)
    labels = domain.lower().split(".")
    parents = [".".join(labels[start:]) for start in range(1, len(labels) - 1)]
    fitting = (name for name in (domain.lower(), fallback_domain.lower(), *parents) if 0 < len(name) <= room)
    return f"{left}@{next(fitting, 'm.invalid')}"


def verify_id(keyring: Keyring, message_id: str) -> SignedId | None:
    """What a Message-ID of ours says, with or without angle brackets, or None where it is not ours or was changed.

    The domain is not signed: mailboxes may move. Letters may come back in upper case.
    """
    text = message_id.strip().removeprefix("<").removesuffix(">")
    left, at, domain = text.rpartition("@")
    if not at or not domain:
        return None
    parts = verify_token(keyring, "message-id", left)
    if parts is None or len(parts) not in (2, 3) or not all(_NUMBER.match(part) for part in parts[:2]):
        return None
    return SignedId(int(parts[0]), int(parts[1]), parts[2] if len(parts) == 3 else "", left.split(".")[0].lower())


def signed_word(keyring: Keyring, case: int, reader: int, expires: int) -> str:
    """A word for one user and one case that holds until ``expires`` (seconds since 1970): it comes back in a mail that
    answers nothing, where no server proves who sent it."""
    return f"[maild:{sign_token(keyring, 'word', str(case), str(reader), str(expires))}]"


def word_place(keyring: Keyring) -> str:
    """What stands for a signed word in a text that is made for several readers; nobody outside can know it."""
    return f"[maild:{sign_token(keyring, 'word-place', '0')}]"


def read_word(keyring: Keyring, text: str) -> SignedId | None:
    """What the signed word in a text says, however old; the serial is when it expires. None without one."""
    found = re.search(r"\[maild:([a-z0-9.]{10,200})\]", text, re.IGNORECASE)
    parts = verify_token(keyring, "word", found[1]) if found else None
    if parts is None or len(parts) != 3 or not all(_NUMBER.match(part) for part in parts):
        return None
    return SignedId(int(parts[0]), int(parts[1]), parts[2], keyring.current)


def loop_mark(keyring: Keyring, serial: str) -> str:
    """The value of X-Maild-Loop on a mail of ours, by which it is known should it come back."""
    return sign_token(keyring, "loop", serial)


def is_loop_mark(keyring: Keyring, value: str) -> bool:
    """Whether a header's value is a loop mark that maild itself made."""
    return verify_token(keyring, "loop", value.strip()) is not None


@lru_cache(maxsize=1024)
def _signature(key: bytes, purpose: str, keyid: str, parts: tuple[str, ...]) -> str:
    # The parts cannot hold the separator, so no two lists of parts give the same text.
    digest = hmac.digest(_purpose_key(key, purpose), "\0".join((keyid, *parts)).encode("ascii"), hashlib.sha256)
    return base64.b32encode(digest[:_SIGNED_BYTES]).decode("ascii").lower()[:SIGNATURE_LENGTH]


@lru_cache(maxsize=64)
def _purpose_key(key: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose."""
    return hmac.digest(key, b"maild " + purpose.encode("utf-8"), hashlib.sha256)
