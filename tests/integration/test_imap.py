"""The IMAP door against a real Dovecot: what is fetched, when, in which order, and what stays as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dovecot import PASSWORD, PROGRAM, WHY_NOT, Dovecot, dovecot
from proxy import proxy

from maild.errors import ConfigError, Fault, MailboxUnavailable, MessageError, StoreUnavailable
from maild.ingest.imap import Cursor, ImapDoor, ImapHooks, Timing, probe
from maild.ingest.oauth import LoginRefused
from maild.model.message import Door, Envelope
from maild.settings.models import AfterMove, Imap

pytestmark = [pytest.mark.service, pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)]

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
QUICK = Timing(
    connect=5, read=5, renew=30, slice=0.02, lease=0.2, retry_first=0.01, retry_longest=0.05,
    refused_first=0.05, refused_longest=0.2, healthy=60, again=60,
)  # fmt: skip


class Killed(BaseException):
    """What ends the process, as far as the door can tell."""


class Store:
    """Everything behind the hooks, in memory: messages by the digest of their bytes, cursors, what was reported."""

    def __init__(self) -> None:
        self.messages: dict[str, Envelope] = {}
        self.accepted = 0
        self.cursors: dict[tuple[str, str], Cursor] = {}
        self.faults: dict[tuple[str, str], str | None] = {}
        self.told: list[str] = []
        self.fetched_at: dict[str, datetime] = {}
        self.leased = True
        self.before_accept: Callable[[Envelope], None] = lambda envelope: None
        self.after_accept: Callable[[Envelope], None] = lambda envelope: None
        self.before_save: Callable[[Cursor], None] = lambda cursor: None
        self.after_save: Callable[[Cursor], None] = lambda cursor: None

    def accept(self, envelope: Envelope) -> str:
        self.before_accept(envelope)
        digest = hashlib.sha256(envelope.raw).hexdigest()
        self.accepted += 1
        self.messages.setdefault(digest, envelope)
        self.after_accept(envelope)
        return digest

    def save_cursor(self, mailbox: str, folder: str, cursor: Cursor) -> None:
        self.before_save(cursor)
        self.cursors[mailbox, folder] = cursor
        self.after_save(cursor)

    def report(self, mailbox: str, folder: str, fault: str | None) -> None:
        self.faults[mailbox, folder.partition(" of ")[0]] = fault
        if fault:
            self.told.append(fault)

    def fetched(self, mailbox: str, folder: str, at: datetime) -> None:
        self.fetched_at[mailbox] = at

    def hooks(self) -> ImapHooks:
        return ImapHooks(
            accept=self.accept,
            load_cursor=lambda mailbox, folder: self.cursors.get((mailbox, folder)),
            save_cursor=self.save_cursor,
            lease=lambda mailbox, folder: self.leased,
            report=self.report,
            fetched=self.fetched,
        )

    @property
    def cursor(self) -> Cursor:
        """The only cursor."""
        (cursor,) = self.cursors.values()
        return cursor

    def subjects(self) -> list[str]:
        found = (re.search(rb"^Subject: (.*?)\r?$", envelope.raw, re.M) for envelope in self.messages.values())
        return [match[1].decode() for match in found if match]


class Running:
    """A door in its thread; leaving the block stops it and fails if it does not end soon."""

    def __init__(
        self, store: Store, config: Imap, mailbox: str = "support", password: str = PASSWORD, timing: Timing = QUICK
    ) -> None:
        self.store, self.stop = store, threading.Event()
        self.died: BaseException | None = None
        self.door = ImapDoor(
            mailbox, config, password, store.hooks(), address="support@example.com", now=lambda: NOW, timing=timing
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.door.run(self.stop)
        except Killed as error:
            self.died = error

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def until(self, reached: Callable[[], object], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, (self.store.told[-3:], self.store.subjects()[-5:])
            time.sleep(0.005)


def mail(subject: str, body: str = "Hello") -> bytes:
    header = f"Return-Path: <jo@acme.example>\nFrom: jo@acme.example\nSubject: {subject}\nMessage-ID: <{subject}@x>\n"
    return f"{header}\n{body}\n".replace("\n", "\r\n").encode()


def numbered(count: int, body: str = "Hello") -> list[bytes]:
    return [mail(f"m{number:05}", body) for number in range(count)]


def names(count: int) -> list[str]:
    return [f"m{number:05}" for number in range(count)]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """An account of its own for each test."""
    return re.sub(r"\W", "", request.node.name)[:60].lower()


def account(server: Dovecot, user: str, **changes: object) -> Imap:
    values: dict[str, object] = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": user,
                                 "password": {"env": "X"}}  # fmt: skip
    return Imap.model_validate(values | changes)


def drained(store: Store, config: Imap, count: int, seconds: float = 10, **options: object) -> None:
    """Run a door until `count` messages are there and the cursor has passed them."""
    with Running(store, config, **options) as running:  # type: ignore[arg-type]
        running.until(lambda: len(store.messages) >= count and store.fetched_at, seconds)


def test_fetches_what_is_there_oldest_first_and_leaves_it_as_it_was(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(3))
    store = Store()
    drained(store, account(server, user), 3)
    assert store.subjects() == names(3)
    first = next(iter(store.messages.values()))
    assert first == Envelope(
        door=Door.IMAP, mail_from="jo@acme.example", rcpt_tos=("support@example.com",), raw=mail("m00000"),
        received_at=NOW, client="127.0.0.1", trusted=True,
    )  # fmt: skip
    assert not any(b"Seen" in flags for flags in server.flags(user))
    assert server.subjects(user) == names(3)
    assert store.faults == {("support", "INBOX"): None}


@pytest.mark.parametrize("security", ["none", "tls"])
def test_idle_delivers_within_a_second(server: Dovecot, user: str, security: str) -> None:
    store = Store()
    port = server.tls_port if security == "tls" else server.port
    config = account(server, user, security=security, port=port, ca_file=server.ca_file)
    with Running(store, config) as running:
        running.until(lambda: store.fetched_at)
        for number in range(3):
            server.append(user, mail(f"m{number:05}"))
            sent = time.monotonic()
            running.until(lambda wanted=number + 1: len(store.messages) == wanted, 2)
            assert time.monotonic() - sent < 1
    assert store.subjects() == names(3)


def test_polls_where_there_is_no_idle(user: str) -> None:
    with dovecot(capability="IMAP4rev1 UIDPLUS") as server:
        store = Store()
        with Running(store, account(server, user, poll="0.1s")) as running:
            running.until(lambda: store.fetched_at)
            server.append(user, mail("m00000"))
            running.until(lambda: len(store.messages) == 1)
        assert "IDLE: no" in " ".join(probe(account(server, user), PASSWORD))


def test_a_restart_fetches_nothing_twice_and_reading_changes_nothing(server: Dovecot, user: str) -> None:
    store = Store()
    server.append(user, *numbered(2))
    drained(store, account(server, user), 2)
    server.append(user, mail("m00002"))
    with server.client(user) as other:
        other.uid("STORE", "1:*", "+FLAGS", r"(\Seen)")
    drained(store, account(server, user), 3)
    assert (store.subjects(), store.accepted) == (names(3), 3)


def test_moves_into_a_folder_that_it_makes(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(5))
    store = Store()
    drained(store, account(server, user, after={"move": "Processed"}), 5)
    assert server.subjects(user) == []
    assert server.subjects(user, "Processed") == names(5)
    assert not any(b"Seen" in flags for flags in server.flags(user, "Processed"))


def test_moves_by_copy_where_there_is_no_move_and_expunges_only_its_own(user: str) -> None:
    with dovecot(capability="IMAP4rev1 UIDPLUS IDLE") as server:
        server.append(user, mail("old"))
        store = Store()
        drained(store, account(server, user), 1)
        with server.client(user) as other:
            other.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
        server.append(user, *numbered(2))
        drained(store, account(server, user, after={"move": "Processed"}), 3)
        assert server.subjects(user) == ["old"]
        assert server.subjects(user, "Processed") == names(2)


def test_without_uidplus_a_message_stays_marked_as_deleted(user: str) -> None:
    with dovecot(capability="IMAP4rev1 IDLE") as server:
        server.append(user, mail("m00000"))
        drained(Store(), account(server, user, after="delete"), 1)
        assert server.subjects(user) == ["m00000"]
        assert b"\\Deleted" in server.flags(user)[0]


def test_deletes(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(3))
    drained(Store(), account(server, user, after="delete"), 3)
    assert server.subjects(user) == []


def test_folders_below_a_prefix_are_found_and_made(user: str) -> None:
    with dovecot(prefix="INBOX.", separator=".") as server:
        server.append(user, mail("m00000"))
        drained(Store(), account(server, user, after={"move": "Processed"}), 1)
        assert server.subjects(user, "INBOX.Processed") == ["m00000"]


def test_a_full_target_means_processed_once_marked_and_told_and_moved_later(user: str) -> None:
    rule = "quota = maildir:User\n  quota_rule = *:messages="
    with dovecot(plugins="quota", quota=f"{rule}2", capability="IMAP4rev1 UIDPLUS IDLE") as server:
        server.append(user, *numbered(2))
        store = Store()
        config = account(server, user, after={"move": "Processed"})
        drained(store, config, 2)
        assert re.search("fetched, but not moved away.*quota", store.faults["support", "INBOX"] or "", re.I)
        assert all(b"$MaildDone" in flags for flags in server.flags(user))
        store.fetched_at.clear()
        drained(store, config, 2)
        assert store.accepted == 2
        server.stop()
        server.settings["quota"] = f"{rule}100"
        server.start()
        with Running(store, config) as running:
            running.until(lambda: store.faults["support", "INBOX"] is None)
        assert (server.subjects(user), store.accepted) == ([], 2)
        assert sorted(server.subjects(user, "Processed")) == names(2)


def test_a_target_that_vanishes_is_made_again(server: Dovecot, user: str) -> None:
    store = Store()
    config = account(server, user, after={"move": "Processed"})
    with Running(store, config) as running:
        server.append(user, mail("m00000"))
        running.until(lambda: server.subjects(user, "Processed") == names(1))
        with server.client(user) as other:
            assert other.delete("Processed")[0] == "OK"
        server.append(user, mail("m00001"))
        running.until(lambda: server.subjects(user, "Processed") == ["m00001"])


def test_ten_thousand_waiting(server: Dovecot, user: str) -> None:
    server.fill(user, iter(numbered(10_000)))
    store = Store()
    began = time.monotonic()
    drained(store, account(server, user), 10_000, 40)
    assert store.subjects() == names(10_000)
    assert store.accepted == 10_000
    print(f"10,000 messages fetched in {time.monotonic() - began:.1f} s")


def test_large_messages_come_in_pieces_and_too_large_ones_are_left_and_told(server: Dovecot, user: str) -> None:
    large = mail("large", "0123456789abcdef" * 64 + "\n" + "x" * 70 * 40_000)
    server.append(user, large, mail("huge", ("y" * 76 + "\n") * 60_000), mail("m00000"))
    store = Store()
    drained(store, account(server, user, max_size="3MiB"), 2)
    assert [envelope.raw for envelope in store.messages.values()] == [large, mail("m00000")]
    assert store.cursor.skipped == (2,)
    assert "UID 2: larger than max_size" in (store.faults["support", "INBOX"] or "")
    drained(store, account(server, user, max_size="10MiB"), 3)
    assert store.cursor.skipped == ()
    assert (store.faults["support", "INBOX"], store.accepted) == (None, 3)


def test_one_refused_message_does_not_stop_the_others(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(4))
    store = Store()

    def refuse(envelope: Envelope) -> None:
        if b"m00001" in envelope.raw:
            raise MessageError("not to be had")

    store.before_accept = refuse
    drained(store, account(server, user, after={"move": "Processed"}), 3)
    assert store.subjects() == ["m00000", "m00002", "m00003"]
    assert server.subjects(user) == ["m00001"]
    assert "UID 2: not to be had" in (store.faults["support", "INBOX"] or "")
    store.before_accept = lambda envelope: None
    drained(store, account(server, user, after={"move": "Processed"}), 4)
    assert (server.subjects(user), store.accepted) == ([], 4)


def test_a_message_that_breaks_the_program_each_time_is_left_for_later(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(3))
    store = Store()

    def fail(envelope: Envelope) -> None:
        if b"m00001" in envelope.raw:
            raise ZeroDivisionError

    store.before_accept = fail
    drained(store, account(server, user), 2)
    assert store.subjects() == ["m00000", "m00002"]
    assert store.cursor.skipped == (2,)


def test_a_store_that_is_away_loses_and_skips_nothing(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(30))
    store = Store()
    calls = iter(range(1000))

    def away(_: object) -> None:
        if next(calls) % 3 == 1:
            raise StoreUnavailable("locked")

    store.before_accept = store.before_save = away
    drained(store, account(server, user, after={"move": "Processed"}), 30)
    assert store.subjects() == names(30)
    assert store.accepted == 30
    assert server.subjects(user, "Processed") == names(30)


def test_cut_fifty_times_at_random_bytes(server: Dovecot, user: str) -> None:
    import random

    chance = random.Random(7)
    server.append(user, *numbered(40, "some words\n" * 800))
    store = Store()
    cuts = iter([chance.randrange(400, 20_000) for _ in range(50)])
    with proxy(server.port, lambda: next(cuts, None)) as between:
        config = account(server, user, port=between.port, after={"move": "Processed"})
        drained(store, config, 40, 20)
        assert between.cuts == 50 or between.connections < 51
        print(f"{between.cuts} cuts, {between.connections} connections")
    assert store.subjects() == names(40)
    assert store.accepted == 40  # what was durable was never fetched again
    assert (server.subjects(user), server.subjects(user, "Processed")) == ([], names(40))


def test_the_server_is_restarted(user: str) -> None:
    with dovecot() as server:
        store = Store()
        with Running(store, account(server, user)) as running:
            server.append(user, mail("m00000"))
            running.until(lambda: len(store.messages) == 1)
            server.stop()
            running.until(lambda: store.faults.get(("support", "INBOX")))
            server.start()
            server.append(user, mail("m00001"))
            running.until(lambda: len(store.messages) == 2 and store.faults["support", "INBOX"] is None)
        assert store.accepted == 2


def test_a_folder_made_anew_is_read_from_the_start(server: Dovecot, user: str) -> None:
    with server.client(user) as other:
        other.create("Team")
    server.append(user, *numbered(3), folder="Team")
    store = Store()
    config = account(server, user, folder="Team")
    drained(store, config, 3)
    before = store.cursor
    with server.client(user) as other:
        other.delete("Team")
        other.create("Team")
    server.append(user, mail("m00001"), mail("m00003"), folder="Team")
    drained(store, config, 4)
    after = store.cursor
    assert after.uidvalidity != before.uidvalidity
    assert (after.uid, store.subjects()) == (2, names(4))


def test_a_folder_moved_away_is_told_and_taken_up_again(server: Dovecot, user: str) -> None:
    with server.client(user) as other:
        other.create("Team")
    server.append(user, mail("m00000"), folder="Team")
    server.append(user, mail("inbox"))
    store = Store()
    often = dataclasses.replace(QUICK, renew=0.2)
    with (
        Running(store, account(server, user, folder="Team"), timing=often) as team,
        Running(store, account(server, user)) as inbox,
    ):
        team.until(lambda: len(store.messages) == 2)
        with server.client(user) as other:
            assert other.rename("Team", "Away")[0] == "OK"
        team.until(lambda: store.faults["support", "Team"])
        server.append(user, mail("inbox2"))
        inbox.until(lambda: len(store.messages) == 3)
        assert store.faults["support", "INBOX"] is None
        with server.client(user) as other:
            other.rename("Away", "Team")
        server.append(user, mail("m00001"), folder="Team")
        team.until(lambda: len(store.messages) == 4 and store.faults["support", "Team"] is None)
    assert store.accepted == 4
    with pytest.raises(MailboxUnavailable, match=r"Nowhere.*folders there: .*INBOX"):
        probe(account(server, user, folder="Nowhere"), PASSWORD)


def test_messages_deleted_by_others_are_passed_over(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(6))
    store = Store()

    def delete_two(envelope: Envelope) -> None:
        if b"m00000" in envelope.raw:
            with server.client(user) as other:
                other.uid("STORE", "3,6", "+FLAGS", r"(\Deleted)")
                other.expunge()

    store.after_accept = delete_two
    drained(store, account(server, user), 4)
    assert store.subjects() == ["m00000", "m00001", "m00003", "m00004"]
    assert store.cursor.skipped == ()


def test_a_wrong_password_is_told_tried_slowly_and_stops_nobody_else(server: Dovecot, user: str) -> None:
    server.append(user, mail("m00000"))
    store = Store()
    slow = dataclasses.replace(QUICK, refused_first=60, refused_longest=900)
    with (
        Running(store, account(server, user), mailbox="sales", password="not this", timing=slow) as sales,
        Running(store, account(server, user)) as support,
    ):
        support.until(lambda: len(store.messages) == 1)
        sales.until(lambda: store.faults.get(("sales", "INBOX")), 10)
        fault = store.faults["sales", "INBOX"] or ""
        assert fault == (f"127.0.0.1: login of {user} refused: [AUTHENTICATIONFAILED] Authentication failed."
                         " (look at username and password)")  # fmt: skip
        server.append(user, mail("m00001"))
        support.until(lambda: len(store.messages) == 2)
        assert len(store.told) == 1
    with pytest.raises(LoginRefused):
        probe(account(server, user), "wrong")


def test_half_open_silence_is_noticed(server: Dovecot, user: str) -> None:
    store = Store()
    timing = dataclasses.replace(QUICK, renew=0.3, read=0.4)
    with (
        proxy(server.port) as between,
        Running(store, account(server, user, port=between.port), timing=timing) as running,
    ):
        running.until(lambda: store.fetched_at)
        between.silent.set()
        running.until(lambda: store.faults.get(("support", "INBOX")), 3)
        assert "no answer in time" in (store.faults["support", "INBOX"] or "")
        between.silent.clear()
        server.append(user, mail("m00000"))
        running.until(lambda: len(store.messages) == 1)
    assert Timing().renew + Timing().read < 300 and Timing().renew < 29 * 60


def test_only_the_daemon_with_the_lease_fetches(server: Dovecot, user: str) -> None:
    server.append(user, mail("m00000"))
    store, other = Store(), Store()
    other.leased = False
    with Running(other, account(server, user)) as waiting:
        drained(store, account(server, user), 1)
        assert other.messages == {}
        store.leased, other.leased = False, True
        other.cursors = store.cursors
        server.append(user, mail("m00001"))
        waiting.until(lambda: other.subjects() == ["m00001"])


@pytest.mark.parametrize("after", ["keep", "delete", AfterMove(move="Processed")], ids=["keep", "delete", "move"])
@pytest.mark.parametrize("step", ["before_accept", "after_accept", "before_save", "after_save"])
def test_killed_between_any_two_steps_nothing_is_lost_or_doubled(
    server: Dovecot, user: str, step: str, after: object
) -> None:
    server.append(user, *numbered(7))
    store = Store()
    for after_calls in (0, 1, 3):
        left = iter(range(after_calls))

        def kill(_: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        setattr(store, step, kill)
        with Running(store, account(server, user, after=after)) as running:
            running.until(lambda: not running.thread.is_alive() or (len(store.messages) == 7 and store.fetched_at))
    setattr(store, step, lambda _: None)
    store.fetched_at.clear()
    drained(store, account(server, user, after=after), 7)
    assert store.subjects() == names(7)
    left_there = names(7) if after == "keep" else []
    assert server.subjects(user) == left_there


def test_killed_for_real(server: Dovecot, user: str, tmp_path: Path) -> None:
    """A process that appends what it accepts to a file, killed by SIGKILL again and again."""
    server.append(user, *numbered(200))
    program = textwrap.dedent("""
        import os, sys, threading
        from maild.ingest.imap import Cursor, ImapDoor, ImapHooks
        from maild.settings.models import Imap
        port, user, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
        log = open(folder + "/accepted", "ab", buffering=0)
        def load(mailbox, name):
            try:
                return Cursor(*map(int, open(folder + "/cursor").read().split()))
            except FileNotFoundError:
                return None
        def save(mailbox, name, cursor):
            with open(folder + "/cursor.new", "w") as file:
                file.write(f"{cursor.uidvalidity} {cursor.uid}")
            os.replace(folder + "/cursor.new", folder + "/cursor")
        hooks = ImapHooks(lambda envelope: str(log.write(envelope.raw.split(b"Subject: ")[1][:6] + b"\\n")), load, save,
                          lambda *_: True, lambda *_: None, lambda *_: open(folder + "/round", "w").close())
        config = Imap(host="127.0.0.1", port=port, security="none", username=user,
                      password={"env": "X"}, after={"move": "Processed"})
        ImapDoor("support", config, sys.argv[4], hooks, address="s@example.com").run(threading.Event())
    """)
    arguments = [sys.executable, "-c", program, str(server.port), user, str(tmp_path), PASSWORD]
    accepted = tmp_path / "accepted"
    accepted.touch()
    for kill_at in (1, 40, 120):
        process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
        while accepted.stat().st_size < kill_at * 7 and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
    end = time.monotonic() + 15
    while not (tmp_path / "round").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait(10)
    lines = accepted.read_text().split()
    assert sorted(set(lines)) == names(200)
    assert len(lines) <= 200 + 3 * 50  # what a killed batch leaves is met again, and recognised by its content
    assert server.subjects(user) == []
    assert sorted(set(server.subjects(user, "Processed"))) == names(200)
    assert len(server.subjects(user, "Processed")) == 200


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_is_verified_and_never_given_up(server: Dovecot, user: str, security: str) -> None:
    server.append(user, mail("m00000"))
    port = server.tls_port if security == "tls" else server.port
    asked: list[str] = []

    def secret() -> str:
        asked.append("password")
        return PASSWORD

    trusted = account(server, user, security=security, port=port, ca_file=server.ca_file)
    store = Store()
    drained(store, trusted, 1)
    assert "folder INBOX: 1 messages" in probe(trusted, secret)
    for wrong, why in (
        (trusted.model_copy(update={"ca_file": None}), r"certificate not accepted.*ca_file"),
        (trusted.model_copy(update={"host": "localhost"}), "certificate not accepted"),
        (trusted.model_copy(update={"ca_file": "/nowhere.pem"}), "cannot be read"),
    ):
        asked.clear()
        with pytest.raises(MailboxUnavailable, match=why):
            probe(wrong, secret)
        assert asked == []


def test_two_accounts_of_one_mailbox_have_a_cursor_each(server: Dovecot, user: str) -> None:
    server.append(user, *numbered(2))
    server.append(f"{user}2", mail("second"))
    store = Store()
    drained(store, account(server, user), 2)
    drained(store, account(server, f"{user}2"), 3)
    server.append(user, mail("m00002"))
    drained(store, account(server, user), 4)
    assert (len(store.cursors), store.accepted) == (2, 4)


def test_a_stop_is_heard_at_once_in_idle_in_a_pause_and_behind_a_silent_server(server: Dovecot, user: str) -> None:
    waits = dataclasses.replace(QUICK, retry_first=60, refused_first=60, read=60, renew=200)
    store = Store()
    with proxy(server.port) as between:
        silent = account(server, user, port=between.port)
        with (
            Running(store, account(server, user), mailbox="idle", timing=waits) as idle,
            Running(store, account(server, user), mailbox="refused", password="no", timing=waits),
            Running(store, account(server, user, port=1), mailbox="away", timing=waits),
        ):
            idle.until(lambda: "idle" in store.fetched_at and len(store.faults) == 3)
            between.silent.set()
            with Running(store, silent, mailbox="silent", timing=waits) as running:
                running.until(lambda: between.connections)
                began = time.monotonic()
        assert time.monotonic() - began < 2


def test_a_secret_that_is_not_there_and_a_broken_report_do_not_end_the_thread(server: Dovecot, user: str) -> None:
    server.append(user, mail("m00000"))
    store = Store()
    secrets = iter([ConfigError([Fault("secret", 0, 0, "the environment has no X")]), None])
    told: list[str | None] = []

    def secret() -> str:
        if (fault := next(secrets, None)) is not None:
            raise fault
        return PASSWORD

    def report(mailbox: str, folder: str, fault: str | None) -> None:
        told.append(fault)
        if len(told) < 3:
            raise ZeroDivisionError

    hooks = dataclasses.replace(store.hooks(), report=report)
    running = Running(store, account(server, user))
    running.door = ImapDoor("support", account(server, user), secret, hooks, address="s@example.com", timing=QUICK)
    with running:
        running.until(lambda: told[-1:] == [None] and len(told) > 2)
    assert told[0] is not None and "the environment has no X" in told[0] and store.accepted == 1
