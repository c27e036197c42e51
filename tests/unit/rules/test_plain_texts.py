"""Folding, patterns and templates: the small helpers that rules stand on."""

from __future__ import annotations

import pytest

from maild.plain import patterns, sandbox
from maild.plain.fold import fold, fold_label, has_words, is_forward, tidy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("Ａ１", "a1"),
        ("a\u0308", "Ä"),
        ("a\u00a0 \t\nb", "a b"),
        ("dam\u00adage\u200b", "damage"),
        ("ﬁne", "FINE"),
        ("№ 7", "no 7"),
    ],
)
def test_texts_that_are_the_same_to_a_reader(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_tidy_keeps_what_patterns_may_ask_for() -> None:
    assert tidy("A\u0308\r\nb\u00a0c\u3000d … ²") == "Ä\nb c d … ²"


def test_labels() -> None:
    assert fold_label(" *Bestell-Nr.:* ".replace(":", "")) == fold_label("bestell-nr") == "bestell-nr"
    assert fold_label("Numéro") == "numero"
    assert fold_label("Срок") == "срок"


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("an issue", "sue", False), ("sue!", "sue", True), ("(sue)", "sue", True), ("sue_x", "sue", False), ("sue2", "sue", False),
        ("l'avocat", "avocat", True), ("कानून", "कान", False), ("我们投诉", "投诉", True), ("タブレットを", "タブレット", True),
        ("foo+", "foo+", True), ("", "x", False), ("x", " ", False), ("sue issue sue", "sue", True), ("issue sue", "sue", True),
    ],
)  # fmt: skip
def test_whole_words(text: str, phrase: str, found: bool) -> None:
    assert has_words(fold(text), fold(phrase)) is found


def test_forward_marks() -> None:
    assert [is_forward(each) for each in ("Fwd: x", "WG: x", "转发：x", "Re: Fwd: x", "Forward march")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("pattern", [r"\bstraße\b", r"Ärger", r"(?P<a>x)", r"\\bä", r"[^ä]\d\b", r"é x\b", r"a{1000}"])
def test_patterns_that_are_taken(pattern: str) -> None:
    patterns.compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"\bärger", "ASCII"), (r"café\b", "ASCII"), (r"\b(?:x|ärger)", "ASCII"), (r"(x|caf[eé])\b", "ASCII"), (r"\B(?i)ä", "ASCII"),
        ("\x08x", "control character"), ("(?=x)", "look-ahead"), ("(?<!x)y", "look-ahead"), (r"(x)\1", "back references"),
        ("(", "missing )"), ("a{2000}", "repetition"), ("*", "no argument"), ("((a{100}){100}){100}", ""),
    ],
)  # fmt: skip
def test_patterns_that_are_refused_say_why(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|knows") as caught:
        patterns.compiled(pattern)
    assert said in str(caught.value)


def test_patterns_ignore_case_and_work_per_line() -> None:
    assert patterns.compiled("^order$").search("x\nORDER\ny")
    assert not patterns.compiled("(?-i)^order$").search("x\nORDER\ny")
    assert not patterns.compiled("(?-m)^order").search("x\nORDER\ny")
    assert patterns.compiled("ä").search(tidy("a\u0308"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ x.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ x|attr('a') }}", "{{ 'a' * 10000000 }}", "{{ 'a'.center(100000) }}",
        "{{ '%1000000d' % 1 }}", "{{ '{:>1000000}'.format(1) }}", "{{ 2 ** 100000 }}", "{% for i in range(1000000) %}{% endfor %}",
        "{{ 'aaaa'.replace('a', big) }}", "{{ 'a'|replace('a', big ~ big) }}", "{{ big.join(['a'] * 1000) }}", "{{ nothing }}", "{{ x.nothing }}", "{{ 1 / 0 }}",
        "{% include 'x' %}", "{% for a in b recursive %}{{ loop(a) }}{% endfor %}", "{{ x() }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ cycler }}", "{{ lipsum() }}", "{{ x.update({1: 2}) }}", "{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% for d in [1] %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
    ],
)  # fmt: skip
def test_templates_cannot_reach_out_or_grow(template: str) -> None:
    with pytest.raises(sandbox.TemplateFault):
        sandbox.render(template, {"x": {"a": 1}, "big": "b" * 200_000, "b": []})


def test_what_a_value_holds_is_never_rendered() -> None:
    assert sandbox.render("{{ a }}{{ a|upper }}", {"a": "{{ 7*7 }}"}) == "{{ 7*7 }}{{ 7*7 }}"
    assert sandbox.render("no template", {}) == "no template"


def test_html_is_escaped_where_asked() -> None:
    assert sandbox.environment(True).from_string("{{ a }}").render(a="<b>") == "&lt;b&gt;"


def test_the_names_that_a_template_asks_for() -> None:
    source = "{% set q = message.subject %}{{ q }}{% for x in message.to %}{{ x.name }}{{ loop.index }}{% endfor %}{{ found['host']|default('x') }}"
    assert sandbox.variables(source) == {"message.subject", "message.to", "found.host"}
    assert sandbox.variables("{{ x }}{% for x in y %}{{ x }}{% endfor %}{% if z.a %}{{ range(3) }}{% endif %}") == {
        "x",
        "y",
        "z.a",
    }


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ x", "end of"),
        ("{% for %}", "Expected"),
        ("{{ x|nofilter }}", "nofilter"),
        ("x" * 70_000 + "{{ a }}", "longer"),
    ],
)
def test_a_template_that_cannot_be_read_says_why(template: str, said: str) -> None:
    with pytest.raises(sandbox.TemplateFault, match=said):
        sandbox.parse(template)
