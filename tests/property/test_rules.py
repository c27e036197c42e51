"""Rules over all inputs: the compiled set decides as a plain reading of the rules would, labels come back, domains hold."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit" / "rules")]

import naive_rules
from rule_bench import NOW, facts_of, mail, outcome, settings_of

from maild.model.case import Priority, Status
from maild.model.message import Address, Attachment, Authentication, AuthResult, Automatic, MachineSort, MessageKind
from maild.plain.fold import fold, fold_label, has_words, one_spaced
from maild.plain.jsontext import to_text
from maild.rules import autofill, explain
from maild.rules.conditions import compile_node
from maild.rules.engine import decide
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts
from maild.rules.lint import proof
from maild.rules.operators import Context, domain_needle, list_entries
from maild.rules.ruleset import compile_rules
from maild.rules.view import View
from maild.settings.reading_criteria import parse_when
from maild.settings.rule_models import RuleFile
from maild.settings.rule_sets import assemble

WORDS = st.sampled_from(
    ["a", "ab", "order", "Order 7", "broken", "Ärger", "straße", "STRASSE", "x", "投诉", "7", "-7.5", "é"]
)
DOMAINS = st.sampled_from(
    ["a.example", "b.a.example", "example", "bücher.example", "xn--bcher-kva.example", "ba.example"]
)
ADDRESSES = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from(["jo", "JO", "ann"]), DOMAINS)
PATTERNS = st.sampled_from([r"\bbroken\b", r"^order (\d+)$", r"(-?\d+)", "x*", "(?-i)Order", "ab|7", r"\d\d\d"])
SOME = st.lists(WORDS, min_size=1, max_size=3)


TYPES = st.sampled_from(["a/b", "application/pdf", "image/png"])
NAMES = st.sampled_from(["order.pdf", "Ärger.png", "x"])
FREE = st.sampled_from([  # criteria that take words
    "subject", "body", "text", "whole_text", "header.X", "header.y-Blank", "from.name", "contact.name", "contact.tags", "organisation",
    "organisation.tags", "organisation.sla", "case.group", "case.tags", "case.fields.order", "case.assignee", "attachment.name",
])  # fmt: skip
PEOPLE = st.sampled_from(["from", "to", "cc", "reply_to", "recipient", "envelope.from", "envelope.to", "contact", "contact.email"])
CLOSED: list[dict[str, Any]] = [
    {"mailbox": "support"}, {"mailbox": ["orders", "ops"]}, {"language": "de"}, {"language": ["DE-at", "fr"]}, {"kind": "bounce"},
    {"kind": ["customer", "list"]}, {"automatic": "no"}, {"automatic": ["certain", "likely"]}, {"auth": "pass"}, {"auth": ["fail", "none"]},
    {"auth.dmarc": "pass"}, {"auth.spf": ["fail", "none"]}, {"auth.dkim": "fail"}, {"received": {"outside": "o"}},
    {"received": {"outside": ["p", "o"]}}, {"case.status": ["open", "resolved"]}, {"case.priority": "high"}, {"contact.known": True},
    {"contact.known": False}, {"size": 7}, {"size": {"above": 3, "below": 12}}, {"attachment.count": 0}, {"attachment.count": {"above": 1}},
    {"attachment": {"exists": True}}, {"attachment": {"empty": True}}, {"attachment.type": "image/*"}, {"case.number": {"below": 9}},
    {"case.follow_up_of": {"exists": True}}, {"organisation.domain": {"domain": "a.example"}}, {"organisation": {"in_list": "l"}},
    {"contact.tags": {"in_list": "l"}}, {"condition": "one"}, {"condition": ["one", "two"]},
]  # fmt: skip
CONDITIONS: dict[str, Any] = {
    "one": {"subject": {"contains": "a"}, "none": [{"from": {"domain": "example"}}]},
    "two": {"any": [{"condition": "one"}, {"body": {"words": ["order", "投诉"]}}, {"attachment": {"name": {"starts_with": "ord"}}}]},
}


def criteria() -> st.SearchStrategy[dict[str, Any]]:
    words = st.builds(
        lambda name, words: {name: words},
        st.sampled_from(["is", "contains", "contains_all", "words", "starts_with", "ends_with"]), SOME,
    )  # fmt: skip
    operators = st.one_of(
        words, SOME, WORDS, st.builds(lambda one, other: {**one, **other}, words, words),
        st.builds(lambda patterns: {"matches": patterns}, st.lists(PATTERNS, min_size=1, max_size=2)),
        st.builds(lambda pattern, number: {"matches": pattern, "above": number}, PATTERNS, st.integers(-9, 9)),
        st.builds(lambda words, number: {**words, "below": number, "above": -3}, words, st.integers(-9, 9)),
        st.sampled_from([{"exists": True}, {"exists": False}, {"empty": True}, {"empty": False}, {"in_list": "l"}, {"above": 3}]),
    )  # fmt: skip
    people = st.one_of(
        ADDRESSES, st.lists(ADDRESSES, min_size=1, max_size=2), st.builds(lambda domain: {"domain": domain}, DOMAINS),
        st.builds(lambda domains, word: {"domain": domains, "contains": word}, st.lists(DOMAINS, min_size=1, max_size=2), WORDS),
        st.sampled_from([{"in_list": "l"}, {"exists": True}, {"exists": False}, {"empty": True}, {"starts_with": "JO"}]),
        st.builds(lambda word: {"contains": word}, WORDS),
    )  # fmt: skip
    attachment = st.fixed_dictionaries(
        {}, optional={"type": TYPES, "name": st.one_of(NAMES, st.just({"ends_with": [".pdf", ".PNG"]})), "size": st.just({"above": 5})}
    ).filter(bool)  # fmt: skip
    single = st.one_of(
        st.builds(lambda field, value: {field: value}, FREE, operators),
        st.builds(lambda field, value: {field: value}, PEOPLE, people),
        st.builds(lambda field, labels: {field: {"has_field": labels}}, st.sampled_from(["body", "text", "whole_text"]), SOME),
        st.builds(lambda value: {"attachment": value}, attachment),
        st.sampled_from(CLOSED),
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


LISTS = {"l": ("jo@a.example", "ba.example", "order", "bücher.example", "@b.a.example", "vip")}


@st.composite
def mails(draw: st.DrawFn) -> Facts:
    people = st.lists(ADDRESSES, max_size=2).map(lambda all: tuple(Address("", each) for each in all))
    files = st.builds(
        lambda name, type, detected, size, decoration: Attachment(0, name, name, type, detected, size, "", decoration=decoration),
        NAMES, TYPES, st.one_of(st.just(""), TYPES), st.integers(0, 12), st.booleans(),
    )  # fmt: skip
    message = mail(draw(TEXTS), draw(TEXTS), sender=draw(ADDRESSES), name=draw(WORDS), to=draw(people), cc=draw(people),
                   reply_to=draw(people), text=draw(TEXTS), headers=(("X", draw(WORDS)), ("x", draw(WORDS)), ("Y-Blank", " ")),
                   size=draw(st.integers(0, 20)), language=draw(st.sampled_from(["", "de", "de-AT", "fr"])),
                   attachments=tuple(draw(st.lists(files, max_size=3))))  # fmt: skip
    automatic = draw(st.sampled_from(Automatic))
    tags = st.lists(WORDS, max_size=2).map(tuple)
    contact = st.one_of(st.none(), st.builds(ContactFacts, known=st.booleans(), email=ADDRESSES, name=WORDS, tags=tags))
    company = st.one_of(st.none(), st.builds(OrganisationFacts, name=WORDS, tags=tags, sla=WORDS, domains=st.lists(DOMAINS, max_size=2).map(tuple)))
    case = st.builds(CaseFacts, number=st.integers(1, 20), status=st.sampled_from(Status), priority=st.sampled_from(Priority),
                     group=WORDS, tags=tags, assignee=WORDS, fields=st.dictionaries(st.just("order"), WORDS))  # fmt: skip
    results = st.sampled_from(AuthResult)
    passed = draw(st.booleans())
    auth = Authentication(draw(results), draw(results), draw(results), passed=passed, failed=not passed and draw(st.booleans()))
    return facts_of(message, draw(st.sampled_from(["support", "orders", "ops"])), automatic=automatic, auth=auth,
                    sort=MachineSort.MADE if automatic is Automatic.CERTAIN else None, contact=draw(contact), organisation=draw(company),
                    kind=draw(st.sampled_from([MessageKind.CUSTOMER, MessageKind.BOUNCE, MessageKind.LIST])), case=draw(st.one_of(st.none(), case)),
                    recipients=tuple(draw(st.lists(ADDRESSES, max_size=2))), envelope_from=draw(st.one_of(st.none(), st.just(""), ADDRESSES)),
                    envelope_to=tuple(draw(st.lists(ADDRESSES, max_size=2))), follow_up_of=draw(st.one_of(st.none(), st.just(3))),
                    outside=draw(st.sampled_from([frozenset(), frozenset({"o"})])), is_answer=draw(st.booleans()))  # fmt: skip


@given(st.text(st.sampled_from("a b\t\n\u00a0\u3000\x1c\x85\u2028-"), max_size=20))
def test_runs_of_blanks_become_one(text: str) -> None:
    assert one_spaced(text) == re.sub(r"\s+", " ", text)


@given(st.lists(RULE, min_size=1, max_size=8), mails())
@settings(max_examples=300, deadline=None)
def test_the_compiled_set_decides_as_a_plain_reading_does(written: list[dict[str, Any]], facts: Facts) -> None:
    file = RuleFile.model_validate({"rules": written, "conditions": CONDITIONS})
    rules = tuple(rule for rule, _, _ in assemble({"rules/1.yaml": file}, ("rules/1.yaml",)))
    ruleset = compile_rules(settings_of(lists=LISTS).model_copy(update={"rules": rules}))
    quick, full = decide(ruleset, facts, every=False), decide(ruleset, facts, every=True)
    assert outcome(quick) == outcome(full)
    assert list(full.rules) == _plainly(written, facts)
    to_text(full)
    assert all(isinstance(line, str) for line in explain.lines(full))


def _plainly(written: list[dict[str, Any]], facts: Facts) -> list[str]:
    """The names of the rules that match, read off the rules one after the other."""
    names: list[str] = []
    for place, rule in enumerate(written, 1):
        applies, fill = rule.get("applies_to", "new"), rule.get("case", {}).get("autofill", {})
        right_mail = applies == "all" or (applies == "answers") == facts.is_answer
        named = facts.kind is not MessageKind.BOUNCE or _asks_for_bounces(rule["when"])
        found = not rule.get("extract") or any("a" <= char <= "z" or "A" <= char <= "Z" or char in "ſK" for char in facts.message.subject)
        if right_mail and named and found and naive_rules.holds(rule["when"], facts, LISTS, CONDITIONS, fill.get("delimiter", [":"])):
            names.append(f"rule {place}")
            if not rule.get("continue") or rule.get("hold") or rule.get("mailbox"):
                break
    return names


def _asks_for_bounces(when: Any) -> bool:
    if isinstance(when, list):
        return any(_asks_for_bounces(each) for each in when)
    return any(
        (name == "kind" and below == "bounce") or (name in ("all", "any") and _asks_for_bounces(below)) for name, below in when.items()
    )


@given(criteria(), mails())
@settings(max_examples=200, deadline=None)
def test_an_explanation_says_what_holds(when: dict[str, Any], facts: Facts) -> None:
    file = RuleFile.model_validate({"rules": [{"when": when}, {"when": {"none": [when]}}], "conditions": CONDITIONS})
    (rule, _, _), (inverse, _, _) = assemble({"rules/1.yaml": file}, ("rules/1.yaml",))
    context = Context({"l": list_entries(LISTS["l"])})
    check, view = compile_node(rule.when, context), View(facts)
    assert check.look(view).held == check.holds(view)
    assert compile_node(inverse.when, context).holds(view) is not check.holds(view)


@given(st.lists(criteria(), min_size=2, max_size=5), mails())
@settings(max_examples=400, deadline=None)
def test_what_is_proved_of_criteria_is_so(written: list[dict[str, Any]], facts: Facts) -> None:
    """Criteria that exclude each other hold for no mail, and what a tree covers holds wherever that tree does."""
    both = [{"all": [one, other]} for one in written for other in written]
    trees = [*written, *both, *({"all": [one], "none": [other]} for one in written for other in written)]
    file = RuleFile.model_validate({"rules": [{"when": when} for when in trees], "conditions": CONDITIONS})
    nodes = [rule.when for rule, _, _ in assemble({"rules/1.yaml": file}, ("rules/1.yaml",))]
    view, context = View(facts), Context({"l": list_entries(LISTS["l"])})
    held = [compile_node(node, context).holds(view) for node in nodes]
    ways = [proof.branches(node, (":",)) for node in nodes]
    assert not [tree for tree, holds, each in zip(trees, held, ways, strict=True) if holds and proof.never(each) is not None]
    for one in range(len(written)):
        for other in range(len(written)):
            if held[one] and all(any(proof.covers(branch, wider) for wider in ways[other]) for branch in ways[one]):
                assert held[other], (written[one], written[other])


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
