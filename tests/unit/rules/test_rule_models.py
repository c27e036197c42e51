"""What a rule file may say, and the sentence for what it may not."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from pydantic import ValidationError
from rule_bench import rules_of

from maild.model.case import Channel, Priority, Status
from maild.settings.criteria import AllOf, AnyOf, Criterion, NoneOf, plain
from maild.settings.rule_models import Rule


def rule(text: str) -> Rule:
    return rules_of(f"rules:\n  - {{{text}}}\n")[0]


def test_criteria_become_a_tree() -> None:
    one = rule(
        "name: x, when: {mailbox: support, any: [{subject: {contains: a}}, {body: [b, c]}], none: [{from: {domain: d.example}}]}"
    )
    assert one.when == AllOf((
        Criterion("mailbox", (("is", ("support",)),)),
        AnyOf((Criterion("subject", (("contains", ("a",)),)), Criterion("body", (("is", ("b", "c")),)))),
        NoneOf((Criterion("from", (("domain", ("d.example",)),)),)),
    ))  # fmt: skip
    assert plain(one.when) == {"all": [{"mailbox": {"is": ["support"]}},
                                       {"any": [{"subject": {"contains": ["a"]}}, {"body": {"is": ["b", "c"]}}]},
                                       {"none": [{"from": {"domain": ["d.example"]}}]}]}  # fmt: skip


def test_other_spellings_are_understood() -> None:
    one = rule("name: x, stop: false, when: {organization: Acme}, ticket: {priority: normal, status: in_progress, channel: web, "
               "match_organization: false, update: {by: [fields.a], among: same_organization}}")  # fmt: skip
    assert one.continue_
    assert one.when == Criterion("organisation", (("is", ("Acme",)),))
    assert one.case is not None
    assert (one.case.priority, one.case.status, one.case.channel) == (Priority.MEDIUM, Status.OPEN, Channel.WEBFORM)
    assert one.case.match_organisation is False
    assert one.case.update is not None and one.case.update.among == "same_organisation"
    assert not rule("name: x, stop: true").continue_


def test_short_and_long_forms_mean_the_same() -> None:
    assert (
        rule("case: {update_by: [fields.a]}").case.updates() == rule("case: {update: {by: [fields.a]}}").case.updates()
    )  # type: ignore[union-attr]
    assert rule("case: {contact: none}").case == rule("case: {contact: {from: none}}").case
    assert rule("hold: spam").hold == rule("hold: {reason: spam}").hold
    assert rule("discard: true").discard == "discarded by a rule"
    assert rule("case: {fields: {a: 1}}").case.values() == rule("case: {set: {fields.a: 1}}").case.values()  # type: ignore[union-attr]
    both = ("case: {autofill: {map: {Issue: summary, Order: fields.o, Order No: fields.o}}}",
            "case: {autofill: {map: {summary: Issue, fields.o: [Order, Order No]}}}")  # fmt: skip
    assert rule(both[0]).case == rule(both[1]).case


def test_times_and_days() -> None:
    one = rule("hold: {reason: x, for: 14d, then: discard}, until: 2026-12-31")
    assert one.hold is not None and one.hold.for_ == timedelta(days=14)
    assert one.until == date(2026, 12, 31)


def test_rules_without_a_name_are_numbered() -> None:
    assert [each.name for each in rules_of("rules: [{discard: x}, {name: y}, {hold: z}]")] == ["rule 1", "y", "rule 3"]


REFUSED = [
    ("when: {subjekt: x}", ("when", "subjekt"), "there is no criterion 'subjekt'", "did you mean 'subject'?"),
    ("when: {subject: {contans: x}}", ("when", "subject", "contans"), "there is no operator 'contans'", "did you mean 'contains'?"),
    ("when: {any: {subject: x, body: y}}", ("when", "any"), "takes a list, and a mapping could mean two things", "any: [{subject: …}, {body: …}]"),
    ("when: {all: x}", ("when", "all"), "takes a list of criteria", ""),
    ("when: {none: []}", ("when", "none"), "empty list", ""),
    ("when: {any: [{subject: {matches: '(?=x)'}}]}", ("when", "any", 0, "subject", "matches"), "look-ahead", "extract"),
    (r"when: {body: {matches: '(a)\1'}}", ("when", "body", "matches"), "back references", "extract"),
    (r"when: {body: {matches: '\bärger\b'}}", ("when", "body", "matches"), "ASCII letters only", "words"),
    (r"when: {body: {matches: ['x', '\b(anwalt|ärger)\b']}}", ("when", "body", "matches", 1), "ASCII letters only", "words"),
    ("when: {body: {matches: '('}}", ("when", "body", "matches"), "the pattern cannot be read: missing )", ""),
    ("when: {kind: bounced}", ("when", "kind"), "kind is never 'bounced'", "did you mean 'bounce'?"),
    ("when: {header.X: {above: many}}", ("when", "header.X", "above"), "a number is wanted", ""),
    (r"when: {header.X: {matches: '(\d)(\d)', above: 1}}", ("when", "header.X", "matches"), "has one group", ""),
    ("when: {subject: {domain: x}, language: {domain: x}}", ("when", "language", "domain"), "does not fit", ""),
    ("when: {subject: {has_field: x}}", ("when", "subject", "has_field"), "does not fit", "body, text and whole_text"),
    ("when: {subject: {exists: false, contains: x}}", ("when", "subject"), "cannot stand with other operators", ""),
    ("when: {subject: {contains: ''}}", ("when", "subject", "contains"), "fits everything", "empty: true"),
    ("when: {subject: {}}", ("when", "subject"), "has no operator", ""),
    ("when: {attachment: application/pdf}", ("when", "attachment"), "attachment takes {type: …, name: …}", ""),
    ("when: {attachment: {kind: x}}", ("when", "attachment", "kind"), "an attachment has no 'kind'", ""),
    ("when: {received: office}", ("when", "received"), "received takes {outside: CALENDAR}", ""),
    ("when: {contains: x}", ("when", "contains"), "is an operator", "subject: {contains: …}"),
    ("case: {priority: soonish}", ("case", "priority"), "'soonish' is no priority", "urgent, high, medium, low"),
    ("case: {set: {status: opn}}", ("case", "set", "status"), "'opn' is no status", "did you mean 'open'?"),
    ("case: {set: {fields.a: [1]}}", ("case", "set", "fields.a"), "a field takes text", ""),
    ("case: {set: {contact.fone: 1}}", ("case", "set", "contact.fone"), "a contact has no 'fone'", "phone"),
    ("case: {set: {title: '{{ x'}}", ("case", "set", "title"), "the template cannot be read", ""),
    ("case: {title: a, set: {title: b}}", ("case",), "'title' stands both in case and in set", ""),
    ("case: {autofill: {map: {Issue: sumary}}}", ("case", "autofill", "map", "Issue"), "'sumary' is no value", "summary"),
    ("case: {autofill: {map: {priority: summary}}}", ("case", "autofill", "map", "priority"), "which is the label?", ""),
    ("case: {autofill: {delimiter: '', map: {a: title}}}", ("case", "autofill", "delimiter"), "one character or more", ""),
    ("case: {autofill: {map: {contact.email: [E-Mail]}}}", ("case",), "contact.email is filled only", "field:LABEL"),
    ("case: {contact: reply}", ("case", "contact"), "'reply' is no source", "did you mean 'reply_to'?"),
    ("case: {update_by: [order]}", ("case",), "cannot be found by 'order'", "write fields.order"),
    ("case: {update_by: [fields.a], update: {by: [fields.a]}}", ("case",), "the same twice", ""),
    ("case: {assign: support}", ("case", "assign"), "assign takes a mapping", "group: support"),
    ("case: {assign: {group: {de: x}}}", None, "looked up names by what", ""),
    ("discard: x, hold: y", (), "both discard and hold", ""),
    ("hold: {reason: x, then: discard}", ("hold",), "needs a time", ""),
    ("forward: nobody", (), "'nobody' is no address", ""),
    ("notify: [none, group]", ("notify",), "'none' stands alone", ""),
    ("stop: false, continue: true", (), "the same twice", ""),
    ("extract: [{from: subject, matches: 'x'}]", ("extract", 0, "matches"), "names nothing", "(?P<host>"),
    ("extract: {from: kind, matches: '(?P<a>x)'}", ("extract", 0, "from"), "no text in 'kind'", ""),
    ("tests: [{expect: {cases: 1}}]", ("tests", 0), "one of message, messages and eml", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "message", "hint"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_is_refused_names_its_place_and_what_would_be_right(
    text: str, path: tuple[str | int, ...] | None, message: str, hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        rule(text)
    errors = [(tuple(step for step in each["loc"][3:] if step != "[key]"), str(each.get("ctx", {}).get("error", each["msg"]))) for each in caught.value.errors()]
    fitting = [(loc, said) for loc, said in errors if message in said]
    assert fitting, errors
    loc, said = fitting[0]
    assert hint in said.partition("\n")[2]
    if path is not None:
        assert loc == path


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        rule(
            "when: {subjekt: x, any: [{boddy: y}, {kind: z}], subject: {contans: x, matches: '('}}, "
            "case: {priority: q, set: {status: x, fields.a: [1], titel: x}}, hold: {then: never}"
        )
    assert {tuple(step for step in each["loc"][3:] if step != "[key]") for each in caught.value.errors()} == {
        ("when", "subjekt"), ("when", "any", 0, "boddy"), ("when", "any", 1, "kind"), ("case", "priority"), ("hold", "then"),
        ("when", "subject", "contans"), ("when", "subject", "matches"), ("case", "set", "status"), ("case", "set", "fields.a"),
        ("case", "set", "titel"),
    }  # fmt: skip
