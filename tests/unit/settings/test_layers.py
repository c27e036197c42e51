"""`MAILD_CONFIG` may be a colon list: a base, then a site that wins (decision 60)."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.errors import ConfigError
from maild.outbound.templates import Templates
from maild.plain.layers import below, layers, within
from maild.settings.load import load, load_with_warnings, rule_documents
from maild.settings.origin import effective
from maild.settings.watching import Watch

BASE = {
    "maild.yaml": """\
database: sqlite:///maild.db
timezone: Europe/Berlin
admins: [base@example.com, second@example.com]
mailboxes:
  support: {address: support@example.com, name: Support, group: support}
outbound: {smtp: {host: 127.0.0.1, port: 25, security: none}, mode: hold}
""",
    "directory.yaml": """\
users: {alice: {name: Alice, email: alice@example.com}}
groups: {support: {members: [alice]}}
""",
    "rules/10-base.yaml": "rules: [{name: Base, when: {subject: base}, case: {tags: [base]}}]\n",
    "rules/20-both.yaml": "rules: [{name: Of the base, when: {subject: both}, case: {tags: [base]}}]\n",
    "templates/acknowledgement.txt.j2": "base\n",
    "lists/vip.txt": "base.example\n",
}
SITE = {
    "maild.yaml": """\
admins: [site@example.com]
mailboxes:
  support: {name: Our support}
  sales: {address: sales@example.com, group: support}
outbound: {mode: live}
""",
    "rules/5-site.yaml": "rules: [{name: Site, when: {from: {in_list: lists/vip.txt}}, case: {tags: [site]}}]\n",
    "rules/20-both.yaml": "rules: [{name: Of the site, when: {subject: both}, case: {tags: [site]}}]\n",
    "templates/answer.txt.j2": "site\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def named(tmp_path: Path) -> Path:
    return Path(f"{write(tmp_path / 'base', BASE)}:{write(tmp_path / 'site', SITE)}")


def test_mappings_merge_by_key_the_site_wins_and_lists_are_replaced(named: Path) -> None:
    settings = load(named)
    assert settings.main.timezone == "Europe/Berlin"
    assert settings.main.admins == ("site@example.com",)
    assert (settings.main.mailboxes["support"].address, settings.main.mailboxes["support"].name) == ("support@example.com", "Our support")
    assert list(settings.main.mailboxes) == ["support", "sales"]
    assert settings.main.outbound.mode == "live"
    assert settings.main.outbound.smtp.port == 25
    assert "alice" in settings.directory.users
    assert settings.folder == layers(named)[-1]
    assert settings.state_dir == settings.folder / "var"


def test_of_other_files_the_last_folder_s_is_read(named: Path) -> None:
    settings = load(named)
    assert [rule.name for rule in settings.rules] == ["Site", "Base", "Of the site"]
    assert settings.lists == {"lists/vip.txt": ("base.example",)}
    assert {"acknowledgement", "answer"} <= set(Templates(*below(settings.named, "templates")).names())
    assert within(named, "rules/20-both.yaml") == settings.folder / "rules" / "20-both.yaml"
    assert set(rule_documents(settings)) == {"rules/5-site.yaml", "rules/10-base.yaml", "rules/20-both.yaml"}


def test_a_change_in_either_folder_changes_the_hash_and_is_watched(named: Path) -> None:
    before, watch = load(named).hash, Watch(named)
    assert not watch.changed(0)
    (layers(named)[0] / "directory.yaml").write_text(BASE["directory.yaml"] + "# changed\n")
    assert [watch.changed(10), watch.changed(20)] == [False, True]
    between = load(named).hash
    (layers(named)[1] / "maild.yaml").write_text(SITE["maild.yaml"] + "# changed\n")
    assert len({before, between, load(named).hash}) == 3


def test_origins_and_faults_name_the_file_in_which_a_value_is_written(named: Path) -> None:
    base, site = layers(named)
    origin = {(one.file, one.key): one.origin for one in effective(named)}
    assert origin["maild.yaml", "mailboxes.support.address"] == f"{base}/maild.yaml:5"
    assert origin["maild.yaml", "mailboxes.support.name"] == f"{site}/maild.yaml:3"
    assert origin["maild.yaml", "admins"] == f"{site}/maild.yaml:1"
    write(base, {"maild.yaml": BASE["maild.yaml"].replace("group: support", "grop: support")})
    write(site, {"maild.yaml": SITE["maild.yaml"].replace("group: support", "group: nobody")})
    _, found = load_with_warnings(named)
    assert [(one.file, one.line) for one in found if one.severity == "error"] == [(f"{base}/maild.yaml", 5), (f"{site}/maild.yaml", 4)]


def test_an_empty_or_absent_file_of_the_site_changes_nothing_and_a_missing_folder_is_named(named: Path, tmp_path: Path) -> None:
    base, site = layers(named)
    write(site, {"maild.yaml": "# nothing\n"})
    assert load(named).main.admins == ("base@example.com", "second@example.com")
    (site / "maild.yaml").unlink()
    assert load(named).main.outbound.mode == "hold"
    with pytest.raises(ConfigError, match=f"{tmp_path}/gone"):
        load(Path(f"{base}:{tmp_path}/gone"))


def test_a_folder_with_a_colon_in_its_name_is_one_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "a:b", BASE)
    assert layers(folder) == (folder,)
    assert load(folder).main.timezone == "Europe/Berlin"
