"""This is where maild reads certificates and keys for TLS, and says in words what is wrong with them."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

_HAS_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


class Unusable(ValueError):
    """A certificate or key that cannot be used; ``str(error)`` says which and why."""


class Expired(Unusable):
    """A certificate whose time is over."""


def serving() -> ssl.SSLContext:
    """What a server's TLS begins with: TLS 1.2 and later; a chain is loaded into it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_chain(context: ssl.SSLContext, certificate: str, key: str, *, key_in: str = "") -> None:
    """Load the file ``certificate`` with its key: the file ``key``, or the PEM text ``key_in``.

    Raises Unusable, and PermissionError where a file is there but may not be read.
    """
    for path in (certificate, *([] if key_in else [key])):
        try:
            with Path(path).open("rb"):
                pass
        except PermissionError:
            raise
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        if key_in:
            _load_from_memory(context, certificate, key_in)
        else:
            context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Unusable(f"the key does not belong to the certificate {certificate}") from None
        names = certificate if key_in else f"{certificate} and {key}"
        raise Unusable(f"{names} are not a certificate and a key without passphrase, both PEM") from None


def _load_from_memory(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # OpenSSL reads keys from files only: one in memory never lies on a disk
    memory = os.memfd_create("maild-tls-key")
    try:
        os.write(memory, key.encode())
        context.load_cert_chain(certificate, f"/proc/self/fd/{memory}", password="")
    finally:
        os.close(memory)


def trusting(ca_file: str) -> ssl.SSLContext:
    """What a client's TLS begins with, trusting these authorities. Raises Unusable, PermissionError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except PermissionError:
        raise
    except ssl.SSLError:
        raise Unusable(f"{ca_file} holds no certificate in PEM form") from None
    except OSError as error:
        raise Unusable(f"{ca_file} cannot be read: {(error.strerror or str(error)).lower()}") from None


def ends(certificate: str, key: str) -> datetime:
    """When the certificate in this file ends; ``key`` is the PEM text of its key.

    Python reads certificates only out of a handshake: one is made in memory with it, trusting it alone. Raises Expired,
    Unusable, PermissionError.
    """
    server = serving()
    load_chain(server, certificate, "", key_in=key)
    client = trusting(certificate)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    waiting = [ours, theirs]
    try:
        for _ in range(20):  # a handshake takes two turns
            for side in list(waiting):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.remove(side)
            if not waiting:
                break
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _HAS_EXPIRED:
            raise Expired(f"{certificate} has expired") from None
        raise Unusable(f"{certificate}: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise Unusable(f"{certificate}: {error.reason or error}") from None
    found = ours.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
