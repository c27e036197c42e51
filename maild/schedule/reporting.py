"""This is where the figures of a week are mailed, with their charts as pictures in the mail."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from maild.desk import Desk
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.reports import figures
from maild.schedule.digests import named
from maild.settings.models import Report


def send(desk: Desk, report: Report) -> list[str]:
    """Mail the figures to whom it names (groups, users, addresses, the admins); returns who got them."""
    from maild.reports import charts  # its libraries are large, and most processes never draw

    settings = desk.office.settings
    counted = figures.made(settings, desk.connection, desk.now - report.since, desk.now)
    pictures, shown = [], []
    for number, (title, png) in enumerate(charts.pictures(counted), 1):
        name = f"chart{number}@maild.invalid"
        pictures.append(
            PartRef("", 0, f"chart{number}.png", "image/png", len(png), True, name, base64.b64encode(png).decode())
        )
        shown.append({"title": title, "picture": f"cid:{name}"})
    users, told = settings.directory.users, []
    for who in dict.fromkeys(_readers(desk, report)):
        user = users.get(who)
        address = user.email[0] if user else who
        if "@" not in address or desk.office.addresses.mailbox_of(address) or (user and not user.active):
            continue
        zone = desk.zone_of(who) if user else ZoneInfo(settings.main.timezone)
        desk.enqueue(
            Draft(
                kind=OutgoingKind.DIGEST, template=report.template, mailbox=next(iter(settings.main.mailboxes)), case=None,
                to=(Address(user.name if user else "", address),), reader=desk.reader(who), language=(user.language if user else "") or "",
                names={"event": {"type": "report", "report": counted, "charts": shown}, "now": desk.now.astimezone(zone)},
                title="report", attachments=tuple(pictures),
            ),
            not_before=desk.quiet_until(who),
        )  # fmt: skip
        told.append(who)
    return told


def _readers(desk: Desk, report: Report) -> Iterator[str]:
    groups = desk.office.settings.directory.groups
    for one in named(report.to, tuple(groups)):
        if one == "admins":
            yield from map(desk.person, desk.office.settings.main.admins)
        elif one in groups:
            yield from desk.group_members(one)
        else:
            yield desk.person(one)
