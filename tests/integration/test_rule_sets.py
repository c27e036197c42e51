"""Rules that share: named conditions, included files, and files for one mailbox, through the commands that admins use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from maild.cli.app import build
from maild.settings.load import load, load_with_warnings

MAIN = """
database: sqlite:///maild.db
mailboxes:
  support: {address: support@example.com}
  billing: {address: billing@example.com}
  orders: {address: orders@example.com}
outbound: {smtp: {host: 127.0.0.1}}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(**files: str) -> Path:
        folder = tmp_path / "config"
        for name, text in {"maild.yaml": MAIN, **{key.replace("__", "/") + ".yaml": text for key, text in files.items()}}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return written


def maild(*words: object) -> Result:
    return CliRunner().invoke(build(), [str(word) for word in words])


def mail(folder: Path, sender: str, to: str, subject: str) -> Path:
    file = folder.parent / "mail.eml"
    file.write_text(f"From: {sender}\nTo: {to}\nSubject: {subject}\nDate: Tue, 24 Nov 2026 10:00:00 +0000\nMessage-ID: <1@a.example>\n\nHello\n")
    return file


def tried(folder: Path, sender: str, to: str, subject: str = "Hello") -> str:
    """The name of the rule that the mail ends at, as `rules try` says it."""
    result = maild("--config", folder, "rules", "try", mail(folder, sender, to, subject), "--json")
    assert result.exit_code == 0, result.output
    rules = json.loads(result.stdout)["rules"]
    return str(rules[-1]) if rules else ""


def said(folder: Path) -> list[str]:
    _, found = load_with_warnings(folder)
    return [str(fault).replace(f"{folder}/", "") for fault in found]


PARTNERS = """
conditions:
  from a partner: {from: {domain: [acme.example, globex.example]}}
  a partner in need: {condition: from a partner, subject: {words: [urgent, dringend]}}
"""


def test_a_condition_is_written_once_and_asked_for_by_rules_of_other_files(write: Write) -> None:
    folder = write(
        rules__00=PARTNERS,
        rules__10="rules: [{name: In need, when: {condition: a partner in need}}]",
        rules__20="rules: [{name: Partner, when: {condition: from a partner}}, {name: Stranger, when: {none: [{condition: from a partner}]}}]",
    )
    assert said(folder) == []
    assert tried(folder, "jo@eu.acme.example", "support@example.com", "DRINGEND: kaputt") == "In need"
    assert tried(folder, "jo@acme.example", "support@example.com") == "Partner"
    assert tried(folder, "jo@other.example", "support@example.com", "urgent") == "Stranger"


def test_of_several_conditions_one_is_enough(write: Write) -> None:
    folder = write(
        rules__00="conditions: {a: {subject: aa}, b: {subject: bb}}\nrules: [{name: Either, when: {condition: [a, b]}}]"
    )
    assert [tried(folder, "jo@a.example", "support@example.com", text) for text in ("aa", "BB", "cc")] == ["Either", "Either", ""]


def test_a_trace_says_the_name_and_what_stood_behind_it(write: Write) -> None:
    folder = write(rules__00=PARTNERS + "rules: [{name: In need, when: {condition: a partner in need}}]")
    result = maild("--config", folder, "rules", "try", mail(folder, "jo@acme.example", "support@example.com", "urgent!"))
    shown = result.stdout[result.stdout.index("rule 'In need': matched") :].splitlines()[:6]
    assert [line.strip() for line in shown] == [
        "rule 'In need': matched, and ended the search",
        "yes  condition 'a partner in need':",
        "yes  all of:",
        "yes  condition 'from a partner':",
        "yes  from domain acme.example | globex.example  found: acme.example  saw: jo@acme.example",
        "yes  subject words urgent | dringend  found: urgent  saw: urgent!",
    ]


def test_a_file_for_one_mailbox_is_asked_for_mail_of_that_mailbox_only(write: Write) -> None:
    folder = write(
        rules__10="mailbox: billing\nrules: [{name: Bills, when: {subject: {words: bill}}}, {name: Rest of billing}]",
        rules__20="mailbox: [orders, support]\nrules: [{name: Both, when: {any: [{subject: bill}, {subject: order}]}}]",
    )
    assert said(folder) == []
    assert tried(folder, "jo@a.example", "billing@example.com", "bill") == "Bills"
    assert tried(folder, "jo@a.example", "billing@example.com") == "Rest of billing"
    assert tried(folder, "jo@a.example", "orders@example.com", "bill") == "Both"
    assert tried(folder, "jo@a.example", "orders@example.com", "hello") == ""


def test_included_rules_are_tried_where_they_are_included(write: Write) -> None:
    folder = write(
        rules__10="mailbox: billing\nrules: [{name: First, when: {subject: a}}, {include: shared/news.yaml}, {name: Last}]",
        rules__20="mailbox: orders\nrules: [{include: shared/news.yaml}]",
        rules__shared__news="rules: [{name: News, when: {any: [{subject: a}, {subject: news}]}}]",
    )
    assert said(folder) == []
    listed = json.loads(maild("--config", folder, "rules", "list", "--json").stdout)
    assert [(row["name"], row["file"], row["line"]) for row in listed] == [
        ("First", "rules/10.yaml", 2), ("News", "rules/shared/news.yaml", 1), ("Last", "rules/10.yaml", 2), ("News", "rules/shared/news.yaml", 1),
    ]  # fmt: skip
    assert tried(folder, "jo@a.example", "billing@example.com", "a") == "First"
    assert tried(folder, "jo@a.example", "billing@example.com", "news") == "News"
    assert tried(folder, "jo@a.example", "orders@example.com", "a") == "News"
    assert tried(folder, "jo@a.example", "support@example.com", "news") == ""


def test_what_includes_share_is_part_of_what_is_live(write: Write) -> None:
    folder = write(rules__10="rules: [{include: shared/a.yaml}]", rules__shared__a="rules: [{name: A}]")
    before = load(folder)
    assert set(before.files) >= {"rules/10.yaml", "rules/shared/a.yaml"}
    (folder / "rules" / "shared" / "a.yaml").write_text("rules: [{name: B}]")
    assert load(folder).hash != before.hash


def test_tests_of_an_included_file_are_run_once(write: Write) -> None:
    folder = write(
        rules__10="mailbox: billing\nrules: [{include: shared/news.yaml}]",
        rules__20="mailbox: orders\nrules: [{include: shared/news.yaml}]",
        rules__shared__news=(
            "rules:\n  - name: News\n    when: {subject: news}\n    discard: news\n    tests:\n"
            "      - {message: {from: a@b.example, subject: news}, expect: {discarded: true}}\n"
        ),
    )
    result = maild("--config", folder, "rules", "test")
    assert (result.exit_code, result.stdout.splitlines()[-1].split(" (")[0]) == (0, "1 test, none failed")


WRONG = [
    ("an unknown condition", {"rules__10": "conditions: {vip: {subject: x}}\nrules: [{name: A, when: {all: [{condition: vop}, {condition: vip}]}}]"},
     ["rules/10.yaml:2:44: there is no condition 'vop' (did you mean 'vip'?)"]),
    ("a condition that asks for itself", {"rules__10": "conditions:\n  a: {condition: b}\n  b: {condition: a}\nrules: [{name: A, when: {condition: a}}]"},
     ["rules/10.yaml:2:18: condition 'a' asks for itself (a condition names others only)",
      "rules/10.yaml:3:18: condition 'b' asks for itself (a condition names others only)"]),
    ("a condition twice", {"rules__10": "conditions: {a: {subject: x}}\nrules: [{name: A, when: {condition: a}}]", "rules__20": "conditions: {a: {subject: y}}"},
     ["rules/20.yaml:1:14: there is a condition 'a' already: rules/10.yaml:1 (give each its own name)"]),
    ("a condition of nobody", {"rules__10": "conditions: {a: {subject: x}}"},
     ["rules/10.yaml:1:14: no rule asks for condition 'a' (write condition: … into a when, or remove it)"]),
    ("a fault in a condition", {"rules__10": "conditions: {a: {subjct: x}}\nrules: [{name: A, when: {condition: a}}]"},
     ["rules/10.yaml:1:18: there is no criterion 'subjct' (did you mean 'subject'?)"]),
    ("criteria under condition", {"rules__10": "rules: [{name: A, when: {condition: {subject: x}}}]"},
     ["rules/10.yaml:1:37: 'condition' takes a name that stands under conditions: (write condition: from a partner)"]),
    ("names in conditions", {"rules__10": "conditions: {a: {case.group: tier2, received: {outside: offce}, from: {in_list: lists/no.txt}}}\nrules: [{when: {condition: a}}]"},
     ["there is no group 'tier2'", "there is no calendar 'offce'", "lists/no.txt cannot be read"]),
    ("a file that is not there", {"rules__10": "rules: [{include: shared/nws.yaml}]", "rules__shared__news": "rules: []"},
     ["rules/10.yaml:1:19: there is no file rules/shared/nws.yaml (did you mean 'shared/news.yaml'?)", "rules/shared/news.yaml: this file is not read: no rule file includes it"]),
    ("a file read anyway", {"rules__10": "rules: [{include: 20.yaml}]", "rules__20": "rules: []"},
     ["rules/10.yaml:1:19: rules/20.yaml is read anyway, in its own place"]),
    ("a file elsewhere", {"rules__10": "rules: [{include: ../maild.yaml}, {include: /etc/x.yaml}]"},
     ["'../maild.yaml' is no rule file that can be included", "'/etc/x.yaml' is no rule file that can be included"]),
    ("a circle", {"rules__10": "rules: [{include: shared/a.yaml}]", "rules__shared__a": "rules: [{include: shared/b.yaml}]",
                  "rules__shared__b": "rules: [{include: shared/a.yaml}]"},
     ["rules/shared/a.yaml:1:19: rules/shared/b.yaml includes this file, and so itself", "rules/shared/b.yaml:1:19: rules/shared/a.yaml includes this file"]),
    ("a mailbox that is none", {"rules__10": "mailbox: biling\nrules: [{name: A}]"}, ["rules/10.yaml:1:10: there is no mailbox 'biling' in maild.yaml (did you mean 'billing'?)"]),
    ("an include with more", {"rules__10": "rules: [{include: shared/a.yaml, when: {subject: x}}]", "rules__shared__a": "rules: []"}, ["rules/10.yaml:1:34: unknown key 'when'"]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_stands_at_its_place(write: Write, files: dict[str, str], expected: list[str]) -> None:
    folder = write(**files)
    found = [line.replace(f"{folder.parent}/", "") for line in said(folder)]
    assert len(found) == len(expected), found
    for words, line in zip(expected, found, strict=True):
        assert words in line


def test_checking_one_included_file_looks_at_it_in_its_directory(write: Write) -> None:
    folder = write(rules__10="rules: [{include: shared/a.yaml}]", rules__shared__a="rules: [{name: A, when: {condition: none such}}]")
    result = maild("check", folder / "rules" / "shared" / "a.yaml")
    assert result.exit_code == 1
    assert "there is no condition 'none such'" in result.stdout
    assert "see docs/reference/rules.md#criteria" in result.stdout


def test_a_finding_about_a_condition_is_told_once_where_it_stands(write: Write) -> None:
    folder = write(rules__10=(
        "conditions:\n  for us: {any: [{recipient: support@example.com}]}\n"
        "rules:\n  - {name: A, when: {condition: for us, subject: a}}\n  - {name: B, when: {condition: for us, subject: b}}\n"
    ))  # fmt: skip
    shown = [line for line in maild("check", folder).stdout.splitlines() if "warning" in line and ".yaml:" in line]
    assert len(shown) == 1
    assert shown[0].split("config/")[1].startswith("rules/10.yaml:2:30: warning: condition 'for us': support@example.com is the mailbox 'support'")


def test_a_directory_called_maild_beside_the_shell_is_not_taken_for_the_program(write: Write) -> None:
    folder = write(rules__10="rules: []")
    (folder.parent / "maild").mkdir()
    command = [sys.executable, "-P", "-m", "maild", "--config", str(folder), "rules", "rollback", "0000"]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "no configuration is known by '0000'; maild rules history lists them")
