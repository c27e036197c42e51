"""This is where cases are made and changed by hand: `maild case new|set|undo|assign|note|reply|merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import Json, Number, Words, edited, pairs, split, words_of
from maild.cli.hands import at_desk, case_of, told

if TYPE_CHECKING:
    from maild.desk import Desk
    from maild.model.case import Case
    from maild.model.contact import Contact


def add(group: typer.Typer) -> None:
    """Add the commands to `maild case`."""

    @group.command()
    def new(
        ctx: typer.Context,
        title: Annotated[str, typer.Option(help="What it is about.")],
        mailbox: Annotated[str | None, typer.Option(help="Its mailbox; the first one if not given.")] = None,
        contact: Annotated[str | None, typer.Option(help="The customer's address.")] = None,
        text: Annotated[str | None, typer.Option(help="The description; - reads standard input.")] = None,
        send: Annotated[bool, typer.Option("--send", help="Mail the text to the contact.")] = False,
        status: Annotated[str | None, typer.Option(help="Any; without it new, or assigned.")] = None,
        priority: Annotated[str | None, typer.Option(help="urgent, high, medium or low.")] = None,
        category: Annotated[str | None, typer.Option(help="One of maild.yaml, where those are declared.")] = None,
        channel: Annotated[str, typer.Option(help="email, phone, chat, social, webform or other.")] = "other",
        group_: Annotated[str | None, typer.Option("--group", help="A group of directory.yaml.")] = None,
        assignee: Annotated[str | None, typer.Option(help="A user of directory.yaml.")] = None,
        sla: Annotated[str | None, typer.Option(help="A policy of sla.yaml.")] = None,
        organisation: Annotated[str | None, typer.Option(help="Whose matter it is.")] = None,
        summary: Annotated[str | None, typer.Option(help="What it is about.")] = None, tag: Words = None,
        field: Annotated[list[str] | None, typer.Option("--field", help="NAME=VALUE of a declared field.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Make a case by hand (a phone call, a walk-in)."""
        from maild import casework
        from maild.cases.lifecycle import channel_of, priority_of, status_of
        from maild.model.case import Case, Priority, Status, StreamEntry, StreamType
        from maild.store import cases, people

        found = invocation(ctx)
        if not title.strip():
            raise typer.BadParameter("a case needs a title")
        body = words_of(text) if text else ""
        with at_desk(found) as desk:
            settings = desk.office.settings
            key = mailbox or next(iter(settings.main.mailboxes))
            values = casework.check_names(
                desk,
                {"mailbox": key, "group": group_, "assignee": assignee, "sla": sla, "category": category,
                 "organisation": organisation, "fields": dict(pairs(field or []))},
            )  # fmt: skip
            box = settings.main.mailboxes[key]
            person = _person(desk, contact) if contact else None
            name = values["organisation"] or (_organisation(desk, contact) if contact else None)
            case = Case(
                number=0, title=title, mailbox=key, summary=summary or "", channel=channel_of(channel),
                status=status_of(status) if status else Status.NEW,
                priority=priority_of(priority) if priority else Priority.MEDIUM, category=values["category"],
                contact_id=person.id if person else None, organisation=name, group=values["group"] or box.group,
                assignee=values["assignee"], owner=_user(desk, found.who), sla=values["sla"] or box.sla,
                tags=tuple(split(tag)), fields=values["fields"],
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
        told(found, case.number, json, f"case {case.number} made")

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
        given = dict(pairs(values))
        if given.get("status") == "?":
            with at_desk(found) as desk:
                for one in possible(case_of(desk, number)):
                    show.line(one)
            return
        with at_desk(found) as desk:
            case = case_of(desk, number)
            reason = given.pop("reason", None)
            casework.change(desk, case, _typed(desk, case, given), found.who, reason=reason)
        found.wake()
        told(found, number, json, f"case {number} changed")

    @group.command()
    def undo(
        ctx: typer.Context, number: Number,
        event: Annotated[int, typer.Argument(help="The event's number in `maild case show`.")], json: Json = False,
    ) -> None:  # fmt: skip
        """Take back what one event changed, as far as nothing came after it."""
        from maild import casework

        found = invocation(ctx)
        with at_desk(found) as desk:
            casework.take_back(desk, case_of(desk, number), event, found.who)
        found.wake()
        told(found, number, json, f"case {number}: event {event} is taken back")

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
        with at_desk(found) as desk:
            case = case_of(desk, number)
            chosen: str | None = None if user == "none" else user
            if user in {"round_robin", "least_busy"}:
                _, chosen, nobody = casework.pick(desk, Assign(group=case.group, how=user))
                if chosen is None:
                    raise CaseError(nobody)
            casework.change(desk, case, {"assignee": chosen}, found.who)
        found.wake()
        told(found, number, json, f"case {number} is {chosen or 'nobody'}'s")

    @group.command()
    def note(
        ctx: typer.Context, number: Number, text: Annotated[str, typer.Argument(help="The note; - reads standard input.")],
        json: Json = False,
    ) -> None:  # fmt: skip
        """Write an internal note; @user tells that user."""
        from maild import casework

        found = invocation(ctx)
        body = words_of(text).strip()
        if not body:
            raise typer.BadParameter("there is no text to write down")
        with at_desk(found) as desk:
            casework.note(desk, case_of(desk, number), found.who, body)
        found.wake()
        told(found, number, json, f"noted in case {number}")

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
        body = edited() if editor else words_of(text or (file if file in {None, "-"} else Path(file or "").read_text(encoding="utf-8", errors="replace")))
        if not body or not body.strip():
            raise typer.BadParameter("there is no text to send: give it as an argument, --file or --editor")
        with at_desk(found) as desk:
            after = desk.office.settings.main.agents.after_reply
            case = casework.reply(desk, case_of(desk, number), found.who, body.strip())
            if case.status is not after and after.value in {"open", "wait_for_customer"} and case.status.value in {"new", "assigned"}:
                casework.change(desk, case, {"status": after}, found.who, because="answered")
        found.wake()
        told(found, number, json, f"answered case {number}")

    @group.command()
    def merge(ctx: typer.Context, number: Number, into: Annotated[int, typer.Argument(help="The case that stays.")]) -> None:
        """Merge a case into another one: its messages, people and Message-IDs go along."""
        from maild import casework

        found = invocation(ctx)
        with at_desk(found) as desk:
            casework.merge(desk, case_of(desk, number), case_of(desk, into), found.who)
        found.wake()
        show.line(f"case {number} merged into {into}")


def _typed(desk: Desk, case: Case, given: dict[str, str]) -> dict[str, Any]:
    """Typed values out of name=value texts; a name that is no value of a case is a declared field."""
    from maild.cases.lifecycle import channel_of, priority_of, status_of
    from maild.errors import CaseError
    from maild.store import people

    plain = {"title", "summary", "category", "group", "assignee", "owner", "sla", "resolution", "mailbox", "organisation"}
    typed: dict[str, Any] = {}
    for name, value in given.items():
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
                typed["tags"] = tuple(dict.fromkeys(split([value])))
            case "contact":
                known = _person(desk, value)
                people.add_participant(desk.connection, case.number, known.email, known.name, "contact")
                typed["contact_id"] = known.id
            case _ if name in plain:
                typed[name] = value or None
            case _:
                typed.setdefault("fields", {})[name] = value
    if "title" in typed and not (typed["title"] or "").strip():
        raise CaseError("a case needs a title")
    return typed


def _person(desk: Desk, address: str) -> Contact:
    """The contact with this address, made where there is none. Raises UnknownValue for what is no address."""
    from maild.errors import UnknownValue
    from maild.model.contact import Contact
    from maild.outbound.headers import sendable
    from maild.store import people

    known = people.contact_by_address(desk.connection, address)
    if known is not None:
        return known
    try:
        sendable(address)
    except ValueError as error:
        raise UnknownValue(f"{error}; write jo@acme.example") from None
    return people.create_contact(desk.connection, Contact(0, "", (address,)), desk.now)


def _user(desk: Desk, who: str) -> str | None:
    return who if who in desk.office.settings.directory.users else None


def _organisation(desk: Desk, address: str) -> str | None:
    from maild import threads

    return threads.organisation_name(desk.connection, desk.office, address)
