"""This is where maild signs outgoing mail with DKIM (RFC 6376), where a key is configured for the From domain.

The only importer of dkimpy, and only when there is a key: importing it takes most of a second.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from maild.errors import ConfigError, Fault
from maild.settings.models import Dkim
from maild.settings.values import Secret

# Signed, and once more than it occurs where a second one would deceive a reader (RFC 6376, 5.4.2 and 8.15).
SIGNED = (
    b"from", b"from", b"to", b"cc", b"subject", b"subject", b"date", b"message-id", b"in-reply-to", b"references",
    b"reply-to", b"reply-to", b"mime-version", b"content-type", b"content-transfer-encoding", b"auto-submitted",
    b"list-id", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip


_RSA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"  # 1.2.840.113549.1.1.1, rsaEncryption (RFC 8017, A.1)


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key: its domain, selector, and the private key as PEM (RSA of 1024 bits or more)."""

    domain: str
    selector: str
    pem: bytes = field(repr=False)


def signer(keys: Sequence[Dkim], read: Callable[[Secret], str]) -> Callable[[bytes, str], bytes] | None:
    """What signs with the keys of `outbound.dkim`, or None without any; ``read`` finds a secret.

    Raises ConfigError for a key that cannot be used.
    """
    if not keys:
        return None
    return Signer([Key(one.domain, one.selector, read(one.key).encode("ascii", "replace")) for one in keys]).sign


class Signer:
    """Signs with the key of the From domain, or of its nearest parent domain. Raises ConfigError for an unfit key."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = {key.domain.lower(): key for key in keys}
        faults = [fault for key in self._keys.values() if (fault := _unfit(key))]
        if faults:
            raise ConfigError(faults)

    def sign(self, message: bytes, from_address: str) -> bytes:
        """The message (CRLF lines) with a DKIM-Signature in front, or as it is where no key fits."""
        key = self._key(from_address.rpartition("@")[2].lower())
        if key is None:
            return message
        import dkim

        signature: bytes = dkim.sign(
            message,
            key.selector.encode("ascii"),
            key.domain.encode("ascii"),
            key.pem,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=list(SIGNED),
        )
        return signature + message

    def _key(self, domain: str) -> Key | None:
        while domain:
            if domain in self._keys:
                return self._keys[domain]
            domain = domain.partition(".")[2]
        return None


def _unfit(key: Key) -> Fault | None:
    import dkim

    try:
        dkim.sign(
            b"From: a@b.example\r\n\r\n",
            key.selector.encode("ascii"),
            key.domain.encode("ascii"),
            key.pem,
            include_headers=[b"from"],
        )
    except (dkim.DKIMException, ValueError, UnicodeError) as error:
        message = f"outbound.dkim: the key of {key.domain} cannot be used: {error}"
        return Fault("maild.yaml", 0, 0, message, "it is an RSA private key in PEM form")
    return None


def published(pem: str) -> str:
    """The TXT record that publishes the public half of this private key (RFC 6376, 3.6.1). Raises ConfigError for an unfit
    key."""
    import dkim.crypto
    from dkim.asn1 import BIT_STRING, INTEGER, NULL, OBJECT_IDENTIFIER, SEQUENCE

    try:
        key = dkim.crypto.parse_pem_private_key(pem.encode("ascii", "replace"))
    except (dkim.crypto.UnparsableKeyError, ValueError) as error:
        hint = "it is an RSA private key in PEM form"
        raise ConfigError([Fault("maild.yaml", 0, 0, f"outbound.dkim: the key cannot be used: {error}", hint)]) from None
    numbers = b"".join(
        _der(INTEGER, one.to_bytes(one.bit_length() // 8 + 1, "big")) for one in (key["modulus"], key["publicExponent"])
    )
    kind = _der(SEQUENCE, _der(OBJECT_IDENTIFIER, _RSA) + _der(NULL, b""))
    whole = _der(SEQUENCE, kind + _der(BIT_STRING, b"\0" + _der(SEQUENCE, numbers)))
    return f"v=DKIM1; k=rsa; p={base64.b64encode(whole).decode('ascii')}"


def _der(tag: int, data: bytes) -> bytes:
    """One value of ASN.1 in DER (ITU-T X.690, 8.1; dkimpy's own encoder fails for 127 bytes and more)."""
    length = len(data).to_bytes((len(data).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (length if len(data) < 0x80 else bytes([0x80 | len(length)]) + length) + data


def proven(pem: str, selector: str, domain: str, record: str) -> bool:
    """Whether a mail signed with this key is verified by what is published: ``record``, the TXT record's text."""
    import dkim

    mail = f"From: maild@{domain}\r\nSubject: a proof\r\n\r\nIs it ours?\r\n".encode()
    try:
        signature: bytes = dkim.sign(
            mail, selector.encode("ascii"), domain.encode("ascii"), pem.encode("ascii", "replace"), include_headers=[b"from"]
        )
        return bool(dkim.verify(signature + mail, dnsfunc=lambda _name, timeout=0: record.encode()))
    except (dkim.DKIMException, ValueError, UnicodeError):
        return False
