"""Rules before they go live: tests beside rules, replay over stored mail, canaries, versions, reports for bugs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from builders import NOW, configuration, header, mail

from maild import trial
from maild.errors import ConfigError
from maild.office import prove
from maild.settings.load import load
from maild.store import decided, spool, versions
from maild.store.unit_of_work import Store
from maild.workbench import bundle, canary, files, live, page, replay, testing

if TYPE_CHECKING:
    from builders import Room

Rooms = Callable[..., "Room"]
ORDER = {"name": "Orders", "when": {"subject": {"words": "order"}}, "case": {"tags": ["order"]}}


def run_tests(folder: Path, *tests: dict[str, Any], **rule: Any) -> testing.Report:
    return testing.run(load(configuration(folder, rules=[{**ORDER, **rule, "tests": list(tests)}])))


def told(report: testing.Report) -> list[tuple[str, str, str]]:
    return [(one.what, one.expected, one.got) for result in report.failed for one in result.differences]


# --- trying a stored message ------------------------------------------------------------------------------------


def test_a_stored_message_is_tried_as_if_it_came_now(store: Store, rooms: Rooms) -> None:
    by_number = {"name": "Orders", "when": {"body": {"has_field": "Order"}},
                 "case": {"autofill": {"map": {"Order": "fields.order"}}, "update": {"by": ["fields.order"]}}}  # fmt: skip
    room = rooms(store, rules=[by_number])
    first = room.receive(mail("Order: 4711\r\n", subject="Where is it?"))
    joined = room.receive(mail("Order: 4711\r\n", subject="And now?"))
    answer = room.receive(mail("More.\r\n", subject="Re: it", headers=[f"In-Reply-To: <{room.signed_id(first.case or 0)}>"]))
    before = room.case(first.case)
    assert first.case == joined.case == answer.case

    ways = [trial.run(room.office.settings, lambda: store, stored=entry.id) for entry in (first, joined, answer)]

    assert [way.settled.disposition for way in ways] == ["case", "update", "answer"]  # no update of the case it began itself
    assert ways[0].settled.case != first.case
    assert ways[1].settled.case == ways[2].settled.case == first.case
    assert room.case(first.case) == before


# --- tests beside rules -----------------------------------------------------------------------------------------


def test_a_test_names_only_what_it_looks_at(tmp_path: Path) -> None:
    message = {"from": "jo@acme.example", "to": "support@example.com", "subject": "My order"}
    report = run_tests(
        tmp_path,
        {"message": message, "expect": {"rule": "Orders", "case": {"tags": ["order"], "contact": "jo@acme.example"}}},
        {"message": message, "expect": {"organisation": {"domains": ["acme.example"]}, "sent": 3, "sent_to_customers": 1}},
        {"message": message, "expect": {"case": {"title": {"contains": "order"}, "number": 1}, "notify": ["alice", "bob"]}},
        {"message": {**message, "subject": "Hello"}, "expect": {"not_rule": "Orders", "case": {"tags": []}}},
    )
    assert told(report) == []
    assert len(report.results) == 4


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ({"case": {"tags": ["urgent"]}}, ("case.tags", "[urgent]", "[order]")),
        ({"case": {"fields": {"order": 7}}}, ("case.fields.order", "7", "(nothing)")),
        ({"no_case": True}, ("cases", "no case", "case 1")),
        ({"cases": 2}, ("cases", "2", "1")),
        ({"rule": "Other"}, ("rule", "Other", "Orders")),
        ({"reply": "none"}, ("reply", "none", "acknowledgement")),
        ({"held": True}, ("held", "yes", "the mail was case")),
        ({"mailbox": "billing"}, ("mailbox", "billing", "support")),
        ({"contact": "eve@x.example"}, ("contact", "eve@x.example", "{name: (nothing), email: jo@acme.example, emails: [jo@acme.example]"
                                        ", phone: (nothing), language: (nothing), organisation: Acme Ltd, sla: (nothing), tags: []}")),
        ({"not_sent": True}, ("not_sent", "no mail to people outside", "acknowledgement to jo@acme.example; notification to "
                              "alice@example.com; notification to bob@example.com")),
    ],
)  # fmt: skip
def test_what_differs_is_said_beside_what_was_expected(
    expect: dict[str, Any], difference: tuple[str, str, str], tmp_path: Path
) -> None:
    message = {"from": "jo@acme.example", "to": "support@example.com", "subject": "My order", "language": ""}
    assert told(run_tests(tmp_path, {"message": message, "expect": expect})) == [difference]


def test_a_rule_that_did_not_match_says_which_criterion_stopped_it(tmp_path: Path) -> None:
    report = run_tests(tmp_path, {"message": {"from": "jo@x.example", "subject": "Hello"}, "expect": {"rule": "Orders"}})
    lines = report.failed[0].lines()
    assert lines[0] == "FAIL rules/10-tests.yaml:7: Orders, test 1"
    assert any("subject words order" in line for line in lines)


def test_histories_and_times(tmp_path: Path) -> None:
    report = run_tests(
        tmp_path,
        {
            "given": {"case": {"number": 5, "status": "closed", "contact": "jo@acme.example", "days_ago": 20}},
            "message": {"from": "jo@acme.example", "case": 5, "subject": "My order again"},
            "expect": {"cases": 1, "case": {"links": [{"type": "follows", "number": 5}]}},
        },
        {
            "messages": [
                {"from": "jo@acme.example", "subject": "My order", "message_id": "a@x", "at": "2026-11-22 20:00"},
                {"from": "jo@acme.example", "subject": "Re: My order", "in_reply_to": "a@x", "at": "+1d"},
            ],
            "expect": {"cases": 1, "case": {"created_at": "2026-11-22T19:00:00Z", "updated_at": "2026-11-23T19:00:00Z"}},
        },
        {"given": {"case": {"staus": "closed"}}, "message": {"from": "jo@acme.example"}},
        {"message": {"from": "jo@acme.example", "to": "nobody@example.com"}},
        {"eml": "mails/one.eml", "expect": {"rule": "Orders"}},
        {"eml": "mails/two.eml", "expect": {"rule": "Orders"}},
    )
    assert [what for what, _, _ in told(report)] == ["the test"] * 4
    assert ["a case has no 'staus'" in got for _, _, got in told(report)] == [True, False, False, False]
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "one.eml").write_bytes(mail(subject="An order"))
    report = testing.run(load(tmp_path), only="Orders")
    assert len(told(report)) == 3


def test_coverage_names_rules_and_branches_that_no_test_reaches(tmp_path: Path) -> None:
    rules = [
        {"name": "A", "when": {"any": [{"subject": "x"}, {"body": "y"}]},
         "tests": [{"message": {"from": "jo@x.example", "subject": "x"}}]},
        {"name": "B", "when": {"subject": "z"}},
    ]  # fmt: skip
    settings = load(configuration(tmp_path, rules=rules))
    found = testing.run(settings).coverage.report(settings)
    assert (found["reached"], found["unreached"]) == (1, ["B"])
    assert found["unreached_branches"] == [{"rule": "A", "criterion": "body is y"}]


def test_rules_whose_own_tests_fail_are_refused(tmp_path: Path) -> None:
    bad = {**ORDER, "tests": [{"message": {"from": "jo@x.example"}, "expect": {"rule": "Orders"}}]}
    with pytest.raises(ConfigError, match=r"10-tests.yaml:\d+:5: rule 'Orders': test 1 fails: rule: expected Orders"):
        prove(load(configuration(tmp_path, rules=[bad])))


# --- replay -----------------------------------------------------------------------------------------------------


def other_rules(folder: Path, *rules: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "10-tests.yaml").write_text(yaml.safe_dump({"rules": list(rules)}), encoding="utf-8")
    return folder


def test_replay_says_what_would_differ_and_writes_nothing(store: Store, rooms: Rooms, tmp_path: Path) -> None:
    room = rooms(store, rules=[ORDER])
    for number in range(4):
        room.receive(mail(subject=f"Order {number}", sender=f"p{number}@home.example"))
    room.receive(mail(subject="Hello", sender="q@home.example"))
    settings = room.office.settings
    rules = other_rules(
        tmp_path / "new",
        {"name": "Late", "when": {"subject": {"contains": "3"}}, "discard": "late"},
        {**ORDER, "case": {"assign": {"group": "billing"}, "tags": ["order"]}},
    )
    before = (room.numbers(), len(room.outgoing()))
    found = replay.run(replay.Sides.of(settings, load(settings.folder, rules=rules)), store, jobs=1)
    assert (found.messages, found.passed_over, len(found.changed)) == (5, 0, 4)
    assert found.sums == {("group", "support", "billing"): 3, ("becomes", "case", "discarded"): 1}
    assert found.sentences()[1:] == [
        "  3 would go to the group billing instead of support", "  1 would open no case: discarded instead",
    ]  # fmt: skip
    assert found.changed[0].rule_after == "Orders"
    assert (room.numbers(), len(room.outgoing())) == before
    assert "<td>3</td>" in page.page(found, "A <review>") and "&lt;review&gt;" in page.page(found, "A <review>")
    assert json.dumps(found.as_json(), default=str)
    again = replay.run(replay.Sides.of(settings, settings, "history"), store, jobs=1)
    assert again.changed == []


def test_replay_in_several_processes_is_the_same(sqlite: Store, rooms: Rooms, tmp_path: Path) -> None:
    room = rooms(sqlite, rules=[ORDER])
    for number in range(120):
        room.put(mail(subject=f"Order {number}", sender=f"p{number}@home.example"))
    room.work()
    settings = room.office.settings
    other = load(settings.folder, rules=other_rules(tmp_path / "new", {**ORDER, "case": {"priority": "high"}}))
    steps: list[int] = []
    one = replay.run(replay.Sides.of(settings, other), sqlite, jobs=1)
    two = replay.run(replay.Sides.of(settings, other), sqlite, jobs=2, progress=steps.append)
    assert one.sums == two.sums and len(two.changed) == 120
    assert [each.spool_id for each in one.changed] == [each.spool_id for each in two.changed]
    assert steps[-1] == 120
    assert one.sums[("priority", "medium", "high")] == 120


def test_replay_answers_updates_from_memory(sqlite: Store, rooms: Rooms, tmp_path: Path) -> None:
    fill = {"autofill": {"map": {"fields.order": ["Order"]}}}
    room = rooms(sqlite, rules=[{"name": "Fill", "case": fill}])
    for number in (7, 7, 8):
        room.receive(mail(f"Order: {number}\n", subject="My order"))
    settings = room.office.settings
    rules = other_rules(tmp_path / "new", {"name": "Fill", "case": {**fill, "update_by": ["fields.order"]}})
    found = replay.run(replay.Sides.of(settings, load(settings.folder, rules=rules)), sqlite, jobs=1)
    assert [one.differences for one in found.changed] == [(("becomes", "case", "update"),)]


def test_replay_keeps_threading_and_proof_as_they_were(sqlite: Store, rooms: Rooms, tmp_path: Path) -> None:
    room = rooms(sqlite, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})
    proven = ["Authentication-Results: mx.example.com; dmarc=pass header.from=acme.example"]
    first = room.receive(mail(sender="jo@acme.example", headers=proven))
    answer = mail(sender="jo@acme.example", headers=[f"In-Reply-To: <{room.signed_id(first.case or 0)}>"])
    room.receive(answer)
    settings = room.office.settings
    rules = other_rules(
        tmp_path / "new",
        {"name": "Proven", "when": {"auth": "pass"}, "case": {"tags": ["proven"]}, "continue": True},
        {"name": "Answers", "applies_to": "answers", "when": {"case.status": ["new", "open"]}, "case": {"priority": "high"}},
    )
    found = replay.run(replay.Sides.of(settings, load(settings.folder, rules=rules)), sqlite, jobs=1)
    assert [one.differences for one in found.changed] == [
        (("tags", None, ["proven"]),), (("priority", None, "high"),),
    ]  # fmt: skip


# --- versions and canaries --------------------------------------------------------------------------------------


def test_what_was_live_when_with_its_files(store: Store, rooms: Rooms, tmp_path: Path) -> None:
    first = rooms(store, rules=[ORDER]).office.settings
    with store.write() as connection:
        versions.note_live(connection, "n", first, NOW)
        versions.note_live(connection, "n", first, NOW)
    second = rooms(store, rules=[{**ORDER, "case": {"priority": "high"}}]).office.settings
    with store.write() as connection:
        versions.note_live(connection, "n", second, NOW)
        history = versions.history(connection)
        kept = versions.files_of(connection, first.hash)
    assert [row.hash for row in history] == [second.hash, first.hash]
    assert kept is not None and "order" in kept["rules/10-tests.yaml"]
    assert live.live(second, store)[1] == second.hash
    put = files.put(second.folder, kept, NOW)
    assert load(second.folder).hash == first.hash
    assert put is not None and "high" in (put / "10-tests.yaml").read_text()
    now_live, digest = live.live(load(second.folder), store)
    assert digest == second.hash and str(now_live.rules[0].case.priority) == "high"


def test_rules_with_a_fault_are_never_put_in_place(tmp_path: Path) -> None:
    folder = configuration(tmp_path, rules=[ORDER])
    with pytest.raises(ConfigError, match=r"^my canary/10-tests\.yaml:1:.*subjct"):  # the file as the admin knows it
        files.prove(folder, {"rules/10-tests.yaml": "rules: [{name: x, when: {subjct: y}}]"}, "my canary")


def test_a_canary_decides_beside_the_live_rules(store: Store, rooms: Rooms, tmp_path: Path) -> None:
    room = rooms(store, rules=[ORDER])
    room.receive(mail(subject="An order before"))
    wanted = files.rules_in(other_rules(tmp_path / "new", {**ORDER, "hold": "wait", "case": {"tags": ["x"]}}))
    with store.write() as connection:
        versions.start_canary(connection, tmp_path, wanted, "me", NOW)
    beside = canary.Canary(store, room.office.settings)
    assert beside.look(NOW) is False
    room.receive(mail(subject="An order beside", sender="a@home.example"))
    room.receive(mail(subject="Hello", sender="b@home.example"))
    assert beside.look(NOW) is True
    assert beside.look(NOW) is False
    had = canary.report(store)
    assert had is not None
    row, found = had
    assert (found.messages, len(found.changed)) == (2, 1)
    assert found.changed[0].differences == (("becomes", "case", "held"),)
    assert room.numbers() == [1, 2, 3]
    with store.write() as connection:
        assert versions.stop_canary(connection, NOW)
    assert beside.look(NOW) is False
    assert row.fault is None


def test_a_canary_that_no_longer_fits_rests_and_says_why(sqlite: Store, rooms: Rooms, tmp_path: Path) -> None:
    room = rooms(sqlite, rules=[ORDER])
    with sqlite.write() as connection:
        versions.start_canary(connection, tmp_path, {"rules/1.yaml": "rules: [{name: x, case: {assign: {group: gone}}}]"}, "me", NOW)
    room.receive(mail(subject="An order"))
    assert canary.Canary(sqlite, room.office.settings).look(NOW) is False
    had = canary.report(sqlite)
    assert had is not None and "gone" in had[0].fault


# --- reports for bugs -------------------------------------------------------------------------------------------

SECRET = "Streng geheim: Ärger mit Meier & Söhne, Konto 4711 0815, broken display"


@pytest.mark.parametrize("name", ["plain", "html", "base64", "out of office", "answer"])
def test_a_bundle_hides_words_and_goes_the_same_way(name: str, sqlite: Store, rooms: Rooms) -> None:
    rules = [{"name": "Broken", "when": {"text": {"words": "broken"}}, "case": {"tags": ["repair"], "priority": "high"}}]
    room = rooms(sqlite, rules=rules)
    case = room.receive(mail()).case or 0
    raw = {
        "plain": mail(f"{SECRET}\r\n\r\nOn Mon, 8 Jun 2026 Anna Beispiel wrote:\r\n> quoted secret\r\n", headers=["X-Note: Geheimnis"]),
        "html": mail(f"<p>{SECRET}</p><table><tr><td>Konto</td><td>4711</td></tr></table>",
                     headers=["MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8"]),
        "base64": mail("U3RyZW5nIGdlaGVpbTogYnJva2VuIGRpc3BsYXkK\r\n", subject="=?utf-8?q?Geheimes_=C3=84rgernis?=",
                       headers=["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"]),
        "out of office": mail(SECRET, subject="Automatic reply: Geheimnis", headers=["Auto-Submitted: auto-replied"]),
        "answer": mail(f"{SECRET}\r\n\r\n> quoted secret\r\n", headers=[f"In-Reply-To: <{room.signed_id(case)}>"]),
    }[name]  # fmt: skip
    entry = room.receive(raw)
    with sqlite.read() as connection:
        made = bundle.build(spool.details(connection, entry.seq), entry.raw, room.office)
    archive = zipfile.ZipFile(io.BytesIO(made))
    assert sorted(archive.namelist()) == ["README.txt", "message.eml", "trace.json", "versions.json"]
    blotted = archive.read("message.eml")
    shown = blotted + archive.read("trace.json")
    for word in ("geheim", "Geheim", "Meier", "4711", "jo@home.example", "Anna"):
        assert word.encode() not in shown, word
    settings = room.office.settings
    ways = []
    for one in (raw, blotted):
        tried = trial.run(settings, lambda: sqlite, raw=one, to=("support@example.com",), mail_from="jo@home.example")
        decision = tried.settled.decision
        trace = tried.settled.trace
        ways.append((
            tried.settled.disposition, decision.rules if decision else (), trace["kind"], trace["automatic"], trace["signs"],
            trace["threading"][0][:13], tried.case and (tried.case["status"], tried.case["priority"], tried.case["tags"]),
        ))  # fmt: skip
    assert ways[0] == ways[1]
    assert json.loads(archive.read("versions.json"))["configuration"]["now"] == settings.hash


def test_a_bundle_keeps_what_rules_looked_at_and_its_trace_can_be_read(sqlite: Store, rooms: Rooms) -> None:
    rules = [
        {"name": "Known company", "when": {"organisation": {"is": "Acme Ltd"}}, "case": {"tags": ["known"]}, "continue": True},
        {"name": "Forms", "when": {"from": {"domain": "acme.example"}, "subject": {"contains": "ping"}, "body": {"has_field": "Urgency"}},
         "case": {"autofill": {"map": {"priority": {"labels": ["Urgency"], "values": {"eilt": "urgent"}}}}}},
    ]  # fmt: skip
    room = rooms(sqlite, rules=rules)
    raw = mail("Urgency: eilt\r\nGeheim, a new number\r\n", sender="Gerd Meier <meier@acme.example>", subject="Mapping of Geheim")
    entry = room.receive(raw, mail_from="meier@acme.example")
    with sqlite.read() as connection:
        made = zipfile.ZipFile(io.BytesIO(bundle.build(spool.details(connection, entry.seq), entry.raw, room.office)))

    again = trial.run(room.office.settings, lambda: sqlite, raw=made.read("message.eml"), to=("support@example.com",))

    assert again.settled.decision and again.settled.decision.rules == ("Known company", "Forms")
    assert again.case and (again.case["priority"], again.case["tags"], again.case["organisation"]) == ("urgent", ["known"], "Acme Ltd")
    trace = json.loads(made.read("trace.json"))["trace"]
    assert trace["threading"] == ["no signed id, known Message-ID or number: a new matter"]
    assert trace["decision"]["rules"] == ["Known company", "Forms"]
    for word in (b"eheim", b"eier", b"Gerd", b"Map", b"alice"):
        assert word not in made.read("message.eml") + made.read("trace.json"), word


def test_decided_messages_are_read_in_order(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    for number in range(3):
        room.receive(mail(subject=f"m{number}"))
    with store.read() as connection:
        every = decided.numbers(connection)
        assert len(every) == 3
        assert len(decided.numbers(connection, after=every[0][0], limit=1)) == 1
        assert [row.subject for row, _ in decided.load(connection, [seq for seq, _ in every])] == ["m0", "m1", "m2"]
    assert header(room.outgoing()[0], "Subject")
