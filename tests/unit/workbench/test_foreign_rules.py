"""Sieve scripts and .procmailrc files as rules; what has no translation is named with its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.settings.reader import read_bytes
from maild.settings.rule_models import RuleFile
from maild.workbench import procmail, sieve
from maild.workbench.imported import Imported


def rules(imported: Imported) -> list[dict[str, Any]]:
    """The rules; their text is read again as a rule file."""
    document = read_bytes(imported.text("a script").encode(), "x.yaml")
    assert [str(fault) for fault in document.faults] == []
    assert len(RuleFile.model_validate(document.value).rules) == len(imported.rules)
    return [{key: value for key, value in rule.items() if key != "name"} for rule in imported.rules]


@pytest.mark.parametrize(
    ("script", "when"),
    [
        ('header :contains "Subject" "order"', {"subject": {"contains": "order"}}),
        ('header :is ["X-A", "X-B"] "1"', {"any": [{"header.X-A": {"is": "1"}}, {"header.X-B": {"is": "1"}}]}),
        ('address :domain "from" ["a.example", "b.example"]', {"from": {"domain": ["a.example", "b.example"]}}),
        ('address :is "to" "sales@example.com"', {"to": {"is": "sales@example.com"}}),
        ('header :matches "Subject" "[*] ?rder*"', {"subject": {"matches": r"^\[.*\]\ .rder.*$"}}),
        ('not exists "List-Id"', {"none": [{"header.List-Id": {"exists": True}}]}),
        ("size :over 2M", {"size": {"above": "2MiB"}}),
        ('body :contains "refund"', {"whole_text": {"contains": "refund"}}),
        ('envelope "from" "x@y.example"', {"envelope.from": {"is": "x@y.example"}}),
        ('allof (size :over 1K, header :is "Subject" "x")', {"size": {"above": "1KiB"}, "subject": {"is": "x"}}),
    ],
)
def test_sieve_tests(script: str, when: dict[str, Any]) -> None:
    imported = sieve.read(f"if {script} {{ discard; }}")
    assert rules(imported) == [{"when": when, "discard": "discarded by a Sieve script before"}]
    assert imported.left == []


def test_branches_exclude_each_other() -> None:
    imported = sieve.read('if size :over 1M { fileinto "Big"; } elsif size :over 1K { fileinto "Mid"; stop; } else { redirect "a@b.example"; }')
    big, mid = {"size": {"above": "1MiB"}}, {"size": {"above": "1KiB"}}
    assert rules(imported) == [
        {"when": big, "case": {"tags": ["big"]}, "continue": True},
        {"when": {"none": [big], **mid}, "case": {"tags": ["mid"]}},
        {"when": {"none": [big, mid]}, "forward": "a@b.example"},
    ]


def test_sieve_names_what_it_leaves() -> None:
    imported = sieve.read('require "vacation";\nif true {\n  vacation "away";\n}\nif header :count "ge" "x" "1" { discard; }\n')
    assert [(one.line, one.text) for one in imported.left] == [(3, 'vacation "away";'), (5, 'if header :count "ge" "x" "1" { discard; }')]
    assert "out_of_hours" in imported.left[0].why and "relational" in imported.left[1].why
    assert sieve.read("if {").left[0].line == 1


def test_procmail() -> None:
    imported = procmail.read(
        "MAILDIR=$HOME/Mail\n:0\n* ^Subject:.*order\n* !^From:.*@example\\.com\norders/\n\n:0 c:\n* > 1000\nbig\n"
        ":0\n* ^TO_help@\n{\n  :0 B\n  * refund\n  ! boss@example.com\n}\n:0\n* ^X-Spam: yes\n/dev/null\n"
    )
    assert rules(imported) == [
        {"when": {"subject": {"matches": "order"}, "none": [{"header.From": {"matches": "@example\\.com"}}]}, "case": {"tags": ["orders"]}},
        {"when": {"size": {"above": 1000}}, "case": {"tags": ["big"]}, "continue": True},
        {"when": {"recipient": {"matches": "help@"}, "whole_text": {"matches": "refund"}}, "forward": "boss@example.com"},
        {"when": {"header.X-Spam": {"matches": "^yes"}}, "discard": "sent to /dev/null by procmail before"},
    ]
    assert imported.left == []


def test_procmail_names_what_it_leaves() -> None:
    imported = procmail.read(":0 fw\n| spamc\n:0\n* ? test -f x\nx\nINCLUDERC=y\n:0\n* ^Subject: x\n| prog\n")
    assert [one.line for one in imported.left] == [1, 4, 6, 9]
    assert imported.rules == []


@given(st.text(max_size=200))
def test_nothing_that_is_no_script_raises(text: str) -> None:
    for read in (sieve.read, procmail.read):
        assert isinstance(read(text).text("x"), str)


@given(st.lists(st.sampled_from(['if', 'elsif', 'else', 'header', '"Subject"', '"x"', '{', '}', ';', '(', ')', ',', ':is', '[', ']', 'discard', 'not', '7K']), max_size=30))  # fmt: skip
def test_scraps_of_scripts_do_not_raise(words: list[str]) -> None:
    imported = sieve.read(" ".join(words))
    rules(imported)


def test_the_empty_sender_of_a_sieve_script_is_asked_for_by_empty() -> None:
    imported = sieve.read('require ["envelope"];\nif envelope :is "from" "" { discard; }\n')
    assert imported.left == []
    assert imported.rules[0]["when"] == {"envelope.from": {"empty": True}}
    RuleFile.model_validate({"rules": imported.rules})
