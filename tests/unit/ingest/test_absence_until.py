"""The last day of an absence, out of what notes say in the common languages."""

from __future__ import annotations

from datetime import date

import pytest

from maild.ingest.absence_until import last_day

WRITTEN = date(2026, 11, 26)  # a Thursday


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("I am out of the office until 30 November and will be back on 1 December.", "2026-11-30"),
        ("I will be back on Monday, November 30th.", "2026-11-29"),
        ("I'm away until Friday. For urgent matters call 0800 123456.", "2026-11-27"),
        ("Back on 12/01/2026", "2026-11-30"),
        ("I am on leave from 2026-11-20 to 2027-01-08", "2027-01-08"),
        ("Gone till Jan 4", "2027-01-04"),
        ("Ich bin bis einschließlich 04.12.2026 nicht im Büro.", "2026-12-04"),
        ("Ich bin vom 20.11. bis 04.12. im Urlaub", "2026-12-04"),
        ("Ab dem 7. Dezember bin ich wieder erreichbar.", "2026-12-06"),
        ("Am 30.11. bin ich wieder da", "2026-11-29"),
        ("Je suis absent jusqu'au 1er décembre 2026", "2026-12-01"),
        ("Estaré fuera de la oficina hasta el 3 de diciembre", "2026-12-03"),
        ("Sono assente fino al 2 dicembre", "2026-12-02"),
        ("Ik ben afwezig tot en met 5 december", "2026-12-05"),
        ("Jestem nieobecny do 1 grudnia", "2026-12-01"),
    ],
)
def test_the_day_that_a_note_names_is_found(text: str, last: str) -> None:
    assert last_day(text, WRITTEN) == date.fromisoformat(last)


@pytest.mark.parametrize(
    "text",
    ["I am out of the office.", "I was away until 20.11.2026.", "Call 0800 12 34 56, maybe 3 times.", "Version 30.11.2026.4",
     "back on 31.02.2027", "in the year 2031 until 2031-01-01"],
)  # fmt: skip
def test_without_a_day_that_lies_ahead_there_is_none(text: str) -> None:
    assert last_day(text, WRITTEN) is None
