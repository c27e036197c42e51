"""This is where the shape of the rule files stands: for which mails a rule is, and what it does, as frozen typed models.

Everything that can be known of a rule by itself is refused here, with the sentence that says what would be right: a
message and, after a line break, a hint. Criteria are in `settings.criteria`, tests beside rules in `settings.rule_tests`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from maild.model.case import CHANNEL_WORDS, PRIORITY_WORDS, STATUS_WORDS, Channel, Priority, Status
from maild.plain import patterns, sandbox
from maild.settings.criteria import (
    ADDRESS,
    ATTACHMENT,
    CRITERIA,
    NUMBER,
    RECEIVED,
    TEXT,
    AllOf,
    AnyOf,
    Criterion,
    Faults,
    Node,
    NoneOf,
    criterion,
    find_field,
    parse_when,
    plain,
    scalar,
    walk,
)
from maild.settings.faults import nearest
from maild.settings.rule_tests import RuleTest
from maild.settings.values import Duration, Model, OneOrMore

HOW = ("round_robin", "least_busy")


def _text(value: Any) -> Any:
    return scalar(value) if isinstance(value, bool | int | float | date) else value


def _words(value: Any) -> Any:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_text(item) for item in items)


def _template(value: Any) -> Any:
    value = _text(value)
    if sandbox.is_template(value):
        sandbox.parse(value)
    return value


def closed(value: Any, what: str, words: Mapping[str, str]) -> str:
    """The word of a closed set that this text means; spelling variants understood. Raises ValueError with the nearest."""
    text = str(value).strip().lower()
    found = words.get(text) or words.get(text.replace(" ", "_").replace("-", "_"))
    if found is None:
        known = ", ".join(sorted(set(words.values()), key=list(words.values()).index))
        raise ValueError(f"{str(value)!r} is no {what}\n{nearest(text, words) or f'known: {known}'}")
    return found


STATUSES = {**{each.value: each.value for each in Status}, **STATUS_WORDS}
PRIORITIES = {**{each.value: each.value for each in Priority}, **PRIORITY_WORDS}
CHANNELS = {**{each.value: each.value for each in Channel}, **CHANNEL_WORDS}


def _closed(what: str, words: Mapping[str, str]) -> BeforeValidator:
    def read(value: Any) -> Any:
        if value is None or sandbox.is_template(value):
            return _template(value)
        return closed(value, what, words)

    return BeforeValidator(read)


def _boolean(value: Any) -> Any:
    if value is None or isinstance(value, bool) or sandbox.is_template(value):
        return _template(value)
    text = str(value).strip().lower()
    if text in ("yes", "true", "on", "no", "false", "off"):
        return text in ("yes", "true", "on")
    raise ValueError("true or false is wanted here")


Texts = Annotated[tuple[str, ...], BeforeValidator(_words)]
Template = Annotated[str, BeforeValidator(_template)]
StatusWord = Annotated[Status | str, _closed("status", STATUSES)]
PriorityWord = Annotated[Priority | str, _closed("priority", PRIORITIES)]
PriorityOnly = Annotated[Priority, BeforeValidator(lambda value: closed(value, "priority", PRIORITIES))]
ChannelWord = Annotated[Channel | str, _closed("channel", CHANNELS)]
YesOrNo = Annotated[bool | str, BeforeValidator(_boolean)]

# Values of a case that mail can fill and `set` can name, beside fields.NAME and contact.NAME.
CASE_VALUES = ("title", "summary", "resolution", "status", "priority", "category", "channel", "sla", "group", "user", "billable",
               "tags")  # fmt: skip
CONTACT_VALUES = ("name", "email", "phone", "language")


def is_target(name: str) -> bool:
    """Whether autofill can fill a value of this name."""
    head, dot, rest = name.partition(".")
    return name in CASE_VALUES or (
        bool(dot and rest) and (head == "fields" or (head == "contact" and rest in CONTACT_VALUES))
    )


def _known_targets() -> list[str]:
    return [*CASE_VALUES, *(f"contact.{name}" for name in CONTACT_VALUES), "fields.NAME"]


class SlaAlways(Model):
    """An SLA that also replaces the organisation's own, on purpose."""

    always: str


class Raise(Model):
    """Raises what the case has, and never lowers it."""

    priority: PriorityOnly


class SetValues(Model):
    """Values of a case, as text, number or template; `fields.NAME` and `contact.NAME` are keys of their own."""

    title: Template | None = None
    summary: Template | None = None
    resolution: Template | None = None
    status: StatusWord | None = None
    priority: PriorityWord | None = None
    category: Template | None = None
    channel: ChannelWord | None = None
    sla: SlaAlways | Template | None = None
    group: Template | None = None
    user: Template | None = None
    billable: YesOrNo | None = None
    tags: Texts = ()
    fields: dict[str, Any] = Field(default_factory=dict)
    contact_values: dict[str, str] = Field(
        default_factory=dict, json_schema_extra={"description": "written contact.NAME"}
    )

    @model_validator(mode="wrap")
    @classmethod
    def _dotted(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict) or not any("." in str(key) or key in ("fields", "assignee") for key in value):
            return handler(value)
        faults = Faults()
        kept: dict[Any, Any] = {}
        fields: dict[str, Any] = {}
        contact: dict[str, str] = {}
        for key, below in value.items():
            head, dot, rest = str(key).partition(".")
            pairs = (
                [(rest, below)] if dot else list(below.items()) if key == "fields" and isinstance(below, dict) else None
            )
            if key == "assignee":
                kept["user"] = below
            elif head == "fields" and pairs is not None:
                for name, item in pairs:
                    try:
                        fields[str(name)] = _field_value(item)
                    except ValueError as error:
                        message, _, hint = str(error).partition("\n")
                        faults.add((str(key),) if dot else (str(key), str(name)), message, hint, item)
            elif head == "contact" and dot:
                if rest not in CONTACT_VALUES:
                    faults.add((str(key),), f"a contact has no {rest!r}", nearest(rest, CONTACT_VALUES), below)
                contact[rest] = str(_template(below))
            elif dot:
                faults.add((str(key),), f"there is no value {key!r}", nearest(str(key), _known_targets()), below)
            else:
                kept[key] = below
        if fields:
            kept["fields"] = fields
        if contact:
            kept["contact_values"] = contact
        try:
            made = handler(kept)
        except ValidationError as error:
            faults.take(error)
        faults.raise_any(cls.__name__)
        return made

    def given(self) -> dict[str, Any]:
        """The values named here: by name, `fields.NAME` and `contact.NAME` among them, tags left out."""
        found = {
            name: getattr(self, name) for name in CASE_VALUES if name != "tags" and getattr(self, name) is not None
        }
        found |= {f"fields.{name}": value for name, value in self.fields.items()}
        return found | {f"contact.{name}": value for name, value in self.contact_values.items()}


def _field_value(value: Any) -> Any:
    if isinstance(value, dict | list) or value is None:
        raise ValueError("a field takes text, a number or a date\nput it in quotes if it begins with { or [")
    return _template(value) if isinstance(value, str) else value


class GroupBy(Model):
    """A group looked up by a criterion's value: `{by: language, de: support-de, else: support}`."""

    by: str
    else_: str | None = Field(default=None, alias="else")
    table: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "table" in value:
            return value
        if "by" not in value:
            raise ValueError(
                "a group that is looked up names by what\nwrite group: {by: language, de: support-de, else: support}"
            )
        field, kind = find_field(str(value["by"]))
        if kind in (ATTACHMENT, RECEIVED):
            raise ValueError(f"a group cannot be looked up by {field}\nlanguage, mailbox or organisation can")
        table = {scalar(key): below for key, below in value.items() if key not in ("by", "else")}
        if not all(isinstance(below, str) for below in table.values()):
            raise ValueError("each value is looked up as the name of a group")
        kept: dict[str, Any] = {"by": field, "table": table}
        return kept | ({"else": value["else"]} if "else" in value else {})


class Assign(Model):
    """Who gets the case: a group, and in it a user by name, in turn (round_robin) or the one with least to do."""

    group: str | GroupBy | None = None
    user: str | None = Field(default=None, validation_alias=AliasChoices("user", "assignee"))

    @model_validator(mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"assign takes a mapping\nwrite assign: {{group: {value}}} or assign: {{user: {value}}}")
        return value


class Mapped(Model):
    """One value that autofill fills: from which labels, and what their words mean."""

    target: str
    labels: tuple[str, ...]
    values: dict[str, Any] = Field(default_factory=dict)


class AskAgain(Model):
    """What happens instead where a required value is missing: this answer goes out."""

    reply: str


class Autofill(Model):
    """Key:value lines of the mail into values of the case."""

    delimiter: Texts = (":",)
    map: tuple[Mapped, ...]
    require: Texts = ()
    else_: Literal["hold"] | AskAgain | None = Field(default=None, alias="else")
    within: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _turn(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        faults = Faults()
        value = dict(value)
        if isinstance(value.get("map"), dict):
            value["map"] = tuple(_mapped(value["map"], faults))
        for place, each in enumerate(_words(value.get("delimiter", ":"))):
            if not isinstance(each, str) or not each:
                faults.add(("delimiter",), "a delimiter is one character or more", 'write delimiter: ":"', each)
            elif "\n" in each or (each.isspace() and each != "\t"):
                faults.add(("delimiter",), f"delimiter {place + 1} is blank", 'write delimiter: ":"', each)
        for each in _words(value.get("require", ())):
            if not is_target(str(each)):
                faults.add(("require",), f"{each!r} is no value of a case", nearest(str(each), _known_targets()), each)
        faults.raise_any("autofill")
        return value


def _mapped(table: dict[Any, Any], faults: Faults) -> Iterator[Mapped]:
    """Both directions: `Issue: summary` (label: target) and `summary: [Issue, Problem]` (target: labels)."""
    by_target: dict[str, tuple[list[str], dict[str, Any]]] = {}
    for raw, below in table.items():
        key = scalar(raw)
        target, labels, values = "", [], {}  # type: ignore[var-annotated]
        if isinstance(below, str) and is_target(below) and is_target(key) and below != key:
            faults.add(("map", key), f"{key!r} and {below!r} are both values of a case: which is the label?",
                       f"write {below}: [{key}] or {key}: [{below}]", below)  # fmt: skip
        elif isinstance(below, str) and is_target(below):
            target, labels = below, [key]
        elif is_target(key):
            target = key
            if isinstance(below, dict):
                unknown = [name for name in below if name not in ("labels", "values")]
                if unknown or "labels" not in below:
                    faults.add(("map", key, str(unknown[0])) if unknown else ("map", key), f"{key!r} takes labels and values",
                               f"write {key}: {{labels: [Urgency], values: {{asap: urgent}}}}", below)  # fmt: skip
                    continue
                labels = [str(label) for label in _words(below["labels"])]
                values = below.get("values") or {}
                if not isinstance(values, dict):
                    faults.add(
                        ("map", key, "values"), "values is a mapping of words", "write values: {asap: urgent}", values
                    )
                    continue
            else:
                labels = [str(label) for label in _words(below)]
        else:
            wrong, place = (below, key) if isinstance(below, str) else (key, key)
            faults.add(("map", place), f"{wrong!r} is no value of a case",
                       nearest(str(wrong), _known_targets()) or f"known: {', '.join(_known_targets())}", below)  # fmt: skip
            continue
        if not target:
            continue
        if not labels or not all(label.strip() for label in labels):
            faults.add(("map", key), "a label is a text", f"write {target}: [Label]", below)
            continue
        known = by_target.setdefault(target, ([], {}))
        known[0].extend(labels)
        known[1].update({scalar(word): meaning for word, meaning in values.items()})
    for target, (labels, values) in by_target.items():
        yield Mapped(target=target, labels=tuple(labels), values=values)


class Then(SetValues):
    """What changes on a case that `update` found; what is not named stays as it is."""

    set: SetValues | None = None
    resolve: Template | None = None
    raise_: Raise | None = Field(default=None, alias="raise")
    assign: Assign | None = None


class Update(Model):
    """Looks for a case that is not closed and has the same values; the mail is then added to it."""

    by: Texts
    among: Literal["same_contact", "same_organisation", "mailbox"] = "same_contact"
    within: Duration | None = None
    then: Then | None = None
    else_: Literal["create", "hold", "discard"] = Field(default="create", alias="else")

    @model_validator(mode="before")
    @classmethod
    def _spelling(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("among") == "same_organization":
            value = {**value, "among": "same_organisation"}
        for name in _words(value.get("by", ())) if isinstance(value, dict) else ():
            _updatable(name)
        return value


def _updatable(name: Any) -> None:
    if name in ("title", "category") or (isinstance(name, str) and name.startswith("fields.") and len(name) > 7):
        return
    hint = (
        f"write fields.{name}" if isinstance(name, str) and "." not in name else "write fields.NAME, title or category"
    )
    raise ValueError(f"cases cannot be found by {name!r}\n{hint}")


class Contact(Model):
    """Who the case is from: the sender, Reply-To, the sender of the forwarded mail, a field of the text, or nobody."""

    from_: str = Field(default="sender", alias="from")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"from": value}
        source = value.get("from", value.get("from_", "sender")) if isinstance(value, dict) else None
        if isinstance(source, str):
            head, colon, label = source.partition(":")
            if not (source in CONTACT_SOURCES or (head == "field" and colon and label.strip())):
                raise ValueError(f"{source!r} is no source of a contact\n"
                                 f"{nearest(source, CONTACT_SOURCES) or 'sender, reply_to, forwarded, field:LABEL or none'}")  # fmt: skip
        return value

    @property
    def label(self) -> str:
        """The label in the text that holds the address, for `field:LABEL`; else ''."""
        head, _, label = self.from_.partition(":")
        return label.strip() if head == "field" else ""


CONTACT_SOURCES = ("sender", "reply_to", "forwarded", "none")


class CaseActions(SetValues):
    """Create or update the case: its values, who gets it, whom it is from."""

    set: SetValues | None = None
    raise_: Raise | None = Field(default=None, alias="raise")
    assign: Assign | None = None
    autofill: Autofill | None = None
    update: Update | None = None
    update_by: Texts = ()
    contact: Contact | None = None
    match_organisation: bool | None = Field(
        default=None, validation_alias=AliasChoices("match_organisation", "match_organization")
    )
    create_contact: bool | None = None
    followers: Texts = ()

    @model_validator(mode="after")
    def _once(self) -> CaseActions:
        if self.update is not None and self.update_by:
            raise ValueError("update and update_by say the same twice\nkeep update: {by: […]}")
        for name in self.update_by:
            _updatable(name)
        if self.set is not None:
            twice = sorted(set(self.given()) & set(self.set.given()))
            if twice:
                raise ValueError(f"{twice[0]!r} stands both in case and in set\nkeep one of them")
        for name in ("group", "user"):
            if self.assign is not None and getattr(self.assign, name) is not None and name in self.values():
                raise ValueError(f"{name!r} stands both in assign and beside it\nkeep assign: {{{name}: …}}")
        if self.autofill is not None and any(each.target == "contact.email" for each in self.autofill.map) and not (
            self.contact is not None and self.contact.label):  # fmt: skip
            raise ValueError("contact.email is filled only where the mail's text says whom the case is from\n"
                             "write contact: {from: field:LABEL} and leave contact.email out of the map")  # fmt: skip
        return self

    def values(self) -> dict[str, Any]:
        """What `case:` and `set:` name together, as `SetValues.given`."""
        return self.given() | (self.set.given() if self.set is not None else {})

    def all_tags(self) -> tuple[str, ...]:
        return (*self.tags, *(self.set.tags if self.set is not None else ()))

    def updates(self) -> Update | None:
        """The `update`, written out or short."""
        return Update(by=self.update_by) if self.update_by else self.update


class Hold(Model):
    """Keeps the mail back for a person to look at; after a time it is discarded, made a case, or kept on."""

    reason: str = "held by a rule"
    for_: Duration | None = Field(default=None, alias="for")
    then: Literal["discard", "case", "keep"] = "keep"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if value is True:
            return {}
        return {"reason": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _needs_time(self) -> Hold:
        if self.then != "keep" and self.for_ is None:
            raise ValueError(f"'then: {self.then}' needs a time\nwrite for: 14d beside it")
        return self


def _source_of_extract(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    field, kind = find_field(value)
    if kind not in (TEXT, ADDRESS):
        raise ValueError(
            f"there is no text in {value!r} to extract from\nsubject, body, text, whole_text, from or header.NAME"
        )
    return field


def _extracting(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not patterns.compiled(value).groupindex:
        raise ValueError("the pattern names nothing that it finds\nname a group: (?P<host>\\S+) gives {{ found.host }}")
    return value


class Extract(Model):
    """Cuts named pieces out of a text: `(?P<host>…)` gives `{{ found.host }}`."""

    from_: Annotated[str, BeforeValidator(_source_of_extract)] = Field(alias="from")
    matches: Annotated[str, BeforeValidator(_extracting)]
    required: bool = False


def _discard(value: Any) -> Any:
    return "discarded by a rule" if value is True else None if value is False else value


def _until(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("a day is written 2026-12-31") from None
    return value.date() if isinstance(value, datetime) else value


def _whom(value: Any) -> Any:
    whom = _words(value)
    if "none" in whom and len(whom) > 1:
        raise ValueError("'none' stands alone\nwrite notify: none, or name whom to tell")
    return whom


When = Annotated[
    AllOf | AnyOf | NoneOf | Criterion,
    PlainValidator(parse_when),
    PlainSerializer(plain),
    WithJsonSchema({"type": "object", "description": "criteria; all of them hold"}),
]


class Rule(Model):
    """One mailroom rule: which mails it is for, and what happens to them."""

    name: str = ""
    description: str = ""
    when: When | None = None
    applies_to: Literal["new", "answers", "all"] = "new"
    case: CaseActions | None = Field(default=None, validation_alias=AliasChoices("case", "ticket"))
    reply: str | None = None
    notify: Annotated[tuple[str, ...], BeforeValidator(_whom)] | None = None
    discard: Annotated[str | None, BeforeValidator(_discard)] = None
    hold: Hold | None = None
    forward: str | None = None
    mailbox: str | None = None
    continue_: bool = Field(default=False, alias="continue")
    accept_automatic: bool = False
    enabled: bool = True
    until: Annotated[date, BeforeValidator(_until)] | None = None
    extract: Annotated[tuple[Extract, ...], OneOrMore] = ()
    tests: tuple[RuleTest, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _stop(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "stop" not in value:
            return value
        if "continue" in value:
            raise ValueError("'stop' and 'continue' say the same twice\nkeep continue: true")
        if not isinstance(value["stop"], bool):
            raise ValueError("'stop' is true or false\nbetter: continue: true")
        return {**{key: below for key, below in value.items() if key != "stop"}, "continue": not value["stop"]}

    @model_validator(mode="after")
    def _one_end(self) -> Rule:
        ends = [name for name in ("discard", "hold", "forward") if getattr(self, name) is not None]
        if len(ends) > 1:
            raise ValueError(f"one mail cannot meet both {ends[0]} and {ends[1]}\nkeep one of them")
        if self.mailbox is not None and "discard" in ends:
            raise ValueError("one mail cannot meet both discard and mailbox\nkeep one of them")
        if self.forward is not None and ("@" not in self.forward or self.forward.split() != [self.forward]):
            raise ValueError(f"{self.forward!r} is no address\nwrite forward: someone@example.com")
        return self

    def ends_search(self) -> bool:
        """Whether no rule after this one is tried once it matched."""
        return not self.continue_ or any(
            each is not None for each in (self.discard, self.hold, self.forward, self.mailbox)
        )


class RuleFile(Model):
    """A file of rules, in the order in which they are tried."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """The JSON Schema for editors, with every short form."""
        from maild.settings.rule_schema import finished

        return finished(super().model_json_schema(*args, **options))

    @model_validator(mode="after")
    def _named(self) -> RuleFile:
        for place, rule in enumerate(self.rules):
            if not rule.name:
                object.__setattr__(rule, "name", f"rule {place + 1}")
        return self


__all__ = [
    "ADDRESS", "CRITERIA", "NUMBER", "TEXT", "AllOf", "AnyOf", "Criterion", "Node", "NoneOf", "Rule", "RuleFile",
    "RuleTest", "criterion", "parse_when", "plain", "walk",
]  # fmt: skip
