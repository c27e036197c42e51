"""Rules over all inputs: the compiled set decides as a plain reading of the rules would, labels come back, domains hold."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "unit" / "rules"))

from rule_bench import NOW, facts_of, mail, outcome, settings_of

from maild.model.message import Address, Automatic, MachineSort, MessageKind
from maild.plain.fold import fold, fold_label, has_words
from maild.rules import autofill, explain
from maild.rules.conditions import compile_node
from maild.rules.engine import decide
from maild.rules.facts import Facts
from maild.rules.operators import Context, domain_needle
from maild.rules.ruleset import compile_rules
from maild.rules.view import View
from maild.settings.criteria import parse_when
from maild.settings.rule_models import Rule, RuleFile

WORDS = st.sampled_from(
    ["a", "ab", "order", "Order 7", "broken", "Ärger", "straße", "STRASSE", "x", "投诉", "7", "-7.5", "é"]
)
DOMAINS = st.sampled_from(
    ["a.example", "b.a.example", "example", "bücher.example", "xn--bcher-kva.example", "ba.example"]
)
ADDRESSES = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from(["jo", "JO", "ann"]), DOMAINS)
PATTERNS = st.sampled_from([r"\bbroken\b", r"^order (\d+)$", r"(-?\d+)", "x*", "(?-i)Order", "ab|7", r"\d\d\d"])
TEXT_FIELDS = st.sampled_from(["subject", "body", "text", "whole_text", "header.X", "from.name"])
SOME = st.lists(WORDS, min_size=1, max_size=3)


def criteria() -> st.SearchStrategy[dict[str, Any]]:
    operators = st.one_of(
        st.builds(lambda name, words: {name: words}, st.sampled_from(["is", "contains", "contains_all", "words", "starts_with", "ends_with"]), SOME),
        st.builds(lambda patterns: {"matches": patterns}, st.lists(PATTERNS, min_size=1, max_size=2)),
        st.builds(lambda pattern, number: {"matches": pattern, "above": number}, PATTERNS, st.integers(-9, 9)),
        st.builds(lambda words, number: {"contains": words, "below": number}, SOME, st.integers(-9, 9)),
        st.sampled_from([{"exists": True}, {"exists": False}, {"empty": True}, {"empty": False}, {"in_list": "l"}]),
        SOME,
    )  # fmt: skip
    people = st.one_of(
        st.builds(lambda address: address, st.lists(ADDRESSES, min_size=1, max_size=2)),
        st.builds(lambda domain: {"domain": domain}, DOMAINS),
        st.just({"in_list": "l"}), st.builds(lambda word: {"contains": word}, WORDS),
    )  # fmt: skip
    single = st.one_of(
        st.builds(lambda field, value: {field: value}, TEXT_FIELDS, operators),
        st.builds(lambda field, value: {field: value}, st.sampled_from(["from", "to", "cc", "recipient", "envelope.from"]), people),
        st.builds(lambda labels: {"body": {"has_field": labels}}, SOME),
        st.sampled_from([{"mailbox": "support"}, {"mailbox": ["orders", "ops"]}, {"language": "de"}, {"kind": "bounce"},
                         {"kind": ["customer", "list"]}, {"automatic": "no"}, {"auth": "pass"}, {"received": {"outside": "o"}},
                         {"attachment": {"type": "a/b"}}, {"size": {"above": 10}}, {"case.status": "open"}]),
    )  # fmt: skip

    def combine(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        lists = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            st.builds(lambda how, parts: {how: parts}, st.sampled_from(["all", "any", "none"]), lists),
            st.builds(lambda one, other: {**one, **other}, inner, inner),
        )

    return st.recursive(single, combine, max_leaves=5)


RULE = st.fixed_dictionaries(
    {"when": criteria()},
    optional={
        "applies_to": st.sampled_from(["new", "answers", "all"]),
        "continue": st.booleans(),
        "accept_automatic": st.booleans(),
        "case": st.fixed_dictionaries({}, optional={
            "priority": st.sampled_from(["low", "urgent"]), "tags": st.lists(st.sampled_from("abc"), max_size=2),
            "raise": st.just({"priority": "high"}), "summary": st.just("{{ message.subject }}{{ fields.order }}"),
            "autofill": st.just({"map": {"Order": "fields.order", "x": "priority"}}), "update_by": st.just(["fields.order"]),
        }),
        "reply": st.sampled_from(["a", "none"]),
        "notify": st.just(["group"]),
        "extract": st.just([{"from": "subject", "matches": "(?P<n>[a-z]+)", "required": True}]),
        "hold": st.just("held"), "mailbox": st.sampled_from(["billing", "alerts"]),
    },
)  # fmt: skip
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=8), st.just("Order: 7"), st.just("\n")), max_size=5).map(" ".join)


@st.composite
def mails(draw: st.DrawFn) -> Facts:
    people = st.lists(ADDRESSES, max_size=2).map(lambda all: tuple(Address("", each) for each in all))
    message = mail(draw(TEXTS), draw(TEXTS), sender=draw(ADDRESSES), name=draw(WORDS), to=draw(people), cc=draw(people),
                   text=draw(TEXTS), headers=(("X", draw(WORDS)), ("x", draw(WORDS))), size=draw(st.integers(0, 20)),
                   language=draw(st.sampled_from(["", "de", "fr"])))  # fmt: skip
    automatic = draw(st.sampled_from(Automatic))
    return facts_of(message, draw(st.sampled_from(["support", "orders", "ops"])), automatic=automatic,
                    sort=MachineSort.MADE if automatic is Automatic.CERTAIN else None,
                    kind=draw(st.sampled_from([MessageKind.CUSTOMER, MessageKind.BOUNCE, MessageKind.LIST])),
                    recipients=tuple(draw(st.lists(ADDRESSES, max_size=2))), envelope_from=draw(st.one_of(st.none(), st.just(""), ADDRESSES)),
                    outside=draw(st.sampled_from([frozenset(), frozenset({"o"})])), is_answer=draw(st.booleans()))  # fmt: skip


@given(st.lists(RULE, min_size=1, max_size=8), mails())
@settings(max_examples=150, deadline=None)
def test_the_compiled_set_decides_as_rule_by_rule(written: list[dict[str, Any]], facts: Facts) -> None:
    rules = RuleFile.model_validate({"rules": written}).rules
    ruleset = compile_rules(
        settings_of(lists={"l": ("jo@a.example", "ba.example", "order")}).model_copy(update={"rules": rules})
    )
    quick, full = decide(ruleset, facts, every=False), decide(ruleset, facts, every=True)
    assert outcome(quick) == outcome(full)
    assert list(full.rules) == _plainly(rules, facts, ruleset.lists)
    json.dumps(explain.trace_json(full))
    assert all(isinstance(line, str) for line in explain.lines(full))


def _plainly(rules: tuple[Rule, ...], facts: Facts, lists: Any) -> list[str]:
    """The names of the rules that match, read off the rules one after the other."""
    names: list[str] = []
    view = View(facts)
    for rule in rules:
        delimiters = (
            rule.case.autofill.delimiter if rule.case is not None and rule.case.autofill is not None else (":",)
        )
        right_mail = rule.applies_to == "all" or (rule.applies_to == "answers") == facts.is_answer
        named = (
            facts.kind is not MessageKind.BOUNCE
            or "Criterion(field='kind', operators=(('is', ('bounce',)),))" in _positive(rule)
        )
        found = not rule.extract or any(
            "a" <= char <= "z" or "A" <= char <= "Z" or char in "ſK" for char in facts.message.subject
        )
        check = compile_node(rule.when, Context(lists, delimiters)) if rule.when is not None else None
        if right_mail and named and (check is None or check.holds(view)) and found:
            names.append(rule.name)
            if not rule.continue_ or rule.hold is not None or rule.mailbox is not None:
                break
    return names


def _positive(rule: Rule) -> str:
    from maild.settings.criteria import walk

    return " ".join(repr(criterion) for criterion, negated in walk(rule.when) if not negated)


@given(criteria(), mails())
@settings(max_examples=100, deadline=None)
def test_an_explanation_says_what_holds(when: dict[str, Any], facts: Facts) -> None:
    check = compile_node(parse_when(when), Context({"l": frozenset({"jo@a.example"})}))
    view = View(facts)
    assert check.look(view).held == check.holds(view)
    inverse = compile_node(parse_when({"none": [when]}), Context({"l": frozenset({"jo@a.example"})}))
    assert inverse.holds(view) is not check.holds(view)


LABEL = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=12)
VALUE = st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="*_"), min_size=1, max_size=30)


@given(
    st.dictionaries(LABEL.filter(fold_label), VALUE.filter(str.strip), max_size=6),
    st.sampled_from([":", "=", " - ", "→"]),
)
@settings(max_examples=150, deadline=None)
def test_labelled_lines_come_back(pairs: dict[str, str], delimiter: str) -> None:
    keys = {autofill.keys_of(label): (label, value) for label, value in pairs.items()}
    text = "\n".join(f"{label}{delimiter}{value}" for label, value in keys.values())
    found = autofill.read(autofill.lines_of_text(text), (delimiter,), dict.fromkeys(keys, False))
    assert {each.key: each.value for each in found} == {key: value.strip() for key, (_, value) in keys.items()}


@given(st.text(max_size=400), st.sampled_from([(":",), (":", "="), ("→",)]))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_reading_of_labels_fail(text: str, delimiters: tuple[str, ...]) -> None:
    wanted = {"order": False, "issue": True, "": True}
    for lines in (
        autofill.lines_of_text(text),
        autofill.lines_of_html(text),
        autofill.lines_of_html(f"<table><td>{text}<td>{text}"),
    ):
        for found in autofill.read(lines, delimiters, wanted):
            assert found.key in wanted
            assert len(found.value) <= max(autofill.MAX_VALUE, len(text))
        autofill.labels_of(lines, delimiters)
    autofill.as_block(autofill.find_pairs(text, text, delimiters), delimiters)


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_folding_settles_and_keeps_what_contains_what(text: str, other: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold_label(fold_label(text)) == fold_label(text)
    if has_words(fold(text), fold(other)):
        assert fold(other).strip() in fold(text)


@given(ADDRESSES, DOMAINS)
@settings(max_examples=100, deadline=None)
def test_a_domain_holds_its_subdomains_and_nothing_else(address: str, domain: str) -> None:
    check = compile_node(parse_when({"from": {"domain": domain}}), Context({}))
    mine, asked = domain_needle(address), domain_needle(domain)
    assert check.holds(View(Facts(mail(sender=address), "support", NOW))) == (
        mine == asked or mine.endswith("." + asked)
    )
    same = compile_node(parse_when({"from": address.swapcase()}), Context({}))
    assert same.holds(View(Facts(mail(sender=address), "support", NOW)))
