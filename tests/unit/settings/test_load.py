"""A configuration directory becomes settings, or every fault at once."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from maild.errors import ConfigError
from maild.model.case import Status
from maild.settings.load import database_url, load, load_with_warnings, natural, rule_files
from maild.settings.models import AfterMove, Redirect

ROOT = Path(__file__).parents[3]
BASE = ROOT / "tests" / "bad_configs" / "base"

MAIN = """
database: sqlite:///maild.db
mailboxes:
  support: {address: support@example.com, acknowledge: none}
outbound:
  smtp: {host: 127.0.0.1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path / "config")
    (tmp_path / "config" / "rules").mkdir()
    return tmp_path / "config"


def main(folder: Path, extra: str = "") -> Path:
    (folder / "maild.yaml").write_text(MAIN + extra)
    return folder


def test_the_shipped_configuration_has_no_faults() -> None:
    settings, found = load_with_warnings(ROOT / "config")
    assert found == ()
    assert settings is not None
    assert set(settings.main.mailboxes) == {"support", "billing", "orders", "ops"}
    assert [rule.name for rule in settings.rules][:2] == ["VIP customers", "Words that need a manager"]
    assert settings.lists == {"lists/vip.csv": ("globex", "initech")}


def test_three_keys_are_enough(tmp_path: Path) -> None:
    settings = load(main(tmp_path))
    assert settings.main.mailboxes["support"].acknowledge.template == "none"
    assert settings.rules == ()
    assert settings.directory.users == {}


def test_all_faults_of_all_files_come_at_once(folder: Path) -> None:
    main(folder, "workers: many\n")
    (folder / "directory.yaml").write_text("users: {bob: {nam: Bob, email: b@example.com}}\n")
    (folder / "rules" / "10-a.yaml").write_text("rules: [{name: A, reply: nothing}]\n")
    (folder / "rules" / "20-b.yaml").write_text("rules: [{name: {{ x }} }]\n")
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert [(Path(fault.file).name, fault.line) for fault in caught.value.faults] == [
        ("directory.yaml", 1),
        ("maild.yaml", 7),
        ("10-a.yaml", 1),
        ("20-b.yaml", 1),
    ]
    assert str(caught.value).startswith(f"{folder}/directory.yaml:1:15: unknown key 'nam' (did you mean 'name'?)\n")


def test_main_files_alone_are_read_while_a_rule_is_broken(folder: Path) -> None:
    (folder / "rules" / "10-a.yaml").write_text("rules: [")
    (folder / "sla.yaml").write_text("policies: {Standard: {calendar: nowhere}}")
    settings = load(folder, files="main")
    assert settings.main.mailboxes["support"].sla == "Standard"
    assert settings.rules == ()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: no such file or directory \(maild init"):
        load(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"there is no maild\.yaml in this directory"):
        load(tmp_path)


def test_a_file_in_place_of_a_directory_is_no_silence(folder: Path) -> None:
    (folder / "rules").rmdir()
    (folder / "rules").write_text("rules: []\n")
    with pytest.raises(ConfigError, match=r"rules: cannot be read: not a directory"):
        load(folder)


def test_the_state_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert load(folder).state_dir == folder / "var"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/maild:/var/lib/other")
    assert load(folder).state_dir == Path("/var/lib/maild")
    assert load(folder).main.database.url == "sqlite:////var/lib/maild/maild.db"
    assert load(main(folder, "state_dir: ../state\n")).state_dir == folder.parent / "state"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("sqlite:////srv/maild.db", "sqlite:////srv/maild.db"),
        ("sqlite:///data/maild.db?timeout=5", "sqlite:///{state}/data/maild.db?timeout=5"),
        ("postgresql://maild@db/maild", "postgresql+psycopg://maild@db/maild"),
    ],
)
def test_database_urls(folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, url: str) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/state")
    (folder / "maild.yaml").write_text(MAIN.replace("sqlite:///maild.db", written))
    assert load(folder).main.database.url == url.format(state="/state")


def test_the_database_password_comes_from_its_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = MAIN.replace(
        "sqlite:///maild.db", "{url: postgresql+psycopg://maild@db/maild, password: {env: DB_PASSWORD}}"
    )
    (folder / "maild.yaml").write_text(text)
    monkeypatch.setenv("DB_PASSWORD", "a@b/c")
    assert database_url(load(folder)) == "postgresql+psycopg://maild:a%40b%2Fc@db/maild"


def test_a_value_may_stand_where_a_list_is_taken(folder: Path) -> None:
    settings = load(main(folder, """
admins: ops@example.com
ingest: {smtp: {listen: "127.0.0.1:2525"}}
limits: {answers_per_case: 10 in 10m}
"""))  # fmt: skip
    assert settings.main.admins == ("ops@example.com",)
    assert [door.listen for door in settings.main.ingest.smtp] == ["127.0.0.1:2525"]
    assert settings.main.limits.answers_per_case[0].window == timedelta(minutes=10)


def test_shapes_of_one_value(folder: Path) -> None:
    text = MAIN.replace("acknowledge: none", "imap: {host: h, username: u, password: {env: X}, after: {move: Done}}")
    (folder / "maild.yaml").write_text(
        text + "  mode: {redirect: me@example.com}\nagents: {after_reply: in_progress}\n"
    )
    settings = load(folder)
    assert settings.main.mailboxes["support"].imap[0].after == AfterMove(move="Done")
    assert settings.main.outbound.mode == Redirect(redirect="me@example.com")
    assert settings.main.agents.after_reply is Status.OPEN


def test_text_keeps_how_a_number_was_written(folder: Path) -> None:
    (folder / "maild.yaml").write_text(MAIN.replace("acknowledge: none", "name: 007, category: 1.10"))
    mailbox = load(folder).main.mailboxes["support"]
    assert (mailbox.name, mailbox.category) == ("007", "1.10")


def test_rule_files_are_in_natural_order(folder: Path) -> None:
    for name in ("10-b.yaml", "9-a.yaml", "100-c.yaml", "x.yml", ".hidden.yaml"):
        (folder / "rules" / name).write_text(f"rules: [{{name: {name.split('.')[0] or name}}}]\n")
    assert rule_files(folder) == ["rules/9-a.yaml", "rules/10-b.yaml", "rules/100-c.yaml"]
    settings, found = load_with_warnings(folder)
    assert settings is not None
    assert [rule.name for rule in settings.rules] == ["9-a", "10-b", "100-c"]
    assert [(Path(fault.file).name, fault.severity, fault.hint) for fault in found] == [
        ("x.yml", "warning", "name it x.yaml")
    ]


def test_natural_order_of_mixed_names() -> None:
    assert sorted(["a10", "a9", "B1", "10", "9"], key=natural) == ["9", "10", "a9", "a10", "B1"]


def test_files_that_are_not_read_are_named(folder: Path) -> None:
    for name in ("10-a.yaml~", "20.yaml.rpmnew", "30-vip.yml"):
        (folder / "rules" / name).write_text("rules: []\n")
    (folder / "templates" / "billing").mkdir(parents=True)
    (folder / "templates" / "acknowledgement.txt").write_text("x")
    (folder / "templates" / "billing" / "acknowledgement.txt.j2").write_text("x")
    settings, found = load_with_warnings(folder)
    assert settings is None
    assert [(Path(fault.file).name, fault.severity) for fault in found] == [
        ("10-a.yaml~", "warning"),
        ("20.yaml.rpmnew", "warning"),
        ("30-vip.yml", "warning"),
        ("acknowledgement.txt", "warning"),
        ("acknowledgement.txt.j2", "error"),
    ]
    assert found[-1].message == "templates/billing is no mailbox's folder"


def test_a_template_of_ones_own_can_be_named(folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "welcome.de.txt.j2").write_text("Hallo")
    (folder / "rules" / "10-a.yaml").write_text("rules: [{name: A, reply: welcome}]\n")
    assert "templates/welcome.de.txt.j2" in load(folder).files


def test_lists_are_read_with_the_rules(folder: Path) -> None:
    (folder / "lists").mkdir()
    (folder / "lists" / "vip.txt").write_text("# ours\nAcme.example # best\n\nGLOBEX.example\nacme.example\n")
    (folder / "lists" / "vip.csv").write_text("name,domain\nAcme,acme.example\nGlobex,globex.example\n")
    (folder / "lists" / "sheet.csv").write_text("\ufeffDomäne;Name\nacme.example;Acme, Inc.\n\"globex.example\";Globex\n")
    (folder / "rules" / "10-a.yaml").write_text("""
rules:
  - name: A
    when:
      any:
        - from: {in_list: "lists/sheet.csv:domäne"}
        - from: {in_list: lists/vip.txt}
        - from: {in_list: "lists/vip.csv:Domain"}
        - from: {in_list: lists/vip.csv}
""")
    settings = load(folder)
    assert settings.lists == {
        "lists/sheet.csv:domäne": ("acme.example", "globex.example"),
        "lists/vip.txt": ("acme.example", "globex.example"),
        "lists/vip.csv:Domain": ("acme.example", "globex.example"),
        "lists/vip.csv": ("name", "acme", "globex"),
    }
    assert {"lists/vip.txt", "lists/vip.csv"} <= set(settings.files)


def test_the_hash_is_of_every_file(folder: Path) -> None:
    first = load(folder)
    assert load(folder).hash == first.hash
    assert set(first.files) == {"maild.yaml", "directory.yaml", "sla.yaml"}
    (folder / "sla.yaml").write_text((folder / "sla.yaml").read_text() + "# changed\n")
    assert load(folder).hash != first.hash


def test_a_workflow(folder: Path) -> None:
    (folder / "workflows.yaml").write_text("""
workflows:
  - name: Remind
    when: {status: [wait_for_customer], for: 3d, priority: [high, urgent], any: [{fields.order: {exists: true}}]}
    do: {reply: reminder, at_most: 2, every: 3d}
    at_most: 1 per contact in 30d
    send_within: office
  - {name: New, on: case_created, do: [{assign: {group: support, user: round_robin}}, {notify: [manager]}]}
""")
    remind, new = load(folder).workflows.workflows
    assert remind.when.for_ == timedelta(days=3)
    assert [each.field for each in remind.when.criteria] == ["case.priority"]
    assert remind.do[0].every == timedelta(days=3)
    assert remind.at_most is not None
    assert (remind.at_most.count, remind.at_most.per, remind.at_most.window) == (1, "contact", timedelta(days=30))
    assert new.event is not None
    assert new.event.value == "created"
