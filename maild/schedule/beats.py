"""This is where one beat of what happens by itself is made: events, deadlines, stays, schedules, in this order.

The post office ticks it; `simulate` calls the same with times of its own. What is due stands in the database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from maild.desk import Desk
from maild.log import get_logger
from maild.office import Office
from maild.schedule import absent, crons, deadlines, digests, events, reminding, stays
from maild.schedule.effects import Done
from maild.store import due, installation
from maild.store.unit_of_work import Store

log = get_logger("beats")

AFTER_A_JUMP = 20  # actions a beat
GAP = timedelta(seconds=60)  # without a heartbeat for longer no daemon ran
_JUMP = "clock_jump"


def beat(store: Store, office: Office, now: datetime) -> list[Done]:
    """Do what is due at ``now``; returns it. After a jump of the clock only so much a beat, until nothing is left."""
    with store.read() as connection:
        jumped = bool(installation.get_meta(connection, _JUMP))
    room = AFTER_A_JUMP if jumped else None
    done = events.react(store, office, now)
    timed = deadlines.sweep(store, office, now, room or deadlines.A_SWEEP)
    timed += reminding.sweep(store, office, now)
    timed += digests.own(store, office, now)
    timed += absent.sweep(store, office, now)
    left = None if room is None else max(room - len(timed), 0)
    timed += stays.act(store, office, now, left)
    if left is None or left > 0:
        timed += crons.run(store, office, now)
    if timed:
        done += timed + events.react(store, office, now)
    if room is not None and len(timed) < room:
        with store.write() as connection:
            installation.set_meta(connection, _JUMP, "")
    return done


def heard(store: Store, now: datetime, *, jumped: bool = False) -> None:
    """A daemon lives; the time before, in which none did, is downtime."""
    with store.write() as connection:
        gone = due.heard(connection, now, GAP, jumped=jumped)
    if gone is not None:
        log.warning("daemon.downtime", since=gone[0], until=gone[1])


def clock_jumped(store: Store, office: Office, now: datetime, jump: timedelta) -> None:
    """The machine's clock was set: what falls due by it is done slowly, and the admins are told."""
    with store.write() as connection:
        due.heard(connection, now, GAP, jumped=True)
        installation.set_meta(connection, _JUMP, f"{now.isoformat()} {jump}")
        way = "forward" if jump > timedelta() else "back"
        what = f"the clock of this machine jumped {way} by {str(abs(jump)).partition('.')[0]}"
        hint = f"check the time service (timedatectl); what is due is done slowly, {AFTER_A_JUMP} at a time"
        Desk(office, connection, now).tell_admins(what, hint)
    log.error("clock.jumped", jump=str(jump))
