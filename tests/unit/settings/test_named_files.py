"""Certificates, keys and passwords that doors and smarthost need are proved before anything opens, at their place."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from builders import configuration

from maild.errors import ConfigError
from maild.office import prove
from maild.settings import named_files
from maild.settings.load import load


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with c.pem and its k.pem, and another.pem."""
    folder = tmp_path_factory.mktemp("pem")
    for key, certificate in (("k.pem", "c.pem"), ("other-key.pem", "another.pem")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / key, "-out", folder / certificate,
             "-days", "2", "-subj", "/CN=mx.example.com"],
            check=True, capture_output=True,
        )  # fmt: skip
    (folder / "text.pem").write_text("nothing of the kind")
    return folder


def faults_of(folder: Path, **main: Any) -> list[tuple[str, str]]:
    """(severity, message) of each fault; each has its line."""
    settings = load(configuration(folder, main=main))
    found = named_files.faults(settings)
    assert all(one.line > 0 and one.file == str(folder / "maild.yaml") for one in found)
    if found:
        with pytest.raises(ConfigError):
            prove(settings)
    else:
        prove(settings)
    return [(one.severity, one.message) for one in found]


def door(certificate: str, key: Any, **more: Any) -> dict[str, Any]:
    return {"ingest": {"smtp": {"listen": "127.0.0.1:0", "tls": {"certificate": certificate, "key": key}, **more}}}


def test_what_is_right_is_right_also_relative_to_the_configuration(tmp_path: Path, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_bytes((pem / name).read_bytes())
    monkeypatch.chdir("/")
    smarthost = {"host": "127.0.0.1", "security": "starttls", "ca_file": "c.pem"}
    assert faults_of(tmp_path, **door("c.pem", "k.pem"), outbound={"smtp": smarthost}) == []
    assert faults_of(tmp_path, **door("c.pem", {"file": "k.pem"})) == []


def test_s9_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path, pem: Path) -> None:
    assert faults_of(tmp_path, **door(f"{pem}/none.pem", f"{pem}/k.pem")) == [
        ("error", f"{pem}/none.pem cannot be read: no such file or directory")
    ]
    assert faults_of(tmp_path, **door(f"{pem}/another.pem", f"{pem}/k.pem")) == [
        ("error", f"the key does not belong to the certificate {pem}/another.pem")
    ]
    for certificate, key in (("text.pem", "k.pem"), ("c.pem", "text.pem"), ("k.pem", "c.pem")):
        ((severity, message),) = faults_of(tmp_path, **door(f"{pem}/{certificate}", f"{pem}/{key}"))
        assert (severity, f"{pem}/{certificate}" in message) == ("error", True)
    ((severity, message),) = faults_of(
        tmp_path, outbound={"smtp": {"host": "127.0.0.1", "security": "tls", "ca_file": f"{pem}/text.pem"}}
    )
    assert (severity, message) == ("error", f"{pem}/text.pem holds no certificate in PEM form")


def test_a_secret_of_an_account_is_a_warning_to_check_and_stops_nothing(tmp_path: Path) -> None:
    account = {"host": "imap.example.com", "username": "u", "password": {"file": "pw"}}
    oauth = {"host": "imap.example.com", "username": "v", "auth": {"oauth2": {"client_id": "c", "client_secret": {"env": "NO_SUCH"}}}}
    assert faults_of(tmp_path, mailboxes={"support": {"imap": [account, oauth]}}) == []
    settings = load(configuration(tmp_path, main={"mailboxes": {"support": {"imap": [account, oauth]}}}))
    found = named_files.accounts(settings)
    assert [(one.severity, word in one.message) for one, word in zip(found, (f"{tmp_path}/pw", "NO_SUCH"), strict=True)] == [("warning", True)] * 2


def test_a_secret_that_is_not_there_is_a_warning_to_check_and_stops_the_start(tmp_path: Path, pem: Path) -> None:
    found = faults_of(
        tmp_path, **door(f"{pem}/c.pem", {"env": "NO_SUCH_KEY"}, auth={"jo": {"file": "none"}}),
        outbound={"smtp": {"host": "127.0.0.1", "username": "jo", "password": {"credential": "no-such-one"}}},
    )  # fmt: skip
    assert [severity for severity, _ in found] == ["warning"] * 3
    assert [word in message for (_, message), word in zip(found, ("NO_SUCH_KEY", "none", "no-such-one"), strict=True)] == [True] * 3
