"""This is where a command takes a case into its hands: in one transaction, in the name of who runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from maild.cli import show
from maild.cli.context import Invocation

if TYPE_CHECKING:
    from maild.desk import Desk
    from maild.model.case import Case


@contextmanager
def at_desk(found: Invocation) -> Iterator[Desk]:
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


def case_of(desk: Desk, number: int) -> Case:
    from maild.store import cases

    case = cases.get(desk.connection, number, lock=True)
    if case is None:
        no_case(number)
    return case


def no_case(number: int) -> NoReturn:
    show.error(f"there is no case {number}; maild case list shows those there are")
    raise typer.Exit(1)


def told(found: Invocation, number: int, json: bool, text: str) -> None:
    from maild import clock, views

    if not json:
        show.line(text)
        return
    store = found.store()
    assert store is not None
    with store.read() as connection:
        show.as_json(views.case(connection, found.main(), number, clock.now()))
