"""This is where the bytes of an attachment of an outgoing mail are found: in the mail that they came with, where that is still kept."""

from __future__ import annotations

import base64

from maild.ingest.parse import attachment_bytes
from maild.model.outbox import PartRef
from maild.settling.ends import WHOLE_MESSAGE
from maild.store import outbox
from maild.store.unit_of_work import Store


def read(store: Store, ref: PartRef) -> bytes:
    """The decoded bytes of an attachment, cut out of the stored message (part -1: the message itself)."""
    if ref.content:
        return base64.b64decode(ref.content)
    raw = outbox.read_part(store, ref)
    if raw is None:
        return b"(this attachment is kept no longer)\r\n"
    return raw if ref.part == WHOLE_MESSAGE else attachment_bytes(raw, ref.part)
