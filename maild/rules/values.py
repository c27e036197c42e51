"""This is where maild checks a value for a case against what was declared: fields, categories, and the closed sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from maild.model.case import Channel, Priority, Status
from maild.plain import patterns
from maild.plain.fold import fold, fold_label, tidy
from maild.settings.models import FieldSpec, Settings
from maild.settings.rule_values import CHANNELS, PRIORITIES, STATUSES, closed

_YES = frozenset(["yes", "y", "true", "1", "ja", "j", "oui", "o", "si", "sí", "sì", "sim", "tak", "ano", "да"])
_NO = frozenset(["no", "n", "false", "0", "nein", "non", "nao", "não", "nie", "ne", "нет"])
_ADDRESS = re.compile(
    r"(?:.{0,200}<)?\s*([^\s@<>,;:\"()\[\]]{1,64}@[^\s@<>,;:\"()\[\]]{1,253}\.?[^\s@<>,;:\"()\[\]]{0,63})\s*>?\s*(?:\(.*|<mailto:.*|\[mailto:.*)?\Z"
)
_CURRENCY = re.compile(r"\A(?:[A-Za-z]{3}|[$€£¥₹₽₩¢]|Fr\.|kr|zł|Kč)?\s*([-+−]?[\d.,'’\s]*\d)\s*(?:[A-Za-z]{3}|[$€£¥₹₽₩¢]|Fr\.|kr|zł|Kč|,-|\.-)?\Z")  # fmt: skip
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:([.,'])\d{3})(?:\1\d{3})*\Z")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*")

_MONTHS = {
    name: number
    for number, names in enumerate((
        "jan january januar janvier enero gennaio janeiro januari ene gen janv jänner",
        "feb february februar février fevrier febrero febbraio fevereiro februari févr fevr fev",
        "mar march märz maerz mars marzo março marco maart mrz mär",
        "apr april avril abril aprile avr abr",
        "may mai mayo maggio maio mei mag",
        "jun june juni juin junio giugno junho giu",
        "jul july juli juillet julio luglio julho juil lug",
        "aug august août aout agosto augustus ago",
        "sep september septembre septiembre settembre setembro sept set",
        "oct october oktober octobre octubre ottobre outubro okt ott out",
        "nov november novembre noviembre novembro",
        "dec december dezember décembre decembre diciembre dicembre dezembro dez dic déc",
    ), 1)
    for name in names.split()
}  # fmt: skip


class BadValue(ValueError):
    """The text is no value of this kind; ``str()`` goes on from the quoted text: `is no priority`."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What values there are: declared fields and categories (None: any), and the names of SLAs, groups and users."""

    fields: Mapping[str, FieldSpec] | None = None
    categories: tuple[str, ...] | None = None
    slas: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Declared:
        """What this configuration declares."""
        users = {key: key for key in settings.directory.users}
        users |= {address: key for key, user in settings.directory.users.items() for address in user.email}
        return cls(settings.main.fields, settings.main.categories, tuple(settings.sla.policies),
                   tuple(settings.directory.groups), users)  # fmt: skip

    def many_lines(self, name: str) -> bool:
        """Whether a value of this name may have several lines."""
        if name in ("summary", "resolution"):
            return True
        spec = (self.fields or {}).get(name[7:]) if name.startswith("fields.") else None
        return spec is not None and spec.lines == "many"

    def words(self, name: str) -> tuple[str, ...]:
        """The words that a value of this name may be, () where it may be any."""
        spec = (self.fields or {}).get(name[7:]) if name.startswith("fields.") else None
        if spec is not None:
            return spec.values
        closed_sets = {"priority": Priority, "status": Status, "channel": Channel}
        return tuple(each.value for each in closed_sets[name]) if name in closed_sets else ()

    def check(self, name: str, value: Any) -> Any:
        """The value for `title`, `priority`, `fields.order`, `contact.email` … in its type. Raises BadValue."""
        text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        head, dot, rest = name.partition(".")
        if head == "fields" and dot:
            return field_value((self.fields or {}).get(rest), text)
        if head == "contact" and dot:
            return _contact(rest, text)
        match name:
            case "status":
                return Status(_closed(text, "status", STATUSES))
            case "priority":
                return Priority(_closed(text, "priority", PRIORITIES))
            case "channel":
                return Channel(_closed(text, "channel", CHANNELS))
            case "category":
                return one_line(text) if self.categories is None else _one_of(text, self.categories, "category")
            case "sla":
                return _one_of(text, self.slas, "SLA") if self.slas else one_line(text)
            case "group":
                return _one_of(text, self.groups, "group") if self.groups else one_line(text)
            case "user":
                return self.users[_one_of(text, self.users, "user")] if self.users else one_line(text)
            case "billable":
                return _yes_or_no(text)
            case "tags":
                return tuple(word for part in re.split(r"[,;\n]", text) if (word := one_line(part)))
            case "title":
                return one_line(text)
            case _:
                return text.strip()


def one_line(text: str) -> str:
    """The text on one line, blanks tidied."""
    return " ".join(text.split())


def _closed(text: str, what: str, words: Mapping[str, str]) -> str:
    try:
        return closed(one_line(text).rstrip(".!"), what, words)
    except ValueError:
        raise BadValue(f"is no {what}") from None


def _one_of(text: str, known: Iterable[str], what: str) -> str:
    wanted = fold_label(text)
    for each in known:
        if fold_label(each) == wanted:
            return each
    raise BadValue(f"is no {what}")


def _yes_or_no(text: str) -> bool:
    word = fold(text).strip(" .!")
    if word in _YES or word in _NO:
        return word in _YES
    raise BadValue("is neither yes nor no")


def _contact(name: str, text: str) -> str:
    text = one_line(text)
    if name == "email":
        return address_in(text)
    if name == "language":
        word = text.lower().replace("_", "-")
        if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", word):
            raise BadValue("is no code of a language")
        return word
    if name == "phone" and not re.search(r"\d", text):
        raise BadValue("is no telephone number")
    if len(text) > 200:
        raise BadValue(f"is too long for a contact's {name}")
    return text


def address_in(text: str) -> str:
    """The one mail address that this text is (a name or `<mailto:…>` around it does not matter). Raises BadValue."""
    found = _ADDRESS.match(one_line(text)) if len(text) <= 600 else None
    if found is None:
        raise BadValue("is no mail address")
    return found[1].rstrip(".")


def field_value(spec: FieldSpec | None, text: str) -> Any:
    """The text as a declared field has it: str, int, float (or int), ISO date, or one of its choices. Raises BadValue."""
    if spec is None:
        return text.strip()
    if spec.lines == "one":
        text = one_line(text)
    text = text.strip()
    match spec.type:
        case "integer":
            return _integer(text)
        case "decimal":
            number = decimal_in(text)
            return (
                int(number)
                if number == number.to_integral_value() and "," not in text and "." not in text
                else float(number)
            )
        case "date":
            return date_in(text).isoformat()
        case "choice":
            try:
                return _one_of(text, spec.values, "choice")
            except BadValue:
                raise BadValue(f"is none of {', '.join(spec.values)}") from None
        case "text":
            if spec.pattern is not None and not patterns.compiled(spec.pattern).fullmatch(tidy(text)):
                raise BadValue(f"does not match {spec.pattern}")
            return text


def _integer(text: str) -> int:
    compact = re.sub(r"\s", "", text).replace("−", "-").replace("’", "'")
    if _GROUPED.match(compact):
        compact = re.sub(r"[.,']", "", compact)
    if not re.fullmatch(r"[-+]?\d{1,18}", compact, re.ASCII):
        raise BadValue("is no whole number")
    return int(compact)


def decimal_in(text: str) -> Decimal:
    """The number that this text is, with a comma or a point; a currency beside it does not matter. Raises BadValue."""
    found = _CURRENCY.match(text.strip()) if len(text) <= 60 else None
    if found is None:
        raise BadValue("is no number")
    digits = re.sub(r"[\s'’]", "", found[1]).replace("−", "-")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        digits = digits.replace("." if comma > point else ",", "").replace(",", ".")
    elif digits.count(",") > 1 or digits.count(".") > 1:
        digits = digits.replace(",", "").replace(".", "")
    else:
        digits = digits.replace(",", ".")
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise BadValue("is no number") from None


def first_number(text: str) -> Decimal | None:
    """The first number in a text (`Yes, score=7.2` gives 7.2), None where there is none."""
    found = _NUMBER.search(text)
    if found is None:
        return None
    digits = found[0][:40].replace("−", "-").rstrip(".,")
    try:
        return decimal_in(digits) if digits.count(".") + digits.count(",") <= 1 or "," in digits else Decimal(digits)
    except (BadValue, InvalidOperation):
        try:
            return Decimal(re.split(r"[.,]", digits)[0])
        except InvalidOperation:
            return None


def date_in(text: str) -> date:
    """The day that this text names: ISO, `22.11.2026`, `22/11/2026` (the day first where both could be), `22 Nov 2026`,
    `November 22, 2026`, or a mail's Date. Raises BadValue."""
    text = one_line(text)
    try:
        if len(text) > 60:
            raise BadValue("is no date")
        if found := re.match(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:\D|\Z)", text, re.ASCII):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := re.match(r"(\d{1,2})[-/. ]+(\d{1,2})[-/. ]+(\d{4}|\d{2})(?:\D|\Z)", text, re.ASCII):
            first, second, year = int(found[1]), int(found[2]), _year(found[3])
            return date(year, first, second) if second > 12 >= first else date(year, second, first)
        if found := re.search(
            r"(\d{1,2})(?:st|nd|rd|th)?[. -]+(?:de |of )?([^\W\d_]{3,})[.,]?[ -]+(?:de )?(\d{4}|\d{2})(?:\D|\Z)", text
        ):
            return date(_year(found[3]), _month(found[2]), int(found[1]))
        if found := re.search(r"([^\W\d_]{3,})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})(?:\D|\Z)", text):
            return date(int(found[3]), _month(found[1]), int(found[2]))
        return parsedate_to_datetime(text).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        raise BadValue("is no date") from None


def _year(digits: str) -> int:
    return int(digits) if len(digits) == 4 else 2000 + int(digits)


def _month(word: str) -> int:
    number = _MONTHS.get(word.casefold())
    if number is None:
        raise BadValue("is no date")
    return number
