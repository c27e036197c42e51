"""This is where the `case` of a rule stands: values, whom the case is from, who gets it, which case is updated instead."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, Field, model_validator

from maild.settings.criteria import ATTACHMENT, RECEIVED
from maild.settings.faults import nearest
from maild.settings.reading_criteria import find_field
from maild.settings.rule_autofill import Autofill
from maild.settings.rule_values import Raise, SetValues, Template, Texts, listed
from maild.settings.values import Duration, Model, scalar


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
        for name in listed(value.get("by", ())) if isinstance(value, dict) else ():
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
