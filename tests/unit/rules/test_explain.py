"""The reasons of a decision, for a person and as data."""

from __future__ import annotations

import json
from datetime import timedelta

from rule_bench import decided, facts_of, mail, ruleset_of

from maild.plain.jsontext import to_text
from maild.rules.engine import decide
from maild.rules.explain import lines

RULES = r"""
rules:
  - name: VIP
    when: {from: {domain: acme.example}}
    case: {priority: high, tags: [vip]}
    continue: true
  - name: Broken
    when:
      mailbox: support
      any:
        - subject: {words: damaged}
        - body: {contains: [broken, cracked]}
      none:
        - from: {domain: example.com}
    extract: [{from: subject, matches: '(?P<what>phone)'}]
    case:
      priority: low
      autofill: {map: {Order: fields.order, Urgency: status}}
      update: {by: [fields.order], within: 30d}
    reply: none
"""


def test_lines_say_which_rule_which_words_and_who_won() -> None:
    said = lines(decided(RULES, facts_of(mail("My phone", "it is BROKEN\nOrder: 77\nOrder: 78\nUrgency: bad"))))
    assert said[0] == "a case in mailbox support by rule 'Broken'"
    for line in (
        "  title: My phone", "  priority: high", "  tags: vip", "  fields.order: 77", "  reply: none",
        "  update: a case with fields.order 77 among same_contact of the last 30d, else create",
        "rule 'VIP': matched, and goes on",
        "  yes  from domain acme.example  found: acme.example  saw: jo@acme.example",
        "rule 'Broken': matched, and ended the search",
        "      no   subject words damaged  saw: My phone",
        "      yes  body contains broken | cracked  found: broken  saw: it is BROKEN Order: 77 Order: 78 Urgency: bad",
        "extract from subject: what=phone",
        "label 'Order' -> fields.order: 78  (not used: the first counts)",
        "label 'Urgency' -> status: bad  (not used: is no status)",
        "priority = high  by rule 'VIP'",
        "priority = low  by rule 'Broken'  (not used: rule VIP set it)",
        'note: Urgency: "bad" is no status; kept what the case has',
    ):  # fmt: skip
        assert line in said, "\n".join(said)


def test_other_ends_are_said() -> None:
    rules = "rules: [{name: A, when: {subject: %s}, hold: {reason: spam, for: 14d, then: discard}}, {name: B, when: {body: y}, discard: ads}]"
    assert lines(decided(rules % "x", facts_of(mail("x"))))[0] == "held by rule 'A': spam for 14d, then discard"
    assert lines(decided(rules % "x", facts_of(mail("z", "y"))))[0] == "discarded by rule 'B': ads"
    assert (
        lines(decided(rules % "x", facts_of(mail("z"))))[0]
        == "a case in mailbox support (no rule decided; the mailbox does)"
    )


def test_the_trace_is_plain_data() -> None:
    decision = decided(RULES, facts_of(mail("My phone", "it is broken\nOrder: 77")))
    data = json.loads(to_text(decision))
    assert data["disposition"] == "case"
    assert data["update"]["within"] == timedelta(days=30).total_seconds()
    tried = data["trace"]["tried"][1]["condition"]
    assert tried["text"] == "all" and tried["parts"][1]["parts"][1]["words"] == ["broken"]
    assert data["values"]["fields"] == {"order": "77"}


def test_a_long_text_is_shortened() -> None:
    decision = decided("rules: [{name: A, when: {body: {contains: x}}}]", facts_of(mail("s", "long " * 1000)))
    condition = decision.trace.tried[0].condition
    assert condition is not None and len(condition.seen) <= 160


def test_many_rules_are_counted_and_not_all_told() -> None:
    rules = "rules:\n" + "".join(f"  - {{name: r{n}, when: {{from: u{n}@x.example}}}}\n" for n in range(100))
    decision = decide(ruleset_of(rules), facts_of(mail(sender="u70@x.example")))
    assert [each.rule for each in decision.trace.tried] == ["r70"]
    assert decision.trace.passed_over == 70
    assert len(decide(ruleset_of(rules), facts_of(mail(sender="u70@x.example")), every=True).trace.tried) == 71
