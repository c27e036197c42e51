"""What `maild check` says of rules that are valid and yet not meant, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rule_bench import settings_of

from maild.rules.lint import lint
from maild.settings.models import Settings


def findings(tmp_path: Path, rules: str, **main: Any) -> list[str]:
    (tmp_path / "rules").mkdir(exist_ok=True)
    (tmp_path / "rules" / "10-x.yaml").write_text(rules)
    settings = settings_of(rules, **main).model_copy(update={"folder": tmp_path, "named": tmp_path})
    return [f"{fault.severity} {fault.line}:{fault.column} {fault.message} ({fault.hint})" for fault in lint(settings)]


DIRECTORY = {"users": {"ann": {"name": "Ann", "email": "ann@example.com"}, "bob": {"name": "Bob", "email": "bob@example.com"}},
             "groups": {"support": {"members": ["ann"]}}, "organisations": {"Acme Ltd": {"domains": ["acme.example"], "sla": "Gold"}}}  # fmt: skip
SLA = {"policies": {"Gold": {}, "Standard": {}}}

CASES = [
    ("an earlier rule without criteria", "[{name: A}, {name: B, when: {subject: x}}]", "rule 'B': it is never reached: rule 'A' before it has no criteria"),
    ("the same criteria", "[{name: A, when: {subject: x}}, {name: B, when: {subject: x}}]", "has the same criteria"),
    ("fewer of the same", "[{name: A, when: {subject: x}}, {name: B, when: {subject: x, body: y}}]", "has fewer of the same criteria"),
    ("one of the earlier words", "[{name: A, when: {subject: {contains: [Order, x]}}}, {name: B, when: {subject: {contains: order}, body: y}}]", "'A' before it has wider criteria"),
    ("one of the earlier mailboxes", "[{name: A, when: {mailbox: [support, billing]}}, {name: B, when: {mailbox: support}}]", "has wider criteria"),
    ("an address of an earlier domain", "[{name: A, when: {from: {domain: acme.example}}}, {name: B, when: {from: [jo@acme.example, al@eu.acme.example]}}]", "has wider criteria"),
    ("what any allows", "[{name: A, when: {any: [{subject: x}, {body: y}]}}, {name: B, when: {body: y, size: {above: 5}}}]", "has fewer of the same criteria"),
    ("each part of any", "[{name: A, when: {from: {domain: acme.example}}}, {name: B, when: {any: [{from: jo@acme.example}, {from: al@acme.example}]}}]", "has wider criteria"),
    ("each part of any by another rule", "[{name: A, when: {subject: x}}, {name: B, when: {body: y}}, {name: C, when: {any: [{subject: x}, {body: y}]}}]",
     "rule 'C': it is never reached: rules 'A' and 'B' before it match all of its mail"),
    ("more under none", "[{name: A, when: {none: [{subject: a}]}}, {name: B, when: {none: [{subject: [a, b]}]}}]", "'A' before it has wider criteria"),
    ("a piece of the text", "[{name: A, when: {subject: {contains: order}}}, {name: B, when: {subject: {starts_with: My Order}}}]", "'A' before it has wider criteria"),
    ("a smaller number", "[{name: A, when: {size: {above: 1MiB}}}, {name: B, when: {size: {above: 5MiB}, subject: x}}]", "'A' before it has wider criteria"),
    ("two mailboxes", "[{name: A, when: {mailbox: support, all: [{mailbox: billing}]}}]", "rule 'A': it can never match: no mail has both mailbox is"),
    ("two addresses in From", "[{name: A, when: {all: [{from: jo@a.example}, {from: al@b.example}]}}]", "it can only match mail with several people in From: from is"),
    ("a list in place of all", "[{name: A, when: {all: [{subject: a}, {subject: b}]}}]", "a list means any of them: subject: [one, other]"),
    ("an address outside the domain", "[{name: A, when: {all: [{envelope.from: jo@a.example}, {envelope.from: {domain: b.example}}]}}]", "it can never match"),
    ("a subject without the word", "[{name: A, when: {all: [{subject: Hello}, {subject: {contains: order}}]}}]", "it can never match"),
    ("taken out by none", "[{name: A, when: {to: jo@acme.example, none: [{to: {domain: acme.example}}]}}]", "it can never match: no mail has both to is jo@acme.example, and not to domain"),
    ("there and not there", "[{name: A, when: {header.X-A: {exists: false}, any: [{header.X-A: b}]}}]", "it can never match"),
    ("empty and not", "[{name: A, when: {all: [{body: {empty: true}}, {body: {contains: x}}]}}]", "it can never match"),
    ("above more than below", "[{name: A, when: {size: {above: 5MiB, below: 1MiB}}}]", "it can never match: no value has size"),
    ("no attachment and its name", "[{name: A, when: {attachment.count: 0, attachment: {name: x}}}]", "it can never match"),
    ("a kind beside another", "[{name: A, when: {kind: bounce, all: [{kind: customer}]}}]", "it can never match"),
    ("one part of any", "[{name: A, when: {mailbox: support, any: [{subject: x}, {mailbox: billing}]}}]", "it can never match by number 2 under any"),
    ("a condition beside its opposite", "[{name: A, when: {from: jo@a.example, none: [{all: [{from: {domain: a.example}}]}]}}]", "it can never match"),
    ("two names", "[{name: A, when: {subject: x}}, {name: A, when: {subject: y}}]", "another rule has the same name"),
    ("continue and discard", "[{name: A, when: {subject: x}, continue: true, discard: y}]", "continue has no effect: discard ends the search"),
    ("a pattern for everything", "[{name: A, when: {subject: {matches: 'x*'}}}]", "fits every text"),
    ("the mailbox's address", "[{name: A, when: {recipient: {contains: help@example.com}}}]", "write mailbox: support"),
    ("an address of nobody", "[{name: A, when: {recipient: supprot@example.com}}]", "no mailbox has the address supprot@example.com"),
    ("a bare domain", "[{name: A, when: {from: acme.example}}]", "write from: {domain: acme.example}"),
    ("the case on new mail", "[{name: A, when: {case.status: open}}]", "case.status is known on answers"),
    ("capitals in a list", "[{name: A, when: {subject: {contains: [ALERT]}}}]", "did you mean '[ALERT]'?"),
    ("an unknown name", "[{name: A, case: {title: '{{ message.subjet }}'}}]", "error 3:"),
    ("an unknown find", "[{name: A, case: {set: {summary: '{{ found.host }}'}}}]", "name a group in extract: (?P<host>…)"),
    ("an unknown field", "[{name: A, case: {title: '{{ fields.oder }}'}}]", "did you mean 'fields.order'?"),
    ("a value of the wrong type", "[{name: A, case: {fields.due: soon}}]", "'soon' is no date"),
    ("a meaning that is none", "[{name: A, case: {autofill: {map: {priority: {labels: [U], values: {asap: urgnt}}}}}}]", "'urgnt' is no priority (did you mean 'urgent'?)"),
    ("a label twice", "[{name: A, case: {autofill: {map: {summary: [Issue], title: ['issue.']}}}}]", "is mapped twice: to summary and title"),
    ("required and unmapped", "[{name: A, case: {autofill: {map: {Issue: summary}, require: [fields.order]}}}]", "no label fills it"),
    ("autofill and set", "[{name: A, case: {autofill: {map: {Issue: summary}}, set: {summary: x}}}]", "both autofill and set name summary"),
    ("an SLA over their own", "[{name: A, case: {sla: Standard}}]", "leave sla out, or write sla: {always: Standard}"),
    ("update among a mailbox", "[{name: A, case: {update: {by: [fields.order], among: mailbox}}}]", "anybody could write into the cases of others"),
    ("a contact out of Reply-To", "[{name: A, case: {contact: reply_to}}]", "in another's name (contact: reply_to)"),
    ("a contact out of the text", "[{name: A, case: {contact: 'field:Mail'}}]", "in another's name"),
    ("a user outside the group", "[{name: A, case: {assign: {group: support, user: bob}}}]", "bob is no member of support"),
    ("a title on answers", "[{name: A, applies_to: answers, case: {title: x}}]", "title has no effect on answers"),
    ("a bounce that opens a case", "[{name: A, when: {kind: bounce}, case: {tags: [x]}}]", "mail of kind bounce opens no case"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "said"), [each[1:] for each in CASES], ids=[each[0] for each in CASES])
def test_findings(tmp_path: Path, rules: str, said: str) -> None:
    fields = {"order": {"type": "text"}, "due": {"type": "date"}}
    found = findings(tmp_path, f"# a comment\nrules:\n  {rules}\n", directory=DIRECTORY, sla=SLA, fields=fields)
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    "rules",
    [
        "[{name: A, continue: true}, {name: B}]",
        "[{name: A, when: {subject: {contains: order}}}, {name: B, when: {subject: {contains: [order, x]}}}]",
        "[{name: A, when: {subject: {contains_all: [a, b]}}}, {name: B, when: {subject: {contains_all: [a]}}}]",
        "[{name: A, when: {from: {domain: eu.acme.example}}}, {name: B, when: {from: jo@acme.example}}]",
        "[{name: A, when: {subject: {contains: [a, b], starts_with: x}}}, {name: B, when: {subject: {contains: a}}}]",
        "[{name: A, when: {none: [{subject: [a, b]}]}}, {name: B, when: {none: [{subject: a}]}}]",
        "[{name: A, when: {subject: {contains: order}, body: x}}, {name: B, when: {any: [{subject: {contains: my order}}, {body: x}]}}]",
        "[{name: A, when: {any: [{subject: a}, {body: b}], mailbox: support}}, {name: B, when: {subject: a}}]",
        "[{name: A, when: {body: {has_field: Order}}, case: {autofill: {delimiter: '=', map: {Order: fields.order}}}}, {name: B, when: {body: {has_field: Order}}}]",
        "[{name: A, when: {body: {has_field: Order}}}, {name: B, when: {text: {has_field: Order}}}]",
        "[{name: A, when: {all: [{to: ann@example.org}, {to: bob@example.org}]}}]",
        "[{name: A, when: {all: [{header.X-A: a}, {header.X-A: b}]}}]",
        "[{name: A, when: {all: [{attachment: {type: application/pdf}}, {attachment: {name: {ends_with: .png}}}]}}]",
        "[{name: A, when: {from: {domain: acme.example}, none: [{from: {domain: eu.acme.example}}]}}]",
        "[{name: A, when: {from: {domain: eu.acme.example}, all: [{from: {domain: acme.example}}]}}]",
        "[{name: A, when: {subject: {contains: a}, none: [{subject: {contains: ab}}]}}]",
        "[{name: A, when: {subject: {starts_with: Re, ends_with: x}, all: [{subject: {starts_with: 'Re: '}}]}}]",
        "[{name: A, when: {attachment.count: {above: 0, below: 2}, size: {above: 1MiB}}}]",
        "[{name: A, when: {subject: {matches: ['a(\\d+)', 'b(\\d+)'], above: 3, below: 9}}}]",
        "[{name: A, when: {language: de, all: [{language: de-AT}]}}]",
        "[{name: A, when: {subject: {exists: false}, body: {empty: true}}}]",
        "[{name: A, when: {none: [{subject: a, body: b}], subject: a}}]",
        "[{name: A, when: {mailbox: support, subject: Hello, all: [{subject: {words: hello}}]}}]",
        "[{name: A, applies_to: answers}, {name: B}]",
        "[{name: A, enabled: false}, {name: B}]",
        "[{name: A, until: 2026-12-31}, {name: B}]",
        "[{name: B, when: {kind: bounce}, discard: x}, {name: A}]",
        "[{name: A}, {name: B, when: {kind: bounce}, discard: x}]",
        "[{name: A, when: {subject: {matches: '^\\s*$'}}}]",
        "[{name: A, when: {subject: {contains: ['[ALERT]']}}}]",
        "[{name: A, when: {subject: {contains: [alert]}, mailbox: support}}]",
        "[{name: A, case: {sla: {always: Standard}}}]",
        "[{name: A, when: {organisation: Acme Ltd}, case: {sla: Standard}}]",
        "[{name: A, when: {auth: pass}, case: {contact: reply_to, update: {by: [fields.order], among: mailbox}}}]",
        "[{name: A, when: {envelope.from: w@web.example}, case: {contact: reply_to}}]",
        "[{name: A, accept_automatic: true, case: {update: {by: [fields.order], among: mailbox}}}]",
        "[{name: A, applies_to: all, when: {case.tags: vip}}]",
        "[{name: A, case: {title: '{{ message.from.name }} {{ fields.order }} {{ contact.email }} {{ mailbox.key }}'}}]",
        "[{name: A, when: {recipient: {contains: sales}}}]",
    ],
)  # fmt: skip
def test_what_is_fine(tmp_path: Path, rules: str) -> None:
    assert (
        findings(tmp_path, f"rules: {rules}\n", directory=DIRECTORY, sla=SLA, fields={"order": {"type": "text"}}) == []
    )


def test_a_finding_stands_at_its_place(tmp_path: Path) -> None:
    rules = "rules:\n  - name: A\n    when: {subject: x}\n  - name: B\n    when: {subject: x}\n    case:\n      title: '{{ nothing }}'\n"
    found = findings(tmp_path, rules)
    assert [each.split(" rule")[0] for each in found] == ["warning 4:11", "error 7:14"]


def test_without_files_the_rule_is_named(tmp_path: Path) -> None:
    settings: Settings = settings_of("rules: [{name: A}, {name: B}]")
    (fault,) = lint(settings)
    assert str(fault).startswith("rules: rule 'B': it is never reached")
