"""Labelled lines: what is a label, where a value ends, and what HTML gives."""

from __future__ import annotations

import time

import pytest
from rule_bench import decided, facts_of, mail

from maild.rules import autofill

WANTED = {"issue": True, "order": False, "order no": False, "urgency": False, "grosse": False}


def values(
    text: str, *, delimiters: tuple[str, ...] = (":",), html: str = "", within: int | None = None
) -> list[tuple[str, str]]:
    lines = autofill.lines_of_html(html) if html else autofill.lines_of_text(text)
    return [(found.key, found.value) for found in autofill.read(lines, delimiters, WANTED, within)]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("Order: 77", "77"),
        ("  ORDER :77 ", "77"),
        ("order.: 77", "77"),
        ("Order\u00a0:\u00a077", "77"),
        ("Order：77", "77"),
        ("- Order: 77", "77"),
        ("•  Order: 77", "77"),
        ("* Order: 77", "77"),
        ("*Order:* 77", "77"),
        ("*Order*: 77", "77"),
        ("**Order:** 77", "77"),
        ("*Order: 77*", "77"),
        ("1. Order: 77", "77"),
        ("Order: a: b", "a: b"),
        ("Order: *77*", "77"),
        ("Order:\r\n\r\n  77\r\nx", "77"),
    ],
)
def test_labels_are_matched_whole_whatever_stands_around_them(line: str, value: str) -> None:
    assert values(line) == [("order", value)]


@pytest.mark.parametrize(
    "line",
    ["My order: 77", "Order 77", "Reorder: 77", "http://order: 77", "Orders: 77", "10:30 Order: 7", "Order - 77"],
)
def test_what_is_no_label(line: str) -> None:
    assert values(line) == []


def test_accents_and_case_of_labels_do_not_matter() -> None:
    assert values("Größe: 4") == values("GRÖSSE: 4") == values("Gro\u0308ße: 4") == [("grosse", "4")]


def test_a_value_of_one_line_never_takes_the_next() -> None:
    assert values("Order: 4711\nKind regards") == [("order", "4711")]


def test_an_empty_value_takes_the_next_line_but_never_a_label() -> None:
    assert values("Order:\n\n4711\nx") == [("order", "4711")]
    assert values("Order:\nUrgency: high") == [("order", ""), ("urgency", "high")]
    assert values("Order:\n-- \nJo") == [("order", "")]


def test_many_lines_go_on_to_a_mapped_label_a_blank_line_or_the_signature() -> None:
    assert values("Issue: a\nb\nnote: c\nOrder: 7\nd") == [("issue", "a\nb\nnote: c"), ("order", "7")]
    assert values("Issue: a\nb\n\nc") == [("issue", "a\nb")]
    assert values("Issue:\na\nb\n-- \nJo") == [("issue", "a\nb")]
    ((_, long),) = values("Issue: " + "word word\n" * 1000)
    assert len(long) <= autofill.MAX_VALUE


def test_the_first_delimiter_of_a_line_counts() -> None:
    assert values("Order = 7: 8", delimiters=(":", "=")) == [("order", "7: 8")]
    assert values("Order → 7", delimiters=("→", ":")) == [("order", "7")]
    assert values("Time: Order= 7", delimiters=(":", "=")) == []
    assert values("Order => 7", delimiters=("=", "=>")) == [("order", "7")]


def test_within_bounds_the_lines_that_are_looked_at() -> None:
    assert values("Order: 7\nx\nUrgency: high", within=2) == [("order", "7")]


def test_a_label_twice_stands_twice() -> None:
    assert values("Order: 7\nOrder: 8") == [("order", "7"), ("order", "8")]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (
            "<table><tr><td>Order</td><td>77</td></tr><tr><th>Urgency:</th><td><b>high</b></td></tr></table>",
            [("order", "77"), ("urgency", "high")],
        ),
        ("<dl><dt>Order</dt><dd>77</dd><dt>Urgency</dt><dd>high</dd></dl>", [("order", "77"), ("urgency", "high")]),
        ("Order: 77<br>Urgency: high", [("order", "77"), ("urgency", "high")]),
        ("<p><b>Order:</b>&nbsp;77</p><div>Urgency:<br>high</div>", [("order", "77"), ("urgency", "high")]),
        (
            "<table><tr><td>Order</td><td>7</td><td>Urgency</td><td>low</td></tr></table>",
            [("order", "7"), ("urgency", "low")],
        ),
        (
            "<table><tr><td><table><tr><td>Order</td><td>7</td></tr></table></td><td>side</td></tr></table>",
            [("order", "7")],
        ),
        ("<table><tr><td>Issue</td><td>a<br>b</td></tr></table>", [("issue", "a\nb")]),
        ("<table><tr><td>Order: 7</td><td>x</td></tr></table>", [("order", "7")]),
        ("Order: 7<blockquote>Urgency: high</blockquote>", [("order", "7")]),
        ("<div class='gmail_quote'>Order: 7</div>Urgency: low", [("urgency", "low")]),
        ("Order: 7<div id='divRplyFwdMsg'>x</div>Urgency: low", [("order", "7")]),
        ("<style>Order: 7</style><script>Order: 8</script>", []),
        ("Issue: a<br>b<br><br>c", [("issue", "a\nb")]),
        ("<table><tr><td>Order<td>7", [("order", "7")]),
        ("Order: 7</div></table></td></tr>", [("order", "7")]),
    ],
)
def test_html(html: str, found: list[tuple[str, str]]) -> None:
    assert [each for each in values("", html=html) if each[1]] == found


def test_the_part_with_more_labels_counts() -> None:
    rules = "rules: [{name: a, case: {autofill: {map: {Order: fields.order, Urgency: priority}}}}]"
    both = decided(rules, facts_of(mail("s", "Order 7", html="<table><tr><td>Order</td><td>7</td></tr></table>")))
    assert both.values.fields == {"order": "7"}
    plain = decided(rules, facts_of(mail("s", "Order: 8", html="Order: 7")))
    assert plain.values.fields == {"order": "8"}


def test_of_a_forward_the_forwarded_text_is_read() -> None:
    rules = "rules: [{name: a, case: {autofill: {map: {Order: fields.order}}}}]"
    message = mail(
        "Fwd: order",
        "see below",
        text="see below\n---- Forwarded ----\nOrder: 7",
        html="x<blockquote>Order: 7</blockquote>",
    )
    assert decided(rules, facts_of(message)).values.fields == {"order": "7"}
    assert decided(rules, facts_of(mail("x", "a"), forwarded_text="Order: 9")).values.fields == {"order": "9"}
    assert decided(rules, facts_of(mail("Re: order", "hi", text="hi\n> Order: 7"))).values.fields == {}


def test_words_are_translated_before_they_are_checked() -> None:
    rules = "rules: [{name: a, case: {autofill: {map: {priority: {labels: [Urgency, Dringlichkeit], values: {ASAP: urgent, hoch: high}}}}}}]"
    assert decided(rules, facts_of(mail("s", "Dringlichkeit: Hoch."))).values.priority == "high"
    assert decided(rules, facts_of(mail("s", "Urgency: asap"))).values.priority == "urgent"
    assert decided(rules, facts_of(mail("s", "Urgency: low"))).values.priority == "low"


def test_the_first_label_counts_and_all_are_in_the_trace() -> None:
    rules = "rules: [{name: a, case: {autofill: {map: {fields.order: [Order, Bestellnummer]}}}}]"
    decision = decided(rules, facts_of(mail("s", "Bestellnummer: 1\nOrder: 2\nOrder: 3")))
    assert decision.values.fields == {"order": "1"}
    assert [(label.value, label.used, label.why) for label in decision.trace.labels] == [
        ("1", True, ""), ("2", False, "the first counts"), ("3", False, "the first counts")]  # fmt: skip


def test_an_empty_label_leaves_the_place_to_the_next() -> None:
    rules = "rules: [{name: a, case: {autofill: {map: {Order: fields.order}}}}]"
    assert decided(rules, facts_of(mail("s", "Order:\nOrder: 2"))).values.fields == {"order": "2"}


def test_pairs_become_a_block_that_is_valid_and_fills_the_same() -> None:
    body = "Hello\nIssue: it broke\nOrder No.: 77\nUrgency: high\nhttp://x.example/a: b\nE-Mail: jo@a.example\nPhone:\n+49 30\nThis is a long sentence that ends so: no"
    pairs = autofill.find_pairs(body, "", (":",))
    assert pairs == [
        ("Issue", "it broke"),
        ("Order No.", "77"),
        ("Urgency", "high"),
        ("E-Mail", "jo@a.example"),
        ("Phone", "+49 30"),
    ]
    block = autofill.as_block(pairs)
    rules = "rules:\n  - name: a\n    case:\n" + "".join(f"      {line}\n" for line in block.splitlines())
    decision = decided(rules, facts_of(mail("s", body)))
    assert decision.values.summary == "it broke"
    assert decision.values.fields == {"order_no": "77"}
    assert decision.values.priority == "high"
    assert decision.values.contact == {"phone": "+49 30"}
    assert autofill.as_block([]) == ""


@pytest.mark.parametrize(
    "html",
    ["<table><tr><td>" * 30_000, "<a " * 200_000, "<!--" * 200_000, "<p>x: y" * 60_000, "&" * 300_000, "<" * 300_000],
)
def test_html_made_to_be_slow_is_read_in_little_time(html: str) -> None:
    before = time.perf_counter()
    autofill.lines_of_html(html)
    assert time.perf_counter() - before < 3
