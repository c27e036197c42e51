"""This is where one configuration becomes everything that is needed to work with it: an `Office`, made once a process.

Nothing here decides; it puts the parts together: addresses, compiled rules, templates, calendars, keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maild.errors import ConfigError, Fault
from maild.outbound.compose import ComposeContext
from maild.outbound.templates import Templates
from maild.plain.domains import FREE_MAIL, to_ascii
from maild.plain.layers import below
from maild.plain.subjects import tag_pattern
from maild.plain.tokens import Keyring, verify_id
from maild.rules.ruleset import Ruleset, compile_rules
from maild.settings import named_files
from maild.settings.addresses import Addresses
from maild.settings.models import Settings
from maild.settings.secrets import read as read_secret
from maild.sla.calendar import WorkingCalendar, from_settings
from maild.sla.timers import calendars
from maild.store.unit_of_work import Store


@dataclass(frozen=True, slots=True)
class Office:
    """Everything made out of one configuration and the keys; shared by all that one process does."""

    settings: Settings
    addresses: Addresses
    ruleset: Ruleset
    templates: Templates
    compose: ComposeContext
    keyring: Keyring
    calendars: dict[str, WorkingCalendar]
    policy_calendars: dict[str, WorkingCalendar]
    tag_pattern: re.Pattern[str]
    readers: dict[str, int] = field(default_factory=dict)  # what the database said of users' numbers

    def is_our_id(self, message_id: str) -> bool:
        """Whether we signed this Message-ID."""
        return verify_id(self.keyring, message_id) is not None

    def is_free_mail(self, domain: str) -> bool:
        """Whether anybody can have an address in this domain, so that it says nothing about an organisation."""
        folded = to_ascii(domain.lower())
        return folded in FREE_MAIL or folded in self.settings.main.free_mail

    def closed_calendars(self, at: datetime) -> frozenset[str]:
        """The calendars that are closed at this moment, for `received: {outside: …}`."""
        return closed_calendars(self.calendars, at)


def closed_calendars(calendars: Mapping[str, WorkingCalendar], at: datetime) -> frozenset[str]:
    """The names of the calendars that are closed at this moment."""
    return frozenset(name for name, calendar in calendars.items() if not calendar.is_open(at))


@dataclass(frozen=True, slots=True)
class Compiled:
    """The parts of an office that are dear to make and need no database: the supervisor makes them before it forks."""

    ruleset: Ruleset
    templates: Templates


def compile_office(settings: Settings) -> Compiled:
    """Compile rules and templates, without proving them. Raises ConfigError when a template has a fault."""
    return Compiled(compile_rules(settings), Templates(*below(settings.named, "templates")))


def prove(settings: Settings) -> Compiled:
    """Compile, and refuse what loading alone does not find: certificates and passwords that are not there, rules that
    cannot work, templates that cannot be rendered, tests beside rules that fail.

    Raises ConfigError with every fault.
    """
    from maild.rules.lint import lint

    faults = named_files.faults(settings) + [fault for fault in lint(settings) if fault.severity == "error"]
    if faults:
        raise ConfigError(faults)
    compiled = compile_office(settings)
    first = [one.acknowledge for one in settings.main.mailboxes.values()]
    used = {name for one in first for name in (one.template, *one.outside.values())} | {rule.reply for rule in settings.rules}
    wrong = compiled.templates.check(sorted(used - {None, "none"}), settings.main.mailboxes)
    if wrong:
        raise ConfigError([Fault(file, line, 1 if line else 0, message) for file, line, message in wrong])
    if any(rule.tests for rule in settings.rules):
        from maild.workbench.gate import refuse_failing  # it stands on the mailroom, which stands on this module

        refuse_failing(settings, compiled)
    return compiled


def open_office(settings: Settings, keyring: Keyring, compiled: Compiled | None = None) -> Office:
    """Put an office together. Raises ConfigError when a template has a fault."""
    compiled = compiled or compile_office(settings)
    templates, main = compiled.templates, settings.main
    return Office(
        settings=settings,
        addresses=Addresses(settings),
        ruleset=compiled.ruleset,
        templates=templates,
        compose=ComposeContext(
            templates=templates, keyring=keyring, mailboxes=main.mailboxes, tag=main.cases.tag,
            language=main.language, timezone=main.timezone, bcc=main.outbound.bcc,
            id_domain=main.outbound.id_domain or "maild.invalid", admins=main.admins,
            words=main.agents.trust is None,
        ),
        keyring=keyring,
        calendars={name: from_settings(one, name) for name, one in settings.sla.calendars.items()},
        policy_calendars=calendars(settings.sla),
        tag_pattern=tag_pattern(main.cases.tag, main.cases.legacy_tags),
    )  # fmt: skip


def open_store(settings: Settings) -> Store:
    """The database that the configuration names; nothing is opened yet. Raises ConfigError when its password is not found."""
    database = settings.main.database
    password = read_secret(database.password, settings.folder) if database.password else None
    return Store(database.url, settings.state_dir, password=password, first_number=settings.main.cases.first_number)
