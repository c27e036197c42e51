"""Rules on a running daemon: tests that stop a reload, replay, a canary, what was live when, and the way back."""

from __future__ import annotations

import json
import os
import smtplib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from builders import mail

from maild.plain import control

if TYPE_CHECKING:
    from running import Daemon

Daemons = Callable[..., "Daemon"]
RELOADS = int(os.environ.get("MAILD_TEST_RELOADS", "25"))  # 500 is what it was made for


def tagging(tag: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "Tag", "case": {"tags": [tag]}, **more}]


def test_a_canary_is_compared_promoted_and_rolled_back(daemons: Daemons) -> None:
    daemon = daemons(rules=tagging("one"))
    daemon.sink.up()
    daemon.start()
    first = daemon.json("status")["configuration"]["hash"]
    daemon.send(mail(subject="before the canary"))
    daemon.settle(1)

    new = daemon.folder / "new"
    new.mkdir()
    (new / "10-tests.yaml").write_text(json.dumps({"rules": tagging("two")}))
    replayed = daemon.json("rules", "replay", "--rules", str(new), status=1)
    assert (replayed["messages"], replayed["differ"]) == (1, 1)
    assert replayed["changed"][0]["differences"] == [{"what": "tags", "before": ["one"], "after": ["two"]}]
    assert daemon.json("rules", "replay")["differ"] == 0
    assert daemon.json("rules", "replay", "--against", "history")["differ"] == 0

    daemon.maild("rules", "canary", "report", status=1)
    daemon.maild("rules", "canary", str(new))
    for n in range(3):
        daemon.send(mail(subject=f"beside the canary {n}"))
    daemon.settle(4)
    report = daemon.until(
        lambda: (found := daemon.json("rules", "canary", "report"))["messages"] == 3 and found, "the canary", 30
    )
    assert (report["differ"], report["sums"][0]["after"]) == (3, "[two]")
    assert all(one["tags"] == ["one"] for one in daemon.json("case", "list"))

    said = daemon.maild("rules", "canary", "promote").stdout.decode()
    assert "live now" in said and ".kept" in said and "the canary is stopped" in said
    daemon.send(mail(subject="after the promotion"))
    daemon.settle(5)
    assert [one["tags"] for one in daemon.json("case", "list", "--search", "after the promotion")] == [["two"]]
    daemon.maild("rules", "canary", "stop", status=1)  # the promotion ended it
    assert daemon.json("rules", "canary", "report")["stopped_at"]

    history = daemon.until(lambda: len(found := daemon.json("rules", "history")) == 2 and found, "the new history")
    assert [one["live"] for one in history] == [True, False]
    assert history[1]["hash"] == first and history[0]["changed"] == ["rules/10-tests.yaml"]
    assert "one" in daemon.json("rules", "history", first[:10])["rules/10-tests.yaml"]
    daemon.maild("rules", "rollback", first[:10])
    daemon.send(mail(subject="after the way back"))
    daemon.settle(6)
    assert [one["tags"] for one in daemon.json("case", "list", "--search", "after the way back")] == [["one"]]
    assert daemon.json("status")["configuration"]["hash"] == first
    daemon.maild("rules", "rollback", "ffffffff", status=1)
    trace = daemon.json("trace", str(daemon.json("case", "list", "--search", "after the promotion")[0]["number"]))
    assert trace["messages"][0]["config_hash"] == history[0]["hash"]


def test_rules_whose_tests_fail_do_not_go_live(daemons: Daemons) -> None:
    good = {"message": {"from": "jo@home.example", "to": "support@example.com"}, "expect": {"case": {"tags": ["one"]}}}
    daemon = daemons(rules=tagging("one", tests=[good]))
    daemon.start()
    live = daemon.json("status")["configuration"]["hash"]
    daemon.configure(rules=tagging("two", tests=[good]))
    refused = daemon.maild("reload", "--wait", status=1).stderr.decode()
    assert "rule 'Tag': test 1 fails: case.tags: expected [one], got [two]" in refused
    assert "10-tests.yaml:" in refused
    status = daemon.json("status")["configuration"]
    assert status["hash"] == live and "test 1 fails" in status["fault"]
    told = daemon.until(
        lambda: [one for one in daemon.json("outbox", "list") if one["kind"] == "admin"], "the admins to be told"
    )
    assert told[0]["to"] == ["root@example.com"]
    daemon.configure(rules=tagging("two"))
    daemon.maild("reload", "--wait")
    daemon.until(lambda: daemon.json("status")["configuration"]["fault"] is None, "the fault to be gone")


def test_reloads_under_load_a_fifth_of_them_broken(daemons: Daemons) -> None:
    daemon = daemons(rules=tagging("t0"), main={"mailboxes": {"support": {"acknowledge": "none", "notify": "none"}}})
    daemon.start()
    state = daemon.config / "var"
    ending = threading.Event()
    sent: list[str] = []
    faults: list[str] = []

    def load() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            try:
                daemon.send(mail(subject=f"load {number}", sender=f"p{number}@people.example"))
                sent.append(f"load {number}")
            except OSError as error:
                faults.append(str(error))
            time.sleep(0.02)

    def keep_one_session() -> None:
        try:
            with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as session:
                number = 0
                while not ending.is_set():
                    number += 1
                    session.sendmail(
                        "s@people.example",
                        ["support@example.com"],
                        mail(subject=f"session {number}", sender="s@people.example"),
                    )
                    sent.append(f"session {number}")
                    time.sleep(0.02)
        except OSError as error:
            faults.append(f"the session that was open all the time: {error}")

    senders = [threading.Thread(target=load), threading.Thread(target=keep_one_session)]
    for sender in senders:
        sender.start()
    live = "t0"
    try:
        for number in range(1, RELOADS + 1):
            broken = number % 5 == 0
            rules: Any = [{"name": "x", "when": {"subjct": "y"}}] if broken else tagging(f"t{number}")
            daemon.configure(rules=rules)
            before = len(sent)
            environment = daemon.environment["RUNTIME_DIRECTORY"]
            answer = _reload(state, environment)
            assert answer["ok"] is not broken, answer
            live = live if broken else f"t{number}"
            assert len(sent) >= before
    finally:
        ending.set()
        for sender in senders:
            sender.join()
    daemon.settle(len(sent), within=90)
    assert faults == []
    cases = daemon.json("case", "list")
    assert len(cases) == len(sent)
    assert all(len(one["tags"]) == 1 for one in cases)
    daemon.send(mail(subject="the last", sender="last@people.example"))
    daemon.settle(len(sent) + 1)
    assert daemon.json("case", "list", "--search", "the last")[0]["tags"] == [live]
    daemon.audit()


def _reload(state_dir: Any, runtime: str) -> dict[str, Any]:
    before = os.environ.get("RUNTIME_DIRECTORY")
    os.environ["RUNTIME_DIRECTORY"] = runtime
    try:
        answer: dict[str, Any] = control.ask(state_dir, {"do": "reload"}, timeout=60)
        return answer
    finally:
        if before is None:
            del os.environ["RUNTIME_DIRECTORY"]
        else:
            os.environ["RUNTIME_DIRECTORY"] = before


def test_a_change_is_noticed_where_watch_is_true(daemons: Daemons) -> None:
    daemon = daemons(main={"watch": True}, rules=tagging("one"))
    daemon.start()
    first = daemon.json("status")["configuration"]["hash"]
    daemon.configure(rules=tagging("two"))
    daemon.until(lambda: daemon.json("status")["configuration"]["hash"] != first, "the change to be noticed", 30)


def test_the_commands_that_need_no_daemon(daemons: Daemons) -> None:
    daemon = daemons(
        rules=tagging("one", tests=[{"message": {"from": "jo@home.example"}, "expect": {"case": {"tags": ["one"]}}}])
    )
    report = daemon.json("rules", "test")
    assert (report["ok"], report["tests"], report["coverage"]["reached"]) == (True, 1, 1)
    assert b"1 test, none failed" in daemon.maild("rules", "test", "--coverage").stdout
    daemon.maild("rules", "test", "no such test", status=1)
    assert daemon.json("rules", "history") == []
    assert daemon.json("rules", "replay")["messages"] == 0
    daemon.maild("rules", "canary", "promote", status=1)
    sample = daemon.folder / "one.eml"
    sample.write_bytes(mail("Order: 77\n", subject="My order"))
    assert b"fields.order" in daemon.maild("rules", "draft", str(sample)).stdout
    done = daemon.maild("rules", "import", "sieve", "-", stdin=b'if size :over 1M { discard; }\nvacation "x";\n')
    assert b"above: " in done.stdout and b"line 2" in done.stderr
    daemon.maild("bundle", "nothing", status=1)
    assert any(one["name"] == "acknowledgement" for one in daemon.json("template", "list"))
    assert b"Subject: " in daemon.maild("template", "preview", "acknowledgement", "--language", "de").stdout
    daemon.maild("template", "preview", "acknowlegement", status=1)
    templates = daemon.config / "templates"
    templates.mkdir()
    (templates / "acknowledgement.txt.j2").write_text("We have it: {{ case.number }}\n")
    assert b"+We have it" in daemon.maild("template", "diff", status=1).stdout
    assert b"We have it: 123" in daemon.maild("template", "preview", "acknowledgement").stdout
    assert daemon.maild("template", "test").stdout == b"every template: no faults\n"
    rules = daemon.config / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "90-own.yaml").write_text("rules: [{name: A, when: {subject: x}, tests: [{message: {subject: x}, expect: {rule: A}}]}]\n")
    (templates / "acknowledgement.txt.j2").write_text("We have it:\n{{ case.numbr }}\n")
    said = daemon.maild("template", "test", "acknowledgement", status=1).stdout
    assert b"acknowledgement.txt.j2:2:1: error: case.numbr is no name" in said
    checked = daemon.maild("check", status=1).stdout
    assert said in checked and b"test 1" not in checked  # the fault ends the rule's test too, and is told once
    (templates / "acknowledgement.txt.j2").unlink()
    daemon.maild("init", str(daemon.folder / "new"))
    daemon.maild("init", str(daemon.folder / "new"), "--diff")
    (daemon.folder / "new" / "sla.yaml").write_text("{}\n")
    assert b"+{}" in daemon.maild("init", str(daemon.folder / "new"), "--diff", status=1).stdout


def test_a_case_fills_a_template_and_a_message_a_bundle(daemons: Daemons) -> None:
    daemon = daemons()
    daemon.start()
    daemon.send(mail(subject="My phone is broken"))
    daemon.settle(1)
    shown = daemon.json("template", "preview", "acknowledgement", "--case", "1")
    assert "1" in shown["text"]
    daemon.maild("template", "preview", "acknowledgement", "--case", "99", status=3)
    message_id = daemon.json("case", "show", "1")["messages"][0]["message_id"]
    file = daemon.folder / "report.zip"
    daemon.maild("bundle", message_id, str(file))
    assert file.read_bytes()[:2] == b"PK"
