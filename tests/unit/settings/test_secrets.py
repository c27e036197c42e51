"""Secrets come from where the configuration says; what cannot be read says where it was looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maild.errors import ConfigError
from maild.settings import secrets
from maild.settings.values import Secret


def test_a_credential_of_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secrets.read(Secret(credential="db"), tmp_path) == "s3cret"


def test_a_credential_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(secrets, "STORES", (tmp_path / "etc", tmp_path / "run"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "db").write_text("s3cret\r\n")
    assert secrets.read(Secret(credential="db"), tmp_path) == "s3cret"


def test_an_encrypted_credential_is_opened_by_systemd_creds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(secrets, "STORES", ())
    monkeypatch.setattr(secrets, "ENCRYPTED_STORES", (tmp_path,))
    (tmp_path / "db").write_text("sealed")
    program = tmp_path / "bin" / "systemd-creds"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" = decrypt ] && [ "$2" = --name=db ] && echo "opened $(cat "$3")"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert secrets.read(Secret(credential="db"), tmp_path) == "opened sealed"
    program.write_text('#!/bin/sh\necho "no key" >&2; exit 1\n')
    with pytest.raises(ConfigError, match=r"could not be opened: no key .*systemd-run"):
        secrets.read(Secret(credential="db"), tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="no systemd-creds to open it"):
        secrets.read(Secret(credential="db"), tmp_path)


def test_a_credential_that_is_nowhere_names_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError) as caught:
        secrets.read(Secret(credential="no-such-credential"), tmp_path)
    said = str(caught.value)
    for place in ("$CREDENTIALS_DIRECTORY", "/etc/credstore", "/run/credstore", "systemd-run --pty -p LoadCredential="):
        assert place in said


@pytest.mark.parametrize("name", ["../db", "a/b", "", ".."])
def test_a_credential_is_a_bare_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a credential"):
        secrets.read(Secret(credential=name), tmp_path)


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILD_TEST_SECRET", "x y")
    assert secrets.read(Secret(env="MAILD_TEST_SECRET"), tmp_path) == "x y"
    monkeypatch.delenv("MAILD_TEST_SECRET")
    with pytest.raises(ConfigError, match="the environment has no MAILD_TEST_SECRET"):
        secrets.read(Secret(env="MAILD_TEST_SECRET"), tmp_path)


def test_a_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes("pässword\n\n".encode())
    assert secrets.read(Secret(file="secret"), tmp_path) == "pässword\n"
    with pytest.raises(ConfigError, match=r"nothing cannot be read: no such file"):
        secrets.read(Secret(file="nothing"), tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not text"):
        secrets.read(Secret(file="binary"), tmp_path)
