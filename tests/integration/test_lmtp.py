"""The LMTP door: one answer for each recipient, over TCP and Unix sockets (RFC 2033)."""

from __future__ import annotations

import shutil
import smtplib
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from smtp_door import OpenDoor, open_door

from maild.errors import StoreUnavailable
from maild.model.message import Door, Envelope

MAIL = b"From: jo@a.example\r\nSubject: broken\r\n\r\nIt broke.\r\n"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[OpenDoor]:
    with open_door(tmp_path, lmtp=True) as opened:
        yield opened


def test_each_recipient_has_its_answer_in_order_also_when_named_twice(door: OpenDoor) -> None:
    with door.client() as client:
        assert client.greeting == "220 mx.example.com LMTP maild"
        client.say("LHLO c")
        client.say("MAIL FROM:<>")
        assert client.say("RCPT TO:<support@example.com>").startswith("250 2.1.5")
        assert client.say("RCPT TO:<nobody@example.com>").startswith("550 5.1.1")
        client.say("RCPT TO:<sales@example.com>")
        client.say("RCPT TO:<support@example.com>")
        client.say("DATA")
        client.send(MAIL + b".\r\nNOOP\r\n")
        assert client.replies(4) == [
            "250 2.0.0 <support@example.com> Stored as id1",
            "250 2.0.0 <sales@example.com> Stored as id1",
            "250 2.0.0 <support@example.com> Stored as id1",
            "250 2.0.0 OK",
        ]
    (mail,) = door.mails
    assert mail == Envelope(
        door=Door.LMTP, mail_from="", rcpt_tos=("support@example.com", "sales@example.com"), raw=MAIL,
        received_at=mail.received_at, client="127.0.0.1", trusted=True,
    )  # fmt: skip


def test_only_lhlo_greets_and_names_the_extensions_that_lmtp_must_have(door: OpenDoor) -> None:
    with door.client() as client:
        assert client.say("EHLO c") == "500 5.5.1 This is LMTP: say LHLO"
        assert client.say("HELO c") == "500 5.5.1 This is LMTP: say LHLO"
        assert client.say("MAIL FROM:<>").startswith("503 5.5.1 Say LHLO first")
        extensions = client.say("LHLO c").splitlines()
        assert {"250-PIPELINING", "250-8BITMIME", "250 ENHANCEDSTATUSCODES"} <= set(extensions)


def test_data_without_a_recipient_is_503(door: OpenDoor) -> None:
    with door.client() as client:
        client.say("LHLO c")
        client.say("MAIL FROM:<jo@a.example>")
        client.say("RCPT TO:<nobody@example.com>")
        assert client.say("DATA").startswith("503 5.5.1")


def test_a_failing_store_and_a_mail_too_big_are_said_for_each_recipient(tmp_path: Path) -> None:
    async def fail(_: Envelope) -> str:
        raise StoreUnavailable("no database")

    with open_door(tmp_path, lmtp=True, accept=fail, max_size="1KiB") as door, door.client() as client:
        client.begin("support@example.com", "sales@example.com", hello="LHLO")
        client.send(MAIL + b".\r\n")
        assert [reply[:32] for reply in client.replies(2)] == [
            "451 4.3.0 <support@example.com> ", "451 4.3.0 <sales@example.com> Th"]  # fmt: skip
        client.begin("support@example.com", "sales@example.com", hello="LHLO")
        client.send(b"x" * 2000 + b"\r\n.\r\n")
        assert [reply[:31] for reply in client.replies(2)] == [
            "552 5.3.4 <support@example.com>", "552 5.3.4 <sales@example.com> T"]  # fmt: skip
        assert [one.reply[:9] for one in door.refusals] == ["451 4.3.0"] * 2 + ["552 5.3.4"] * 2


def test_over_a_unix_socket_with_the_standard_client(tmp_path: Path) -> None:
    with open_door(tmp_path, lmtp=True, listen="unix:run/lmtp.sock") as door:
        path = tmp_path / "run" / "lmtp.sock"
        assert (door.listener.address, stat.S_IMODE(path.stat().st_mode)) == (str(path), 0o660)
        with smtplib.LMTP(str(path)) as client:
            assert client.sendmail("jo@a.example", ["support@example.com"], MAIL) == {}
        assert (door.mails[0].client, door.mails[0].trusted) == ("", True)
    assert not path.exists()


def test_a_socket_left_by_a_dead_process_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with open_door(tmp_path, lmtp=True, listen="unix:lmtp.sock") as door:
        with pytest.raises(OSError, match="another process"), open_door(tmp_path, lmtp=True, listen="unix:lmtp.sock"):
            pass
        with door.client() as client:
            assert client.say("LHLO c").startswith("250")


def test_a_path_that_is_too_long_for_the_kernel(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    with open_door(folder, lmtp=True, listen="unix:lmtp.sock"):
        assert (folder / "lmtp.sock").is_socket()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"), open_door(tmp_path, lmtp=True, listen="unix:lmtp.sock"):
        pass
    assert path.read_text() == "precious"


@pytest.mark.service
@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_postfix_tools_speak_lmtp_with_us(tmp_path: Path, kind: str) -> None:
    program = shutil.which("smtp-source") or shutil.which("/usr/sbin/smtp-source")
    if program is None:
        pytest.skip("smtp-source is not installed (make test-services)")
    with open_door(tmp_path, lmtp=True, listen="unix:l.sock" if kind == "unix" else "127.0.0.1:0") as door:
        address = door.listener.address
        place = f"unix:{address}" if isinstance(address, str) else f"inet:{address[0]}:{address[1]}"
        subprocess.run(
            [program, "-L", "-s", "4", "-m", "40", "-f", "jo@a.example", "-t", "support@example.com", place],
            check=True, timeout=60,
        )  # fmt: skip
        assert len(door.mails) == 40
