"""This is where the shape of workflows.yaml stands: what happens on a case's event, after a time, or on a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from maild.settings import formats, times
from maild.settings.values import Duration, Model, OneOrMore, Stay, WorkingDays, lasting


class Event(StrEnum):
    """What can happen to a case that a workflow starts from. ``updated`` is any other value of the case."""

    CREATED = "created"
    UPDATED = "updated"
    STATUS_CHANGED = "status_changed"
    PRIORITY_CHANGED = "priority_changed"
    ASSIGNED = "assigned"
    REPLIED = "replied"
    CUSTOMER_REPLIED = "customer_replied"
    NOTE = "note"
    SLA_WARNING = "sla_warning"
    SLA_VIOLATED = "sla_violated"
    BOUNCED = "bounced"
    RATED = "rated"


_EVENT_WORDS = {
    "case_created": "created", "field_changed": "updated", "agent_answered": "replied",
    "customer_answered": "customer_replied", "note_added": "note",
}  # fmt: skip
EventWord = Annotated[Event, BeforeValidator(lambda given: _EVENT_WORDS.get(given, given) if isinstance(given, str) else given)]


def _lists_only(value: Any) -> Any:
    if value is not None and not isinstance(value, list | tuple):
        raise ValueError(
            "any, all and none take a list: each item begins with a dash\nwrite - KEY: VALUE on lines below it"
        )
    return value


class When(Model):
    """The case for which a workflow acts: every key must fit; a list means any of its values.

    ``criteria`` are those of rules (`mailbox`, `subject`, `organisation`, `case.group`, …), as settings.rule_models
    reads them; here the values of the case may go without `case.` (`group: billing`, `fields.order: {exists: true}`).
    """

    status: Annotated[tuple[formats.StatusWord, ...], OneOrMore] = ()
    for_: Stay | None = Field(default=None, alias="for")
    any: Annotated[tuple[When, ...], BeforeValidator(_lists_only)] = ()
    all: Annotated[tuple[When, ...], BeforeValidator(_lists_only)] = ()
    none: Annotated[tuple[When, ...], BeforeValidator(_lists_only)] = ()
    criteria: tuple[Any, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "criteria" in value:
            return value
        own = {key: each for key, each in value.items() if key in _OWN}
        return {**own, "criteria": _criteria({key: each for key, each in value.items() if key not in own})}

    @model_validator(mode="after")
    def _for_needs_status(self) -> When:
        if self.for_ is not None and not self.status:
            raise ValueError("for counts the time in a status, and none is named\nwrite {status: resolved, for: 15d}")
        return self


_OWN = frozenset({"status", "for", "any", "all", "none"})
_OF_THE_CASE = ("priority", "group", "category", "tags", "sla", "assignee", "number")


def _criteria(written: dict[str, Any]) -> tuple[Any, ...]:
    """The criteria of rules that these keys mean. Raises ValidationError with each fault at its key."""
    if not written:
        return ()
    from maild.settings.reading_criteria import criterion  # brings the patterns' library along, which few commands need

    found, faults = [], []
    for key, value in written.items():
        name = f"case.{key}" if key in _OF_THE_CASE or key.startswith("fields.") else key
        try:
            found.append(criterion(name, value))
        except ValueError as error:
            kind = PydanticCustomError("value_error", "{error}", {"error": str(error)})
            faults.append(InitErrorDetails(type=kind, loc=(key, *getattr(error, "loc", ())), input=value))
    if faults:
        raise ValidationError.from_exception_data("when", faults)
    return tuple(found)


class Digest(Model):
    """A summary by mail: to every group (each member its own), to groups, users or addresses named."""

    to: Annotated[tuple[str, ...], OneOrMore] = ("groups",)
    template: str = "digest"


class Report(Model):
    """The figures of a time with charts, by mail: to the admins, or to the groups, users and addresses named."""

    to: Annotated[tuple[str, ...], OneOrMore] = ("admins",)
    since: Duration = timedelta(days=7)
    template: str = "report"


class NewCase(Model):
    """A case that a workflow makes, on a schedule or as a child of the case that the event is of."""

    mailbox: str
    title: str
    summary: str = ""
    group: str | None = None
    user: str | None = None
    priority: formats.PriorityWord | None = None
    category: str | None = None
    contact: Literal["none", "same"] = "none"
    link: Literal["parent", "linked"] | None = None
    tags: Annotated[tuple[str, ...], OneOrMore] = ()
    fields: dict[str, Any] = Field(default_factory=dict)


class Assign(Model):
    """To whom: a group, and in it a user by name, `round_robin` or `least_busy`; `none` takes the assignee away."""

    group: str | None = None
    user: str | None = None


_VERBS = ("set", "assign", "notify", "reply", "survey", "digest", "report", "tag", "webhook", "case", "resolve")


class Action(Model):
    """One step of a workflow. ``at_most`` and ``every`` repeat it while the condition lasts."""

    set: formats.CaseValues = Field(default_factory=dict)
    assign: Assign | None = None
    notify: Annotated[tuple[str, ...], OneOrMore] = ()
    reply: str | None = None
    survey: str | None = None
    digest: Digest | None = None
    report: Report | None = None
    tag: Annotated[tuple[str, ...], OneOrMore] = ()
    webhook: Annotated[str, AfterValidator(formats.web_address)] | None = None
    case: NewCase | None = Field(default=None, validation_alias=AliasChoices("case", "ticket"))
    resolve: str | None = None
    template: str | None = None
    at_most: times.HowOften | None = None
    every: Duration | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Action:
        if not any(getattr(self, verb) for verb in _VERBS):
            raise ValueError(f"this step does nothing\na step is one of {', '.join(_VERBS)}")
        return self


class Workflow(Model):
    """What maild does by itself: on an ``event``, on a ``schedule``, or when a case is in a status ``for`` a time."""

    name: str = Field(min_length=1)
    event: EventWord | None = Field(default=None, validation_alias=AliasChoices("event", "on"))
    when: When = When()
    do: Annotated[tuple[Action, ...], OneOrMore, Field(min_length=1)]
    at_most: times.HowOften | None = None
    every: Duration | None = None
    send_within: str | None = None
    calendar: str | None = None
    schedule: Annotated[str, AfterValidator(times.cron)] | None = None
    enabled: bool = True
    until: Annotated[str, AfterValidator(times.dates)] | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Workflow:
        starts = sum((self.event is not None, self.schedule is not None, self.when.for_ is not None))
        if starts == 0:
            raise ValueError(
                "nothing starts this workflow\nwrite event: status_changed, "
                'schedule: "0 8 * * mon-fri", or when: {status: resolved, for: 15d}'
            )
        if self.event is not None and self.schedule is not None:
            raise ValueError("a workflow starts from an event or from a schedule, not from both\nmake two of it")
        return self

    @model_validator(mode="after")
    def _working_days_of_a_calendar(self) -> Workflow:
        counted = next((one for one in _stays(self.when) if isinstance(one, WorkingDays)), None)
        if counted is not None and self.calendar is None:
            raise ValueError(
                f"{lasting(counted)} counts working days, and it is not said of which calendar\n"
                f"write calendar: NAME, one of sla.yaml, or for: {counted.count}d"
            )
        if counted is None and self.calendar is not None:
            raise ValueError(
                "calendar says which days `wd` counts, and none are counted here\n"
                "write for: 5wd, or send_within: NAME for the hours in which mails go out"
            )
        return self


def _stays(when: When) -> Iterator[timedelta | WorkingDays]:
    """Every time in a status that these conditions name, however deep."""
    if when.for_ is not None:
        yield when.for_
    for part in (*when.any, *when.all, *when.none):
        yield from _stays(part)


__all__ = ["Action", "Assign", "Digest", "Event", "NewCase", "Report", "When", "Workflow"]
