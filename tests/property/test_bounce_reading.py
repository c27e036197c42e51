"""Whatever a delivery report holds, reading it ends in a report or in None, and its recipients are named once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maild.ingest.bounce import read_bounce
from maild.ingest.bounce_verdict import judge
from maild.model.message import Address, Message, Part

PIECES = st.sampled_from(
    [
        "Final-Recipient: rfc822;jo@shop.example", "Original-Recipient: rfc822; <al@shop.example>", "Action: failed", "Action: delayed", "Action:", "Status: 5.1.1", "Status: 9.9.9", "Diagnostic-Code: smtp; 550 5.1.1 user unknown", " folded on",
        "", "<jo@shop.example>:", "Remote host said: 550 no such user", "--- Below this line is a copy of the message.", "Message-ID: <a@b>", "References: <c@d> <", "To: al@shop.example", "X-Failed-Recipients: ,", '{"notificationType":"Bounce",', '"bounce":{"bouncedRecipients":[{}]}}',
    ]
)  # fmt: skip
LINES = st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=20).map("\n".join)
TYPES = st.sampled_from(["text/plain", "message/delivery-status", "message/rfc822", "text/rfc822-headers", "text/html"])


@st.composite
def reports(draw: st.DrawFn) -> Message:
    parts = draw(st.lists(st.builds(Part, st.just(0), TYPES, LINES, depth=st.integers(0, 2)), max_size=4))
    return Message(
        from_=(Address("", draw(st.sampled_from(["MAILER-DAEMON@a.example", "jo@shop.example", "", "postmaster@a.example"]))),),
        subject=draw(st.sampled_from(["failure notice", "Hello", "Fwd: Undelivered Mail", ""])),
        headers=(("X-Failed-Recipients", draw(LINES)),),
        text=draw(LINES),
        parts=tuple(parts),
        content_type=draw(st.sampled_from(["multipart/report", "text/plain"])),
        content_params=(("report-type", draw(st.sampled_from(["delivery-status", "feedback-report", ""]))),),
    )


@given(reports())
def test_any_report_is_read(message: Message) -> None:
    found = read_bounce(message)
    if found is not None:
        keys = [one.address.lower() for one in found.recipients]
        assert len(keys) == len(set(keys))


@given(st.text(max_size=200), st.text(max_size=20), st.text(max_size=40))
def test_any_words_are_judged(words: str, status: str, context: str) -> None:
    assert not judge(words, status, context, delayed=True).hard
