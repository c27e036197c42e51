"""This is where the shape of the rule files stands: for which mails a rule is, and what it does, as frozen typed models.

Everything that can be known of a rule by itself is refused here, with the sentence that says what would be right: a
message and, after a line break, a hint. Criteria are in `settings.criteria`, what a rule does to a case in
`settings.rule_case`, tests beside rules in `settings.rule_tests`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from maild.plain import patterns
from maild.settings.criteria import ADDRESS, TEXT, AllOf, AnyOf, Criterion, Named, NoneOf, plain
from maild.settings.reading_criteria import find_field, parse_when
from maild.settings.rule_case import CaseActions
from maild.settings.rule_tests import RuleTest
from maild.settings.rule_values import Texts, listed
from maild.settings.values import Duration, Model, OneOrMore


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
    whom = listed(value)
    if "none" in whom and len(whom) > 1:
        raise ValueError("'none' stands alone\nwrite notify: none, or name whom to tell")
    return whom


When = Annotated[
    AllOf | AnyOf | NoneOf | Criterion | Named,
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


class Include(Model):
    """The rules of another file, tried in this place; the file lies in a folder below rules/."""

    include: str


def _item(value: Any) -> str:
    return "Include" if isinstance(value, Include) or (isinstance(value, dict) and "include" in value) else "Rule"


Item = Annotated[Annotated[Rule, Tag("Rule")] | Annotated[Include, Tag("Include")], Discriminator(_item)]


class RuleFile(Model):
    """A file of rules, in the order in which they are tried.

    ``mailbox`` narrows all of them to mail of these mailboxes; ``conditions`` are criteria that rules of any file name.
    """

    mailbox: Texts = ()
    conditions: dict[str, When] = Field(default_factory=dict)
    rules: tuple[Item, ...] = ()

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """The JSON Schema for editors, with every short form."""
        from maild.settings.rule_schema import finished

        return finished(super().model_json_schema(*args, **options))

    @model_validator(mode="after")
    def _named(self) -> RuleFile:
        for place, rule in enumerate(self.rules):
            if isinstance(rule, Rule) and not rule.name:
                object.__setattr__(rule, "name", f"rule {place + 1}")
        return self
