from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from maild.cli import inspect

MAIL = (
    "Return-Path: <>\nFrom: Jö <jo@acme.example>\nTo: nobody:;\nSubject: [/b] Grüße\nDate: Mon, 1 Jan 2024 10:00:00 +0100\n"
    "Message-ID: <1@acme.example>\nContent-Type: text/plain; charset=utf-8\n\nHello \x1b[31mthere\n"
)
FIELDS = [
    "file", "message_id", "kind", "automatic", "from", "reply_to", "to", "cc", "subject", "date", "text", "new_text",
    "language", "attachments", "bounce", "defects",
]  # fmt: skip


@pytest.fixture
def app() -> typer.Typer:
    program = typer.Typer()

    @program.callback()
    def main() -> None:
        """So that `inspect` is a command of its own."""

    inspect.register(program)
    return program


def run(app: typer.Typer, *arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_json_is_one_ascii_line_a_message(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_text(MAIL)
    code, out, _ = run(app, "--json", file)
    assert (code, out.isascii(), out.count("\n")) == (0, True, 1)
    record = json.loads(out)
    assert list(record) == FIELDS
    assert record["from"] == {"name": "Jö", "email": "jo@acme.example"}
    assert (record["to"], record["date"], record["automatic"]) == ([], "2024-01-01T09:00:00Z", "certain")
    assert (record["message_id"], record["subject"], record["bounce"]) == ("1@acme.example", "[/b] Grüße", None)


def test_folders_are_read_whole_but_for_dot_files_and_lists(app: typer.Typer, tmp_path: Path) -> None:
    for name in ("b/two.eml", "one", "manifest.jsonl", ".hidden", ".git/x"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(MAIL)
    _, out, _ = run(app, "--json", tmp_path)
    assert [Path(json.loads(line)["file"]).name for line in out.splitlines()] == ["two.eml", "one"]


@pytest.mark.parametrize(
    "raw", [b"", b"\0\xff\xfe", b"From jo Mon Jan 1\nSubject: x\n\nHi", b"From jo Mon Jan 1\r\rHi"]
)
def test_no_file_makes_it_fail(app: typer.Typer, tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "a"
    file.write_bytes(raw)
    code, out, _ = run(app, "--json", file)
    assert code == 0
    assert json.loads(out)["kind"] == "customer"
    assert run(app, file)[0] == 0


def test_the_mbox_line_is_no_part_of_the_mail(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"From jo@acme.example Mon Jan 1 10:00:00 2024\r\nSubject: x\r\n\r\nHi")
    record = json.loads(run(app, "--json", file)[1])
    assert (record["subject"], record["text"], record["defects"]) == ("x", "Hi", [])


def test_a_path_that_is_not_there_is_said_and_the_others_are_read(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text(MAIL)
    code, out, err = run(app, "--json", file, tmp_path / "none")
    assert (code, len(out.splitlines())) == (1, 1)
    assert "none: there is no such file or folder" in err


def test_a_bounce_names_its_recipients(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text(
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        "Final-Recipient: rfc822; jo@acme.example\nAction: failed\nStatus: 5.1.1\n--b\n"
        "Content-Type: message/rfc822\n\nMessage-ID: <ours@example.com>\n\nHi\n--b--\n"
    )
    bounce = json.loads(run(app, "--json", file)[1])["bounce"]
    assert bounce["original_message_id"] == "ours@example.com"
    (one,) = bounce["recipients"]
    assert isinstance(one.pop("hard"), bool)
    assert one == {"address": "jo@acme.example", "status": "5.1.1", "action": "failed"}
    assert "jo@acme.example failed 5.1.1" in run(app, file)[1]


def test_the_summary_is_safe_to_print(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_text(MAIL)
    _, out, _ = run(app, file)
    assert "subject:      [/b] Grüße" in out
    assert "kind:         customer, certainly automatic" in out
    assert "\x1b" not in out


def test_a_verification_shows_what_to_click(app: typer.Typer, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text(
        "From: no-reply@shop.example\nSubject: Verify your email\n\nhttps://shop.example/verify?token=1 code: 123456\n"
    )
    record = json.loads(run(app, "--json", file)[1])
    assert (record["kind"], record["verification"]) == (
        "verification",
        ["https://shop.example/verify?token=1", "123456"],
    )
