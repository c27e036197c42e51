"""This is where the commands on cases are: `maild case …` (`maild ticket` is understood too)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from maild.cli import case_change, case_data, case_work, show
from maild.cli.context import Invocation, invocation
from maild.cli.given import Json, Number, Words, moment, split
from maild.cli.hands import no_case


class Sort(StrEnum):
    NUMBER = "number"
    CREATED = "created"
    UPDATED = "updated"
    PRIORITY = "priority"
    STATUS = "status"


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Cases: list, show, new, reply, note, set, assign, search.")
    app.add_typer(group, name="case")
    app.add_typer(group, name="ticket", hidden=True)
    _reading(group)
    case_change.add(group)
    case_work.add(group)
    case_data.add(group)


def _reading(group: typer.Typer) -> None:
    @group.command("list")
    def list_(
        ctx: typer.Context,
        status: Words = None, group_: Annotated[list[str] | None, typer.Option("--group", help="May be given several times.")] = None,
        assignee: Words = None, mine: Annotated[bool, typer.Option("--mine", help="Assigned to you.")] = False,
        contact: Annotated[str | None, typer.Option(help="An address, or a part of a name.")] = None,
        organisation: Words = None, mailbox: Words = None, category: Words = None, priority: Words = None, tag: Words = None,
        overdue: Annotated[bool, typer.Option("--overdue", help="Past a due time.")] = False,
        since: Annotated[str | None, typer.Option(help="Changed since: 2d, 4h, or 2026-11-01.")] = None,
        search: Annotated[str | None, typer.Option(help="Words in title, summary or messages.")] = None,
        sort: Annotated[Sort, typer.Option(help="What comes first.")] = Sort.NUMBER,
        reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
        limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
        csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
        json: Json = False,
    ) -> None:  # fmt: skip
        """List cases, closed ones too unless filtered."""
        from maild.cases.lifecycle import priority_of, status_of
        from maild.errors import UnknownValue

        found = invocation(ctx)
        try:
            statuses = [status_of(one).value for one in split(status)]
            priorities = [priority_of(one).value for one in split(priority)]
        except UnknownValue as error:
            raise typer.BadParameter(str(error)) from None
        filters: dict[str, Any] = {
            "status": statuses, "group": split(group_),
            "assignee": [*split(assignee), *([found.who] if mine else [])], "contact": contact,
            "organisation": organisation or [], "mailbox": split(mailbox), "category": split(category),
            "priority": priorities, "tag": split(tag), "limit": limit,
            "since": moment(since) if since else None, "words": search.split() if search else [],
        }  # fmt: skip
        _print_list(found, filters, csv=csv, json=json, overdue=overdue, sort=sort, reverse=reverse)

    @group.command()
    def search(
        ctx: typer.Context, words: Annotated[list[str], typer.Argument(help="All of these words.")],
        limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None, json: Json = False,
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
            no_case(number)
        if json:
            show.as_json(shown)
        else:
            views_print(shown)


_COLUMNS = ("number", "status", "priority", "title", "contact", "organisation", "group", "assignee", "updated")


def _print_list(
    found: Invocation, filters: dict[str, Any], *, csv: bool = False, json: bool = False, overdue: bool = False,
    sort: Sort = Sort.NUMBER, reverse: bool = False,
) -> None:  # fmt: skip
    from maild import clock
    from maild.cases.shape import as_json
    from maild.model.case import Case
    from maild.store import cases, clocks

    store = found.store()
    rows: list[dict[str, Any]] = []
    if store is not None:
        with store.read() as connection:
            if overdue:
                filters = {**filters, "numbers": clocks.overdue(connection, clock.now())}
            ordered = sort is not Sort.NUMBER or reverse
            wanted = {**filters, "limit": None} if ordered else filters
            rows = [as_json(case, name, email) for case, name, email in cases.search(connection, wanted)]
            if ordered:
                rows = sorted(rows, key=_KEYS[sort], reverse=reverse)[: filters.get("limit")]
    if not rows:
        _doubt(found, filters)
    if json:
        show.as_json(rows)
    elif csv:
        show.csv(list(as_json(Case(0, "", ""), None, None)), rows)
    else:
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


def _urgency(row: dict[str, Any]) -> tuple[int, int]:
    from maild.model.case import Priority

    return [one.value for one in Priority].index(row["priority"]), row["number"]


def _standing(row: dict[str, Any]) -> tuple[int, int]:
    from maild.model.case import Status

    return [one.value for one in Status].index(row["status"]), row["number"]


_KEYS: dict[Sort, Callable[[dict[str, Any]], Any]] = {
    Sort.NUMBER: lambda row: row["number"], Sort.CREATED: lambda row: (row["created_at"], row["number"]),
    Sort.UPDATED: lambda row: (row["updated_at"], row["number"]), Sort.PRIORITY: _urgency, Sort.STATUS: _standing,
}  # fmt: skip


def _doubt(found: Invocation, filters: dict[str, Any]) -> None:
    """Nothing was found: say which of the names asked for the configuration does not have."""
    import difflib

    settings = found.main()
    known: dict[str, Iterable[str]] = {
        "group": settings.directory.groups, "assignee": settings.directory.users, "mailbox": settings.main.mailboxes,
    }  # fmt: skip
    for name, names in known.items():
        for wanted in filters.get(name) or ():
            if wanted not in names and wanted != found.who:
                near = difflib.get_close_matches(wanted, names, 1)
                show.error(f"there is no {name} {wanted!r} in the configuration" + (f"; did you mean {near[0]}?" if near else ""))


def _ago(at: str) -> str:
    from maild import clock

    seconds = (clock.now() - datetime.fromisoformat(at)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit} ago"
    return "just now"


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
    for place, entry in enumerate(shown["stream"], 1):
        mark = "public" if entry["public"] else "internal"
        show.line(f"{place:>3}. {entry['at']}  {entry['type']} by {entry['actor']} ({mark})")
        show.block("    " + (entry["text"] or "").strip().replace("\n", "\n    "))
