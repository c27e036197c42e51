"""`maild check`, `config show` and `init` as they are typed."""

from __future__ import annotations

import json
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from maild.cli.app import build
from maild.settings import starter

ROOT = Path(__file__).parents[3]
BASE = ROOT / "tests" / "bad_configs" / "base"

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    app, runner = build(), CliRunner()

    def invoke(*words: object, stdin: str | None = None) -> Result:
        return runner.invoke(app, [str(word) for word in words], input=stdin)

    return invoke


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path / "config")
    (tmp_path / "config" / "rules").mkdir()
    return tmp_path / "config"


def test_a_sound_configuration(run: Run) -> None:
    result = run("--config", ROOT / "config", "check")
    assert result.exit_code == 0, result.output
    assert "no faults (4 mailboxes, 5 groups, 12 rules;" in result.output


def test_a_fault_is_shown_in_its_line_with_a_caret(run: Run, folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text("rules:\n  - name: A\n    rpely: none\n")
    result = run("--config", folder, "check")
    assert result.exit_code == 1
    assert result.stdout == (
        f"{folder}/rules/10-a.yaml:3:5: error: unknown key 'rpely' (did you mean 'reply'?)\n"
        "  3 |     rpely: none\n"
        "    |     ^\n"
        "  see docs/reference/rules.md#a-rule\n"
    )
    assert "1 error; nothing of it goes live" in result.stderr


def test_the_directory_may_be_an_argument(run: Run, folder: Path) -> None:
    assert run("check", folder).exit_code == 0
    assert run("check", folder, "--quick").exit_code == 0


def test_a_directory_that_cannot_be_read_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    missing = run("check", tmp_path / "nothing")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "cannot be read: no such file or directory (maild init" in missing.stderr
    empty = run("check", tmp_path)
    assert empty.exit_code == 2
    assert "there is no maild.yaml" in empty.stderr


def test_warnings_count_only_when_strict(run: Run, folder: Path) -> None:
    (folder / "rules" / "30-vip.yml").write_text("rules: []\n")
    plain, strict = run("check", folder), run("check", folder, "--strict")
    assert (plain.exit_code, strict.exit_code) == (0, 1)
    assert "30-vip.yml: warning: this file is not read" in plain.stdout


def test_json(run: Run, folder: Path) -> None:
    (folder / "maild.yaml").write_text((folder / "maild.yaml").read_text() + "workers: many\n")
    result = run("check", folder, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["ok"], told["errors"], told["warnings"], told["hash"]) == (False, 1, 0, None)
    assert told["faults"] == [{
        "file": f"{folder}/maild.yaml", "line": 8, "column": 10,
        "message": "workers must be a whole number", "hint": "",
        "page": "docs/reference/configuration.md#maildyaml", "severity": "error",
    }]  # fmt: skip


def test_lines_for_github(run: Run, folder: Path) -> None:
    (folder / "maild.yaml").write_text((folder / "maild.yaml").read_text() + "workers: 100%\n")
    result = run("check", folder, "--format", "github")
    assert result.stdout == f"::error file={folder}/maild.yaml,line=8,col=10::workers must be a whole number\n"


def test_one_file_of_a_directory_is_compared_with_the_others(run: Run, folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text("rules:\n  - name: A\n    mailbox: suport\n")
    (folder / "rules" / "20-b.yaml").write_text("rules:\n  - name: B\n    mailbox: billing\n")
    result = run("check", folder / "rules" / "10-a.yaml")
    assert result.exit_code == 1
    assert "did you mean 'support'?" in result.stdout
    assert "20-b.yaml" not in result.stdout


def test_a_draft_on_standard_input(run: Run) -> None:
    good = run("check", "-", stdin="rules:\n  - name: A\n    reply: anything\n")
    bad = run("check", "-", stdin="rules:\n  - name: A\n    rpely: none\n")
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "-:3:5: error: unknown key 'rpely'" in bad.stdout


def test_a_secret_in_the_file_is_not_repeated(run: Run, folder: Path) -> None:
    text = (folder / "maild.yaml").read_text().replace("127.0.0.1}", "127.0.0.1, username: u, password: geheim}")
    (folder / "maild.yaml").write_text(text.replace("sqlite:///maild.db", "postgresql://maild:geheim@db/maild"))
    result = run("check", folder)
    assert result.exit_code == 1
    assert "a secret is never written in this file" in result.stdout
    assert "geheim" not in result.output


def test_keys_without_effect_are_told_in_one_line(run: Run, folder: Path) -> None:
    text = "groups: {support: {members: [alice], name: The helpful}}\nusers: {alice: {name: Alice Ng, email: alice@example.com}}\n"
    (folder / "directory.yaml").write_text(text)
    result = run("check", folder)
    assert "accepted, without effect in this version: directory.yaml: groups.*.name\n" in result.stdout


def test_a_broken_template_is_a_fault(run: Run, folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "acknowledgement.txt.j2").write_text("Dear {{ contact.name\n")
    result = run("check", folder)
    assert result.exit_code == 1
    assert f"{folder}/templates/acknowledgement.txt.j2:1:1: error: " in result.stdout


class _Smarthost(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            quits = line.upper().startswith(b"QUIT")
            self.wfile.write(b"221 bye\r\n" if quits else b"250 ok\r\n")
            if quits:
                return


@pytest.fixture
def smarthost() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smarthost) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_connect_tries_what_is_named(run: Run, folder: Path, smarthost: int) -> None:
    text = (folder / "maild.yaml").read_text().replace("127.0.0.1}", f"127.0.0.1, port: {smarthost}}}")
    (folder / "maild.yaml").write_text(text + f'ingest: {{smtp: {{listen: "127.0.0.1:{smarthost}"}}}}\n')
    result = run("check", folder, "--connect", "--json")
    assert result.exit_code == 0, result.output
    tried = {line["what"]: line["text"] for line in json.loads(result.stdout)["connections"]}
    assert tried["database"].endswith("is not there yet; maild run makes it")
    assert tried[f"smarthost 127.0.0.1:{smarthost}"] == "answers"
    assert tried[f"smtp door 127.0.0.1:{smarthost}"] == "open, says '220 sink'"


def test_connect_names_what_does_not_answer(run: Run, folder: Path, smarthost: int) -> None:
    text = (folder / "maild.yaml").read_text().replace("127.0.0.1}", "127.0.0.1, port: 1}")
    (folder / "maild.yaml").write_text(text)
    result = run("check", folder, "--connect")
    assert result.exit_code == 1
    assert "FAULT smarthost 127.0.0.1:1: " in result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"{folder}: 1 connection fault (")
    assert json.loads(run("check", folder, "--connect", "--json").stdout)["ok"] is False
    assert "::error ::smarthost 127.0.0.1:1: " in run("check", folder, "--connect", "--format", "github").stdout


def test_init_writes_a_configuration_that_passes_and_sends_nothing(run: Run, tmp_path: Path) -> None:
    made = run("init", tmp_path / "new")
    assert made.exit_code == 0
    assert "outbound.mode is hold. To go live write mode: live" in made.stdout
    checked = run("check", tmp_path / "new", "--strict")
    assert checked.exit_code == 0, checked.output
    values = json.loads(run("--config", tmp_path / "new", "config", "show", "--json").stdout)
    assert next(each for each in values if each["key"] == "outbound.mode")["value"] == "hold"
    for rules in (tmp_path / "new" / "rules").glob("*.yaml"):
        schema = rules.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (rules.parent / schema).is_file()


def test_init_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sla.yaml").write_text("# mine\n")
    refused = run("init", tmp_path)
    assert refused.exit_code == 2
    assert "sla.yaml is there already; nothing was written" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sla.yaml"]


def test_the_starter_is_packaged() -> None:
    assert {"maild.yaml", "directory.yaml", "sla.yaml", "workflows.yaml", "rules/10-support.yaml"} <= set(
        starter.files()
    )


def test_config_show_names_the_origin_of_each_value(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/state")
    (folder / "rules" / "10-a.yaml").write_text("rules:\n  - name: A\n    reply: none\n")
    shown = json.loads(run("--config", folder, "config", "show", "--json").stdout)
    values = {(each["file"], each["key"]): each for each in shown}
    assert values["maild.yaml", "database.url"]["value"] == "sqlite:////state/maild.db"
    assert values["maild.yaml", "database.url"]["origin"] == f"{folder}/maild.yaml:1"
    assert values["maild.yaml", "state_dir"]["origin"] == "$STATE_DIRECTORY=/state"
    assert values["maild.yaml", "mailboxes.support.group"]["origin"] == f"{folder}/maild.yaml:3"
    assert values["maild.yaml", "mailboxes.support.unmatched"]["origin"] == "default"
    assert values["maild.yaml", "limits.same_subject"]["value"] == ["2 in 3h"]
    assert values["directory.yaml", "users.bob.email"]["value"] == ["bob@example.com"]
    assert values["sla.yaml", "policies.Standard.targets.medium.resolution"]["origin"] == f"{folder}/sla.yaml:4"
    assert values["rules/10-a.yaml", "rules.0"]["value"] == "A"
    assert values["rules/10-a.yaml", "rules.0"]["origin"] == f"{folder}/rules/10-a.yaml:2"


def test_config_show_hides_secrets(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "geheim")
    text = (folder / "maild.yaml").read_text()
    (folder / "maild.yaml").write_text(
        text.replace("127.0.0.1}", "127.0.0.1, username: u, password: {env: SMTP_PASSWORD}}")
    )
    result = run("--config", folder, "config", "show")
    assert result.exit_code == 0
    assert 'outbound.smtp.password: {"env": "SMTP_PASSWORD"}' in result.stdout
    assert "geheim" not in result.output


OLD_RULES = """# our rules
rules:
  - name: A   # the first
    when: {subject: x}
    "stop": False   # go on, please
  - {name: B, when: {subject: y}, stop: true, reply: none} # both on one line
"""
NEW_RULES = """# our rules
rules:
  - name: A   # the first
    when: {subject: x}
    continue: true   # go on, please
  - {name: B, when: {subject: y}, continue: false, reply: none} # both on one line
"""


def test_renamed_keys_are_warned_of_with_the_new_line(run: Run, folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text(OLD_RULES)
    result = run("check", folder)
    assert result.exit_code == 0
    assert "10-a.yaml:5:5: warning: 'stop' is called 'continue' now" in result.stdout
    assert "write: continue: true; maild check --fix does it" in result.stdout
    assert run("check", folder, "--strict").exit_code == 1
    assert run("check", "-", stdin=OLD_RULES).stdout.count("is called 'continue' now") == 2
    assert (folder / "rules" / "10-a.yaml").read_text() == OLD_RULES


def test_fix_writes_renamed_keys_and_leaves_all_else_as_it_is(run: Run, folder: Path) -> None:
    rules, flows = folder / "rules" / "10-a.yaml", folder / "workflows.yaml"
    rules.write_text(OLD_RULES)
    rules.chmod(0o640)
    flows.write_bytes(b"\xef\xbb\xbfworkflows:\r\n  - name: S\r\n    on: rated  # the event\r\n    do: [{tag: x}]\r\n")
    result = run("check", folder, "--fix", "--strict")
    assert result.exit_code == 0, result.output
    assert rules.read_text() == NEW_RULES
    assert rules.stat().st_mode & 0o777 == 0o640
    assert flows.read_bytes() == b"\xef\xbb\xbfworkflows:\r\n  - name: S\r\n    event: rated  # the event\r\n    do: [{tag: x}]\r\n"
    assert result.stderr.splitlines() == [
        f"{flows}:3: on is written event: rated",
        f"{rules}:5: stop is written continue: true", f"{rules}:6: stop is written continue: false",
    ]  # fmt: skip
    before = rules.stat().st_mtime_ns
    assert run("check", folder, "--fix").stderr == ""
    assert rules.stat().st_mtime_ns == before


def test_fix_of_one_file_and_of_standard_input(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text(OLD_RULES)
    (folder / "rules" / "20-b.yaml").write_text(OLD_RULES.replace("name: A", "name: C").replace("name: B", "name: D"))
    alone = tmp_path / "draft.yaml"
    alone.write_text(OLD_RULES)
    assert run("check", folder / "rules" / "10-a.yaml", "--fix").exit_code == 0
    assert run("check", alone, "--fix").exit_code == 0
    assert (folder / "rules" / "10-a.yaml").read_text() == alone.read_text() == NEW_RULES
    assert "stop" in (folder / "rules" / "20-b.yaml").read_text()
    assert run("check", "-", "--fix", stdin=OLD_RULES).exit_code == 2


def test_fix_leaves_a_file_alone_that_cannot_be_read(run: Run, folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text(OLD_RULES + "  - {name: [\n")
    result = run("check", folder, "--fix")
    assert result.exit_code == 1
    assert (folder / "rules" / "10-a.yaml").read_text() == OLD_RULES + "  - {name: [\n"


def test_one_file_of_a_directory_is_checked_with_all_that_a_directory_is_checked_by(run: Run, folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text("rules:\n  - {name: A}\n")
    (folder / "rules" / "20-b.yaml").write_text("rules:\n  - {name: B, when: {subject: {contains: [ALERT]}}}\n")
    result = run("check", folder / "rules" / "20-b.yaml")
    assert "it is never reached: rule 'A' before it" in result.stdout
    assert "did you mean '[ALERT]'?" in result.stdout
    assert run("check", folder / "rules" / "10-a.yaml").stdout == f"{folder}/rules/10-a.yaml: no faults\n"


def test_a_draft_with_a_misspelt_top_key_is_still_taken_for_rules(run: Run) -> None:
    result = run("check", "-", stdin="rule:\n  - {name: A}\n")
    assert "unknown key 'rule' (did you mean 'rules'?)" in result.stdout
