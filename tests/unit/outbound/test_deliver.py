"""The delivery loop, with an outbox in memory and a courier that does as told."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maild.errors import SmarthostUnavailable, StoreUnavailable
from maild.model.outbox import (
    Deferred,
    OutboxEntry,
    OutboxState,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PartRef,
    Refused,
    Result,
    Sent,
)
from maild.outbound.deliver import Deliverer, other_id
from maild.settings.models import Only, Redirect

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def entry(number: int, *to: str, kind: OutgoingKind = OutgoingKind.ANSWER, **more: object) -> OutboxEntry:
    recipients = to or (f"jo{number}@acme.example",)
    message = OutgoingMessage(
        kind, number, f"{number}@example.com", "support@example.com", recipients, f"mail {number}",
        (("Subject", f"mail {number}"), ("Message-ID", f"<{number}@example.com>")), "Hello\n",
    )  # fmt: skip
    values: dict[str, object] = {"attempts": 0, "created_at": NOW, "next_at": NOW} | more
    return OutboxEntry(number, OutboxState.PENDING, message, recipients, **values)  # type: ignore[arg-type]


@dataclass
class Memory:
    """The outbox of these tests: what is due, and what was recorded."""

    due: list[OutboxEntry]
    finished: list[tuple[int, dict[str, Outcome], datetime | None]] = field(default_factory=list)
    held: list[tuple[int, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    broken: int = 0
    commits: int = 0
    leases: int = 0
    is_paused: bool = False

    def lease(self, limit: int, now: datetime) -> list[OutboxEntry]:
        self.leases += 1
        if self.is_paused:
            return []
        taken, self.due = self.due[:limit], self.due[limit:]
        return taken

    def read_part(self, ref: PartRef) -> bytes:
        raise KeyError(ref.part)

    def finish(self, results: Sequence[Result]) -> None:
        if self.broken:
            self.broken -= 1
            raise StoreUnavailable("the database is away")
        self.commits += 1
        self.finished += [(one.entry.id, dict(one.outcomes), one.next_at) for one in results]

    def release(self, entries: Sequence[OutboxEntry], now: datetime) -> None:
        self.due = sorted([*entries, *self.due], key=lambda one: one.id)

    def hold(self, entries: Sequence[OutboxEntry], reason: str, now: datetime) -> None:
        self.held += [(one.id, reason) for one in entries]

    def paused(self) -> bool:
        return self.is_paused

    def smarthost_down(self, reason: str, now: datetime) -> None:
        self.events.append(f"down: {reason}")

    def smarthost_up(self) -> None:
        self.events.append("up")


class Said:
    """A courier that answers by a table of recipients; an exception is raised, what is not in it is sent."""

    def __init__(self, answers: Mapping[str, Outcome | Exception] | None = None) -> None:
        self.answers = dict(answers or {})
        self.seen: list[tuple[str, ...]] = []
        self.data: list[bytes] = []
        self.together = self.most_together = 0

    async def send(
        self, outgoing_bytes: bytes, sender: str, recipients: Sequence[str], *, smtputf8: bool = False
    ) -> dict[str, Outcome]:
        self.seen.append(tuple(recipients))
        self.data.append(outgoing_bytes)
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        for one in recipients:
            if isinstance(found := self.answers.get(one), Exception):
                raise found
        return {one: self.answers.get(one, Sent("ok")) for one in recipients}  # type: ignore[misc]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def on(self, **by: float) -> datetime:
        self.at += timedelta(**by)
        return self.at


async def no_sleep(seconds: float) -> None:
    return None


def deliverer(outbox: Memory, courier: Said, **more: object) -> Deliverer:
    return Deliverer(outbox, courier, **({"now": Clock(), "jitter": lambda: 0.5, "sleep": no_sleep} | more))  # type: ignore[arg-type]


def test_everything_due_is_sent_over_the_connections_and_recorded() -> None:
    class Three(Said):
        """The first mails wait until three are on their way."""

        async def send(self, *given: Any, **more: Any) -> dict[str, Outcome]:
            self.on_their_way = getattr(self, "on_their_way", 0) + 1
            while self.on_their_way < 3:
                await asyncio.sleep(0)
            return await super().send(*given, **more)

    outbox, courier = Memory([entry(number) for number in range(1, 11)]), Three()
    sending = asyncio.wait_for(deliverer(outbox, courier, connections=3).run_once(NOW), 10)
    assert asyncio.run(sending) == 10
    assert sorted(number for number, _, _ in outbox.finished) == list(range(1, 11))
    assert courier.most_together <= 3
    assert outbox.events == ["up"]


def test_many_mails_share_a_lease_and_the_commit_of_how_they_ended() -> None:
    class Disk(Memory):
        """A commit takes as long as the other connections need to send a mail each."""

        def finish(self, results: Sequence[Result]) -> None:
            until = time.monotonic() + 10
            while len(courier.seen) < min(40, len(self.finished) + 4) and time.monotonic() < until:
                time.sleep(0.001)
            super().finish(results)

    outbox, courier = Disk([entry(number) for number in range(1, 41)]), Said()
    asyncio.run(deliverer(outbox, courier, connections=4).run_once(NOW))
    assert len(outbox.finished) == 40
    assert outbox.leases == 2  # the second finds nothing
    assert outbox.commits < 20


def test_what_waits_for_a_connection_at_the_end_goes_back_to_the_outbox() -> None:
    outbox, courier = Memory([entry(number) for number in range(1, 11)]), Said()
    loop = deliverer(outbox, courier, connections=2)

    async def scene() -> None:
        wake, stop = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(loop.run(wake, stop, tick=30))
        while not courier.seen:
            await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(scene(), 5))
    sent = {number for number, _, _ in outbox.finished}
    assert sent
    assert sent | {one.id for one in outbox.due} == set(range(1, 11))
    assert not sent & {one.id for one in outbox.due}
    assert len(sent) == len(courier.seen) < 10


def test_answers_of_people_go_before_what_machines_wrote() -> None:
    due = [entry(1, kind=OutgoingKind.NOTIFICATION), entry(2, kind=OutgoingKind.ACKNOWLEDGEMENT), entry(3)]
    courier = Said()
    asyncio.run(deliverer(Memory(due), courier).run_once(NOW))
    assert courier.seen[0] == ("jo3@acme.example",)


def test_while_mail_waits_to_be_processed_notifications_go_one_at_a_time() -> None:
    outbox, courier = Memory([entry(n, kind=OutgoingKind.NOTIFICATION) for n in range(1, 9)]), Said()
    asyncio.run(deliverer(outbox, courier, backlog=lambda: True).run_once(NOW))
    assert courier.most_together == 1
    assert len(outbox.finished) == 8


def test_f38_the_deferred_recipient_is_due_again_the_others_are_done() -> None:
    outcomes = {"b@x.example": Deferred(451, "later"), "c@x.example": Refused(550, "nobody")}
    outbox = Memory([entry(1, "a@x.example", "b@x.example", "c@x.example", attempts=2)])
    asyncio.run(deliverer(outbox, Said(outcomes)).run_once(NOW))
    assert outbox.finished == [(1, {"a@x.example": Sent("ok"), **outcomes}, NOW + timedelta(minutes=4))]


def test_f43_after_its_lifetime_a_deferred_mail_has_failed() -> None:
    old = entry(1, created_at=NOW - timedelta(days=6))
    outbox = Memory([old])
    asyncio.run(deliverer(outbox, Said({"jo1@acme.example": Deferred(451, "later")})).run_once(NOW))
    reason = "not delivered within 5 days; the last answer: later"
    assert outbox.finished == [(1, {"jo1@acme.example": Refused(451, reason)}, None)]


def test_a_smarthost_that_is_away_costs_no_try_and_one_mail_finds_it_back() -> None:
    outbox = Memory([entry(1), entry(2), entry(3)])
    away = {f"jo{n}@acme.example": SmarthostUnavailable("nobody listens") for n in (1, 2, 3)}
    courier, clock = Said(away), Clock()
    loop = deliverer(outbox, courier, now=clock)

    async def scene() -> None:
        assert await loop.run_once(clock()) == 3
        assert await loop.run_once(clock()) == 0  # it pauses
        assert await loop.run_once(clock.on(seconds=2)) == 1  # one mail tries
        courier.answers.clear()
        assert await loop.run_once(clock()) == 0
        assert await loop.run_once(clock.on(minutes=1)) == 3

    asyncio.run(scene())
    assert outbox.events == ["down: nobody listens", "up"]
    assert sorted(number for number, _, _ in outbox.finished) == [1, 2, 3]


def test_a_fault_that_a_process_before_this_one_noted_is_gone_with_the_first_mail() -> None:
    outbox = Memory([entry(1), entry(2)])
    asyncio.run(deliverer(outbox, Said()).run_once(NOW))
    assert outbox.events == ["up"]


def test_item_17_a_pause_stops_what_waits_for_its_turn_too() -> None:
    outbox = Memory([entry(n) for n in range(1, 11)])

    class Slow(Said):
        async def send(self, *args: object, **more: object) -> dict[str, Outcome]:
            outbox.is_paused = True  # while the first is on its way
            return await super().send(*args, **more)  # type: ignore[arg-type]

    asyncio.run(deliverer(outbox, Slow(), connections=1).run_once(NOW))
    assert [number for number, _, _ in outbox.finished] == [1]
    assert [one.id for one in outbox.due] == list(range(2, 11))


def test_the_pause_grows_to_five_minutes() -> None:
    outbox, clock = Memory([entry(1)]), Clock()
    loop = deliverer(outbox, Said({"jo1@acme.example": SmarthostUnavailable("away")}), now=clock)

    async def scene() -> list[timedelta]:
        pauses = []
        for _ in range(12):
            assert await loop.run_once(clock()) == 1
            start = clock()
            while not await loop.run_once(clock.on(seconds=1)):
                pass
            pauses.append(clock() - start)
            clock.on(minutes=6)
        return pauses

    pauses = asyncio.run(scene())
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=1)
    assert pauses[-1] == timedelta(minutes=5)
    assert outbox.finished == []


def test_a_clock_set_back_does_not_keep_the_outbox_closed() -> None:
    courier = Said({"jo1@acme.example": SmarthostUnavailable("away")})
    clock = Clock()
    loop = deliverer(Memory([entry(1)]), courier, now=clock)

    async def scene() -> None:
        assert await loop.run_once(clock()) == 1
        assert await loop.run_once(clock.on(hours=-3)) == 1

    asyncio.run(scene())


def test_f37_421_is_the_smarthosts_unless_it_goes_on_with_other_mail() -> None:
    poison = {"jo1@acme.example": Deferred(421, "leaving")}
    outbox, clock = Memory([entry(1), entry(2)]), Clock()
    loop = deliverer(outbox, Said(poison), connections=1, now=clock)

    async def scene() -> None:
        await loop.run_once(clock())
        await loop.run_once(clock.on(seconds=2))
        assert outbox.finished == []
        outbox.due.reverse()  # the other one goes first, and is taken
        await loop.run_once(clock.on(minutes=1))

    asyncio.run(scene())
    assert [number for number, _, _ in outbox.finished] == [2, 1]
    assert outbox.finished[1][2] == clock() + timedelta(minutes=1)


def test_when_the_smarthost_stays_away_a_mail_still_ends_after_its_lifetime() -> None:
    outbox = Memory([entry(1, created_at=NOW - timedelta(days=5))])
    asyncio.run(deliverer(outbox, Said({"jo1@acme.example": SmarthostUnavailable("away")})).run_once(NOW))
    assert isinstance(outbox.finished[0][1]["jo1@acme.example"], Refused)


def test_a_mail_that_cannot_be_made_is_deferred_and_the_others_go() -> None:
    broken = entry(1)
    broken = dataclasses.replace(
        broken,
        message=dataclasses.replace(broken.message, attachments=(PartRef("s", 0, "a.pdf", "application/pdf", 3),)),
    )
    outbox = Memory([broken, entry(2)])
    asyncio.run(deliverer(outbox, Said()).run_once(NOW))
    ends = {number: outcomes for number, outcomes, _ in outbox.finished}
    assert isinstance(ends[1]["jo1@acme.example"], Deferred)
    assert ends[2] == {"jo2@acme.example": Sent("ok")}


def test_how_a_mail_ended_is_recorded_when_the_store_answers_again() -> None:
    outbox = Memory([entry(1)], broken=3)
    asyncio.run(deliverer(outbox, Said()).run_once(NOW))
    assert outbox.finished == [(1, {"jo1@acme.example": Sent("ok")}, None)]


def test_a_mail_whose_end_could_not_be_recorded_is_not_sent_again() -> None:
    outbox, courier = Memory([entry(1)], broken=8), Said()
    loop = deliverer(outbox, courier)

    async def scene() -> None:
        await loop.run_once(NOW)
        assert outbox.finished == []
        outbox.due = [entry(1)]  # its lease has run out
        await loop.run_once(NOW)

    asyncio.run(scene())
    assert outbox.finished == [(1, {"jo1@acme.example": Sent("ok")}, None)]
    assert len(courier.seen) == 1


def test_a_fault_in_recording_one_mail_leaves_the_others_alone() -> None:
    class Faulty(Memory):
        def finish(self, results: Sequence[Result]) -> None:
            if any(one.entry.id == 1 for one in results):
                raise RuntimeError("a bug")
            super().finish(results)

    outbox = Faulty([entry(1), entry(2)])
    assert asyncio.run(deliverer(outbox, Said()).run_once(NOW)) == 2
    assert [number for number, _, _ in outbox.finished] == [2]


@pytest.mark.parametrize("approved", [False, True])
def test_in_hold_only_what_was_approved_goes_out(approved: bool) -> None:
    outbox, courier = Memory([entry(1, approved=approved)]), Said()
    asyncio.run(deliverer(outbox, courier, mode=lambda: "hold").run_once(NOW))
    assert bool(courier.seen) is approved
    assert bool(outbox.held) is not approved


def test_redirected_mail_names_its_recipients_and_reaches_nobody_else() -> None:
    outbox, courier = Memory([entry(1, "a@x.example", "b@x.example")]), Said()
    asyncio.run(deliverer(outbox, courier, mode=lambda: Redirect(redirect="me@example.com")).run_once(NOW))
    assert courier.seen == [("me@example.com",)]
    assert b"Subject: [to a@x.example, b@x.example] mail 1\r\n" in courier.data[0]
    assert outbox.finished[0][1] == {"a@x.example": Sent("ok"), "b@x.example": Sent("ok")}


def test_only_those_allowed_get_mail() -> None:
    mode = Only(only=("*@x.example",))
    outbox, courier = Memory([entry(1, "a@x.example", "b@y.example"), entry(2)]), Said()
    asyncio.run(deliverer(outbox, courier, mode=lambda: mode).run_once(NOW))
    assert courier.seen == [("a@x.example",)]
    assert isinstance(outbox.finished[0][1]["b@y.example"], Refused)
    assert [number for number, _ in outbox.held] == [2]


def test_the_running_loop_sends_what_comes_and_drains_at_the_end() -> None:
    outbox, courier = Memory([]), Said()
    loop = deliverer(outbox, courier)

    async def scene() -> None:
        wake, stop = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(loop.run(wake, stop, tick=30))
        await asyncio.sleep(0)
        outbox.due.append(entry(1))
        wake.set()
        while not outbox.finished:
            await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(scene(), 5))
    assert [number for number, _, _ in outbox.finished] == [1]


@pytest.mark.parametrize(
    ("reply", "shape", "expected"),
    [
        ("Ok 0102018f2b9e7d41-5c1f-000000", "<{id}@eu-west-1.amazonses.com>",
         "0102018f2b9e7d41-5c1f-000000@eu-west-1.amazonses.com"),
        ("2.0.0 Ok: queued as 4bXyZ", "<{id}@x.example>", ""),
        ("Ok 0102018f2b9e7d41-5c1f-000000", None, ""),
    ],
)  # fmt: skip
def test_the_id_that_the_smarthost_gave_instead(reply: str, shape: str | None, expected: str) -> None:
    assert other_id(reply, shape) == expected
