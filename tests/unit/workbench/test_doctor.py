"""`maild doctor`: SPF, DKIM, DMARC and MX of each mailbox's domain, certificates, sign-ins, disk and permissions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import configuration

from maild.outbound import dkim
from maild.plain import certificates
from maild.settings.load import load
from maild.workbench.doctor import Finding, State, examine

NOW = datetime.now(UTC)
GOOD = {
    ("example.com", "MX"): ["mx.example.com"],
    ("example.com", "TXT"): ["google-site-verification=x", "v=spf1 mx -all"],
    ("_dmarc.example.com", "TXT"): ["v=DMARC1; p=reject"],
}


def look(folder: Path, records: dict[tuple[str, str], list[str]], **main: Any) -> dict[str, Finding]:
    settings = load(configuration(folder / "config", main=main))
    found = examine(settings, None, lambda name, kind: records.get((name, kind), []), NOW)
    return {one.what: one for one in found}


def pem(*how: str) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return subprocess.run(["openssl", *how], check=True, capture_output=True, text=True).stdout


def states(found: dict[str, Finding]) -> dict[str, str]:
    return {what: one.state.value for what, one in found.items() if what != "clock"}


def test_a_domain_that_is_well_published_is_fine(tmp_path: Path) -> None:
    found = look(tmp_path, GOOD)
    assert states(found) == {
        "MX of example.com": "ok", "SPF of example.com": "ok", "DKIM of example.com": "ok", "DMARC of example.com": "ok",
    }  # fmt: skip
    assert "v=spf1 mx -all" in found["SPF of example.com"].text


def test_what_is_missing_is_named_with_the_record_to_publish(tmp_path: Path) -> None:
    found = look(tmp_path, {})
    assert states(found)["MX of example.com"] == states(found)["SPF of example.com"] == "fault"
    assert states(found)["DMARC of example.com"] == "warning"
    assert "v=spf1" in found["SPF of example.com"].fix
    assert "v=DMARC1; p=none" in found["DMARC of example.com"].fix
    assert all(one.fix for one in found.values() if one.state is not State.OK)


@pytest.mark.parametrize(
    ("texts", "state", "word"),
    [
        (["v=spf1 mx -all", "v=spf1 a ~all"], "fault", "2 records"),
        (["v=spf1 mx"], "warning", "no end"),
        (["v=spf1 +all"], "warning", "lets any server send"),
        (["v=spf1 redirect=_spf.example.net"], "ok", "redirect"),
        (["v=spf10 all"], "fault", "none"),
    ],
)
def test_spf_that_does_not_protect(tmp_path: Path, texts: list[str], state: str, word: str) -> None:
    one = look(tmp_path, {**GOOD, ("example.com", "TXT"): texts})["SPF of example.com"]
    assert (one.state.value, word in one.text) == (state, True)


def test_a_domain_that_takes_no_mail(tmp_path: Path) -> None:
    assert look(tmp_path, {**GOOD, ("example.com", "MX"): ["."]})["MX of example.com"].state is State.FAULT


def test_the_dmarc_record_of_the_organisations_domain_counts(tmp_path: Path) -> None:
    box = {"support": {"address": "support@help.example.com", "group": "support"}}
    found = look(tmp_path, GOOD, mailboxes=box, outbound={"smtp": {"host": "127.0.0.1"}})
    assert found["DMARC of help.example.com"].state is State.OK


@pytest.mark.parametrize("form", ["-traditional", ""])
def test_the_published_key_is_proven_to_be_ours(tmp_path: Path, form: str) -> None:
    key = pem("genrsa", *([form] if form else []), "2048")
    (tmp_path / "dkim.pem").write_text(key)
    own = {"smtp": {"host": "127.0.0.1"}, "dkim": {"domain": "example.com", "selector": "m1", "key": {"file": str(tmp_path / "dkim.pem")}}}
    name, what = ("m1._domainkey.example.com", "TXT"), "DKIM key m1._domainkey.example.com"
    missing = look(tmp_path / "a", GOOD, outbound=own)[what]
    assert missing.state is State.FAULT
    record = missing.fix.partition('"')[2].rstrip('"')
    assert look(tmp_path / "b", {**GOOD, name: [record]}, outbound=own)[what].state is State.OK
    other = dkim.published(pem("genrsa", "2048"))
    changed = look(tmp_path / "c", {**GOOD, name: [other]}, outbound=own)[what]
    assert (changed.state, record in changed.fix) == (State.FAULT, True)


def test_a_dns_that_does_not_answer_is_no_fault_of_the_domain(tmp_path: Path) -> None:
    def silent(name: str, kind: str) -> list[str]:
        raise TimeoutError(name)

    found = list(examine(load(configuration(tmp_path / "config")), None, silent, NOW))
    assert {one.state for one in found if one.what.startswith(("MX", "SPF", "DMARC"))} == {State.WARNING}


def certificate(folder: Path, days: int) -> tuple[str, str]:
    cert, key = str(folder / f"{days}.crt"), str(folder / f"{days}.key")
    pem("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=mx.example.com", "-out", cert, "-keyout", key)
    return cert, key


def test_certificate_days(tmp_path: Path) -> None:
    for days, state in ((10, "warning"), (90, "ok")):
        cert, key = certificate(tmp_path, days)
        doors = {"smtp": {"listen": "127.0.0.1:2525", "tls": {"certificate": cert, "key": key}}}
        one = look(tmp_path / str(days), GOOD, ingest=doors)[f"certificate {cert}"]
        assert (one.state.value, str(days - 1) in one.text or str(days) in one.text) == (state, True)


def test_a_certificate_that_has_ended(tmp_path: Path, openssl_in_the_past: Callable[[Path], tuple[str, str]]) -> None:
    cert, key = openssl_in_the_past(tmp_path)
    with pytest.raises(certificates.Expired, match="has expired"):
        certificates.ends(cert, Path(key).read_text())


@pytest.fixture
def openssl_in_the_past() -> Callable[[Path], tuple[str, str]]:
    def make(folder: Path) -> tuple[str, str]:
        cert, key = str(folder / "old.crt"), str(folder / "old.key")
        request = str(folder / "old.csr")
        pem("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.example.com", "-out", request, "-keyout", key)
        past = NOW - timedelta(days=30)
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/index.txt\nrand_serial=yes\nnew_certs_dir={folder}\n"
            "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
        )
        pem("ca", "-selfsign", "-batch", "-notext", "-config", str(folder / "ca.cnf"), "-in", request, "-keyfile", key, "-out", cert,
            "-startdate", f"{past - timedelta(days=30):%Y%m%d%H%M%SZ}", "-enddate", f"{past:%Y%m%d%H%M%SZ}")  # fmt: skip
        return cert, key

    return make


def test_a_secret_that_everybody_can_read(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("x")
    out = {"smtp": {"host": "127.0.0.1", "username": "maild", "password": {"file": str(secret)}}}
    secret.chmod(0o644)
    assert look(tmp_path / "a", GOOD, outbound=out)[f"secret {secret}"].fix == f"chmod o-rwx {secret}"
    secret.chmod(0o640)
    assert f"secret {secret}" not in look(tmp_path / "b", GOOD, outbound=out)
