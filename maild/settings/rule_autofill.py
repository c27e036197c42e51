"""This is where the `autofill` of a rule stands: which labels of a mail fill which values of the case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from maild.settings.faults import nearest
from maild.settings.refused import Faults
from maild.settings.rule_values import Texts, is_target, known_targets, listed
from maild.settings.values import Model, scalar


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
        for place, each in enumerate(listed(value.get("delimiter", ":"))):
            if not isinstance(each, str) or not each:
                faults.add(("delimiter",), "a delimiter is one character or more", 'write delimiter: ":"', each)
            elif "\n" in each or (each.isspace() and each != "\t"):
                faults.add(("delimiter",), f"delimiter {place + 1} is blank", 'write delimiter: ":"', each)
        for each in listed(value.get("require", ())):
            if not is_target(str(each)):
                faults.add(("require",), f"{each!r} is no value of a case", nearest(str(each), known_targets()), each)
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
                labels = [str(label) for label in listed(below["labels"])]
                values = below.get("values") or {}
                if not isinstance(values, dict):
                    faults.add(
                        ("map", key, "values"), "values is a mapping of words", "write values: {asap: urgent}", values
                    )
                    continue
            else:
                labels = [str(label) for label in listed(below)]
        else:
            wrong = below if isinstance(below, str) and not nearest(key, known_targets()) else key
            place = ("map", key, "[key]") if wrong == key else ("map", key)
            faults.add(place, f"{wrong!r} is no value of a case",
                       nearest(str(wrong), known_targets()) or f"known: {', '.join(known_targets())}", below)  # fmt: skip
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
