"""This is where the shape of the tests beside rules stands: mails in short, what is there before, what must come out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from maild.model.message import Automatic, MessageKind
from maild.settings.criteria import scalar
from maild.settings.values import Model, OneOrMore


def _text(value: Any) -> Any:
    return scalar(value) if isinstance(value, bool | int | float) else value


def _words(value: Any) -> Any:
    return tuple(_text(item) for item in (value if isinstance(value, list | tuple) else [value]))


Texts = Annotated[tuple[str, ...], BeforeValidator(_words)]


class TestAttachment(Model):
    name: str = "attachment"
    type: str = "application/octet-stream"
    content: str = ""
    size: int | None = None


class TestMessage(Model):
    """A mail of a test, in short; `eml` names a file instead."""

    __test__ = False

    from_: Texts = Field(default=(), alias="from")
    to: Texts = ()
    cc: Texts = ()
    reply_to: Texts = ()
    subject: Annotated[str, BeforeValidator(_text)] = ""
    body: Annotated[str, BeforeValidator(_text)] = ""
    html: str = ""
    headers: dict[str, Any] = Field(default_factory=dict)
    attachments: tuple[TestAttachment, ...] = ()
    envelope_from: str | None = None
    envelope_to: Texts = ()
    auth: Literal["pass", "fail", "none"] | dict[str, str] = "none"
    kind: MessageKind | None = None
    automatic: Automatic | None = None
    language: str | None = None
    mailbox: str | None = None
    date: Any = None
    at: Any = None
    message_id: str | None = None
    in_reply_to: str | None = None
    references: Texts = ()
    eml: str | None = None
    case: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _headers(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kept = {key: below for key, below in value.items() if not str(key).startswith(("header.", "envelope."))}
        for key, below in value.items():
            if str(key).startswith("header."):
                kept["headers"] = {**kept.get("headers", {}), str(key)[7:]: below}
            elif key in ("envelope.from", "envelope.to"):
                kept[str(key).replace(".", "_")] = below
        return kept


class TestGiven(Model):
    """What is there before the first mail of a test."""

    __test__ = False

    case: dict[str, Any] | None = None
    cases: tuple[dict[str, Any], ...] = ()
    contact: dict[str, Any] | None = None
    contacts: tuple[dict[str, Any], ...] = ()
    organisation: dict[str, Any] | str | None = None
    outside: Texts = ()
    at: Any = None


class TestExpect(Model):
    """What must come out; what is not named is not looked at."""

    __test__ = False

    case: dict[str, Any] | None = Field(default=None, validation_alias=AliasChoices("case", "ticket"))
    cases: int | tuple[dict[str, Any], ...] | None = None
    no_case: bool | None = None
    rule: str | None = None
    rules: Texts | None = None
    not_rule: Texts | None = None
    mailbox: str | None = None
    contact: str | dict[str, Any] | None = None
    organisation: str | dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("organisation", "organization")
    )
    reply: str | None = None
    notify: Texts | None = None
    held: bool | str | None = Field(default=None, validation_alias=AliasChoices("held", "hold"))
    discarded: bool | str | None = Field(default=None, validation_alias=AliasChoices("discarded", "discard"))
    forwarded: str | None = Field(default=None, validation_alias=AliasChoices("forwarded", "forward"))
    sent: tuple[dict[str, Any], ...] | int | None = None
    sent_to_customers: int | None = None
    not_sent: bool | None = None
    stream: Texts | None = None


class RuleTest(Model):
    """A test beside a rule: one mail or several in turn, and what must come out."""

    name: str = ""
    given: TestGiven | None = None
    message: TestMessage | None = None
    messages: tuple[TestMessage, ...] = ()
    eml: Annotated[tuple[str, ...], OneOrMore] = ()
    at: Any = None
    expect: TestExpect = TestExpect()
    no_case: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> RuleTest:
        ways = [self.message is not None, bool(self.messages), bool(self.eml)]
        if sum(ways) != 1:
            raise ValueError("a test has one of message, messages and eml\nwrite message: {from: …, to: …, subject: …}")
        return self
