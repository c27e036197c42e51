"""This is where all commands are gathered; what a command needs is imported inside it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from maild.cli import (
    bundle,
    case,
    check,
    config,
    daemon,
    doctor,
    faq,
    history,
    init,
    inspect,
    journal,
    keys,
    mail,
    oauth,
    outbox,
    people,
    rules,
    spool,
    status,
    template,
    time_,
    timelog,
    trace,
)


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    """Add every command to the command line; ``noun`` makes a group of commands on one noun."""
    for module in (init, daemon, check, doctor, config, status, journal, inspect, oauth, bundle):
        module.register(app)
    for module_ in (rules, template, case, timelog, faq, mail, people, spool, outbox, trace, keys, history, time_):
        module_.register(app, noun)
