from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from maild.plain import notify

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_state_is_sent_to_the_service_manager(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"\0maild-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        assert notify.notify("READY=1\nSTATUS=2 listeners")
        assert manager.recv(100) == b"READY=1\nSTATUS=2 listeners"


@pytest.mark.parametrize("value", [None, "", "relative", "/nowhere/at/all", "vsock:2:1"])
def test_without_a_manager_nothing_is_sent(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if value is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", value)
    assert not notify.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        (None, None, None),
        ("60000000", None, 30.0),
        ("60000000", "own", 30.0),
        ("60000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    usec: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert notify.watchdog_interval() == seconds


def test_sockets_come_by_name(tmp_path: Path) -> None:
    """In a process of its own, since they are always the file descriptors from 3 on."""
    code = (
        "import os, socket, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
        "from maild.plain.notify import listen_fds; found = listen_fds(); print(found);"
        "print([os.get_inheritable(fd) for fds in found.values() for fd in fds], flush=True);"
        "child = os.fork(); child and os.waitpid(child, 0); child or print('door', listen_fds(), flush=True)"
    )
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        keep = [os.dup2(os.dup(sock.fileno()), 100 + n) for n, sock in enumerate((first, second, third))]
        script = f"exec {sys.executable} -c \"{code}\" 3<&100 4<&101 5<&102"
        result = subprocess.run(
            ["bash", "-c", script],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT),
                 "LISTEN_FDS": "3", "LISTEN_FDNAMES": "lmtp:smtp:lmtp"},
            pass_fds=keep, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for fd in keep:
            os.close(fd)
    found = "{'lmtp': [3, 5], 'smtp': [4]}"
    assert result.stdout.splitlines() == [found, "[False, False, False]", f"door {found}"]


@pytest.mark.parametrize(("pid", "count"), [("1", "1"), ("own", "x"), ("own", "0"), ("", "")])
def test_sockets_for_another_process_are_left_alone(pid: str, count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid == "own" else pid)
    monkeypatch.setenv("LISTEN_FDS", count)
    assert notify.listen_fds() == {}


def setting(unit: str, name: str) -> list[str]:
    text = (UNITS / unit).read_text(encoding="utf-8")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def test_the_service_is_what_the_contract_says() -> None:
    assert setting("maild.service", "Type") == ["notify"]
    assert setting("maild.service", "User") == ["maild"]
    assert int(setting("maild.service", "WatchdogSec")[0]) > 0
    assert setting("maild.service", "StateDirectory") == ["maild"]
    assert setting("maild.service", "ExecStartPre")[0].endswith("maild check --quick")
    assert setting("maild.service", "ExecReload")[0].endswith("maild reload --wait")


def test_the_lmtp_socket_is_one_that_a_chrooted_postfix_reaches() -> None:
    assert setting("maild-lmtp.socket", "ListenStream") == ["/var/spool/postfix/private/maild"]
    assert setting("maild-lmtp.socket", "SocketUser") == ["postfix"]
    assert setting("maild-lmtp.socket", "SocketMode") == ["0600"]
    assert setting("maild-lmtp.socket", "FileDescriptorName") == ["lmtp"]


@pytest.mark.service
@needs_analyze
def test_the_service_is_hardened() -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=11", str(UNITS / "maild.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    exposure = re.search(r"Overall exposure level for maild.service: ([\d.]+)", result.stdout)
    assert exposure is not None, result.stderr
    assert float(exposure[1]) <= 1.1, result.stdout


@pytest.mark.service
@needs_analyze
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    for path in UNITS.glob("*.s*"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(re.sub(r"/opt/maild/\S*/maild ", "/bin/true ", text), encoding="utf-8")
    units = [str(path) for path in sorted(tmp_path.iterdir()) if path.suffix in (".service", ".socket")]
    assert len(units) == 3
    result = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.service
@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_user_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command in ("systemd-sysusers", "systemd-tmpfiles"):
        create = ["--create"] if command == "systemd-tmpfiles" else []
        name = command.removeprefix("systemd-")
        subprocess.run([command, f"--root={tmp_path}", *create, str(UNITS / f"maild.{name}")], check=True)
    assert "maild:" in (tmp_path / "etc/passwd").read_text(encoding="utf-8")
    assert (tmp_path / "etc/maild").stat().st_mode & 0o777 == 0o750
