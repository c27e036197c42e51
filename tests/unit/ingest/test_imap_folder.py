"""What is taken from a folder, whatever the server and the store do in between: a server of a few lines, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import MailboxUnavailable, MessageError, StoreUnavailable
from maild.ingest.imap_faults import ServerRefuses
from maild.ingest.imap_folder import FolderWork
from maild.ingest.imap_session import PIECE, Session
from maild.model.message import Envelope
from maild.model.spool import Cursor
from maild.settings.models import Imap

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
START = Cursor(7, 0)


class Folder:
    """The session as far as FolderWork uses it. ``trouble`` is called before each command with its name and UIDs."""

    def __init__(self, messages: dict[int, bytes]) -> None:
        self.messages = dict(messages)
        self.moved: list[int] = []
        self.marked: set[int] = set()
        self.trouble: Callable[[str, Sequence[int]], None] = lambda command, uids: None

    def highest(self) -> int:
        self.trouble("highest", ())
        return max(self.messages, default=0)

    def uids(self, first: int, last: int) -> list[int]:
        self.trouble("uids", ())
        return sorted(uid for uid in self.messages if first <= uid <= last)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        self.trouble("sizes", uids)
        return {uid: len(self.messages[uid]) for uid in uids if uid in self.messages}

    def pieces(self, uids: Sequence[int], offset: int) -> dict[int, bytes]:
        self.trouble("pieces", uids)
        return {uid: self.messages[uid][offset : offset + PIECE] for uid in uids if uid in self.messages}

    def move(self, uids: Sequence[int], folder: str) -> None:
        self.trouble("move", uids)
        for uid in uids:
            if self.messages.pop(uid, None) is not None:
                self.moved.append(uid)
        self.marked.difference_update(uids)
        self.trouble("moved", uids)

    def flag(self, uids: Sequence[int]) -> None:
        self.trouble("flag", uids)
        self.marked.update(uids)

    def flagged(self) -> list[int]:
        self.trouble("flagged", ())
        return sorted(self.marked)


class Desk:
    """The store's side."""

    def __init__(self, work_on: Folder, after: object = "keep", max_size: int = 3 * PIECE) -> None:
        self.folder, self.cursor = work_on, START
        self.accepted: list[bytes] = []
        self.trouble: Callable[[str], None] = lambda call: None
        config = Imap.model_validate(
            {"host": "mx", "username": "jo", "password": {"env": "X"}, "after": after, "max_size": max_size}
        )
        self.work = FolderWork(
            "support", config, "support@example.com", accept=self.accept, save=self.save, go_on=lambda: True,
            now=lambda: NOW, shuffled=sorted,
        )  # fmt: skip

    def accept(self, envelope: Envelope) -> str:
        self.trouble("accept")
        self.accepted.append(envelope.raw)
        return "id"

    def save(self, cursor: Cursor) -> None:
        self.trouble("save")
        self.cursor = cursor

    def round(self) -> None:
        self.work.round(cast(Session, self.folder), self.cursor)

    def again(self) -> None:
        self.work.again(cast(Session, self.folder), self.cursor)

    def until_quiet(self, tries: int = 200) -> int:
        """Rounds as the door does them, until one comes to its end; how many connections were lost."""
        for lost in range(tries):
            try:
                self.round()
                return lost
            except StoreUnavailable:
                self.work.stopped_by_store()
            except MailboxUnavailable:
                self.work.cut()
        raise AssertionError("never came to an end")


def some(count: int) -> dict[int, bytes]:
    return {uid * 3: b"Subject: %d\r\n\r\n" % uid for uid in range(1, count + 1)}


def refusing(command: str, *bad: int) -> Callable[[str, Sequence[int]], None]:
    def trouble(called: str, uids: Sequence[int]) -> None:
        if called == command and set(uids) & set(bad):
            raise ServerRefuses("NO")

    return trouble


@given(
    st.integers(0, 60),
    st.lists(st.sampled_from(["ok", "ok", "ok", "cut", "store"]), max_size=60),
    st.sampled_from(["keep", {"move": "Processed"}]),
)
def test_whatever_breaks_when_each_message_is_taken_once_and_in_order(
    count: int, luck: list[str], after: object
) -> None:
    messages = some(count)
    desk = Desk(Folder(messages), after)
    steps: Iterator[str] = iter(luck)
    since_message = 0

    def draw(kind: str) -> bool:
        nonlocal since_message
        since_message += 1
        return next(steps, "ok") == kind and since_message < 100

    def cut(command: str, uids: Sequence[int]) -> None:
        if draw("cut"):
            raise MailboxUnavailable("cut")

    def away(call: str) -> None:
        if draw("store"):
            raise StoreUnavailable("locked")

    desk.folder.trouble, desk.trouble = cut, away
    desk.until_quiet()
    desk.folder.trouble, desk.trouble = lambda command, uids: None, lambda call: None
    desk.again()
    assert sorted(desk.accepted) == sorted(messages.values())
    assert desk.cursor.skipped == ()
    if count:
        assert desk.cursor.uid == max(messages) or desk.folder.messages == {}
    assert sorted(desk.folder.moved) == ([] if after == "keep" else sorted(messages))


def test_large_messages_are_put_together_and_a_multiple_of_a_piece_ends() -> None:
    messages = {1: b"a" * PIECE, 2: b"b" * (2 * PIECE), 3: b"c" * (2 * PIECE + 1), 4: b""}
    desk = Desk(Folder(messages))
    desk.round()
    assert desk.accepted == list(messages.values())


def test_a_message_that_vanishes_between_two_pieces_is_not_taken_in_part() -> None:
    folder = Folder({1: b"a" * (2 * PIECE), 2: b"b"})

    def vanish(command: str, uids: Sequence[int]) -> None:
        if command == "pieces" and folder.trouble is vanish:
            folder.trouble = lambda command, uids: folder.messages.pop(1, None)  # type: ignore[assignment, return-value]

    folder.trouble = vanish
    desk = Desk(folder)
    desk.round()
    assert (desk.accepted, desk.cursor) == ([b"b"], Cursor(7, 2))


def test_a_message_larger_than_the_server_says_is_still_bounded() -> None:
    folder = Folder({1: b"a" * (5 * PIECE), 2: b"b"})
    folder.sizes = lambda uids: dict.fromkeys(uids, 10)  # type: ignore[method-assign]
    desk = Desk(folder)
    desk.round()
    assert (desk.accepted, desk.cursor.skipped) == ([b"b"], (1,))
    assert "larger than max_size" in (desk.work.fault(desk.cursor) or "")


@pytest.mark.parametrize("command", ["pieces", "sizes"])
def test_a_message_that_the_server_fails_at_is_left_and_tried_again(command: str) -> None:
    folder = Folder(some(9))
    bad = refusing("pieces", 9)
    also = refusing(command, 9)
    folder.trouble = lambda called, uids: (bad(called, uids), also(called, uids))  # type: ignore[assignment, return-value]
    desk = Desk(folder)
    desk.round()
    assert len(desk.accepted) == 8 and desk.cursor == Cursor(7, 27, (9,))
    assert desk.work.fault(desk.cursor) == "1 not fetched, the first is UID 9: NO"
    desk.again()
    assert desk.cursor.skipped == (9,)
    folder.trouble = lambda called, uids: None
    desk.again()
    assert (desk.accepted[-1], desk.cursor) == (b"Subject: 3\r\n\r\n", Cursor(7, 27))
    assert desk.work.fault(desk.cursor) is None


def test_a_message_that_is_listed_but_not_handed_out_is_no_deleted_one() -> None:
    folder = Folder(some(3))
    hand_out = folder.pieces
    folder.pieces = lambda uids, offset: hand_out([uid for uid in uids if uid != 6], offset)  # type: ignore[method-assign]
    desk = Desk(folder)
    desk.round()
    assert (len(desk.accepted), desk.cursor.skipped) == (2, (6,))


def test_a_message_at_which_the_connection_is_lost_each_time_is_left_for_later() -> None:
    folder = Folder(some(5))

    def cut(command: str, uids: Sequence[int]) -> None:
        if command == "pieces" and 6 in uids:
            raise MailboxUnavailable("reset by peer")

    folder.trouble = cut
    desk = Desk(folder, {"move": "Processed"})
    assert desk.until_quiet() <= 7
    assert (len(desk.accepted), desk.cursor.skipped, list(folder.messages)) == (4, (6,), [6])


def test_a_skipped_message_that_somebody_deleted_is_forgotten() -> None:
    folder = Folder(some(2))
    desk = Desk(folder)
    folder.trouble = refusing("pieces", 3)
    desk.round()
    folder.messages.pop(3)
    folder.trouble = lambda called, uids: None
    desk.again()
    assert desk.cursor == Cursor(7, 6)


def test_refused_by_the_store_for_good() -> None:
    desk = Desk(Folder(some(1)))

    def refuse(call: str) -> None:
        if call == "accept":
            raise MessageError("no such mailbox any more")

    desk.trouble = refuse
    desk.round()
    assert (desk.accepted, desk.cursor) == ([], Cursor(7, 3, (3,)))


def test_what_cannot_be_moved_is_marked_and_moved_later() -> None:
    folder = Folder(some(2))
    folder.trouble = refusing("move", 3, 6)
    desk = Desk(folder, {"move": "Processed"})
    desk.round()
    assert folder.marked == {3, 6} and "not moved away: NO" in (desk.work.fault(desk.cursor) or "")
    folder.trouble = lambda called, uids: None
    desk.again()
    assert (folder.moved, folder.marked, desk.work.fault(desk.cursor), len(desk.accepted)) == ([3, 6], set(), None, 2)


def test_moving_into_the_folder_itself_is_a_fault_and_no_loop() -> None:
    folder = Folder(some(2))
    desk = Desk(folder, {"move": "INBOX"})
    desk.round()
    assert folder.moved == [] and "names the folder itself" in (desk.work.fault(desk.cursor) or "")


def test_too_many_bad_messages_are_a_fault_of_the_server() -> None:
    folder = Folder(some(1100))
    folder.trouble = refusing("pieces", *folder.messages)
    desk = Desk(folder)
    with pytest.raises(MailboxUnavailable, match=r"10\d\d messages"):
        desk.round()


def test_new_numbers_forget_what_was_known_of_the_old_ones() -> None:
    desk = Desk(Folder(some(2)), {"move": "Processed"})

    def cut(command: str, uids: Sequence[int]) -> None:
        if command == "move":
            raise MailboxUnavailable("cut")

    desk.folder.trouble = cut
    with pytest.raises(MailboxUnavailable):
        desk.round()
    assert len(desk.accepted) == 1
    desk.work.forget()
    desk.folder.trouble = lambda command, uids: None
    desk.round()
    assert len(desk.accepted) == 3
