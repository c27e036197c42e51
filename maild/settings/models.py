"""This is where the shape of the configuration stands: one frozen model a block, complete, with every default.

Read by `settings.load`; the configuration reference is made from these models and their descriptions.
The rule files have their models in `settings.rule_models`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, model_validator

from maild.model.case import Status
from maild.settings import formats, times
from maild.settings.formats import PriorityWord, StatusWord
from maild.settings.values import Duration, Model, OneOrMore, Rate, RateLimit, Secret, Size
from maild.settings.workflow_models import Action as Action
from maild.settings.workflow_models import Digest as Digest
from maild.settings.workflow_models import Event as Event
from maild.settings.workflow_models import Report as Report
from maild.settings.workflow_models import When as When
from maild.settings.workflow_models import Workflow as Workflow

Address = Annotated[str, AfterValidator(formats.address)]
Addresses = Annotated[tuple[Address, ...], OneOrMore]
Domain = Annotated[str, AfterValidator(formats.domain)]
Zone = Annotated[str, AfterValidator(formats.zone)]
OneLine = Annotated[str, AfterValidator(formats.one_line)]  # goes into commands to other servers
Language = Annotated[str, AfterValidator(formats.language)]  # BCP 47
Listen = Annotated[str, AfterValidator(formats.listen)]
Network = Annotated[str, AfterValidator(formats.network)]


Kept = Annotated[Duration, AfterValidator(times.kept)]


class Database(Model):
    """Where cases and mail are stored: SQLite for one machine, PostgreSQL for more than one."""

    url: Annotated[str, AfterValidator(formats.database_url)]
    password: Secret | None = None
    upgrade: Literal["auto", "manual"] = "auto"


class OAuth2(Model):
    """How to get access tokens for XOAUTH2 (Gmail, Microsoft 365)."""

    provider: Literal["google", "microsoft", "other"] = "other"
    flow: Literal["refresh_token", "client_credentials"] = "refresh_token"
    client_id: str
    client_secret: Secret | None = None
    tenant: str | None = None
    token_url: str | None = None
    device_url: str | None = None
    authorize_url: str | None = None
    scope: str | None = None


class ImapAuth(Model):
    oauth2: OAuth2


class AfterMove(Model):
    move: OneLine


class Imap(Model):
    """One folder of an IMAP account to fetch from."""

    host: OneLine
    port: int = Field(default=993, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "tls"
    username: OneLine
    password: Secret | None = None
    auth: ImapAuth | None = None
    folder: OneLine = "INBOX"
    after: AfterMove | Literal["keep", "delete"] = "keep"
    ca_file: str | None = None
    sent: OneLine | None = None
    copy_sent: bool = False
    poll: Duration = timedelta(minutes=1)
    max_size: Size = 50 * 1024**2

    @property
    def place(self) -> str:
        """The folder with its account: what cursors, leases and faults belong to."""
        return f"{self.folder} of {self.username} at {self.host}"

    @model_validator(mode="after")
    def _can_log_in(self) -> Imap:
        if self.password is None and self.auth is None:
            raise ValueError(
                "this account has no way to log in\nwrite password: {credential: NAME} or auth: {oauth2: …}"
            )
        return self


class Attachments(Model):
    """Which attachments are not passed on: by the ending of their name, or what their bytes are."""

    refuse: Annotated[tuple[Annotated[str, AfterValidator(formats.ending)], ...], OneOrMore] = ()


class Acknowledge(Model):
    """The automatic first answer: a template alone, or with when it goes out and which it is outside working hours."""

    template: Annotated[str, BeforeValidator(formats.none_word)] = "acknowledgement"
    after: Duration = timedelta()
    unless_answered: bool = True
    outside: dict[str, str] = Field(default_factory=dict)

    def at(self, closed: Collection[str]) -> str:
        """The template while these calendars are closed: that of the first of them, else the usual one."""
        return next((template for calendar, template in self.outside.items() if calendar in closed), self.template)


def _template_alone(value: Any) -> Any:
    """`acknowledge: received` is short for `acknowledge: {template: received}`."""
    return value if isinstance(value, dict | Acknowledge) else {"template": value}


class Mailbox(Model):
    """A group email account: its addresses, and the defaults of cases made there."""

    address: Address
    aliases: Addresses = ()
    receives: Addresses = ()
    name: str = ""
    group: str | None = None
    sla: str | None = None
    unmatched: Literal["case", "hold", "discard"] = "case"
    accept_automatic: bool = False
    acknowledge: Annotated[Acknowledge, BeforeValidator(_template_alone, json_schema_input_type=str | Acknowledge)] = Acknowledge()
    notify: Annotated[Literal["default", "none"], BeforeValidator(formats.none_word)] = "default"
    match_organisation: bool = True
    create_contact: bool = True
    list_id: str | None = None
    language: Language | None = None
    timezone: Zone | None = None
    category: str | None = None
    private: bool = False
    banners: Annotated[tuple[str, ...], OneOrMore] = ()
    bcc: Addresses = ()
    attachments: Attachments = Attachments()
    status_word: Annotated[str, BeforeValidator(formats.none_word)] = "status"
    imap: Annotated[tuple[Imap, ...], OneOrMore] = ()


class Tls(Model):
    certificate: str
    key: str | Secret


class DoorLimits(Model):
    """What one door bears; each has a default that suits a public server.

    ``commands`` are those that lead to no mail; ``total`` is the time for one mail, from the connection or the last
    one; ``rate`` the bytes a second that a mail comes in at least; ``memory`` all mails that are coming in, together.
    """

    recipients: int = 200
    commands: int = 100
    connections: int = 500
    connections_per_client: int = 20
    idle: Duration = timedelta(minutes=5)
    total: Duration = timedelta(minutes=30)
    line: Size = 65536
    header: Size = 262144
    rate: Size = 256
    memory: Size = 512 * 1024**2


class SmtpDoor(Model):
    """An SMTP or LMTP listener: ``HOST:PORT`` or ``unix:PATH`` (relative to $RUNTIME_DIRECTORY)."""

    listen: Listen
    max_size: Size = 25 * 1024**2
    tls: Tls | None = None
    auth: dict[str, Secret] = Field(default_factory=dict)
    trusted: Annotated[tuple[Network, ...], OneOrMore] = ("127.0.0.0/8", "::1")
    limits: DoorLimits = DoorLimits()
    hostname: str | None = None


class Ingest(Model):
    smtp: Annotated[tuple[SmtpDoor, ...], OneOrMore] = ()
    lmtp: Annotated[tuple[SmtpDoor, ...], OneOrMore] = ()


class Smarthost(Model):
    """The server that all mail goes out through."""

    host: OneLine
    port: int = Field(default=25, ge=1, le=65535)
    security: Literal["none", "starttls", "tls"] = "none"
    username: OneLine | None = None
    password: Secret | None = None
    ca_file: str | None = None
    connections: int = Field(default=4, ge=1, le=100)

    @model_validator(mode="after")
    def _login_is_whole(self) -> Smarthost:
        if (self.username is None) != (self.password is None):
            raise ValueError(
                "a login is username and password together\nwrite password: {credential: smtp}, or neither"
            )
        return self


class Redirect(Model):
    redirect: Address


class Only(Model):
    only: Annotated[tuple[str, ...], OneOrMore]


class Dkim(Model):
    domain: Domain
    selector: Domain
    key: Secret


class Outbound(Model):
    smtp: Smarthost
    mode: Literal["live", "hold"] | Redirect | Only = "live"
    bcc: Addresses = ()
    dkim: Annotated[tuple[Dkim, ...], OneOrMore] = ()
    expire_after: Duration = timedelta(days=5)
    rewritten_message_id: str | None = None
    id_domain: Domain | None = None


class Reopen(Model):
    thanks: Literal["ignore", "open"] = "ignore"
    per_day: int = 3
    within: Duration | None = None


class Cases(Model):
    tag: Annotated[str, AfterValidator(formats.tag)] = "[#{number}]"
    first_number: int = Field(default=1, ge=1)
    legacy_tags: Annotated[tuple[Annotated[str, AfterValidator(formats.legacy_tag)], ...], OneOrMore] = ()
    reopen: Reopen = Reopen()


class FieldSpec(Model):
    """A declared custom value of a case."""

    type: Literal["text", "integer", "decimal", "date", "choice"] = "text"
    label: str = ""
    pattern: Annotated[str, AfterValidator(formats.pattern)] | None = None
    values: Annotated[tuple[str, ...], OneOrMore] = ()
    lines: Literal["one", "many"] = "one"

    @model_validator(mode="after")
    def _choices(self) -> FieldSpec:
        if (self.type == "choice") != bool(self.values):
            raise ValueError("values are the words of a choice\nwrite {type: choice, values: [one, two]}")
        return self


class Service(Model):
    rate: str | None = None
    per: str = "hour"
    type: str | None = None
    location: Literal["remote", "onsite"] | None = None


class Trust(Model):
    authserv_id: str | None = None
    header: dict[str, str] = Field(default_factory=dict)
    dkim: bool = False


class Agents(Model):
    trust: Trust | None = None
    after_reply: StatusWord = Status.OPEN
    grace: Duration = timedelta()
    attach_up_to: Size = 1024**2
    guard: Literal["agents", "agents_and_customers", "off"] = "agents"
    answering_takes: bool = True
    away_from_auto_reply: bool = False


class Limits(Model):
    """Limits on automatic answers to people outside, and on the work for one message."""

    answers_per_address: Annotated[tuple[RateLimit, ...], OneOrMore] = (
        Rate(5, timedelta(hours=2)), Rate(20, timedelta(days=1)))  # fmt: skip
    answers_per_case: Annotated[tuple[RateLimit, ...], OneOrMore] = (Rate(10, timedelta(minutes=10)),)
    same_subject: Annotated[tuple[RateLimit, ...], OneOrMore] = (Rate(2, timedelta(hours=3)),)
    answers_overall: Annotated[tuple[RateLimit, ...], OneOrMore] = (Rate(300, timedelta(minutes=10)),)
    batch: int = Field(default=50, ge=0)
    parse: Duration = timedelta(seconds=20)
    memory: Size = 2 * 1024**3


class Retention(Model):
    raw: Kept | None = None
    held: Kept | None = None
    closed_cases: Kept | None = None


class Web(Model):
    listen: Listen
    public_url: Annotated[str, AfterValidator(formats.web_url)] | None = None


class Log(Model):
    format: Literal["auto", "journal", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Metrics(Model):
    textfile: str


class MaildYaml(Model):
    """maild.yaml: the daemon's own settings. Only database, mailboxes and outbound are needed."""

    database: Annotated[Database, BeforeValidator(formats.url_alone, json_schema_input_type=str | Database)]
    state_dir: str | None = None
    timezone: Zone = "UTC"
    language: Language = "en"
    admins: Addresses = ()
    mailboxes: dict[str, Mailbox] = Field(min_length=1)
    ingest: Ingest = Ingest()
    outbound: Outbound
    cases: Cases = Cases()
    fields: dict[str, FieldSpec] | None = None
    categories: tuple[str, ...] | None = None
    services: dict[str, Service] = Field(default_factory=dict)
    agents: Agents = Agents()
    limits: Limits = Limits()
    retention: Retention = Retention()
    web: Web | None = None
    log: Log = Log()
    metrics: Metrics | None = None
    workers: int | None = Field(default=None, ge=1, le=64)
    watch: bool = False
    free_mail: tuple[Domain, ...] = ()


class User(Model):
    """An agent. The first address is used for sending."""

    name: str
    email: Annotated[tuple[Address, ...], OneOrMore, Field(min_length=1)]
    role: Literal["agent", "manager", "admin"] = "agent"
    login: str | None = None
    timezone: Zone | None = None
    language: Language | None = None
    signature: str = ""
    quiet_hours: Annotated[str, AfterValidator(times.period)] | None = None
    digest: Annotated[str, AfterValidator(times.digest)] | None = None
    follow: Literal["none", "new", "group"] = "none"
    capacity: int | None = Field(default=None, ge=0)
    away: times.Away = ()
    active: bool = True


class Group(Model):
    members: Annotated[tuple[str, ...], OneOrMore] = ()
    manager: str | None = None
    calendar: str | None = None
    name: str | None = None
    email: Address | None = None


class OrganisationEntry(Model):
    domains: Annotated[tuple[Domain, ...], OneOrMore] = ()
    sla: str | None = None
    tags: Annotated[tuple[str, ...], OneOrMore] = ()
    group: str | None = None
    user: str | None = None
    language: Language | None = None
    cases: Literal["shared", "own"] = "shared"


class Directory(Model):
    """directory.yaml: users, groups, organisations."""

    users: dict[str, User] = Field(default_factory=dict)
    groups: dict[str, Group] = Field(default_factory=dict)
    organisations: dict[str, OrganisationEntry] = Field(
        default_factory=dict, validation_alias=AliasChoices("organisations", "organizations"))  # fmt: skip


class Holidays(Model):
    country: str
    subdivision: str | None = None


class Calendar(Model):
    """Working hours: ``hours`` maps days (``mon-thu``, ``sat``) to ranges (``09:00-17:30``, up to 24:00)."""

    timezone: Zone = "UTC"
    hours: Annotated[dict[Annotated[str, AfterValidator(times.days)], times.Hours], AfterValidator(times.week)]
    holidays: Holidays | None = None
    closed: Annotated[tuple[times.SpecialDay, ...], OneOrMore] = ()
    open: Annotated[tuple[times.SpecialDay, ...], OneOrMore] = ()


class Target(Model):
    """Times for one priority, as written: ``h`` and ``m`` are working time, ``d`` working days."""

    first_response: times.WorkingTime | None = None
    next_response: times.WorkingTime | None = None
    resolution: times.WorkingTime | None = None


class Escalation(Model):
    """What happens when a clock has used part of its target: exactly one of ``at``, ``before`` and ``after``."""

    at: Annotated[str, AfterValidator(times.percentage)] | None = None
    before: times.WorkingTime | None = None
    after: times.WorkingTime | None = None
    of: Literal["first_response", "next_response", "resolution"] = "resolution"
    notify: Annotated[tuple[str, ...], OneOrMore] = ()
    set: formats.CaseValues = Field(default_factory=dict)
    assign: dict[Literal["group", "user"], str] | None = None
    tag: Annotated[tuple[str, ...], OneOrMore] = ()
    webhook: Annotated[str, AfterValidator(formats.web_address)] | None = None
    reply: str | None = None

    @model_validator(mode="after")
    def _one_moment(self) -> Escalation:
        if sum(moment is not None for moment in (self.at, self.before, self.after)) != 1:
            raise ValueError("an escalation has exactly one of at, before and after\nfor example at: 80%")
        return self


class Policy(Model):
    """Targets for each priority, when the clock pauses, and what happens on the way to a breach."""

    calendar: str | None = None
    pause_in: Annotated[tuple[StatusWord, ...], OneOrMore] = (Status.WAIT_FOR_CUSTOMER, Status.WAIT_FOR_THIRD_PARTY)
    targets: dict[PriorityWord, Target] = Field(default_factory=dict)
    escalations: tuple[Escalation, ...] = ()
    customer: bool = True
    for_: Literal["customer", "internal"] = Field(default="customer", alias="for")

    @property
    def told_customers(self) -> bool:
        """Whether its times may stand in mail to customers; those of an internal one are the team's own."""
        return self.customer and self.for_ == "customer"


class SlaYaml(Model):
    """sla.yaml: calendars and policies."""

    calendars: dict[str, Calendar] = Field(default_factory=dict)
    policies: dict[str, Policy] = Field(default_factory=dict)


class WorkflowsYaml(Model):
    """workflows.yaml: what happens on a case event, after a time, or on a schedule."""

    workflows: tuple[Workflow, ...] = ()


# Keys of maild.yaml in which the machines on one database may differ: their doors, places and logs.
_A_MACHINES_OWN = {"database", "state_dir", "ingest", "web", "log", "metrics", "workers", "watch"}


class Settings(Model):
    """The whole configuration. ``rules`` holds the rule files' models in the order of trial (settings.rule_models).

    ``rule_places`` says for each where it stands: the rule file's name (`rules/10-x.yaml`), and its number there from 0.
    ``lists`` are the files that ``in_list`` names, read: name as written in the rule -> lower-case entries.
    ``named`` is the directory as it was named, absolute: of several (`BASE:SITE`) ``folder`` is the last.
    ``hash`` is the SHA-256 over every file read; ``files`` the hash of each. ``rules_folder`` is where the rule files are
    when that is not `rules` in ``folder``. ``forced`` says that `outbound.mode` is not the file's, but the one that
    `maild run --force-mode` was given.
    """

    folder: Path
    named: Path
    state_dir: Path
    main: MaildYaml
    directory: Directory = Directory()
    rules: tuple[Any, ...] = ()
    rule_places: tuple[tuple[str, int], ...] = ()
    sla: SlaYaml = SlaYaml()
    workflows: WorkflowsYaml = WorkflowsYaml()
    lists: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    hash: str = ""
    rules_folder: Path | None = None
    forced: bool = False

    @property
    def shared_hash(self) -> str:
        """SHA-256 (hex) over what all daemons on one database should have alike: everything but what is a machine's own."""
        found = hashlib.sha256(self.main.model_dump_json(exclude=_A_MACHINES_OWN).encode())
        others = sorted((Path(name).name, digest) for name, digest in self.files.items() if Path(name).name != "maild.yaml")
        found.update("".join(f"\n{name} {digest}" for name, digest in others).encode())
        return found.hexdigest()

    def away(self, at: datetime) -> frozenset[str]:
        """The users whom directory.yaml calls away on this day, each by the calendar of where they live."""
        users = self.directory.users.items()
        return frozenset(
            key
            for key, user in users
            if user.away and any(at.astimezone(ZoneInfo(user.timezone or self.main.timezone)).date() in one for one in user.away)
        )
