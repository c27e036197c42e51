"""The spool on both engines: stored once, leased in order, tried, held, released."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from builders import MAIN, NOW, envelope, mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from maild.errors import StoreUnavailable
from maild.ingest.identity import digest, has_identity, peek
from maild.model.message import Door
from maild.model.spool import Arrival, SpoolEntry, SpoolState
from maild.store import schema, spool
from maild.store.group_commit import GroupCommit
from maild.store.unit_of_work import Store

SUPPORT = MAIN["mailboxes"]["support"]["address"]


def arrival(raw: bytes, *mailboxes: str, at: int = 0, to: Sequence[str] = (SUPPORT,), door: Door = Door.SMTP) -> Arrival:
    """As the door makes one; ``at`` in minutes after NOW."""
    seen = peek(raw)
    return Arrival(
        envelope=envelope(raw, to, at=NOW + timedelta(minutes=at), door=door), digest=digest(raw),
        identified=has_identity(raw), message_id=seen.message_id, subject=seen.subject, sender=seen.from_,
        conversation=seen.conversation, mailboxes=mailboxes or ("support",),
    )  # fmt: skip


def put(store: Store, *arrivals: Arrival) -> list[tuple[str, bool]]:
    with store.write() as connection:
        return spool.accept(connection, arrivals)


def take(store: Store, limit: int = 20, *, who: str = "here#1", seconds: float = 60.0, **how: object) -> list[SpoolEntry]:
    return spool.lease(store, who, limit=limit, max_bytes=1 << 20, seconds=seconds, **how)  # type: ignore[arg-type]


def done(store: Store, *entries: SpoolEntry) -> None:
    with store.write() as connection:
        for entry in entries:
            spool.end(connection, entry.seq, {"disposition": "ignored"}, NOW)


def states(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return {row.message_id: row.state for row in connection.execute(select(schema.spool))}


# --- accepting --------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_kept_byte_for_byte(store: Store) -> None:
    raw = mail("bare \r and \n and \0 and \xff\n".encode("latin-1").decode("latin-1")).replace(b"and", b"\xfe\x00 and")
    ((spool_id, new),) = put(store, arrival(raw))
    assert new
    with store.read() as connection:
        found = spool.find(connection, spool_id)
    assert found is not None
    assert (found.raw, found.state, found.size, found.received_at) == (raw, SpoolState.PENDING, len(raw), NOW)
    assert (found.mail_from, found.rcpt_tos, found.mailboxes) == ("jo@home.example", (SUPPORT,), ("support",))


def test_f52_the_same_content_through_two_doors_makes_one_entry(store: Store) -> None:
    raw = mail(message_id="same@home.example")
    forwarded = b"Received: by mx.example.com\r\nX-Spam-Score: 1\r\n" + raw
    ((first, new),) = put(store, arrival(raw))
    ((again, newer),) = put(store, arrival(forwarded, door=Door.IMAP))
    assert (new, newer, first) == (True, False, again)
    entries = take(store)
    assert [entry.id for entry in entries] == [first]


def test_f54_a_copy_for_another_mailbox_adds_that_mailbox_and_its_recipients(store: Store) -> None:
    raw = mail(message_id="same@home.example")
    put(store, arrival(raw, "support", to=["support@example.com"]))
    put(store, arrival(raw, "billing", to=["billing@example.com"]))
    put(store, arrival(raw, "support", to=["help@example.com"]))
    (entry,) = take(store)
    assert entry.mailboxes == ("support", "billing")
    assert entry.rcpt_tos == ("support@example.com", "billing@example.com", "help@example.com")


def test_a_copy_in_the_same_group_commit_is_found_too(store: Store) -> None:
    raw = mail(message_id="same@home.example")
    (one, first), (two, second) = put(store, arrival(raw, "support"), arrival(raw, "billing"))
    assert (one, first, second) == (two, True, False)


def test_f53_s62_the_same_id_with_other_content_is_another_message(store: Store) -> None:
    put(store, arrival(mail("one\n", message_id="same@home.example")), arrival(mail("two\n", message_id="same@home.example")))
    with store.read() as connection:
        assert len(spool.waiting(connection)) == 2


def test_without_id_and_date_the_same_content_is_a_repeat_only_within_an_hour(store: Store) -> None:
    raw = mail(message_id=None, date=None)
    ids = [put(store, arrival(raw, at=at))[0] for at in (0, 59, 61, 200, 210)]
    assert [new for _, new in ids] == [True, False, True, True, False]
    assert ids[0][0] == ids[1][0]
    assert ids[3][0] == ids[4][0]


def test_two_doors_that_accept_the_same_mail_at_once_make_one_entry(store: Store) -> None:
    raws = [mail(message_id=f"race{n}@home.example") for n in range(8)]
    barrier = threading.Barrier(3)
    results: list[tuple[str, bool]] = []
    faults: list[BaseException] = []

    def door() -> None:
        try:
            for raw in raws:
                barrier.wait(10)
                results.extend(put(store, arrival(raw)))
        except BaseException as fault:
            faults.append(fault)
            barrier.abort()

    threads = [threading.Thread(target=door) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert len(results) == 24
    assert sum(new for _, new in results) == 8
    assert len({spool_id for spool_id, _ in results}) == 8


def test_one_that_cannot_be_stored_does_not_hinder_the_others_of_its_group(store: Store) -> None:
    good = arrival(mail(message_id="good@home.example"))
    bad = arrival(mail(message_id="bad@home.example"))
    broken = Arrival(bad.envelope, "x" * 500 if not store.sqlite else None, True, "", "", "", "", ())  # type: ignore[arg-type]
    if store.sqlite:
        broken = Arrival(bad.envelope, bad.digest, True, None, "", "", "", ())  # type: ignore[arg-type]

    async def arrive() -> list[Any]:
        group = GroupCommit(store, lambda _count: None)
        try:
            return await asyncio.gather(*map(group.accept, [good, broken]), return_exceptions=True)
        finally:
            group.close()

    results = asyncio.run(arrive())
    assert isinstance(results[0], tuple)
    assert results[0][1]
    assert isinstance(results[1], StoreUnavailable)
    with store.read() as connection:
        assert [entry.message_id for entry in spool.waiting(connection)] == ["good@home.example"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=400), sender=st.text(max_size=60), to=st.text(max_size=40))
def test_any_bytes_at_all_can_be_stored(store: Store, raw: bytes, sender: str, to: str) -> None:
    """What a door could read of the header never hinders storing (PostgreSQL refuses NUL in text)."""
    seen = peek(raw)
    clean = sender.replace("\0", "").encode("utf-8", "replace").decode()
    wanted = Arrival(
        envelope(raw, [to.replace("\0", "").encode("utf-8", "replace").decode()], clean), digest(raw), has_identity(raw),
        seen.message_id, seen.subject, seen.from_, seen.conversation, ("support",),
    )  # fmt: skip
    ((spool_id, _new),) = put(store, wanted)
    with store.read() as connection:
        found = spool.find(connection, spool_id)
    assert found is not None
    assert found.raw == raw or not has_identity(raw)


@pytest.mark.parametrize("name", ["Message-ID", "From", "Subject", "References", "In-Reply-To"])
def test_a_header_of_any_length_can_be_stored(store: Store, name: str) -> None:
    import random

    value = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=60_000))
    raw = f"{name}: <{value}@home.example>\r\nX: y\r\n\r\nbody\r\n".encode()
    assert put(store, arrival(raw))[0][1]


# --- leasing ----------------------------------------------------------------------------------------------------


def test_the_oldest_comes_first_and_nobody_else_gets_it(store: Store) -> None:
    put(store, *(arrival(mail(message_id=f"m{n}@x.example")) for n in range(5)))
    first, second = take(store, 3, who="here#1"), take(store, 3, who="here#2")
    assert [entry.message_id for entry in first] == ["m0@x.example", "m1@x.example", "m2@x.example"]
    assert [entry.message_id for entry in second] == ["m3@x.example", "m4@x.example"]
    assert take(store) == []
    assert {entry.attempts for entry in first} == {1}


def test_a_batch_is_bounded_by_bytes_but_never_empty(store: Store) -> None:
    put(store, *(arrival(mail("x" * 3000, message_id=f"m{n}@x.example")) for n in range(4)))
    sizes = []
    while entries := spool.lease(store, "here#1", limit=20, max_bytes=7000, seconds=60):
        sizes.append(len(entries))
        done(store, *entries)
    assert sizes == [2, 2]
    put(store, arrival(mail("x" * 9000)))
    assert len(spool.lease(store, "here#1", limit=20, max_bytes=7000, seconds=60)) == 1


def test_an_answer_waits_for_the_older_mail_of_its_conversation(store: Store) -> None:
    root = arrival(mail(message_id="root@x.example"))
    answer = arrival(mail(message_id="re1@x.example", headers=["References: <root@x.example>"]))
    second = arrival(mail(message_id="re2@x.example", headers=["References: <root@x.example> <re1@x.example>"]))
    other = arrival(mail(message_id="other@x.example"))
    put(store, root, answer, second, other)
    order = []
    while entries := take(store):
        order.append([entry.message_id.split("@")[0] for entry in entries])
        assert len({entry.conversation for entry in entries}) == len(entries)
        done(store, *entries)
    assert order == [["root", "other"], ["re1"], ["re2"]]


def test_a_held_one_holds_nobody_up(store: Store) -> None:
    put(store, arrival(mail(message_id="root@x.example")))
    put(store, arrival(mail(message_id="re@x.example", headers=["In-Reply-To: <root@x.example>"])))
    (root,) = take(store)
    with store.write() as connection:
        spool.hold(connection, root.seq, "because", NOW)
    assert [entry.message_id for entry in take(store)] == ["re@x.example"]


def test_a_paused_mailbox_waits_and_the_others_go_on(store: Store) -> None:
    put(store, *(arrival(mail(message_id=f"p{n}@x.example"), "support") for n in range(30)))
    put(store, arrival(mail(message_id="late@x.example"), "billing"))
    assert [entry.message_id for entry in take(store, 5, skip_mailboxes=["support"])] == ["late@x.example"]
    assert take(store, 5, skip_mailboxes=["support", "billing"]) == []
    assert len(take(store, 50)) == 30


def test_a_lease_that_ran_out_is_taken_again_and_alone_and_costs_no_try(store: Store) -> None:
    """A machine that went away says nothing of the messages that it had in hand."""
    put(store, *(arrival(mail(message_id=f"m{n}@x.example")) for n in range(3)))
    assert len(take(store, 2, seconds=-1.0)) == 2
    for _ in range(5):
        again = take(store, seconds=-1.0)
        assert [(entry.message_id, entry.attempts) for entry in again] == [("m0@x.example", 1)]


def test_what_dead_workers_of_this_node_had_is_taken_back_at_once(store: Store) -> None:
    put(store, *(arrival(mail(message_id=f"m{n}@x.example")) for n in range(3)))
    take(store, 1, who="here#a.11")
    take(store, 1, who="here#a.12")
    take(store, 1, who="there#a.11")
    with store.write() as connection:
        assert spool.release_dead(connection, "here", lambda holder: holder == "here#a.11", ["here#a.11"]) == 1
    assert states(store) == {"m0@x.example": "pending", "m1@x.example": "processing", "m2@x.example": "processing"}
    assert [(entry.message_id, entry.attempts) for entry in take(store)] == [("m0@x.example", 2)]


def test_f57_a_try_counts_where_the_worker_died_of_itself_and_not_where_the_whole_daemon_was_killed(store: Store) -> None:
    put(store, *(arrival(mail(message_id=f"m{n}@x.example")) for n in range(2)))

    def died(*guilty: str) -> list[tuple[str, int]]:
        with store.write() as connection:
            assert spool.release_dead(connection, "here", lambda _holder: True, guilty) > 0
        return [(entry.message_id, entry.attempts) for entry in take(store, who="here#a.1")]

    assert len(take(store, who="here#a.1")) == 2
    for _ in range(5):
        assert died() == [("m0@x.example", 1), ("m1@x.example", 1)]
    assert died("here#a.1") == [("m0@x.example", 2)]
    for _ in range(5):
        assert died("here#b.1") == [("m0@x.example", 2)]
    assert died("here#a.1") == [("m0@x.example", 3)]


def test_a_node_whose_name_is_the_beginning_of_anothers_takes_nothing_of_it(store: Store) -> None:
    put(store, arrival(mail()))
    take(store, who="host_a:/var#a.5")
    with store.write() as connection:
        assert spool.release_dead(connection, "hostXa:/var", lambda _holder: True) == 0
        assert spool.release_dead(connection, "host_a:/va", lambda _holder: True) == 0


def test_given_back_without_a_fault_costs_no_try_and_with_one_it_waits(store: Store) -> None:
    put(store, arrival(mail()))
    (entry,) = take(store)
    spool.give_back(store, [entry])
    (entry,) = take(store)
    assert entry.attempts == 1
    spool.give_back(store, [entry], failed="KeyError: x", delay=30)
    assert take(store) == []
    with store.write() as connection:
        connection.execute(update(schema.spool).values(next_at=schema.spool.c.next_at - 31))
    (entry,) = take(store)
    assert (entry.attempts, entry.reason) == (2, "KeyError: x")


def test_many_workers_at_once_never_get_the_same_mail_nor_two_of_a_conversation(store: Store) -> None:
    raws = [
        mail(message_id=f"c{c}.{n}@x.example", headers=[f"References: <c{c}@x.example>"]) for n in range(6) for c in range(6)
    ]
    put(store, *(arrival(raw) for raw in raws))
    order: dict[str, list[str]] = {}
    lock, faults = threading.Lock(), []

    def work(who: str) -> None:
        idle = 0
        try:
            while idle < 200:
                entries = take(store, 4, who=who)
                idle = 0 if entries else idle + 1
                with lock:
                    for entry in entries:
                        order.setdefault(entry.conversation, []).append(entry.message_id)
                done(store, *entries)
                with lock:
                    if sum(map(len, order.values())) == len(raws):
                        return
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(f"here#{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert sorted(map(len, order.values())) == [6] * 6
    for conversation, ids in order.items():
        assert ids == [f"{conversation.partition('@')[0]}.{n}@x.example" for n in range(6)]


# --- holding, releasing, giving up ------------------------------------------------------------------------------


def held(store: Store, **values: object) -> SpoolEntry:
    put(store, arrival(mail()))
    (entry,) = take(store)
    with store.write() as connection:
        spool.hold(connection, entry.seq, "looks odd", NOW, **values)
    return entry


def test_held_mail_is_listed_with_its_reason_and_not_leased(store: Store) -> None:
    entry = held(store)
    assert take(store) == []
    with store.read() as connection:
        (listed,) = spool.waiting(connection)
        assert spool.figures(connection, NOW)["held"] == 1
    assert (listed.id, listed.state, listed.reason) == (entry.id, SpoolState.HELD, "looks odd")


@pytest.mark.parametrize("by", [None, "alice"])
def test_released_mail_has_all_its_tries_again(store: Store, by: str | None) -> None:
    entry = held(store)
    with store.write() as connection:
        spool.release(connection, entry.seq, by)
    (again,) = take(store)
    assert (again.attempts, again.released_by, again.disposition) == (1, by, "")


def test_given_up_mail_keeps_its_bytes_and_can_be_released(store: Store) -> None:
    entry = held(store)
    with store.write() as connection:
        spool.give_up(connection, entry.seq, "no good", NOW)
    with store.read() as connection:
        (listed,) = spool.waiting(connection)
        (loaded,) = spool.load(connection, [entry.seq])
    assert (listed.state, loaded.raw) == (SpoolState.DEAD, entry.raw)
    with store.write() as connection:
        spool.release(connection, entry.seq, "alice")
    assert len(take(store)) == 1


def test_holds_end_when_their_time_is_over(store: Store) -> None:
    entry = held(store, held_until=NOW + timedelta(days=14), held_then="discard")
    with store.read() as connection:
        assert spool.expired_holds(connection, NOW + timedelta(days=13)) == []
        assert spool.expired_holds(connection, NOW + timedelta(days=14)) == [(entry.seq, "discard")]


def test_an_entry_is_found_by_id_beginning_or_message_id(store: Store) -> None:
    ((spool_id, _),) = put(store, arrival(mail(message_id="Known@x.example")))
    with store.read() as connection:
        for which in (spool_id, spool_id[:5], "Known@x.example", " <Known@x.example> "):
            assert (spool.find(connection, which) or pytest.fail(which)).id == spool_id
        for which in ("", "%", "zz", "nothing@x.example", spool_id[:2]):
            assert spool.find(connection, which) is None


def test_old_mail_is_compressed_and_comes_back_as_it_was(store: Store) -> None:
    raw = mail("the same words again\n" * 500)
    put(store, arrival(raw))
    (entry,) = take(store)
    done(store, entry)
    later = NOW + timedelta(hours=2)
    with store.write() as connection:
        assert spool.compressible(connection, later)
        assert spool.compress(connection, later) == 1
        assert not spool.compressible(connection, later)
        stored = connection.execute(select(schema.raw_messages.c.raw)).scalar_one()
    assert len(stored) < len(raw) / 4
    with store.read() as connection:
        assert spool.load(connection, [entry.seq])[0].raw == raw


def test_figures_tell_how_old_the_oldest_is(store: Store, rooms: Callable[..., object]) -> None:
    put(store, arrival(mail()), arrival(mail(), at=3))
    with store.read() as connection:
        figures = spool.figures(connection, NOW + timedelta(minutes=5))
    assert figures == {"pending": 2, "processing": 0, "held": 0, "oldest_seconds": 300}
