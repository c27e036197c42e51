"""This is where maild puts times into words: "Tuesday 24 November, 17:30", in the reader's language and time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "pl": "poniedziałek wtorek środa czwartek piątek sobota niedziela",
}
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
}
_DATE = {
    "en": "{day} {number} {month}", "de": "{day}, {number}. {month}", "fr": "{day} {number} {month}",
    "es": "{day} {number} de {month}", "it": "{day} {number} {month}", "nl": "{day} {number} {month}",
    "pl": "{day} {number} {month}",
}  # fmt: skip
_YEAR = {"es": " de {year}"}


def day(value: Any, now: datetime | None, language: str) -> str:
    """A datetime (or ISO 8601 text) as a day in the zone of ``now``; the year only where it is not this one."""
    at = _local(value, now)
    if at is None:
        return ""
    tag = language.split("-")[0].lower()
    tag = tag if tag in _DATE else "en"
    text = _DATE[tag].format(
        day=_DAYS[tag].split()[at.weekday()], number=at.day, month=_MONTHS[tag].split()[at.month - 1]
    )
    if now is None or at.year != now.year:
        text += _YEAR.get(tag, " {year}").format(year=at.year)
    return text


def when(value: Any, now: datetime | None, language: str) -> str:
    """A datetime (or ISO 8601 text) as day and time of day in the zone of ``now``; '' for nothing."""
    at = _local(value, now)
    return f"{day(at, now, language)}, {at:%H:%M}" if at else ""


def duration(seconds: Any) -> str:
    """A number of seconds as ``2d 3h 5m``; ``0m`` for less than a minute."""
    minutes = int(seconds) // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{number}{unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if number]
    return " ".join(parts) or "0m"


def percent(share: Any) -> str:
    """A share from 0 to 1 as ``95 %``; a dash where there is none."""
    return "-" if share is None else f"{share * 100:.0f} %"


def _local(value: Any, now: datetime | None) -> datetime | None:
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return None
    zone = now.tzinfo if now is not None and now.tzinfo else UTC
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(zone)
