"""This is where the shape of the tests beside rules stands: mails in short, what is there before, what must come out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, model_validator

from maild.model.message import Automatic, MessageKind
from maild.settings.faults import nearest
from maild.settings.values import Model, OneOrMore, scalar


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


# What an expectation may name: of a case its values in `maild case show --json` (and `user` for assignee), of the others these.
OF_A_CASE = (
    "number", "title", "summary", "status", "priority", "category", "channel", "mailbox", "contact", "organisation", "group", "assignee",
    "user", "owner", "sla", "tags", "fields", "resolution", "billable", "rating", "feedback", "created_at", "updated_at",
    "first_response_at", "last_responded_at", "resolved_at", "closed_at", "contacts", "stream", "messages", "sla_state",
    "time_in_status", "followers", "time_spent", "service", "threads", "links",
)  # fmt: skip
OF_A_CONTACT = ("name", "email", "emails", "phone", "language", "organisation", "sla", "tags")
OF_AN_ORGANISATION = ("name", "domains", "sla", "tags")
OF_A_MAIL = ("to", "subject", "kind", "template", "text", "from", "reply_to", "case", "headers", "sender")
# What may stand in place of a value: `title: {contains: disk}`.
COMPARISONS = ("is", "not", "contains", "starts_with", "ends_with", "matches", "exists", "empty")


def _naming(what: str, known: tuple[str, ...]) -> AfterValidator:
    """Refuses a key that the thing never has, so that a misspelt expectation is not one that can never be met."""

    def check(value: Any) -> Any:
        for one in value if isinstance(value, tuple) else (value,):
            unknown = [key for key in one if key.partition(".")[0] not in known and key not in COMPARISONS] if isinstance(one, dict) else []
            if unknown:
                raise ValueError(f"{what} has no {unknown[0]!r}\n{nearest(unknown[0], known, shown=len(known))}")
        return value

    return AfterValidator(check)


class TestExpect(Model):
    """What must come out; what is not named is not looked at."""

    __test__ = False

    case: Annotated[dict[str, Any] | None, _naming("a case", OF_A_CASE)] = Field(
        default=None, validation_alias=AliasChoices("case", "ticket")
    )
    cases: Annotated[int | tuple[dict[str, Any], ...] | None, _naming("a case", OF_A_CASE)] = None
    no_case: bool | None = None
    rule: str | None = None
    rules: Texts | None = None
    not_rule: Texts | None = None
    mailbox: str | None = None
    contact: Annotated[str | dict[str, Any] | None, _naming("a contact", OF_A_CONTACT)] = None
    organisation: Annotated[str | dict[str, Any] | None, _naming("an organisation", OF_AN_ORGANISATION)] = Field(
        default=None, validation_alias=AliasChoices("organisation", "organization")
    )
    reply: str | None = None
    notify: Texts | None = None
    held: bool | str | None = Field(default=None, validation_alias=AliasChoices("held", "hold"))
    discarded: bool | str | None = Field(default=None, validation_alias=AliasChoices("discarded", "discard"))
    forwarded: str | None = Field(default=None, validation_alias=AliasChoices("forwarded", "forward"))
    sent: Annotated[tuple[dict[str, Any], ...] | int | None, _naming("a mail", OF_A_MAIL)] = None
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
