"""This is where maild says what went wrong with an IMAP server, and at which step, in one line for a person."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from maild.errors import MailboxUnavailable
from maild.settings.models import Imap

_BYTES = re.compile(r"""\[?\bb(["'])(.*?)\1\]?""")  # how imaplib shows what a server said


class ServerRefuses(MailboxUnavailable):
    """The server answered NO or BAD to one command; the connection is still good."""


class FolderUnavailable(MailboxUnavailable):
    """The folder is not there, or may not be opened."""


def plain_text(value: str, what: str = "") -> None:
    """Refuse line breaks and control characters in what becomes part of a command.

    Raises MailboxUnavailable; the value itself is shown only where ``what`` does not name it (a secret).
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise MailboxUnavailable(f"{what or repr(value)} has a line break or control character in it")


def reason(error: BaseException) -> str:
    """One line out of whatever was raised, without Python's b'…'."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = _BYTES.sub(lambda found: found[2], text)
    return text[:300]


@contextlib.contextmanager
def faults(config: Imap, doing: str) -> Iterator[None]:
    """Turn everything that imapclient, imaplib and sockets raise into faults that name the server and the step."""
    place = f"{config.host}: {doing}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        hint = "name the authority's file in ca_file" if config.ca_file is None else f"ca_file is {config.ca_file}"
        raise MailboxUnavailable(f"{place}: certificate not accepted: {error.verify_message} ({hint})") from error
    except ssl.SSLError as error:
        raise MailboxUnavailable(f"{place}: TLS failed: {reason(error)} (nothing is sent without it)") from error
    except IMAPClientAbortError as error:
        raise MailboxUnavailable(f"{place}: {reason(error)}") from error
    except IMAPClientError as error:
        raise ServerRefuses(f"{place}: {reason(error)}") from error
    except TimeoutError as error:
        raise MailboxUnavailable(f"{place}: no answer in time ({reason(error)})") from error
    except OSError as error:
        raise MailboxUnavailable(f"{place}: {error.strerror or reason(error)}") from error
    except (ValueError, LookupError, AssertionError, TypeError) as error:
        raise MailboxUnavailable(f"{place}: the answer cannot be understood: {reason(error)}") from error
