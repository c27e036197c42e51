"""The life of a daemon: start, reload under load, drain, pause, hold, a smarthost that goes away, kills at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import smtplib
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import mail
from sqlalchemy import func, select

from maild.store import schema

if TYPE_CHECKING:
    from running import Daemon

Daemons = Callable[..., "Daemon"]
# Each mail of a load test is from another person, so that the limits on answers hold nothing back.
UNLIMITED = {"answers_overall": ["100000 in 10m"], "answers_per_address": ["100000 in 1d"], "same_subject": []}


class Load(threading.Thread):
    """Sends mails until told to stop; remembers which got 250. Connects anew whatever happens."""

    def __init__(self, daemon: Daemon, name: str, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.target, self.name, self.pause = daemon, name, pause
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.dropped = 0
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.target.port, timeout=20) as client:
                    client.ehlo()
                    while not self.over.is_set():
                        number += 1
                        self.one(client, f"{self.name}.{number}@load.example")
                        time.sleep(self.pause)
            except (OSError, smtplib.SMTPException):
                self.dropped += 1
                time.sleep(0.02)

    def one(self, client: smtplib.SMTP, message_id: str) -> None:
        sender = f"{message_id.split('@')[0]}@people.example"
        raw = mail(f"Number {message_id}\n" * 20, sender=sender, subject=message_id, message_id=message_id)
        client.mail(sender)
        client.rcpt("support@example.com")
        code, text = client.data(raw)
        if code == 250:
            self.taken.append(message_id)
        else:
            self.refused.append(f"{code} {text!r}")

    def end(self) -> list[str]:
        self.over.set()
        self.join(30)
        assert not self.is_alive()
        return self.taken


def stored(daemon: Daemon) -> Counter[str]:
    """How often each Message-ID stands in the spool."""
    store = daemon.store()
    with store.read() as connection:
        found = Counter(connection.execute(select(schema.spool.c.message_id)).scalars())
    store.close()
    return found


def in_cases(daemon: Daemon) -> Counter[str]:
    """How often each incoming Message-ID stands in a case."""
    store = daemon.store()
    with store.read() as connection:
        query = select(schema.messages.c.message_id).where(schema.messages.c.direction == "in")
        found = Counter(connection.execute(query).scalars())
    store.close()
    return found


def processes(daemon: Daemon) -> list[int]:
    """The living processes of its group (zombies do not count)."""
    assert daemon.process is not None
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _ppid, group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == daemon.process.pid and state != "Z":
            found.append(int(path.parent.name))
    return found


# --- starting ---------------------------------------------------------------------------------------------------


def test_a_broken_configuration_stops_the_start_with_its_place(daemons: Daemons) -> None:
    daemon = daemons(main={"mailboxes": {"support": {"adress": "x@example.com"}}})
    done = daemon.program("run", status=2)
    assert b"maild.yaml:" in done.stderr
    assert b"address" in done.stderr
    assert not (daemon.config / "var" / "maild.db").exists()


def test_a_port_that_is_taken_stops_the_start(daemons: Daemons) -> None:
    daemon = daemons()
    with socket.socket() as one:
        one.bind(("127.0.0.1", daemon.port))
        one.listen()
        assert b"cannot be opened" in daemon.program("run", status=2).stderr
    assert processes_of_nobody(daemon)


def processes_of_nobody(daemon: Daemon) -> bool:
    """Whether no process holds the state directory any more."""
    handle = os.open(daemon.config / "var" / "maild.lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def test_f29_a_second_daemon_on_the_same_state_dir_refuses(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    other = daemons()
    other.configure(main={"state_dir": str(daemon.config / "var")})
    done = other.program("run", status=2)
    assert b"another maild runs" in done.stderr
    assert daemon.listening()


def test_f22_a_database_that_was_lost_stops_the_start(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.send()
    daemon.settle(1)
    assert daemon.stop() == 0
    (daemon.config / "var" / "maild.db").unlink()
    assert b"restore" in daemon.program("run", status=2).stderr
    for words in (["case", "list"], ["status"], ["audit"], ["spool", "list"], ["outbox", "list"], ["case", "note", "1", "x"]):
        assert b"restore" in daemon.maild(*words, status=2).stderr
    assert not (daemon.config / "var" / "maild.db").exists()


def test_f15_sigterm_while_starting_ends_cleanly(daemons: Daemons) -> None:
    daemon = daemons()
    for delay in (0.05, 0.4, 0.7, 0.9, 1.1, 1.4):
        daemon.start(wait=False)
        time.sleep(delay)
        status = daemon.stop()
        assert status in {0, -signal.SIGTERM}, delay
        daemon.until(lambda: processes(daemon) == [], "every process to end", 10) if daemon.process is None else None
        assert processes(daemon) == []
    assert [one for one in daemon.log() if "Traceback" in str(one)] == []


# --- ending -----------------------------------------------------------------------------------------------------


def test_f14_sigterm_under_load_drains_and_loses_nothing(daemons: Daemons) -> None:
    daemon = daemons(main={"limits": UNLIMITED})
    daemon.sink.up()
    daemon.start()
    loads = [Load(daemon, f"drain{n}") for n in range(4)]
    for load in loads:
        load.start()
    idle = [socket.create_connection(("127.0.0.1", daemon.port), timeout=20) for _ in range(50)]
    time.sleep(2)
    began = time.monotonic()
    assert daemon.stop() == 0
    took = time.monotonic() - began
    taken = [one for load in loads for one in load.end()]
    assert took < 30
    assert processes(daemon) == []
    goodbye = idle[0].recv(4096)
    assert b"421" in goodbye + idle[0].recv(4096)
    for one in idle:
        one.close()
    assert len(taken) > 5
    found = stored(daemon)
    assert [one for one in taken if found[one] != 1] == []
    assert daemon.count().get("processing", 0) == 0
    daemon.audit()
    daemon.start()
    daemon.settle(within=60)
    found = in_cases(daemon)
    assert [one for one in taken if found[one] != 1] == []
    assert [load.refused for load in loads if any(not one.startswith("4") for one in load.refused)] == []


# --- reloading --------------------------------------------------------------------------------------------------


def test_f62_f63_reload_under_load_with_a_broken_and_a_good_configuration(daemons: Daemons) -> None:
    daemon = daemons(main={"limits": UNLIMITED})
    daemon.sink.up()
    daemon.start()
    loads = [Load(daemon, f"reload{n}", pause=0.01) for n in range(2)]
    for load in loads:
        load.start()

    good = daemon.until(lambda: daemon.json("status")["configuration"]["hash"], "the first heartbeat")
    daemon.configure(rules=[{"name": "broken", "when": {"subjct": "x"}}])
    done = daemon.maild("reload", "--wait", status=None)
    assert done.returncode in {1, 2}
    assert b"10-tests.yaml:" in done.stderr + done.stdout
    status = daemon.json("status")
    assert status["configuration"]["hash"] == good
    assert "10-tests.yaml" in status["configuration"]["fault"]
    assert any("configuration" in str(one) for one in status["needs"])

    for n in range(5):
        daemon.configure(rules=[{"name": f"tags {n}", "case": {"tags": [f"t{n}"]}}])
        assert daemon.process is not None
        if n % 2:
            daemon.maild("reload", "--wait")
        else:
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.4)
    daemon.maild("reload", "--wait")
    daemon.until(lambda: daemon.json("status")["configuration"]["fault"] is None, "the fault to be gone")
    daemon.send(mail(subject="after the reload", sender="last@people.example"))
    taken = [one for load in loads for one in load.end()]
    daemon.settle(within=60)
    shown = daemon.json("case", "list", "--search", "after the reload")
    assert [one["tags"] for one in shown] == [["t4"]]
    assert all(len(one["tags"]) <= 1 for one in daemon.json("case", "list"))
    assert [load.dropped for load in loads] == [0, 0]
    assert [load.refused for load in loads] == [[], []]
    found = in_cases(daemon)
    assert [one for one in taken if found[one] != 1] == []
    daemon.audit()


def test_reload_answers_for_what_was_on_disk_when_it_was_asked_for(daemons: Daemons) -> None:
    """Not with how a reload ended that was under way already, and had read the files before they were changed."""
    daemon = daemons()
    daemon.sink.up()
    daemon.start()
    assert daemon.process is not None
    for n in range(4):
        daemon.process.send_signal(signal.SIGHUP)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.configure(rules=[{"name": f"tags {n}", "case": {"tags": [f"t{n}"]}}])
        daemon.maild("reload", "--wait")
        daemon.send(mail(subject=f"after reload {n}", sender="last@people.example"))
        daemon.settle(n + 1)  # or it could be settled by the next rules
    assert {one["title"]: one["tags"] for one in daemon.json("case", "list")} == {
        f"after reload {n}": [f"t{n}"] for n in range(4)
    }


def test_a_reload_that_cannot_be_remembered_leaves_the_daemon_as_it_was(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.start()
    (kept,) = daemon.folder.rglob("addresses.json")
    kept.unlink()
    kept.mkdir()  # what a full disk does, too: it cannot be written
    done = daemon.maild("reload", "--wait", status=None)
    assert done.returncode in {1, 2}
    assert kept.name.encode() in done.stderr
    daemon.send()
    daemon.settle(1)


def test_what_needs_a_restart_is_said_by_reload(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.configure(main={"workers": 3})
    said = daemon.maild("reload", "--wait")
    assert b"workers" in said.stdout + said.stderr
    daemon.send()
    daemon.settle(1)


# --- pausing, holding, approving --------------------------------------------------------------------------------


def test_pause_and_resume_the_outbox(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.start()
    daemon.maild("pause", "outbox")
    daemon.send()
    daemon.settle(1)
    status = daemon.json("status")
    assert [one["what"] if isinstance(one, dict) else one for one in status["paused"]] == ["outbox"]
    assert status["needs"] != []
    assert daemon.maild("status", status=1).stdout
    time.sleep(1.0)
    assert daemon.sink.mails == []
    daemon.maild("resume", "outbox")
    daemon.until(lambda: len(daemon.sink.mails) == 3, "the mails to go out")
    daemon.maild("resume", "outbox", status=1)
    daemon.maild("pause", "everything-and-more", status=2)
    daemon.maild("pause", "mailbox", "nobody", status=2)


def test_pause_a_mailbox_takes_mail_and_lets_it_wait(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.maild("pause", "mailbox", "support", "--for", "2h")
    daemon.send(mail(subject="waits"))
    daemon.send(mail(subject="goes", to="billing@example.com"), ["billing@example.com"])
    daemon.until(lambda: daemon.count().get("done") == 1, "the other mailbox's mail")
    assert daemon.count() == {"pending": 1, "done": 1}
    assert [one["state"] for one in daemon.json("spool", "list")] == ["pending"]
    daemon.maild("resume", "mailbox", "support")
    daemon.settle(2)


def test_pause_automatic_answers_stops_only_those(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.start()
    daemon.maild("pause", "automatic")
    daemon.send()
    daemon.until(lambda: len(daemon.sink.mails) == 2, "the notifications")
    assert {one.to[0] for one in daemon.sink.mails} == {"alice@example.com", "bob@example.com"}


def test_mode_hold_sends_what_is_approved(daemons: Daemons) -> None:
    daemon = daemons(main={"outbound": {"mode": "hold"}})
    daemon.sink.up()
    daemon.start()
    daemon.send()
    daemon.settle(1)
    held = daemon.until(lambda: len(rows := daemon.json("outbox", "list")) == 3 and {r["state"] for r in rows} == {"held"} and rows,
                        "three held mails")  # fmt: skip
    assert daemon.sink.mails == []
    ack = next(one for one in held if one["kind"] == "acknowledgement")
    daemon.maild("outbox", "approve", str(ack["id"]))
    daemon.until(lambda: daemon.sink.to("jo@home.example"), "the approved mail")
    daemon.maild("outbox", "discard", str(next(one["id"] for one in held if one["to"] == ["bob@example.com"])))
    daemon.maild("outbox", "approve", "--all")
    daemon.until(lambda: len(daemon.sink.mails) == 2, "the rest")
    assert daemon.sink.to("bob@example.com") == []
    assert daemon.json("outbox", "list") == []
    daemon.audit()


@pytest.mark.parametrize(
    ("mode", "out"),
    [({"redirect": "me@here.example"}, {"me@here.example"}), ({"only": ["*@home.example"]}, {"jo@home.example"})],
    ids=["redirect", "only"],
)
def test_modes_that_cannot_mail_customers(daemons: Daemons, mode: Any, out: set[str]) -> None:
    daemon = daemons(main={"outbound": {"mode": mode}})
    daemon.sink.up()
    daemon.start()
    daemon.send()
    wanted = 3 if "redirect" in mode else 1
    daemon.until(lambda: len(daemon.sink.mails) >= wanted, "the mails")
    time.sleep(0.5)
    assert {who for one in daemon.sink.mails for who in one.to} == out
    if "redirect" in mode:
        assert any("jo@home.example" in str(one.mail["Subject"]) for one in daemon.sink.mails)


def test_force_mode_wins_over_the_file_and_over_a_reload(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.start("--force-mode", "redirect:me@here.example")
    daemon.maild("reload")
    daemon.send()
    daemon.until(lambda: len(daemon.sink.mails) >= 3, "the mails")
    assert {who for one in daemon.sink.mails for who in one.to} == {"me@here.example"}
    shown = daemon.until(lambda: (found := daemon.json("status")) and found["mode_forced"] and found, "the heartbeat")
    assert shown["mode"] == "redirect: me@here.example"
    assert b"by maild run --force-mode redirect: me@here.example" in daemon.maild("status", status=None).stdout
    daemon.stop()
    assert daemon.json("status")["mode"] == "live"


def test_a_forced_mode_that_is_none_is_refused_in_words(daemons: Daemons) -> None:
    for wrong in ("redirect:", "redirect:nobody", "sometimes"):
        said = daemons().maild("run", "--force-mode", wrong, status=2).stderr.decode()
        assert f"'{wrong}' is no mode of outgoing mail: write live, hold, redirect:me@example.com" in said


# --- the smarthost ----------------------------------------------------------------------------------------------


def test_f34_a_smarthost_that_is_down_costs_no_tries_and_all_goes_out_when_it_is_up(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.send()
    daemon.settle(1)
    time.sleep(2.0)
    rows = daemon.json("outbox", "list")
    assert len(rows) == 3
    assert {row["attempts"] for row in rows} == {0}
    assert daemon.json("status")["needs"] != []
    daemon.sink.up()
    daemon.until(lambda: len(daemon.sink.mails) == 3, "the mails to go out", 60)
    daemon.until(lambda: daemon.json("outbox", "list") == [], "the outbox to be empty")
    assert len({str(one.mail["Message-ID"]) for one in daemon.sink.mails}) == 3


def test_f39_a_recipient_that_is_refused_is_an_event_on_the_case(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.sink.answer = lambda one: "550 5.1.1 no such user" if "jo@home.example" in one.to else "250 2.0.0 ok"
    daemon.start()
    daemon.send()
    daemon.until(lambda: [r for r in daemon.json("outbox", "list") if r["state"] == "failed"], "the failure")
    shown = daemon.json("case", "show", "1")
    assert [one["type"] for one in shown["stream"]].count("bounced") == 1
    daemon.until(lambda: len(daemon.sink.to("alice@example.com")) == 2, "the notification of the failure")
    assert daemon.json("status")["outbox"]["failed"] == 1
    daemon.sink.answer = lambda _one: "250 2.0.0 ok"
    (failed,) = daemon.json("outbox", "list")
    daemon.maild("outbox", "retry", str(failed["id"]))
    daemon.until(lambda: daemon.sink.to("jo@home.example"), "the mail, tried again")
    daemon.audit()


# --- kills ------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(daemons: Daemons) -> None:
    daemon = daemons(main={"limits": UNLIMITED})
    daemon.sink.up()
    daemon.start()
    load = Load(daemon, "children")
    load.start()
    assert daemon.process is not None
    dice = random.Random(7)
    for _ in range(6):
        time.sleep(0.5)
        children = [pid for pid in processes(daemon) if pid != daemon.process.pid]
        if children:
            os.kill(dice.choice(children), signal.SIGKILL)
    daemon.until(daemon.listening, "the door to come back")
    taken = load.end()
    daemon.settle(within=60)
    found = in_cases(daemon)
    assert len(taken) > 2
    assert [one for one in taken if found[one] != 1] == []
    daemon.audit()


def test_children_end_when_the_supervisor_is_killed(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.until(lambda: len(processes(daemon)) >= 4, "all processes")
    assert daemon.process is not None
    group = daemon.process.pid
    os.kill(group, signal.SIGKILL)
    daemon.process.wait(10)
    deadline = time.monotonic() + 10
    while processes(daemon) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes(daemon) == []


def test_f1_to_f9_kills_at_random_moments_under_load_lose_and_double_nothing(daemons: Daemons) -> None:
    """Every message that got 250 is stored once, is in one case once, and each mail goes out under one Message-ID."""
    daemon = daemons(main={"limits": UNLIMITED})
    daemon.sink.up()
    loads = [Load(daemon, f"crash{n}", pause=0.02) for n in range(3)]
    daemon.start()
    for load in loads:
        load.start()
    seed = random.randrange(1 << 30)
    dice, kills = random.Random(seed), 0
    while kills < 8:
        time.sleep(dice.uniform(0.05, 1.5))
        daemon.kill()
        kills += 1
        daemon.start(wait=False)
        if kills % 3:
            daemon.until(daemon.listening, f"the door after kill {kills} (seed {seed})")
    daemon.until(daemon.listening, "the door")
    time.sleep(0.5)
    taken = [one for load in loads for one in load.end()]
    daemon.settle(within=90)
    assert len(taken) > 5
    found, cased = stored(daemon), in_cases(daemon)
    assert [one for one in taken if found[one] != 1] == [], seed
    assert [one for one in found if cased[one] != 1] == [], seed
    assert daemon.json("spool", "list") == [], seed  # kills of the whole daemon say nothing of the mails in hand

    daemon.until(lambda: not daemon.json("outbox", "list", "--all") or all_sent(daemon), "the outbox", 90)
    ids = Counter((str(one.mail["Message-ID"]), one.to) for one in daemon.sink.mails)
    acks = Counter(one.to[0] for one in daemon.sink.mails if one.to[0].endswith("@people.example"))
    by_ids = Counter(to[0] for (_id, to) in ids if to[0].endswith("@people.example"))
    assert set(by_ids.values()) == {1}, seed  # a repeat has the same Message-ID
    assert len(acks) == len(found)
    assert sum(acks.values()) - len(acks) <= 20 * kills
    daemon.audit()
    assert daemon.stop() == 0
    with sqlite3.connect(daemon.config / "var" / "maild.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def long_to_read(subject: str) -> bytes:
    """A mail over which a worker sits a while (0.1 s), so that it is seen with it in its hand."""
    rows = "<tr><td>Serial</td><td>It does not work</td></tr>\n" * 10_000
    return mail(f"<table>{rows}</table>", subject=subject, headers=["MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8"])


@contextlib.contextmanager
def in_hand(daemon: Daemon) -> Iterator[tuple[int, int]]:
    """Keeps a worker from ending the message that it has in hand; gives the worker's number and the tries so far."""
    database = daemon.config / "var" / "maild.db"
    daemon.until(database.exists, "the database")
    lock = os.open(f"{database}.lock", os.O_CREAT | os.O_RDWR)
    deadline = time.monotonic() + 30
    try:
        while True:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.closing(sqlite3.connect(database)) as connection:
                row = connection.execute("SELECT leased_by, attempts FROM spool WHERE state = 'processing'").fetchone()
            pid = int(row[0].rpartition(".")[2]) if row else 0
            if pid in processes(daemon):
                yield pid, row[1]
                return
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert time.monotonic() < deadline, daemon.log()[-5:]
            time.sleep(0.001)
    finally:
        os.close(lock)


def test_f57_a_mail_in_hand_whenever_the_whole_daemon_is_killed_is_no_poison(daemons: Daemons) -> None:
    daemon = daemons(main={"workers": 1})
    daemon.start()
    daemon.maild("pause", "mailbox", "support")
    daemon.send(long_to_read("in hand"))
    daemon.maild("resume", "mailbox", "support")
    for _ in range(2):
        with in_hand(daemon) as (_worker, tries):
            assert tries == 1
            daemon.kill()
        daemon.start()
    daemon.settle(1)
    assert daemon.count() == {"done": 1}


def test_f57_a_mail_that_kills_its_worker_three_times_is_held_and_the_next_goes_on(daemons: Daemons) -> None:
    daemon = daemons(main={"workers": 1})
    daemon.start()
    daemon.maild("pause", "mailbox", "support")
    daemon.send(long_to_read("poison"))
    daemon.send(mail(subject="beside it"))
    daemon.maild("resume", "mailbox", "support")
    seen = []
    for _ in range(3):
        with in_hand(daemon) as (worker, tries):
            seen.append(tries)
            os.kill(worker, signal.SIGKILL)
            daemon.until(lambda worker=worker: worker not in processes(daemon), "the worker to be gone")  # type: ignore[misc]
    assert seen == [1, 2, 3]
    daemon.settle(2)
    (held,) = daemon.json("spool", "list")
    assert (held["subject"], held["state"]) == ("poison", "held")
    assert "died over it 3 times" in held["reason"]
    assert [one["title"] for one in daemon.json("case", "list")] == ["beside it"]


def test_f21_a_database_that_another_program_locks_for_long_holds_no_mail_as_poison(daemons: Daemons) -> None:
    """Its worker waits, which is no fault of the mail in hand; what takes work of its own is ended."""
    daemon = daemons(main={"workers": 1, "limits": {"parse": "1s"}})
    daemon.start()
    daemon.maild("pause", "mailbox", "support")
    daemon.send(long_to_read("in hand"))
    daemon.maild("resume", "mailbox", "support")
    with in_hand(daemon) as (worker, _tries):
        time.sleep(4)
        assert worker in processes(daemon)
    daemon.settle(1)
    assert daemon.count() == {"done": 1}
    assert [one for one in daemon.log() if one.get("event") == "daemon.worker_killed"] == []


def all_sent(daemon: Daemon) -> bool:
    store = daemon.store()
    try:
        with store.read() as connection:
            unsent = select(func.count()).select_from(schema.outbox).where(schema.outbox.c.state.not_in(["sent"]))
            return connection.execute(unsent).scalar_one() == 0
    finally:
        store.close()


# --- deliver beside a daemon that is not there ------------------------------------------------------------------


def test_item_23_deliver_without_a_daemon_keeps_the_mail_for_its_start(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.maild("deliver", "--to", "support@example.com", stdin=mail(subject="before the first start"))
    daemon.start()
    daemon.settle(1)
    assert daemon.stop() == 0
    (daemon.config / "rules").mkdir(exist_ok=True)
    (daemon.config / "rules" / "broken.yaml").write_text("rules: [")
    for n in range(3):
        daemon.maild("deliver", "--to", "support@example.com", "--from", "jo@home.example", stdin=mail(subject=f"while away {n}"))
    daemon.maild("deliver", "--to", "unknown@example.com", stdin=mail(), status=67)
    assert daemon.count() == {"done": 1}
    (daemon.config / "rules" / "broken.yaml").unlink()
    daemon.start()
    daemon.settle(4)
    assert sorted(one["title"] for one in daemon.json("case", "list")) == [
        "before the first start", "while away 0", "while away 1", "while away 2",
    ]  # fmt: skip
    assert list((daemon.config / "var" / "incoming").iterdir()) == []


def test_incoming_is_looked_at_while_the_daemon_runs_and_a_bad_file_hinders_nobody(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    incoming = daemon.config / "var" / "incoming"
    incoming.mkdir(exist_ok=True)
    (incoming / "0001").write_bytes(b"no header line")
    (incoming / "0002").write_bytes(b'{"to": []}\nx')
    raw = mail(subject="by file", sender="(" * 3000 + " <jo@home.example>")
    (incoming / "0003").write_bytes(b'{"from": "jo@home.example", "to": ["support@example.com"], "received_at": "2026-11-22T10:00:00+00:00"}\n' + raw)
    daemon.settle(1)
    daemon.until(lambda: sorted(one.name for one in incoming.iterdir()) == ["bad"], "incoming to be empty")
    assert sorted(one.name for one in (incoming / "bad").iterdir()) == ["0001", "0002"]
