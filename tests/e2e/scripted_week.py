"""This is where the scripted week is played: `week/story.yaml` told to maild mail by mail, and what came of it as text.

A `Stage` is something that takes mails, sends mails, and has a clock that only the story moves. `InProcess` is the
mailroom, the sweeps and the outbox in this process; `Daemons` are real `maild run`, one or several, on one database.
`play` tells the story to any of them, `told` writes down the cases, their streams and every mail that went out.
"""

from __future__ import annotations

import difflib
import mmap
import re
import shutil
import smtplib
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parsedate_to_datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import yaml
from builders import envelope
from running import Daemon, Received, Sink
from sqlalchemy import Connection, select

from maild import views
from maild.desk import Desk
from maild.mailroom import Mailroom
from maild.model.message import Door
from maild.model.outbox import Refused, Result, Sent
from maild.office import Office, open_office, open_store
from maild.outbound.bytes import serialise
from maild.processes.door import arrival
from maild.processes.post_office import StoredOutbox
from maild.schedule import absent, beats, crons, stays
from maild.schedule.acting import Acting
from maild.settings.load import load
from maild.sla import escalation
from maild.sla.calendar import ALWAYS
from maild.store import cases, clocks, due, installation, reminders, schema, spool
from maild.store.unit_of_work import Store

WEEK = Path(__file__).with_name("week")
ZONE = ZoneInfo("Europe/Berlin")
FIRST = 7001


# --- the story --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    """Somebody who writes: ``client`` is how their mail client quotes."""

    name: str
    email: str
    client: str


@dataclass(frozen=True)
class Scene:
    """One line of the story: at a moment somebody writes a mail, or (without ``who``) only time has passed."""

    number: int
    at: datetime
    who: str = ""
    new: str = ""
    answers: str = ""
    which: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    headers: tuple[str, ...] = ()
    attach: Mapping[str, str] | None = None
    proven: bool = True

    @property
    def message_id(self) -> str:
        return f"scene-{self.number}@story.example"


@dataclass(frozen=True)
class Story:
    people: Mapping[str, Person]
    refused: frozenset[str]
    scenes: Sequence[Scene]

    @property
    def mails(self) -> int:
        return sum(bool(scene.who) for scene in self.scenes)


def read_story() -> Story:
    """The story as it stands in story.yaml."""
    told = yaml.safe_load((WEEK / "story.yaml").read_text(encoding="utf-8"))
    scenes: list[Scene] = []
    for day, lines in told["days"].items():
        for line in lines:
            at = line["at"] if len(line["at"]) > 5 else f"{day.partition(' ')[2]} {line['at']}"
            moment = datetime.strptime(at, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE).astimezone(UTC)
            more = {key: tuple(value) if isinstance(value, list) else value for key, value in line.items() if key != "at"}
            if isinstance(more.get("to"), str):
                more["to"] = (more["to"],)
            scenes.append(Scene(len(scenes) + 1, moment, **more))
    assert [scene.at for scene in scenes] == sorted(scene.at for scene in scenes)
    return Story({key: Person(**one) for key, one in told["people"].items()}, frozenset(told["refused"]), scenes)


# --- what people write ------------------------------------------------------------------------------------------


def written(scene: Scene, person: Person, answered: EmailMessage | None, text: str, subject: str) -> bytes:
    """The mail of a scene as this person's client sends it."""
    mail = EmailMessage(policy=policy.SMTP.clone(max_line_length=998))
    if scene.proven:
        mail["Authentication-Results"] = f"mx.example.com; dmarc=pass header.from={person.email.partition('@')[2]}"
    for line in scene.headers:
        name, _, value = line.partition(": ")
        mail[name] = value
    mail["From"] = formataddr((person.name, person.email))
    if answered is None:
        mail["To"] = ", ".join(f"{to}@example.com" for to in scene.to)
        mail["Subject"] = subject
    else:
        mail["To"] = str(answered["Reply-To"] or answered["From"])
        bare = re.sub(r"(?i)\Are: ", "", str(answered["Subject"]))
        mail["Subject"] = subject or f"Re: {bare}"
        mail["In-Reply-To"] = str(answered["Message-ID"]).strip()
        mail["References"] = f"{answered['References'] or ''} {answered['Message-ID']}".strip()
    if scene.cc:
        mail["Cc"] = ", ".join(scene.cc)
    mail["Date"] = format_datetime(scene.at)
    mail["Message-ID"] = f"<{scene.message_id}>"
    automatic = any(line.startswith("Auto-Submitted") for line in scene.headers)
    mail.set_content(text if answered is None or automatic else quoting(text, person, answered))
    if scene.attach:
        mail.add_attachment(scene.attach["text"], filename=scene.attach["name"])
    return mail.as_bytes()


def quoting(text: str, person: Person, answered: EmailMessage) -> str:
    """The text with the mail that it answers, as mail clients put it below, above, or not at all."""
    sender, date = str(answered["From"]), parsedate_to_datetime(str(answered["Date"])).astimezone(ZONE)
    quote = "\n".join(f"> {line}" for line in plain_text(answered).splitlines())
    match person.client:
        case "gmail":
            return f"{text}\n\nOn {date:%a, %b %d, %Y at %I:%M %p} {sender} wrote:\n\n{quote}\n"
        case "apple":
            return f"{text}\n\n> On {date:%d. %b %Y}, at {date:%H:%M}, {sender} wrote:\n> \n{quote}\n"
        case "outlook":
            head = f"From: {sender}\nSent: {date:%A, %d %B %Y %H:%M}\nTo: {person.name}\nSubject: {answered['Subject']}"
            return f"{text}\n\n-----Original Message-----\n{head}\n\n{plain_text(answered)}\n"
        case "bottom":
            return f"El {date:%d/%m/%Y} a las {date:%H:%M}, {sender} escribió:\n{quote}\n\n{text}\n"
        case _:
            return text


def plain_text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


# --- playing ----------------------------------------------------------------------------------------------------


class Stage(Protocol):
    """Something that the story can be told to. ``sent`` is what the smarthost took, in any order."""

    store: Store
    office: Office
    sent: list[Received]

    def at(self, moment: datetime) -> None:
        """It is this time now; what is due by then is done when this returns."""

    def take(self, raw: bytes, mail_from: str, to: Sequence[str]) -> None:
        """A mail is accepted."""

    def rest(self) -> None:
        """Everything that the mails caused has happened, and has gone out."""


@dataclass
class Playing:
    """A story on a stage: which case has which name, and what everybody found in their inbox."""

    story: Story
    stage: Stage
    numbers: dict[str, int] = field(default_factory=dict)
    mails: int = 0

    def play(self, after_mail: Callable[[int], None] = lambda _count: None) -> None:
        """Tell the whole story; ``after_mail`` is called when a mail was accepted, with how many were by then."""
        for scene in self.story.scenes:
            self.scene(scene, after_mail)

    def scene(self, scene: Scene, after_mail: Callable[[int], None] = lambda _count: None) -> None:
        """Tell one scene, and wait for all that it causes."""
        self.stage.at(scene.at)
        if not scene.who:
            return
        person = self.story.people[scene.who]
        answered = self.found(scene) if scene.answers else None
        text, subject = self.named(scene.text), self.named(scene.subject)
        to = [f"{to}@example.com" for to in scene.to] if answered is None else [address_of(answered)]
        self.stage.take(written(scene, person, answered, text, subject), person.email, to)
        self.mails += 1
        after_mail(self.mails)
        self.stage.rest()
        if scene.new not in {"", "none"}:
            self.numbers.setdefault(scene.new, case_of(self.stage.store, scene.message_id))

    def named(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: str(self.numbers[found[1]]), text)

    def found(self, scene: Scene) -> EmailMessage:
        """The mail that a scene answers: the newest in the writer's inbox about that case, with these words."""
        about = self.numbers.get(scene.answers)
        for one in reversed(in_order(self.stage.sent)):
            words = f"{one.mail['Subject']}\n{plain_text(one.mail)}"
            if self.story.people[scene.who].email not in one.to or scene.which not in words:
                continue
            if scene.answers == "none" or about in case_numbers(one.mail):
                return one.mail
        raise AssertionError(f"scene {scene.number}: {scene.who} has no mail about {scene.answers} with {scene.which!r}")


def address_of(answered: EmailMessage) -> str:
    return str(answered["Reply-To"] or answered["From"]).rpartition("<")[2].rstrip("> ")


def case_numbers(mail: EmailMessage) -> set[int]:
    head = re.findall(r"#(\d+)\]", str(mail["Subject"])) + re.findall(r"\d+", str(mail["X-Maild-Case"] or ""))
    return {int(one) for one in head or re.findall(r"· case (\d+)", plain_text(mail))}


def case_of(store: Store, message_id: str) -> int:
    with store.read() as connection:
        query = select(schema.messages.c.case_number).where(schema.messages.c.message_id == message_id)
        return int(connection.execute(query).scalar_one())


def in_order(sent: Sequence[Received]) -> list[Received]:
    """Mails as they went out: by their date, and those of one moment in an order that does not depend on chance."""

    def key(one: Received) -> tuple[Any, ...]:
        mail = one.mail
        return parsedate_to_datetime(str(mail["Date"])), one.to, str(mail["Subject"]), plain_text(mail)

    unique = {(str(one.mail["Message-ID"]), one.to): one for one in sent}
    return sorted(unique.values(), key=key)


# --- in one process ---------------------------------------------------------------------------------------------


class InProcess:
    """The mailroom, the sweeps and the outbox without a daemon: time is an argument."""

    def __init__(self, story: Story, folder: Path, database: str) -> None:
        self.story, self.sent = story, []
        settings = load(configured(folder / "config", {"database": database, "state_dir": str(folder / "var"), **_DOORS}))
        self.now = story.scenes[0].at
        self.store = open_store(settings)
        self.store.create_or_upgrade()
        self.office = open_office(settings, installation.ensure_key(self.store, self.now))
        self.mailroom = Mailroom(self.store, self.office)
        self.outbox = StoredOutbox(self.store, self.office, "week")

    def close(self) -> None:
        self.store.close()

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.rest()

    def take(self, raw: bytes, mail_from: str, to: Sequence[str]) -> None:
        with self.store.write() as connection:
            spool.accept(connection, [arrival(envelope(raw, to, mail_from, self.now, door=Door.SMTP), self.office.addresses)])

    def rest(self) -> None:
        lease: dict[str, Any] = {"limit": 20, "max_bytes": 1 << 22, "seconds": 60.0, "also": self.mailroom.reserve}
        while entries := spool.lease(self.store, "week", **lease):
            self.mailroom.process(entries, self.now)
        beats.beat(self.store, self.office, self.now)
        while entries := self.outbox.lease(20, self.now):
            for entry in entries:
                outcomes = {who: self._sends(who) for who in entry.waiting}
                self.outbox.finish([Result(entry, outcomes, self.now, None)])
                taken = tuple(sorted(who for who, one in outcomes.items() if isinstance(one, Sent)))
                if taken:
                    mail = message_from_bytes(serialise(entry.message, self.outbox.read_part), policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    self.sent.append(Received(entry.message.sender, taken, mail))
            beats.beat(self.store, self.office, self.now)

    def _sends(self, who: str) -> Sent | Refused:
        return Refused(550, "5.1.1 no such user") if who in self.story.refused else Sent("250 2.0.0 taken")


_DOORS = {
    "ingest": {"smtp": {"listen": "127.0.0.1:0"}}, "outbound": {"smtp": {"host": "127.0.0.1", "port": 9, "security": "none"}},
}  # fmt: skip


def configured(folder: Path, main: Mapping[str, Any]) -> Path:
    """The week's configuration in this folder, with the machine's own values added to maild.yaml."""
    shutil.copytree(WEEK / "config", folder, dirs_exist_ok=True)
    written = yaml.safe_load((WEEK / "config" / "maild.yaml").read_text(encoding="utf-8"))
    (folder / "maild.yaml").write_text(yaml.safe_dump({**written, **main}), encoding="utf-8")
    return folder


# --- real daemons -----------------------------------------------------------------------------------------------


class Clock:
    """The time that the daemons of a stage see: eight bytes in a file that all of them map."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8)
        self.file = file
        self.now = datetime.fromtimestamp(0, UTC)

    def set(self, moment: datetime) -> None:
        self.now = moment
        self._memory[:8] = struct.pack("q", int(moment.timestamp()))


class StoryDaemon(Daemon):
    """`maild run` with the week's configuration, under the story's clock: by `clocked.py`, or by a ``library`` in front of
    the C library's clock."""

    def __init__(self, folder: Path, clock: Clock, database: str, sink: Sink, library: Path | None) -> None:
        self.clock, self.database, self.smarthost, self.library = clock, database, sink, library
        super().__init__(folder)
        if library is None:
            self.launcher = [str(Path(__file__).with_name("clocked.py"))]

    def configure(self, **parts: Any) -> None:
        self.sink = self.smarthost
        main = {
            "database": self.database, "state_dir": str(self.folder / "var"), "workers": 1, "log": {"format": "json"},
            "ingest": {"smtp": {"listen": f"127.0.0.1:{self.port}"}},
            "outbound": {"smtp": {"host": "127.0.0.1", "port": self.sink.port, "security": "none"}},
        }  # fmt: skip
        configured(self.config, main)

    @property
    def environment(self) -> dict[str, str]:
        preload = {"LD_PRELOAD": str(self.library)} if self.library is not None else {}
        return {**super().environment, "MAILD_TEST_CLOCK": str(self.clock.file), **preload}


class Daemons:
    """One or several `maild run` on one database, killed with SIGKILL whenever the test says so."""

    def __init__(
        self, story: Story, folder: Path, database: str, count: int = 1, library: Path | None = None
    ) -> None:
        self.story = story
        self.sink = Sink()
        self.sink.answer = lambda one: "550 5.1.1 no such user" if set(one.to) & story.refused else "250 2.0.0 taken"
        self.sink.up()
        self.clock = Clock(folder / "clock")
        self.clock.set(story.scenes[0].at)
        self.daemons = []
        for number in range(count):
            (folder / f"d{number}").mkdir()
            self.daemons.append(StoryDaemon(folder / f"d{number}", self.clock, database, self.sink, library))
        settings = load(self.daemons[0].config)
        self.store = open_store(settings)
        self.store.create_or_upgrade()
        self.start()
        self.office = open_office(settings, installation.ensure_key(self.store, self.clock.now))
        self.turn = 0

    @property
    def sent(self) -> list[Received]:
        with self.sink.lock:
            return list(self.sink.mails)

    def at(self, moment: datetime) -> None:
        self.clock.set(moment)
        self.rest()

    def take(self, raw: bytes, mail_from: str, to: Sequence[str]) -> None:
        door = self.daemons[self.turn % len(self.daemons)]
        self.turn += 1
        with smtplib.SMTP("127.0.0.1", door.port, timeout=30) as client:
            client.sendmail(mail_from, list(to), raw)

    def rest(self) -> None:
        """Wait until nothing waits: no mail, no event, nothing that is due at this time."""
        self.daemons[0].until(
            lambda: nothing_waits(self.store, self.office, self.clock.now), f"rest at {self.clock.now}", 60
        )

    def kill(self) -> None:
        """Kill all at once, and start them again."""
        for one in self.daemons:
            one.kill()
        self.start()

    def start(self) -> None:
        for one in self.daemons:
            one.start(wait=False)
        for one in self.daemons:
            one.until(one.listening, "the SMTP door")

    def stop(self) -> None:
        for one in self.daemons:
            one.stop()

    def close(self) -> None:
        for one in self.daemons:
            one.close()
        self.store.close()


def nothing_waits(store: Store, office: Office, now: datetime) -> bool:
    """Whether no mail, event, clock, word of the absent, stay or schedule is left for maild to act on at this time."""
    with store.read() as connection:
        spooled, outgoing = spool.figures(connection, now), schema.outbox.c
        if spooled["pending"] or spooled["processing"] or due.any_pending(connection):
            return False
        unsent = outgoing.state.in_(["pending", "sending", "deferred"])
        if connection.execute(select(outgoing.id).where(unsent, outgoing.next_at <= now).limit(1)).scalar():
            return False
        if any(has_step(connection, office, one, now) for one in clocks.waiting(connection, now, 500)) or reminders.due(connection, now, limit=1):
            return False
        if any(at <= now for at in absent.due(connection, office, now).values()):
            return False
        acting = Acting(Desk(office, connection, now))
        zone = office.settings.main.timezone
        scheduled = [one for one in office.settings.workflows.workflows if one.schedule is not None]
        if any(crons.last_ran(connection, one) is None for one in scheduled):
            return False  # the post office is still starting
        fired = [crons.fired(connection, one, zone, now) for one in scheduled]
        return not any(fired) and not stays.due_stays(acting)


def has_step(connection: Connection, office: Office, number: int, now: datetime) -> bool:
    """Whether a case has a step to take now: a target is missed only after its time, other steps are due at theirs."""
    case = cases.get(connection, number)
    policy = office.settings.sla.policies.get(case.sla or "") if case is not None else None
    if case is None or policy is None:
        return True
    calendar = office.policy_calendars.get(case.sla or "", ALWAYS)
    return any(escalation.due(policy, clock, calendar, now) for clock in clocks.load(connection, number))


def shim(folder: Path) -> Path | None:
    """A library that answers clock_gettime(CLOCK_REALTIME) with the story's time, and nothing else; None without cc."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, "-xc", "-", "-ldl"], input=_SHIM, text=True, check=True)
    return library


_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *seconds;

__attribute__((constructor)) static void open_clock(void) {
    const char *file = getenv("MAILD_TEST_CLOCK");
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED) seconds = found;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    if (id != CLOCK_REALTIME || !seconds) return real(id, at);
    at->tv_sec = *seconds;
    at->tv_nsec = 0;
    return 0;
}
"""


# --- what came of it --------------------------------------------------------------------------------------------


def told(playing: Playing) -> str:
    """Every case with its values and its stream, and every mail that went out, as a text to be compared whole.

    What is another at every run (tokens, Message-IDs) is named by what it stands for; cases are numbered as they came
    (they begin at 7001, so that no other number is mistaken for one).
    """
    stage = playing.stage
    with stage.store.read() as connection:
        now = playing.story.scenes[-1].at
        numbers = sorted(case.number for case, _name, _email in cases.search(connection, {}))
        shown = [views.case(connection, stage.office.settings, number, now) for number in numbers]
    names = {number: name for name, number in playing.numbers.items()}
    lines: list[str] = []
    for case in shown:
        assert case is not None
        lines += _case(case, names.get(case["number"], ""))
    mails = [one for one in in_order(stage.sent) if not any(words in str(one.mail["Subject"]) for words in _OF_THE_MACHINE)]
    places = {str(one.mail["Message-ID"]): place for place, one in enumerate(mails, 1)}
    for place, one in enumerate(mails, 1):
        lines += _mail(place, one, places)
    text = "\n".join(lines) + "\n"
    ranks = {str(number): str(FIRST + rank) for rank, number in enumerate(numbers)}  # a worker that dies leaves a gap
    return re.sub(r"(?:(?<!\d)|(?<=%23))70\d\d(?!\d)", lambda found: ranks.get(found[0], found[0]), text)


# Not the story's: that its clock was set, and what is looked at every so many seconds of the machine's time.
_OF_THE_MACHINE = ("the clock of this machine", "held mail in")
_VALUES = (
    "title", "status", "priority", "category", "channel", "mailbox", "contact", "organisation", "group", "assignee",
    "owner", "sla", "tags", "fields", "summary", "resolution", "billable", "rating", "feedback", "created_at",
    "first_response_at", "last_responded_at", "resolved_at", "closed_at", "contacts", "sla_state", "time_in_status",
    "followers", "time_spent", "service", "threads", "links",
)  # fmt: skip


def _case(case: Mapping[str, Any], name: str) -> list[str]:
    lines = ["", f"════ case {case['number']}  {name}".rstrip()]
    for key in _VALUES:
        value = case[key]
        if key == "contact" and value:
            value = f"{value['name']} <{value['email']}>"
        if key == "contacts":
            value = [f"{one['name'] or ''} <{one['email']}> {one['role']}" for one in value]
        if value not in (None, "", [], {}, 0, False):
            lines.append(f"{key}: {value!r}" if not isinstance(value, str) else f"{key}: {value}")
    for entry in _in_turn(case["stream"]):
        public = "public" if entry["public"] else "internal"
        first, *rest = entry["text"].splitlines() or [""]
        lines.append(f"  {entry['at'][5:16].replace('T', ' ')} {entry['type']} {public} {entry['actor']}: {_steady(first)}".rstrip())
        lines += [f"      {_steady(line)}".rstrip() for line in rest]
    return lines


def _in_turn(stream: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The stream as it stands; of one instant the word on who is away comes last, which another daemon may have sent."""
    for _, entries in groupby(stream, key=lambda entry: entry["at"]):
        yield from sorted(entries, key=lambda entry: entry["text"].startswith("absent: "))


def _mail(place: int, one: Received, places: Mapping[str, int]) -> list[str]:
    mail = one.mail
    date = parsedate_to_datetime(str(mail["Date"])).astimezone(UTC)
    lines = ["", f"──── mail {place}  {date:%m-%d %H:%M}  from {one.sender or '<>'}  to {', '.join(one.to)}"]
    for name in ("From", "To", "Cc", "Reply-To", "Subject", "Auto-Submitted"):
        if mail[name]:
            lines.append(f"{name}: {_steady(str(mail[name]))}")
    if mail["In-Reply-To"]:
        answered = str(mail["In-Reply-To"]).strip()
        lines.append(f"In-Reply-To: {f'mail {places[answered]}' if answered in places else _steady(answered)}")
    files = [part.get_filename() for part in mail.iter_attachments()]
    lines += [f"Attachments: {', '.join(map(str, files))}"] if files else []
    lines += ["", *(f"  {_steady(line)}".rstrip() for line in plain_text(mail).splitlines())]
    return lines


def _steady(text: str) -> str:
    """The text without what is another at every run: signed ids and tokens."""
    text = re.sub(r"<[a-z0-9]+(\.[a-z0-9]+){2,}@[^>]+>", "<an id of ours>", text)
    text = re.sub(r"\b(?=\w*\d)[0-9a-f]{12}\b", "SPOOLID", text)
    return re.sub(r"[A-Za-z0-9_.~-]{30,}", "TOKEN", text)


def difference(playing: Playing) -> str:
    """How what came of the story differs from `week/expected.txt`, its first lines; '' where it does not."""
    wanted = (WEEK / "expected.txt").read_text(encoding="utf-8").splitlines()
    lines = list(difflib.unified_diff(wanted, told(playing).splitlines(), "expected", "told", lineterm="", n=4))
    return "\n".join(lines[:80])


def main() -> None:
    """Write `week/expected.txt` anew: after a change that is meant, look at the difference before committing it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        story = read_story()
        playing = Playing(story, InProcess(story, Path(folder), f"sqlite:///{folder}/maild.db"))
        playing.play()
        (WEEK / "expected.txt").write_text(told(playing), encoding="utf-8")
        print(f"{story.mails} mails in, {len(playing.stage.sent)} out", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
