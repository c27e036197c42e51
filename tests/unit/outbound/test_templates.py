"""Templates: which file serves, what it may use, and that what comes from outside stays data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from maild.errors import ConfigError
from maild.outbound.names import DEFAULTS, SAMPLE
from maild.outbound.templates import PACKAGED, Templates

SHIPPED = [
    "absent", "acknowledgement", "admin", "answer", "ask", "digest", "escalation", "follow_up", "forward", "held", "note",
    "notification", "out_of_hours", "receipt", "refused", "reminder", "report", "satisfaction", "status", "was_this_you",
]  # fmt: skip
TO_CUSTOMERS = ("acknowledgement", "follow_up", "out_of_hours", "reminder", "satisfaction", "status")
LANGUAGES = ("de", "es", "fr", "it", "nl", "pl")

packaged = Templates()


def put(folder: Path, files: dict[str, str]) -> Templates:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Templates(folder)


def test_the_shipped_templates_are_there_and_without_fault() -> None:
    assert list(packaged.names()) == SHIPPED
    assert packaged.check(SHIPPED) == []
    for name in TO_CUSTOMERS:
        assert packaged.languages(name) == LANGUAGES


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("language", ["", *LANGUAGES])
def test_every_template_gives_three_parts_even_with_nothing_to_say(name: str, language: str) -> None:
    for names in ({}, SAMPLE):
        rendered = packaged.render(name, "support", language, names)
        assert "\n" not in rendered.subject
        assert rendered.text.endswith("\n")
        assert rendered.html.startswith("<!DOCTYPE html>")
        assert "None" not in rendered.text
        assert "None" not in rendered.html
        assert "None" not in rendered.subject


def test_translations_differ_and_say_the_same_things() -> None:
    texts = {language: packaged.render("satisfaction", "", language, SAMPLE) for language in ("", *LANGUAGES)}
    assert len({one.text for one in texts.values()}) == 7
    for one in texts.values():
        for rating in range(1, 6):
            assert f"https://cases.example.com/s/{rating}" in one.text
            assert f'href="https://cases.example.com/s/{rating}"' in one.html
        assert "123" in one.text


def test_s25_the_acknowledgement_says_nothing_that_the_customer_wrote() -> None:
    names = {
        "message": {
            "text": "PAYLOAD",
            "new_text": "PAYLOAD",
            "from": {"name": "PAYLOAD", "email": "payload@x.example"},
        },
        "contact": {"name": "PAYLOAD", "email": "payload@x.example"},
        "case": {"number": 7, "title": "PAYLOAD", "summary": "PAYLOAD"},
        "event": {"text": "PAYLOAD", "actor": "PAYLOAD"},
        "mailbox": {"name": "Example Support"},
    }
    for name in ("acknowledgement", "out_of_hours", "follow_up"):
        for language in ("", *LANGUAGES):
            rendered = packaged.render(name, "support", language, names)
            assert "payload" not in f"{rendered.subject}{rendered.text}{rendered.html}".lower()


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    templates = put(
        tmp_path,
        {
            "greeting.txt.j2": "plain",
            "greeting.de.txt.j2": "de",
            "support/greeting.txt.j2": "support",
            "support/greeting.de.txt.j2": "support de",
        },
    )

    def text(mailbox: str, language: str) -> str:
        return templates.render("greeting", mailbox, language, {}).text

    assert text("support", "de") == text("support", "de-AT") == "support de\n"
    assert text("support", "fr") == "support\n"
    assert text("billing", "de") == "de\n"
    assert text("billing", "") == text("billing", "fr") == "plain\n"


def test_a_file_of_the_same_name_replaces_the_packaged_one_and_its_html(tmp_path: Path) -> None:
    templates = put(tmp_path, {"satisfaction.txt.j2": "Click <here> {{ link.survey(5) }}\n"})
    rendered = templates.render("satisfaction", "support", "", SAMPLE)
    assert rendered.subject == "How did we do?"
    assert rendered.text == "Click <here> https://cases.example.com/s/5\n"
    assert "&lt;here&gt;" in rendered.html
    assert '<a href="https://cases.example.com/s/5">' in rendered.html
    assert "😀" not in rendered.html
    assert "😀" in templates.render("satisfaction", "support", "de", SAMPLE).html


def test_html_of_ones_own_is_used_beside_ones_own_text(tmp_path: Path) -> None:
    templates = put(
        tmp_path, {"x.txt.j2": "text", "x.html.j2": "<b>{{ contact.name }}</b>", "support/x.txt.j2": "nearer"}
    )
    names = {"contact": {"name": "<img src=x>"}}
    assert "<b>&lt;img src=x&gt;</b>" in templates.render("x", "billing", "", names).html
    assert "<p>nearer</p>" in templates.render("x", "support", "", names).html


def test_s48_what_a_customer_writes_is_never_a_template() -> None:
    names = {
        "event": {"text": "{{ 7*7 }} {% for x in y %}", "type": "new_case"},
        "case": {"title": "{{ case.number }}"},
    }
    rendered = packaged.render("notification", "support", "", names)
    assert "{{ 7*7 }} {% for x in y %}" in rendered.text
    assert rendered.subject == "{{ case.number }}"


def test_s50_html_from_outside_is_shown_not_obeyed() -> None:
    names = {"event": {"text": "<script>alert(1)</script>", "actor": '<img src="x">'}, "case": {"title": "<b>"}}
    rendered = packaged.render("notification", "support", "", names)
    assert "<script" not in rendered.html
    assert "<img" not in rendered.html


def test_a_field_may_be_called_like_a_method_and_absent_fields_are_empty(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("no template")
    templates = put(tmp_path, {"x.txt.j2": "{{ fields.items }}|{{ fields.keys }}|{{ fields.order }}|{{ found.host }}"})
    assert templates.render("x", "", "", {"fields": {"items": "3", "keys": "k"}}).text == "3|k||\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ contact.nmae }}", "contact.nmae is no name that templates may use; did you mean contact.name?"),
        ("{% if false %}{{ customer.name }}{% endif %}", "customer.name is no name that templates may use"),
        ("{{ message.from.name }} {{ message['from'].mail }}", "message.from.mail is no name"),
        ("{{ config }}", "config is no name that templates may use"),
        ("{{ case.number + 'x' }}", "cannot be rendered"),
        ("{{ ''.__class__ }}", "cannot be rendered"),
        ("{{ case.number.real.foo.bar }}", "cannot be rendered"),
    ],
)
def test_check_names_the_file_the_line_and_the_fault(tmp_path: Path, source: str, message: str) -> None:
    templates = put(tmp_path, {"x.txt.j2": f"first line\n{source}\n"})
    (fault,) = templates.check()
    assert fault[0] == str(tmp_path / "x.txt.j2")
    assert fault[1] in (2, 0)
    assert fault[2].startswith(message)


def test_check_knows_names_that_the_template_makes_itself(tmp_path: Path) -> None:
    source = (
        "{% set greeting = 'Hi' %}{% for case in event.cases %}{{ loop.index }} {{ case.anything | default('') }}"
        "{% endfor %}{% macro m(a) %}{{ a }}{% endmacro %}{{ m(greeting) }}{{ range(3) | list }}{{ fields.anything }}"
    )
    assert put(tmp_path, {"x.txt.j2": source}).check() == []


def test_check_names_templates_and_mailboxes_that_are_not_there(tmp_path: Path) -> None:
    faults = put(tmp_path, {"sales/x.txt.j2": "x"}).check(["x", "acknowlegement"], ["support"])
    assert sorted(message.split(";")[0] for _, _, message in faults) == [
        "there is no mailbox 'sales'",
        "there is no template 'acknowlegement'",
    ]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("x.txt.j2", b"one\n{{ open", r"x\.txt\.j2:2:1: unexpected end"),
        ("x.txt", b"", r"no name of a template"),
        ("a/b/x.txt.j2", b"", r"no name of a template"),
        ("x.txt.j2", b"\xff", r"not UTF-8"),
        ("x.txt.j2", b"{{ 1 | nofilter }}", r"No filter named 'nofilter'"),
    ],
)
def test_faults_are_found_at_start(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=fault):
        Templates(tmp_path)


def test_times_are_in_the_mailboxs_zone_and_the_readers_language(tmp_path: Path) -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    templates = put(tmp_path, {"x.txt.j2": "{{ case.created_at | when }}"})
    now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    names = {"now": now, "case": {"created_at": datetime(2026, 12, 31, 23, 30, tzinfo=UTC)}}
    assert templates.render("x", "", "", names).text == "Friday 1 January 2027, 00:30\n"
    assert templates.render("x", "", "de", names).text == "Freitag, 1. Januar 2027, 00:30\n"
    assert templates.render("x", "", "es", names | {"case": {"created_at": "2026-11-24T16:30:00Z"}}).text == (
        "martes 24 de noviembre, 17:30\n"
    )


def test_every_name_and_every_template_stands_in_the_reference() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "templates.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z_]+(?:\.[a-z_]+)*", page))
    wanted = {".".join(path) for path in paths(DEFAULTS)} | set(SHIPPED)
    assert sorted(wanted - words) == []


def paths(names: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in names.items():
        if isinstance(value, Mapping) and value:
            yield from ((name, *rest) for rest in paths(value))
        else:
            yield (name,)


def test_the_packaged_folder_holds_nothing_but_templates() -> None:
    assert {path.suffix for path in PACKAGED.iterdir()} == {".j2"}
