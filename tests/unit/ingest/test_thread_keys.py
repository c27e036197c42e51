from __future__ import annotations

from maild.ingest.parse import parse
from maild.ingest.thread_keys import thread_keys

TAG = "[#{number}]"


def keys(headers: str, tag: str = TAG, legacy: tuple[str, ...] = ()) -> tuple[tuple[str, ...], tuple[int, ...]]:
    found = thread_keys(parse(f"Message-ID: <own@x>\n{headers}\n\nHi\n".encode()), tag, legacy)
    return found.ids, found.tags


def test_in_reply_to_comes_first_then_references_from_the_right() -> None:
    assert keys("References: <a@x> <b@x>\n <c@x>\nIn-Reply-To: <b@x>")[0] == ("b@x", "c@x", "a@x")


def test_ids_are_read_through_encoded_words_folds_and_replacement() -> None:
    assert keys("In-Reply-To: =?us-ascii?Q?=3Ck1=2E12=2E0=2Eabc=40example=2Ecom=3E?=")[0] == (
        "k1.12.0.abc@example.com",
    )
    assert keys("In-Reply-To: <long\n id@x>")[0] == ("longid@x",)
    assert keys("X-Microsoft-Original-Message-ID: <real@x>\nIn-Reply-To: <new@y>")[0] == ("new@y", "real@x")


def test_a_mail_is_not_its_own_parent() -> None:
    assert keys("References: <own@x> <a@x>")[0] == ("a@x",)


def test_numbers_in_the_subject() -> None:
    assert keys("Subject: Re: [#123] Printer")[1] == (123,)
    assert keys("Subject: AW: [#123 ] and [#45] and [#123]")[1] == (123, 45)
    assert keys("Subject: ［＃１２］ fullwidth")[1] == (12,)
    assert keys("Subject: #123 and [123]")[1] == ()
    assert keys("Subject: [#99999999999999999999999]")[1] == ()


def test_older_tags_come_after_ours() -> None:
    assert keys("Subject: Ticket#2024 Re: [#7]", legacy=("Ticket#{number}",))[1] == (7, 2024)
    assert keys("Subject: MyTicket#2024", legacy=("Ticket#{number}",))[1] == ()


def test_each_key_says_where_it_stood() -> None:
    found = thread_keys(parse(b"Subject: [#7]\nIn-Reply-To: <a@x>\n\n"), TAG, ())
    assert found.signs == ("In-Reply-To: a@x", "subject [#{number}]: 7")
