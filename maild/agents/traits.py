"""This is where commands say what a case is: priority, category, SLA, title, fields, tags, channel, service."""

from __future__ import annotations

import difflib
from typing import Any

from maild.agents.work import Work, known
from maild.cases.commands import Command
from maild.errors import UnknownValue
from maild.model.case import Channel, Priority, StreamType
from maild.store import people, timelogs


def priority(work: Work, command: Command) -> None:
    """`#priority`: urgent, high, medium or low."""
    work.change({"priority": Priority(command.word)})
    work.lines.append(f"priority {command.word}")


def category(work: Work, command: Command) -> None:
    """`#category`: sets the category."""
    category = known(command.word, work.desk.office.settings.main.categories or ())
    work.change({"category": category})
    work.lines.append(f"category {category}")


def organisation(work: Work, command: Command) -> None:
    """`#organisation`: whose matter it is."""
    imported = [one.name for one in people.all_organisations(work.desk.connection)]
    name = known(command.word, [*work.desk.office.settings.directory.organisations, *imported])
    work.change({"organisation": name})
    work.lines.append(f"organisation {name}")


def sla(work: Work, command: Command) -> None:
    """`#sla`: sets the SLA."""
    sla = known(command.word, list(work.desk.office.settings.sla.policies))
    work.change({"sla": sla})
    work.lines.append(f"SLA {sla}")


def title(work: Work, command: Command) -> None:
    """`#title`: sets the title."""
    work.change({"title": command.word})
    work.lines.append(f"title: {command.word}")


def set_(work: Work, command: Command) -> None:
    """`#set`: sets declared fields."""
    work.change({"fields": dict(command.pairs)})
    work.lines += [f"{name}: {work.case.fields.get(name)}" for name, _ in command.pairs]


def tag(work: Work, command: Command) -> None:
    """`#tag`: adds tags; with a minus it takes one away."""
    tags = list(work.case.tags)
    for word in command.word.split():
        if word.startswith("-"):
            tags = [tag for tag in tags if tag.casefold() != word[1:].casefold()]
        elif word.casefold().lstrip("+") not in {tag.casefold() for tag in tags}:
            tags.append(word.lstrip("+"))
    work.change({"tags": tuple(tags)})
    work.lines.append(f"tags: {' '.join(tags) or 'none'}")


def channel(work: Work, command: Command) -> None:
    """`#channel`: email, phone, chat, social, webform or other."""
    work.change({"channel": Channel(command.word)})
    work.lines.append(f"channel {command.word}")


def billable(work: Work, command: Command) -> None:
    """`#billable`: whether the customer is charged."""
    yes = command.word == "yes"
    work.change({"billable": yes})
    missing = yes and timelogs.service(work.desk.connection, work.case.number) is None and not work.block.has("service")
    work.lines.append(("billable" if yes else "not billable") + ("; say what for: #service NAME rate=90" if missing else ""))


def service(work: Work, command: Command) -> None:
    """`#service`: what was done, at what rate, where."""
    services = work.desk.office.settings.main.services
    name = known(command.word, list(services))
    if services and name not in services:
        near = difflib.get_close_matches(name, list(services), 1)
        raise UnknownValue(f"there is no service {name!r}; " + (f"did you mean {near[0]}?" if near else f"one of {', '.join(services)}"))
    declared = services.get(name)
    values: dict[str, Any] = {"name": name}
    if declared is not None:
        values |= {"rate": declared.rate, "per": declared.per, "type": declared.type, "location": declared.location}
    values |= {key: value.casefold() if key == "location" else value for key, value in command.pairs}
    work.journal.service = timelogs.service(work.desk.connection, work.case.number)
    work.journal.service_set = True
    timelogs.set_service(work.desk.connection, work.case.number, values)
    shown = ", ".join(str(values[key]) for key in ("name", "type", "rate", "location") if values.get(key))
    work.stream(StreamType.FIELD, f"service: {shown}", service=values)
    work.lines.append(f"service: {shown}")
