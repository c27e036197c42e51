"""This is where maild reads out of an absence note which day is the last one of the absence, in the common languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

READ = 1500  # characters of a note in which the day is looked for
LONGEST = timedelta(days=400)
_ANOTHER_YEAR = timedelta(days=200)  # a day without a year is in the next one only so near

_MONTHS = (
    "january januar janvier enero gennaio januari stycznia janeiro", "february februar février febrero febbraio februari lutego fevereiro",
    "march märz maerz mars marzo maart marca março", "april avril abril aprile kwietnia", "may mai mayo maggio mei maja maio maj",
    "june juni juin junio giugno czerwca junho", "july juli juillet juil julio luglio lipca julho",
    "august août aout agosto augustus sierpnia augusti", "september septembre septiembre settembre wrzesnia września setembro sept",
    "october oktober octobre octubre ottobre października outubro", "november novembre noviembre listopada novembro",
    "december dezember décembre decembre diciembre dicembre grudnia dezembro",
)  # fmt: skip
_DAYS = (
    "monday montag lundi lunes lunedì lunedi maandag poniedziałku",
    "tuesday dienstag mardi martes martedì martedi dinsdag wtorku",
    "wednesday mittwoch mercredi miércoles mercoledì mercoledi woensdag środy",
    "thursday donnerstag jeudi jueves giovedì giovedi donderdag czwartku",
    "friday freitag vendredi viernes venerdì venerdi vrijdag piątku",
    "saturday samstag samedi sábado sabato zaterdag soboty",
    "sunday sonntag dimanche domingo domenica zondag niedzieli",
)
_MONTH_OF = {
    name: number for number, names in enumerate(_MONTHS, 1) for one in names.split() for name in (one, one[:3]) if name != "jui"
}  # fmt: skip
_DAY_OF = {name: number for number, names in enumerate(_DAYS) for name in names.split()}
_MONTH = r"(?P<month>" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")(?![^\W_])\.?"
_YEAR = r"(?:,?[ ]{1,2}(?:de[ ])?(?P<year>20\d\d))?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?<!\d)(?P<year>20\d\d)-(?P<number>\d\d)-(?P<day>\d\d)(?!\d)",
        r"(?<![\d.])(?P<day>\d{1,2})\.[ ]?(?P<number>\d{1,2})\.(?:[ ]?(?P<year>20\d\d|\d\d(?!\d|:)))?(?![\d.]*\d)",
        r"(?<![\d/])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>20\d\d|\d\d)(?![\d/])",
        r"(?<!\d)(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.|º)?[ ]{1,2}(?:of[ ]|de[ ])?" + _MONTH + _YEAR,
        r"(?<![^\W_])" + _MONTH + r"[ ]{1,2}(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d|:)" + _YEAR,
        r"(?<![^\W_])(?P<weekday>" + "|".join(sorted(_DAY_OF, key=len, reverse=True)) + r")(?![^\W_])",
    )
)
# The word nearest before a day says whether the writer is there again on it.
_WORD = re.compile(
    r"(?<![^\W_])(?:(?P<until>until|till?|through|thru|bis|jusqu\w*|hasta|fino|tot|do|até|to|-|–)"
    r"|(?P<back>back|return\w*|again|available|reachable|wieder|zurück|ab|retour|reviens|regres\w+|vuelv\w+|volver\w+|reincorpor\w+"
    r"|rientr\w+|terug|weer|vanaf|wrac\w+|powr\w+|od))(?![^\W_])",
    re.IGNORECASE,
)
_BACK_BEHIND = re.compile(r"\W{0,3}(?:\w+\W{1,2}){0,2}(?:wieder|zurück|terug|weer|again|back)(?![^\W_])", re.IGNORECASE)


def last_day(text: str, written: date) -> date | None:
    """The last day of the absence that a note written on ``written`` tells of; None where it names none that lies ahead.

    "until 30 November" is that day, "back on 30 November" the day before. Of several days the latest counts.
    """
    head = text[:READ]
    found = []
    for start, end, day in _days(head, written):
        said = list(_WORD.finditer(head, max(0, start - 40), start))
        back = bool(said and said[-1]["back"]) or _BACK_BEHIND.match(head, end) is not None
        last = day - timedelta(days=1) if back else day
        if written <= last <= written + LONGEST:
            found.append(last)
    return max(found, default=None)


def _days(text: str, written: date) -> Iterator[tuple[int, int, date]]:
    """(start, end, day) of every day that the text names."""
    for form in _FORMS:
        for match in form.finditer(text):
            day = _day(match.groupdict(), written)
            if day is not None:
                yield match.start(), match.end(), day


def _day(parts: dict[str, str | None], written: date) -> date | None:
    if name := parts.get("weekday"):
        return written + timedelta(days=(_DAY_OF[name.casefold()] - written.weekday() - 1) % 7 + 1)
    if (first := parts.get("first")) is not None:
        pairs = [(int(first), int(parts["second"] or 0)), (int(parts["second"] or 0), int(first))]
        days = [one for day, month in pairs if (one := _date(parts["year"], month, day, written)) is not None]
        return min((one for one in days if one >= written), default=None)  # either order: the shorter absence
    month = int(parts["number"] or 0) if "number" in parts else _MONTH_OF[(parts["month"] or "").casefold()]
    return _date(parts.get("year"), month, int(parts["day"] or 0), written)


def _date(year: str | None, month: int, day: int, written: date) -> date | None:
    try:
        if year is not None:
            return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
        found = date(written.year, month, day)
        if found < written and date(written.year + 1, month, day) <= written + _ANOTHER_YEAR:
            found = date(written.year + 1, month, day)
        return found
    except ValueError:
        return None
