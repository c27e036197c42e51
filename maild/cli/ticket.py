"""This is where the commands on cases are: `maild case …` (`maild ticket` is understood too)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

if TYPE_CHECKING:
    from maild.desk import Desk
    from maild.model.case import Case

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(help="The case's number.")]
Words = Annotated[list[str] | None, typer.Option()]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Cases: list, show, new, reply, note, set, assign, search.")
    app.add_typer(group, name="case")
    app.add_typer(group, name="ticket", hidden=True)

    @group.command("list")
    def list_(
        ctx: typer.Context,
        status: Words = None, group_: Annotated[list[str] | None, typer.Option("--group")] = None,
        assignee: Words = None, mine: Annotated[bool, typer.Option("--mine", help="Assigned to you.")] = False,
        contact: Annotated[str | None, typer.Option(help="An address, or a part of a name.")] = None,
        organisation: Words = None, mailbox: Words = None, category: Words = None, priority: Words = None, tag: Words = None,
        overdue: Annotated[bool, typer.Option("--overdue", help="Past a due time.")] = False,
        since: Annotated[str | None, typer.Option(help="Changed since: 2d, 4h, or 2026-11-01.")] = None,
        search: Annotated[str | None, typer.Option(help="Words in title, summary or messages.")] = None,
        limit: Annotated[int | None, typer.Option(min=1)] = None,
        csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
        json: Json = False,
    ) -> None:  # fmt: skip
        """List cases, closed ones too unless filtered."""
        from maild.cases.lifecycle import priority_of, status_of
        from maild.errors import UnknownValue

        found = invocation(ctx)
        try:
            statuses = [status_of(one).value for one in _split(status)]
            priorities = [priority_of(one).value for one in _split(priority)]
        except UnknownValue as error:
            raise typer.BadParameter(str(error)) from None
        filters: dict[str, Any] = {
            "status": statuses, "group": _split(group_),
            "assignee": [*_split(assignee), *([found.who] if mine else [])], "contact": contact,
            "organisation": organisation or [], "mailbox": _split(mailbox), "category": _split(category),
            "priority": priorities, "tag": _split(tag), "limit": limit,
            "since": moment(since) if since else None, "words": search.split() if search else [],
        }  # fmt: skip
        _print_list(found, filters, csv=csv, json=json, overdue=overdue)

    @group.command()
    def search(
        ctx: typer.Context, words: Annotated[list[str], typer.Argument(help="All of these words.")],
        limit: Annotated[int | None, typer.Option(min=1)] = None, json: Json = False,
    ) -> None:  # fmt: skip
        """Find cases by words in their title, summary, contact or messages."""
        _print_list(invocation(ctx), {"words": words, "limit": limit}, json=json)

    @group.command("show")
    def show_(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Show a case with its stream and messages."""
        from maild import clock, views

        store = invocation(ctx).store()
        shown = None
        if store is not None:
            with store.read() as connection:
                shown = views.case(connection, invocation(ctx).main(), number, clock.now())
        if shown is None:
            _not_there(number)
        if json:
            show.as_json(shown)
        else:
            views_print(shown)

    @group.command()
    def new(
        ctx: typer.Context,
        title: Annotated[str, typer.Option(help="What it is about.")],
        mailbox: Annotated[str | None, typer.Option(help="Its mailbox; the first one if not given.")] = None,
        contact: Annotated[str | None, typer.Option(help="The customer's address.")] = None,
        text: Annotated[str | None, typer.Option(help="The description; - reads standard input.")] = None,
        send: Annotated[bool, typer.Option("--send", help="Mail the text to the contact.")] = False,
        status: Annotated[str | None, typer.Option()] = None, priority: Annotated[str | None, typer.Option()] = None,
        category: Annotated[str | None, typer.Option()] = None, channel: Annotated[str, typer.Option()] = "other",
        group_: Annotated[str | None, typer.Option("--group")] = None, assignee: Annotated[str | None, typer.Option()] = None,
        sla: Annotated[str | None, typer.Option()] = None, organisation: Annotated[str | None, typer.Option()] = None,
        summary: Annotated[str | None, typer.Option()] = None, tag: Words = None,
        field: Annotated[list[str] | None, typer.Option("--field", help="NAME=VALUE of a declared field.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Make a case by hand (a phone call, a walk-in)."""
        from maild import casework
        from maild.cases.lifecycle import channel_of, priority_of, status_of
        from maild.model.case import Case, Priority, Status, StreamEntry, StreamType
        from maild.model.contact import Contact
        from maild.store import cases, people

        found = invocation(ctx)
        body = _text(text) if text else ""
        with _desk(found) as desk:
            settings = desk.office.settings
            key = mailbox or next(iter(settings.main.mailboxes))
            values = casework.check_names(
                desk,
                {"mailbox": key, "group": group_, "assignee": assignee, "sla": sla, "category": category,
                 "fields": dict(_pairs(field or []))},
            )  # fmt: skip
            box = settings.main.mailboxes[key]
            person = None
            if contact:
                person = people.contact_by_address(desk.connection, contact) or people.create_contact(
                    desk.connection, Contact(0, "", (contact,)), desk.now
                )
            name = organisation or (_organisation(desk, contact) if contact else None)
            case = Case(
                number=0, title=title, mailbox=key, summary=summary or "", channel=channel_of(channel),
                status=status_of(status) if status else Status.NEW,
                priority=priority_of(priority) if priority else Priority.MEDIUM, category=values["category"],
                contact_id=person.id if person else None, organisation=name, group=values["group"] or box.group,
                assignee=values["assignee"], owner=_user(desk, found.who), sla=values["sla"] or box.sla,
                tags=tuple(_split(tag)), fields=values["fields"],
            )  # fmt: skip
            case = casework.begin(desk, case, found.who, since=None)
            if person is not None:
                people.add_participant(desk.connection, case.number, person.email, person.name, "contact")
            if send and body:
                case = casework.reply(desk, case, found.who, body)
            elif body:
                entry = StreamEntry(desk.now, StreamType.NOTE, found.who, False, body)
                cases.add_stream(desk.connection, case.number, [entry])
            desk.notify(case, person, "new_case", desk.hears(case, "new_case", []), text=body, actor=found.who)
        found.wake()
        _told(found, case.number, json, f"case {case.number} made")

    @group.command("set")
    def set_(
        ctx: typer.Context, number: Number,
        values: Annotated[list[str], typer.Argument(help="name=value …; status=? shows what is possible")],
        json: Json = False,
    ) -> None:  # fmt: skip
        """Set values of a case: status, priority, category, group, assignee, sla, title, resolution, tags, FIELD …"""
        from maild import casework
        from maild.cases.lifecycle import possible

        found = invocation(ctx)
        pairs = dict(_pairs(values))
        if pairs.get("status") == "?":
            with _desk(found) as desk:
                for one in possible(_case(desk, number)):
                    show.line(one)
            return
        with _desk(found) as desk:
            case = _case(desk, number)
            reason = pairs.pop("reason", None)
            casework.change(desk, case, _typed(desk, case, pairs), found.who, reason=reason)
        found.wake()
        _told(found, number, json, f"case {number} changed")

    @group.command()
    def assign(
        ctx: typer.Context, number: Number,
        user: Annotated[str, typer.Argument(help="A user; or round_robin, least_busy, none.")], json: Json = False,
    ) -> None:  # fmt: skip
        """Give a case to a user."""
        from maild import casework
        from maild.errors import CaseError
        from maild.model.decision import Assign

        found = invocation(ctx)
        with _desk(found) as desk:
            case = _case(desk, number)
            chosen: str | None = None if user == "none" else user
            if user in {"round_robin", "least_busy"}:
                _, chosen, nobody = casework.pick(desk, Assign(group=case.group, how=user))
                if chosen is None:
                    raise CaseError(nobody)
            casework.change(desk, case, {"assignee": chosen}, found.who)
        found.wake()
        _told(found, number, json, f"case {number} is {chosen or 'nobody'}'s")

    @group.command()
    def note(
        ctx: typer.Context, number: Number, text: Annotated[str, typer.Argument(help="The note; - reads standard input.")],
        json: Json = False,
    ) -> None:  # fmt: skip
        """Write an internal note; @user tells that user."""
        from maild import casework

        found = invocation(ctx)
        with _desk(found) as desk:
            casework.note(desk, _case(desk, number), found.who, _text(text))
        found.wake()
        _told(found, number, json, f"noted in case {number}")

    @group.command()
    def reply(
        ctx: typer.Context, number: Number,
        text: Annotated[str | None, typer.Argument(help="The answer; - reads standard input.")] = None,
        file: Annotated[str | None, typer.Option("--file", help="Read the answer from a file; - is standard input.")] = None,
        editor: Annotated[bool, typer.Option("--editor", help="Write the answer in $EDITOR.")] = False,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Answer the customer from the mailbox."""
        from maild import casework

        found = invocation(ctx)
        body = _edited() if editor else _text(text or (file if file in {None, "-"} else Path(file or "").read_text()))
        if not body or not body.strip():
            raise typer.BadParameter("there is no text to send: give it as an argument, --file or --editor")
        with _desk(found) as desk:
            after = desk.office.settings.main.agents.after_reply
            case = casework.reply(desk, _case(desk, number), found.who, body.strip())
            if case.status is not after and after.value in {"open", "wait_for_customer"} and case.status.value in {"new", "assigned"}:
                casework.change(desk, case, {"status": after}, found.who, because="answered")
        found.wake()
        _told(found, number, json, f"answered case {number}")

    @group.command()
    def merge(ctx: typer.Context, number: Number, into: Annotated[int, typer.Argument(help="The case that stays.")]) -> None:
        """Merge a case into another one: its messages, people and Message-IDs go along."""
        from maild import casework

        found = invocation(ctx)
        with _desk(found) as desk:
            casework.merge(desk, _case(desk, number), _case(desk, into), found.who)
        found.wake()
        show.line(f"case {number} merged into {into}")


# --- shared -----------------------------------------------------------------------------------------------------


@contextmanager
def _desk(found: Invocation) -> Iterator[Desk]:
    """A transaction in which this command changes cases."""
    from maild import clock
    from maild.desk import Desk
    from maild.office import open_office
    from maild.store import installation

    store = found.store(make=True)
    assert store is not None
    office = open_office(found.main_with_sla(), installation.ensure_key(store, clock.now()))
    with store.write() as connection:
        yield Desk(office, connection, clock.now())


def _case(desk: Desk, number: int) -> Case:
    from maild.store import cases

    case = cases.get(desk.connection, number, lock=True)
    if case is None:
        _not_there(number)
    return case


def _not_there(number: int) -> NoReturn:
    show.error(f"there is no case {number}; maild case list shows those there are")
    raise typer.Exit(1)


def _split(values: list[str] | None) -> list[str]:
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def _pairs(values: list[str]) -> Iterator[tuple[str, str]]:
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals:
            raise typer.BadParameter(f"{value!r}: write name=value")
        yield name.strip().removeprefix("fields."), rest


def _typed(desk: Desk, case: Case, pairs: dict[str, str]) -> dict[str, Any]:
    """Typed values out of name=value texts; a name that is no value of a case is a declared field."""
    from maild.cases.lifecycle import channel_of, priority_of, status_of
    from maild.errors import CaseError
    from maild.model.contact import Contact
    from maild.store import people

    plain = {"title", "summary", "category", "group", "assignee", "owner", "sla", "resolution", "mailbox", "organisation"}
    typed: dict[str, Any] = {}
    for name, value in pairs.items():
        match name:
            case "status":
                typed[name] = status_of(value)
            case "priority":
                typed[name] = priority_of(value)
            case "channel":
                typed[name] = channel_of(value)
            case "billable":
                if value.lower() not in {"yes", "no", "true", "false"}:
                    raise CaseError(f"billable is yes or no, not {value!r}")
                typed[name] = value.lower() in {"yes", "true"}
            case "tags" | "tag":
                typed["tags"] = tuple(dict.fromkeys(_split([value])))
            case "contact":
                known = people.contact_by_address(desk.connection, value)
                known = known or people.create_contact(desk.connection, Contact(0, "", (value,)), desk.now)
                people.add_participant(desk.connection, case.number, known.email, known.name, "contact")
                typed["contact_id"] = known.id
            case _ if name in plain:
                typed[name] = value or None
            case _:
                typed.setdefault("fields", {})[name] = value
    if isinstance(typed.get("title"), str) is False:
        typed.pop("title", None)
    return typed


def _user(desk: Desk, who: str) -> str | None:
    return who if who in desk.office.settings.directory.users else None


def _organisation(desk: Desk, address: str) -> str | None:
    from maild import threads

    return threads.organisation_name(desk.connection, desk.office, address)


def _edited() -> str:
    """What the person writes in $EDITOR."""
    import os
    import shlex
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("r", suffix=".txt", encoding="utf-8") as file:
        subprocess.run([*shlex.split(os.environ.get("EDITOR", "vi")), file.name], check=True)
        return Path(file.name).read_text(encoding="utf-8")


def _text(value: str | None) -> str:
    return sys.stdin.read() if value in {None, "-"} else str(value)


def _told(found: Invocation, number: int, json: bool, text: str) -> None:
    from maild import clock, views

    if not json:
        show.line(text)
        return
    store = found.store()
    assert store is not None
    with store.read() as connection:
        show.as_json(views.case(connection, found.main(), number, clock.now()))


def moment(text: str) -> datetime:
    """A point in time as people write it: 2d, 4h (ago), 2026-11-01 or an ISO time. Raises typer.BadParameter."""
    from datetime import UTC

    from maild import clock
    from maild.settings.values import duration

    try:
        return clock.now() - duration(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2d, 4h, or 2026-11-01") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


_COLUMNS = ("number", "status", "priority", "title", "contact", "organisation", "group", "assignee", "updated")


def _print_list(
    found: Invocation, filters: dict[str, Any], *, csv: bool = False, json: bool = False, overdue: bool = False
) -> None:
    from maild import clock
    from maild.cases.shape import as_json
    from maild.store import cases, clocks

    store = found.store()
    rows: list[dict[str, Any]] = []
    if store is not None:
        with store.read() as connection:
            if overdue:
                filters = {**filters, "numbers": clocks.overdue(connection, clock.now())}
            rows = [as_json(case, name, email) for case, name, email in cases.search(connection, filters)]
    if json:
        show.as_json(rows)
        return
    if csv:
        _print_csv(rows)
        return
    show.table(
        _COLUMNS,
        [
            (
                row["number"], row["status"], row["priority"], row["title"],
                (row["contact"] or {}).get("email", ""), row["organisation"], row["group"], row["assignee"],
                _ago(row["updated_at"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _ago(at: str) -> str:
    from maild import clock

    seconds = (clock.now() - datetime.fromisoformat(at)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit} ago"
    return "just now"


def _print_csv(rows: list[dict[str, Any]]) -> None:
    """CSV in which no value can be taken for a formula (OWASP, CSV injection)."""
    import csv

    writer = csv.writer(sys.stdout)
    names = list(rows[0]) if rows else ["number"]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_defused(row[name]) for name in names])


def _defused(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("email") or "; ".join(f"{k}={v}" for k, v in value.items())
    elif isinstance(value, list):
        value = " ".join(str(one) for one in value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def views_print(shown: dict[str, Any]) -> None:
    """A case for people: its values on top, then what happened."""
    contact = shown["contact"] or {}
    show.line(f"[#{shown['number']}] {shown['title']}")
    rows = [
        ("status", shown["status"]), ("priority", shown["priority"]), ("contact", contact.get("email")),
        ("organisation", shown["organisation"]), ("mailbox", shown["mailbox"]), ("group", shown["group"]),
        ("assignee", shown["assignee"]), ("category", shown["category"]), ("sla", shown["sla"]),
        ("tags", " ".join(shown["tags"])), ("summary", shown["summary"]), ("resolution", shown["resolution"]),
        *((f"fields.{name}", value) for name, value in shown["fields"].items()),
        *((link["type"], link["number"]) for link in shown["links"]),
    ]  # fmt: skip
    for name, value in rows:
        if value not in (None, ""):
            show.line(f"  {name:13} {value}")
    show.line()
    for entry in shown["stream"]:
        mark = "public" if entry["public"] else "internal"
        show.line(f"{entry['at']}  {entry['type']} by {entry['actor']} ({mark})")
        show.block("    " + (entry["text"] or "").strip().replace("\n", "\n    "))


