"""This is where maild decides how to fetch a folder: where to go on, how much at once, how long to wait."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from maild.ingest.imap_session import PIECE, Selected
from maild.ingest.imap_wire import Timing
from maild.model.spool import Cursor

_WINDOW, _WIDEST = 1000, 50_000  # UIDs asked for at once; an answer stays far below imaplib's limit on a line
_BATCH_BYTES = 4 * PIECE  # of messages fetched at once
_RETURN_PATH = re.compile(rb"^return-path:[ \t]*(?:\r?\n[ \t]+)?<?[ \t]*([^<>\r\n]*?)[ \t]*>?[ \t]*\r?$", re.I | re.M)
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def pause_after(failures: int, *, refused: bool, chance: float, timing: Timing = Timing()) -> float:
    """Seconds to wait before the next try: doubling from the first to the longest, less up to half of it by chance.

    ``failures`` counts from 1; ``chance`` is from 0 to 1. A refused login waits longer, so as not to lock the account.
    """
    first, longest = (
        (timing.refused_first, timing.refused_longest) if refused else (timing.retry_first, timing.retry_longest)
    )
    full = min(longest, first * 2.0 ** min(failures - 1, 30))
    return float(full * (1 - chance / 2))


def resume(cursor: Cursor | None, selected: Selected, skip: int = 0) -> Cursor:
    """Where to go on in the folder as it is now.

    Another UIDVALIDITY makes every UID known so far worthless (RFC 3501, 2.3.1.1); so does a UIDNEXT that lies before
    what was fetched (a server restored from an old copy). The folder is then read again from the start, or from
    behind the UID ``skip``.
    """
    known = cursor is not None and cursor.uidvalidity == selected.uidvalidity
    if cursor is None or not known or 0 < selected.uidnext <= cursor.uid:
        return Cursor(selected.uidvalidity, skip)
    return cursor


def windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Ranges of UIDs from ``first`` to ``last``, oldest first, growing wider: UIDs may lie far apart."""
    width = _WINDOW
    while first <= last:
        end = min(last, first + width - 1)
        yield first, end
        first, width = end + 1, min(width * 2, _WIDEST)


def return_path(raw: bytes) -> str | None:
    """The envelope sender in the first Return-Path field: '' for the empty one, None where there is none to believe.

    What is longer than any address (RFC 5321, 4.5.3.1.3, with room for those who err) is none.
    """
    end = _HEADER_END.search(raw)
    found = _RETURN_PATH.search(raw, 0, end.start() + 1 if end else len(raw))
    if found is None or len(found[1]) > 512:
        return None
    return found[1].decode("utf-8", "replace").replace("\0", "\ufffd")


def first_batch(uids: Sequence[int], sizes: Mapping[int, int], most: int) -> list[int]:
    """As many of ``uids`` from the front as may be fetched at once: at least one, at most ``most``, bounded in bytes.

    One whose size is not known goes alone.
    """
    taken: list[int] = []
    total = 0
    for uid in uids[:most]:
        total += sizes.get(uid, _BATCH_BYTES + 1)
        if taken and total > _BATCH_BYTES:
            break
        taken.append(uid)
    return taken
