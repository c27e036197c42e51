"""This is where what a model refuses is gathered with its places, so that all of it is told at once.

A refusal is a message and, after a line break, a hint that says what would be right.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

KEY = "[key]"  # as pydantic says that a key is meant, and not its value


class Faults:
    """Faults gathered with their places below one value, raised together."""

    def __init__(self) -> None:
        self.lines: list[InitErrorDetails] = []

    def add(self, loc: tuple[str | int, ...], message: str, hint: str = "", value: Any = "") -> None:
        text = f"{message}\n{hint}" if hint else message
        kind = PydanticCustomError("value_error", "{error}", {"error": text})
        self.lines.append(InitErrorDetails(type=kind, loc=loc, input=value))

    def take(self, error: ValidationError) -> None:
        """Add what a model refused."""
        for each in error.errors(include_url=False):
            if each["type"] == "value_error":
                self.add(each["loc"], str(each["ctx"]["error"]), value=each["input"])
            else:
                self.lines.append(
                    InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {}))
                )

    def raise_any(self, title: str) -> None:
        if self.lines:
            raise ValidationError.from_exception_data(title, self.lines)


class Refused(ValueError):
    """A part of a criterion is wrong; ``loc`` is where below the part, or ends in KEY where the key itself is wrong.
    ``more`` is what else is wrong with it."""

    def __init__(self, message: str, hint: str = "", loc: tuple[str | int, ...] = ()) -> None:
        self.message, self.hint, self.loc = message, hint, loc
        self.more: tuple[Refused, ...] = ()
        super().__init__(f"{message}\n{hint}" if hint else message)
