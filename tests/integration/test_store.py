"""The database on both engines: what it refuses, what it survives, and that its tables are what the program thinks."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from builders import NOW, configuration, envelope, mail
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from maild import health
from maild.errors import ConfigError, StoreFull, StoreUnavailable
from maild.model.case import Case, LinkType, Priority, Status, StreamEntry, StreamType
from maild.model.contact import Contact, Organisation
from maild.model.outbox import Deferred, OutboxState, OutgoingKind, OutgoingMessage, Refused, Result, Sent
from maild.processes.door import arrival
from maild.settings.addresses import Addresses
from maild.settings.load import load
from maild.store import audit, cases, copies, installation, migrate, outbox, people, schema, spool
from maild.store.unit_of_work import Store


def case(number: int = 1, **values: Any) -> Case:
    at = dict.fromkeys(("created_at", "updated_at", "status_since"), NOW)
    return Case(**{"number": number, "title": "x", "mailbox": "support", **at, **values})


def message(serial: int = 1, *to: str, kind: OutgoingKind = OutgoingKind.ANSWER, case_: int | None = 1) -> OutgoingMessage:
    return OutgoingMessage(
        kind=kind, case=case_, message_id=f"out{serial}@example.com", sender="support@example.com",
        recipients=to or ("jo@home.example",), subject="x", headers=(("Subject", "x"),), text="x",
    )  # fmt: skip


# --- the schema -------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_program_knows(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with store.engine.connect() as connection:
        opts = {
            "compare_type": False, "compare_server_default": False,
            # the index over words is each engine's own (FTS5, tsvector)
            "include_object": lambda _object, name, *_rest: not str(name).startswith(("faq_words", "ix_faq_words")),
        }  # fmt: skip
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, schema.metadata) == []


def test_the_files_of_the_migrations_are_named_for_their_versions_in_order() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    newest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert migrate.known() == list(reversed(newest_first))


def test_the_start_on_an_up_to_date_database_does_without_alembic(sqlite: Store) -> None:
    program = (
        "import sys, pathlib; from maild.store.unit_of_work import Store\n"
        "print([Store(sys.argv[1], pathlib.Path(sys.argv[2])).create_or_upgrade(), 'alembic' in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(sqlite.url), str(sqlite.state_dir)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "['', False]"


def test_an_upgrade_of_what_is_up_to_date_does_nothing(store: Store) -> None:
    assert store.create_or_upgrade() == ""


def test_many_processes_that_make_the_database_at_once_make_one(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program = "import sys, pathlib; from maild.store.unit_of_work import Store; s = Store(sys.argv[1], pathlib.Path(sys.argv[2]))\n" \
              "print(bool(s.create_or_upgrade()))"  # fmt: skip
    url = f"sqlite:///{tmp_path / 'maild.db'}"
    started = [
        subprocess.Popen([sys.executable, "-c", program, url, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [one.communicate(timeout=60) for one in started]
    assert [err for _, err in said] == [b""] * 4
    with Store(url, tmp_path).read() as connection:
        assert connection.execute(select(schema.cases)).all() == []


def test_f69_a_newer_database_is_refused_and_not_touched(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer than this maild"):
        store.create_or_upgrade()
    with store.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_f22_the_mark_without_the_database_is_refused(sqlite: Store) -> None:
    sqlite.close()
    assert sqlite.path is not None
    sqlite.path.unlink()
    with pytest.raises(ConfigError, match="restore"):
        sqlite.create_or_upgrade()
    assert not sqlite.path.exists()


def test_f22_a_database_that_is_replaced_under_a_running_daemon_is_refused_until_the_next_start(sqlite: Store) -> None:
    """Its log stands beside the other file still, and would be taken for that one's."""
    assert sqlite.path is not None
    with sqlite.write() as connection:
        installation.set_meta(connection, "x", "old")
    copy = sqlite.path.with_name("copy")
    with contextlib.closing(sqlite3.connect(sqlite.path)) as one:
        one.execute(f"VACUUM INTO '{copy}'")
    copy.replace(sqlite.path)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="deleted or replaced"), sqlite.write() as connection:
            installation.set_meta(connection, "x", "new")
    for suffix in ("-wal", "-shm"):
        sqlite.path.with_name(sqlite.path.name + suffix).unlink()
    sqlite.close()
    with sqlite.write() as connection:
        installation.set_meta(connection, "x", "new")


def test_f22_a_damaged_database_is_not_available_and_not_replaced(sqlite: Store) -> None:
    sqlite.close()
    assert sqlite.path is not None
    for beside in ("-wal", "-shm"):
        Path(f"{sqlite.path}{beside}").unlink(missing_ok=True)
    sqlite.path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable):
        sqlite.create_or_upgrade()
    assert sqlite.path.read_bytes().startswith(b"this is no database")


def test_f10_power_cut_settings(sqlite: Store) -> None:
    with sqlite.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_who_need_not_be_durable_does_not_wait_for_the_disk_and_whoever_comes_next_does(store: Store) -> None:
    asked = "PRAGMA synchronous" if store.sqlite else "SHOW synchronous_commit"
    with store.write(durable=False) as connection:
        assert connection.exec_driver_sql(asked).scalar() in (1, "off")
        installation.set_meta(connection, "x", "1")
    with pytest.raises(RuntimeError), store.write(durable=False):
        raise RuntimeError
    for block in (store.write, store.read):
        with block() as connection:
            assert connection.exec_driver_sql(asked).scalar() in (2, "on")
            assert installation.get_meta(connection, "x") == "1"


# --- transactions -----------------------------------------------------------------------------------------------


def test_f23_a_log_that_a_reader_keeps_from_ending_is_told_and_cut_when_the_reader_is_gone(
    sqlite: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(configuration(tmp_path / "config"))
    monkeypatch.setattr("maild.health.LONG_LOG", 1 << 20)
    monkeypatch.setattr("maild.store.unit_of_work.LOG_KEPT", 1 << 20)
    with sqlite.read() as reader:
        reader.execute(select(schema.meta)).all()
        for n in range(4):
            with sqlite.write() as connection:
                installation.set_meta(connection, f"x{n}", "x" * (1 << 20))
        assert sqlite.log_size() > 4 << 20
        assert any("log has grown to" in one for one in health.status(settings, sqlite)["needs"])
    sqlite.empty_log()
    with sqlite.write() as connection:
        installation.set_meta(connection, "y", "the next one to write begins the log anew")
    assert sqlite.log_size() <= 1 << 20
    assert not any("log has grown to" in one for one in health.status(settings, sqlite)["needs"])


def test_what_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.write() as connection:
        cases.insert_case(connection, case())
        raise RuntimeError
    with store.read() as connection:
        assert cases.get(connection, 1) is None


def test_a_savepoint_that_fails_leaves_the_rest(store: Store) -> None:
    with store.write() as connection:
        cases.insert_case(connection, case(1))
        with pytest.raises(IntegrityError), connection.begin_nested():
            cases.insert_case(connection, case(1))
        cases.insert_case(connection, case(2))
    with store.read() as connection:
        assert [one.number for one, _, _ in cases.search(connection, {})] == [1, 2]


def test_a_reader_sees_one_moment_while_others_write(sqlite: Store) -> None:
    with sqlite.read() as reader:
        assert cases.get(reader, 1) is None
        with sqlite.write() as writer:
            cases.insert_case(writer, case())
        assert cases.get(reader, 1) is None
    with sqlite.read() as reader:
        assert cases.get(reader, 1) is not None


def test_writers_at_once_lose_nothing(store: Store) -> None:
    with store.write() as connection:
        cases.insert_case(connection, case())
    faults: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(20):
                with store.write() as connection:
                    found = cases.get(connection, 1, lock=True)
                    assert found is not None
                    cases.save_case(connection, case(title=str(int(found.title if found.title != "x" else 0) + 1)))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    with store.read() as connection:
        found = cases.get(connection, 1)
        assert found is not None
        assert found.title == "80"


def test_f17_a_full_disk_stores_nothing_of_a_message_and_goes_on_when_there_is_room(sqlite: Store, tmp_path: Path) -> None:
    addresses = Addresses(load(configuration(tmp_path / "config")))

    def put(size: int) -> None:
        with sqlite.write() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + room}"))
            spool.accept(connection, [arrival(envelope(mail("x" * size)), addresses)])

    room = 20  # pages
    with pytest.raises(StoreFull):
        put(1 << 20)
    with sqlite.read() as connection:
        assert connection.execute(select(schema.spool.c.id)).all() == []
        assert connection.execute(select(schema.raw_messages.c.seq)).all() == []
    room = 2000
    put(1 << 20)
    with sqlite.read() as connection:
        assert len(connection.execute(select(schema.raw_messages.c.seq)).all()) == 1


def test_f21_a_database_that_another_program_locks_is_not_available(sqlite: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sqlite.path is not None
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with sqlite.engine.connect() as connection:  # do not wait the ten seconds here
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with pytest.raises(DBAPIError) as fault:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    from maild.store.unit_of_work import translated

    assert isinstance(translated(fault.value), StoreUnavailable)
    other.execute("ROLLBACK")
    other.close()


def test_f24_a_server_that_is_not_there_is_not_available(tmp_path: Path) -> None:
    store = Store("postgresql+psycopg://maild@127.0.0.1:9/maild", tmp_path)
    for act in (store.exists, store.create_or_upgrade):
        with pytest.raises(StoreUnavailable):
            act()
    store.close()


@pytest.mark.service
def test_f25_after_a_restart_of_the_server_the_first_query_works(postgres: Any, postgres_template: str, tmp_path: Path) -> None:
    store = Store(postgres.url(postgres.fresh(postgres_template)), tmp_path)
    with store.read() as connection:
        assert cases.get(connection, 1) is None
    postgres.stop()
    with pytest.raises(StoreUnavailable), store.read() as connection:
        cases.get(connection, 1)
    postgres.start()
    with store.write() as connection:
        cases.insert_case(connection, case())
    with store.read() as connection:
        assert cases.get(connection, 1) is not None
    store.close()


@pytest.mark.service
def test_f27_what_is_committed_is_on_disk_also_where_the_server_does_not_wait_for_it(
    postgres: Any, postgres_template: str, tmp_path: Path
) -> None:
    name = postgres.fresh(postgres_template)
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = Store(postgres.url(name), tmp_path)
    for _ in range(2):
        with store.write() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    store.close()
    with store.write() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "remote_apply"
    store.close()


@pytest.mark.service
def test_f26_a_connection_that_is_cut_in_the_middle_leaves_all_or_nothing(
    postgres: Any, postgres_template: str, tmp_path: Path
) -> None:
    name = postgres.fresh(postgres_template)
    store = Store(postgres.url(name), tmp_path)
    with pytest.raises(StoreUnavailable), store.write() as connection:
        cases.insert_case(connection, case())
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        cases.insert_case(connection, case(2))
    with store.read() as connection:
        assert cases.search(connection, {}) == []
    store.close()


# --- what the database itself refuses ---------------------------------------------------------------------------


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="zone"), store.write() as connection:
        cases.insert_case(connection, case(created_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_times_come_back_in_utc_and_sort(store: Store) -> None:
    tokyo = datetime(2026, 11, 23, 18, 30, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    with store.write() as connection:
        cases.insert_case(connection, case(1, created_at=tokyo))
        cases.insert_case(connection, case(2, created_at=NOW))
    with store.read() as connection:
        found = cases.get(connection, 1)
        assert found is not None
        assert found.created_at == tokyo
        assert found.created_at.tzinfo is UTC
        rows = connection.execute(select(schema.cases.c.number).order_by(schema.cases.c.created_at)).scalars().all()
        assert rows == [1, 2]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("cases", {"status": "done"}), ("cases", {"priority": "p1"}), ("cases", {"channel": "fax"}), ("cases", {"rating": 6}),
        ("cases", {"contact_id": 99}), ("cases", {"number": 1}),
    ],
)  # fmt: skip
def test_the_database_refuses_what_a_case_cannot_be(store: Store, table: str, values: dict[str, Any]) -> None:
    row = {
        "number": 7, "title": "x", "status": "new", "priority": "low", "channel": "email", "mailbox": "m", "tags": [], "fields": {},
        "billable": False, "created_at": NOW, "updated_at": NOW, "status_since": NOW,
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(schema.cases), {**row, "number": 1})
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(schema.metadata.tables[table]), {**row, **values})


def test_one_message_is_in_one_case_once(store: Store) -> None:
    from test_spool import arrival, put

    put(store, arrival(mail()))
    values = {
        "case_number": 1, "spool_seq": 1, "direction": "in", "kind": "customer", "public": True, "message_id": "x",
        "from_name": "", "from_email": "", "to": [], "cc": [], "subject": "", "text": "", "attachments": [], "at": NOW,
    }  # fmt: skip
    with store.write() as connection:
        cases.insert_case(connection, case())
        cases.add_message(connection, values)
    with pytest.raises(IntegrityError), store.write() as connection:
        cases.add_message(connection, values)


def test_an_outgoing_message_id_is_single(store: Store) -> None:
    with store.write() as connection:
        outbox.add(connection, message(), NOW)
    with pytest.raises(IntegrityError), store.write() as connection:
        outbox.add(connection, message(), NOW)


# --- people -----------------------------------------------------------------------------------------------------


def test_an_address_belongs_to_one_contact_however_it_is_written(store: Store) -> None:
    with store.write() as connection:
        first = people.create_contact(connection, Contact(0, "Jo", ("Jo@Home.Example", "jo@work.example")), NOW)
        again = people.create_contact(connection, Contact(0, "Other", ("jo@home.example",)), NOW)
        assert (again.id, again.name) == (first.id, "Jo")
        found = people.contact_by_address(connection, "JO@WORK.example")
        assert found is not None
        assert found.id == first.id
        assert len(people.all_contacts(connection)) == 1


def test_an_organisation_is_found_by_domain_and_parent_domain(store: Store) -> None:
    with store.write() as connection:
        people.save_organisation(connection, Organisation("Acme Ltd", ("acme.example",)))
        people.save_organisation(connection, Organisation("Acme Labs", ("labs.acme.example",)))
        names = [
            found.name if (found := people.organisation_by_domain(connection, domain)) else None
            for domain in ("acme.example", "mail.acme.example", "x.labs.acme.example", "notacme.example", "example")
        ]
    assert names == ["Acme Ltd", "Acme Ltd", "Acme Labs", None, None]


def test_merged_contacts_keep_addresses_and_cases(store: Store) -> None:
    with store.write() as connection:
        one = people.create_contact(connection, Contact(0, "Jo", ("jo@home.example",)), NOW)
        two = people.create_contact(connection, Contact(0, "Jo Doe", ("jo@work.example",)), NOW)
        cases.insert_case(connection, case(contact_id=one.id))
        people.merge_contacts(connection, one.id, two.id)
        found = cases.get(connection, 1)
        assert found is not None
        assert found.contact_id == two.id
        kept = people.contact(connection, two.id)
        assert kept is not None
        assert set(kept.emails) == {"jo@home.example", "jo@work.example"}
        assert people.contact(connection, one.id) is None


def test_readers_numbers_never_change(store: Store) -> None:
    with store.write() as connection:
        first = [people.reader_number(connection, key) for key in ("alice", "bob", "alice")]
        assert first[0] == first[2] != first[1]
        assert 0 not in first
        assert people.user_of_reader(connection, first[1]) == "bob"
        assert people.user_of_reader(connection, 99) is None


def test_round_robin_goes_on_where_it_was_also_when_members_change(store: Store) -> None:
    with store.write() as connection:
        turns = [people.next_in_turn(connection, "support", ["a", "b", "c"]) for _ in range(4)]
        turns += [people.next_in_turn(connection, "support", ["b", "c"]) for _ in range(3)]
        assert turns[:4] == ["a", "b", "c", "a"]
        assert set(turns[4:]) == {"b", "c"}
        assert people.next_in_turn(connection, "empty", []) is None


# --- cases ------------------------------------------------------------------------------------------------------


def test_a_case_comes_back_as_it_was_stored(store: Store) -> None:
    full = case(
        7, title="Straße \U0001f600", summary="s", status=Status.OPEN, priority=Priority.HIGH, category="defect", group="g",
        assignee="bob", owner="alice", sla="Gold", tags=("b", "a"), fields={"order": "0077", "n": 3, "d": "1.10", "none": None},
        resolution="r", billable=True, rating=4, feedback="f", first_response_at=NOW, resolved_at=NOW, language="de",
    )  # fmt: skip
    with store.write() as connection:
        cases.insert_case(connection, full)
    with store.read() as connection:
        assert cases.get(connection, 7) == full


def test_links_are_seen_from_both_sides_and_go_with_the_case(store: Store) -> None:
    with store.write() as connection:
        for number in (1, 2):
            cases.insert_case(connection, case(number))
        cases.link(connection, 2, LinkType.FOLLOWS, 1)
        cases.link(connection, 2, LinkType.FOLLOWS, 1)
        assert cases.links_of(connection, 1) == [("followed_by", 2)]
        assert cases.links_of(connection, 2) == [("follows", 1)]


def test_a_ring_of_merged_cases_ends(store: Store) -> None:
    with store.write() as connection:
        cases.insert_case(connection, case(1))
        cases.insert_case(connection, case(2, merged_into=1))
        cases.save_case(connection, case(1, merged_into=2))
        assert cases.get_final(connection, 1) is not None


def test_cases_are_searched_by_what_the_command_line_offers(store: Store) -> None:
    with store.write() as connection:
        jo = people.create_contact(connection, Contact(0, "Jo Doe", ("jo@home.example",)), NOW)
        cases.insert_case(connection, case(1, title="50% of _all_ printers", contact_id=jo.id, tags=("vip", "x"), group="g"))
        cases.insert_case(connection, case(2, title="Scanner", status=Status.CLOSED, assignee="bob", mailbox="billing"))
        cases.insert_case(connection, case(3, title="Ärger", organisation="Acme Ltd", updated_at=NOW + timedelta(days=3)))

    def found(**filters: Any) -> list[int]:
        with store.read() as connection:
            return sorted(one.number for one, _, _ in cases.search(connection, filters))

    assert found() == [1, 2, 3]
    assert found(status=["new"]) == [1, 3]
    assert found(group=["g"]) == [1]
    assert found(assignee=["bob"]) == [2]
    assert found(contact="JO@home.Example") == [1]
    assert found(contact="doe") == [1]
    assert found(contact="%") == []
    assert found(organisation=["Acme Ltd"]) == [3]
    assert found(mailbox=["billing"]) == [2]
    assert found(tag=["vip"]) == [1]
    assert found(tag=["vi"]) == []
    assert found(since=NOW + timedelta(days=1)) == [3]
    assert found(words=["printers"]) == [1]
    assert found(words=["50%"]) == [1]
    assert found(words=["%"]) == [1]
    assert found(words=["_all_"]) == [1]
    assert found(words=["_"]) == [1]
    assert found(words=["scanner", "printers"]) == []
    assert found(words=["ärger"]) == [3]
    assert found(words=["ÄRGER"]) == [3]
    assert len(found(limit=2)) == 2


def test_followers_are_a_set(store: Store) -> None:
    with store.write() as connection:
        cases.insert_case(connection, case())
        cases.follow(connection, 1, ["bob", "alice", "bob"])
        cases.follow(connection, 1, ["bob", "group:support"])
        assert sorted(cases.followers_of(connection, 1)) == ["alice", "bob", "group:support"]


def test_long_ids_are_cut_alike_when_kept_and_when_asked(store: Store) -> None:
    long = "x" * 5000 + "@home.example"
    with store.write() as connection:
        cases.insert_case(connection, case())
        cases.remember_ids(connection, 1, [long, "", "short@x"])
        assert cases.cases_of_ids(connection, [long])[long[:400]] == [(1, True)]
        assert cases.cases_of_ids(connection, [""]) == {}
        assert cases.cases_of_ids(connection, []) == {}


# --- the outbox -------------------------------------------------------------------------------------------------


def add(store: Store, *messages: OutgoingMessage, **how: Any) -> list[int]:
    with store.write() as connection:
        return [outbox.add(connection, one, NOW, **how) for one in messages]


def test_peoples_answers_leave_before_automatic_ones_and_those_before_notifications(store: Store) -> None:
    add(store, message(1, kind=OutgoingKind.NOTIFICATION), message(2, kind=OutgoingKind.ACKNOWLEDGEMENT), message(3))
    leased = outbox.lease(store, "here#1", 10, NOW)
    assert [one.message.kind.value for one in leased] == ["answer", "acknowledgement", "notification"]
    assert outbox.lease(store, "here#2", 10, NOW) == []


def test_what_waits_for_its_time_is_not_leased_before(store: Store) -> None:
    add(store, message(), not_before=NOW + timedelta(seconds=60))
    assert outbox.lease(store, "here#1", 10, NOW + timedelta(seconds=59)) == []
    assert len(outbox.lease(store, "here#1", 10, NOW + timedelta(seconds=60))) == 1


def test_f38_f39_each_recipient_has_a_result_of_their_own(store: Store) -> None:
    add(store, message(1, "a@x.example", "b@x.example", "c@x.example"))
    (entry,) = outbox.lease(store, "here#1", 10, NOW)
    outcomes = {"a@x.example": Sent("250 ok"), "b@x.example": Deferred(451, "later"), "c@x.example": Refused(550, "no")}
    later = NOW + timedelta(minutes=5)
    with store.write() as connection:
        assert outbox.record(connection, [Result(entry, outcomes, NOW, later)]) == [OutboxState.DEFERRED]
    assert outbox.lease(store, "here#1", 10, NOW) == []
    (again,) = outbox.lease(store, "here#1", 10, later)
    assert again.waiting == ("b@x.example",)
    assert again.attempts == 1
    with store.write() as connection:
        assert outbox.record(connection, [Result(again, {"b@x.example": Sent()}, later)]) == [OutboxState.FAILED]
        assert audit.run(connection)[1] == []


def test_what_became_of_several_mails_is_written_down_at_once(store: Store) -> None:
    add(store, message(1, "a@x.example"), message(2, "b@x.example", "c@x.example"), message(3, "d@x.example"))
    first, second, third = outbox.lease(store, "here#1", 10, NOW)
    later = NOW + timedelta(minutes=5)
    results = [
        Result(first, {"a@x.example": Sent("250 ok")}, NOW),
        Result(second, {"b@x.example": Sent(), "c@x.example": Deferred(451, "later")}, NOW, later),
        Result(third, {"d@x.example": Refused(550, "no")}, NOW),
    ]
    with store.write() as connection:
        states = outbox.record(connection, results)
        assert states == [OutboxState.SENT, OutboxState.DEFERRED, OutboxState.FAILED]
        assert audit.run(connection)[1] == []
        (failed,) = outbox.listed(connection, states=[OutboxState.FAILED])
    assert (failed.attempts, failed.reason) == (1, "d@x.example: no")
    (again,) = outbox.lease(store, "here#1", 10, later)
    assert (again.id, again.waiting) == (second.id, ("c@x.example",))


def test_f43_when_it_has_waited_long_enough_deferred_is_failed(store: Store) -> None:
    (number,) = add(store, message())
    (entry,) = outbox.lease(store, "here#1", 10, NOW)
    with store.write() as connection:
        states = outbox.record(connection, [Result(entry, {"jo@home.example": Deferred(451, "later")}, NOW)])
        assert states == [OutboxState.FAILED]
        assert audit.run(connection)[1] == []
        assert outbox.set_state(connection, number, OutboxState.PENDING, NOW)
    (again,) = outbox.lease(store, "here#1", 10, NOW)
    assert again.waiting == ("jo@home.example",)


def test_what_is_sent_can_be_neither_retried_nor_discarded(store: Store) -> None:
    (number,) = add(store, message())
    (entry,) = outbox.lease(store, "here#1", 10, NOW)
    with store.write() as connection:
        assert not outbox.set_state(connection, number, OutboxState.DISCARDED, NOW)  # on its way
        outbox.record(connection, [Result(entry, {"jo@home.example": Sent()}, NOW)])
        for state in (OutboxState.PENDING, OutboxState.DISCARDED):
            assert not outbox.set_state(connection, number, state, NOW)
        assert not outbox.set_state(connection, 99, OutboxState.PENDING, NOW)


def test_discarded_mail_is_not_sent_and_adds_up(store: Store) -> None:
    (number,) = add(store, message())
    with store.write() as connection:
        assert outbox.set_state(connection, number, OutboxState.DISCARDED, NOW, "discarded by bob")
        assert audit.run(connection)[1] == []
    assert outbox.lease(store, "here#1", 10, NOW) == []


def test_what_a_dead_post_office_had_in_hand_is_sent_again(store: Store) -> None:
    add(store, message())
    outbox.lease(store, "here#a.11", 10, NOW)
    with store.write() as connection:
        assert outbox.release_dead(connection, "here", lambda _holder: False) == 0
        assert outbox.release_dead(connection, "here", lambda _holder: True) == 1
    assert [one.attempts for one in outbox.lease(store, "here#12", 10, NOW)] == [0]


def test_f7_a_lease_is_renewed_while_its_holder_lives_and_then_taken_by_another(store: Store) -> None:
    add(store, message())
    outbox.lease(store, "here#a.11", 10, NOW)

    def time_passes() -> None:
        with store.write() as connection:
            connection.execute(update(schema.outbox).values(lease_until=schema.outbox.c.lease_until - 600))

    for _ in range(5):
        time_passes()
        outbox.renew(store, "here#a.11")
        outbox.renew(store, "there#b.7")
        assert outbox.lease(store, "there#b.7", 10, NOW) == []
    time_passes()
    time_passes()
    assert len(outbox.lease(store, "there#b.7", 10, NOW)) == 1


# --- the installation -------------------------------------------------------------------------------------------


def test_keys_rotate_and_old_ones_go_on_verifying(store: Store) -> None:
    from maild.plain.tokens import sign_id, verify_id

    before = installation.ensure_key(store, NOW)
    assert installation.ensure_key(store, NOW).current == before.current
    old = sign_id(before, 7, 0, "example.com")
    with store.write() as connection:
        new = installation.rotate_key(connection, NOW + timedelta(seconds=1))
        ring = installation.keyring(connection)
    assert ring.current == new != before.current
    assert verify_id(ring, old) is not None


def test_two_daemons_that_make_the_first_key_agree(store: Store) -> None:
    rings: list[str] = []
    threads = [threading.Thread(target=lambda: rings.append(installation.ensure_key(store, NOW).keys["k1"].hex())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(rings) == 4
    assert len(set(rings)) == 1


def test_pauses_end_by_themselves_or_by_hand(store: Store) -> None:
    with store.write() as connection:
        installation.pause(connection, "automatic", NOW + timedelta(hours=1), "storm", "bob", NOW)
        installation.pause(connection, "outbox", None, "", "bob", NOW)
        installation.pause(connection, "outbox", None, "again", "bob", NOW)
        assert [row.what for row in installation.paused(connection, NOW)] == ["automatic", "outbox"]
        assert [row.what for row in installation.paused(connection, NOW + timedelta(hours=1))] == ["outbox"]
        assert installation.resume(connection, "outbox", "bob", NOW)
        assert not installation.resume(connection, "outbox", "bob", NOW)


def test_a_folder_is_fetched_by_one_daemon_at_a_time(store: Store) -> None:
    lease = installation.lease_folder
    assert lease(store, "support", "INBOX", "one", 60)
    assert not lease(store, "support", "INBOX", "two", 60)
    assert lease(store, "support", "INBOX", "one", -1)
    assert lease(store, "support", "INBOX", "two", 60)


# --- the proof --------------------------------------------------------------------------------------------------


def test_audit_of_an_empty_database_finds_nothing(store: Store) -> None:
    with store.read() as connection:
        assert audit.run(connection) == ({"spool": 0, "outbox": 0, "cases": 0}, [])


def test_audit_names_what_does_not_add_up(store: Store) -> None:
    from test_spool import arrival, put

    put(store, arrival(mail()), arrival(mail()), arrival(mail()))
    with store.write() as connection:
        connection.execute(text("UPDATE spool SET state = 'done' WHERE seq = 1"))
        connection.execute(text("UPDATE spool SET state = 'done', disposition = 'case' WHERE seq = 2"))
        connection.execute(text("DELETE FROM raw_messages WHERE seq = 3"))
        cases.insert_case(connection, case())
        outbox.add(connection, message(), NOW)
        connection.execute(text("UPDATE outbox SET state = 'sent'"))
    with store.read() as connection:
        checked, faults = audit.run(connection)
    assert checked == {"spool": 3, "outbox": 1, "cases": 1}
    assert {(one["what"], one["fault"].split(",")[0]) for one in faults} >= {
        ("message", "is done"), ("message", "is said to be in a case"), ("message", "its bytes are gone"),
        ("case", "has no stream"), ("mail", "is sent"),
    }  # fmt: skip


def test_a_stream_entry_that_is_not_of_the_closed_set_is_refused(store: Store) -> None:
    with store.write() as connection:
        cases.insert_case(connection, case())
        cases.add_stream(connection, 1, [StreamEntry(NOW, StreamType.NOTE, "bob", False, "x", {"a": 1})])
        (entry,) = cases.stream_of(connection, 1)
        assert (entry.at, entry.text, dict(entry.data)) == (NOW, "x", {"a": 1})
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(
            insert(schema.stream),
            {"case_number": 1, "at": NOW, "type": "odd", "actor": "", "public": False, "text": "", "data": {}},
        )


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    if os.getuid() == 0:
        place = Path("/proc/maild-cannot-be/here")
    else:
        place = tmp_path / "closed"
        place.mkdir(mode=0o500)
        place = place / "here"
    store = Store(f"sqlite:///{place / 'maild.db'}", place)
    with pytest.raises((StoreUnavailable, OSError)):
        store.create_or_upgrade()


def test_the_copy_of_a_running_database_is_whole(sqlite: Store, tmp_path: Path) -> None:
    """What `maild backup` relies on: SQLite's own online copy, not the file's."""
    with sqlite.write() as connection:
        cases.insert_case(connection, case())
    assert sqlite.path is not None
    assert shutil.disk_usage(tmp_path).free > 0
    with sqlite3.connect(sqlite.path) as source, sqlite3.connect(tmp_path / "copy.db") as target:
        source.backup(target)
        assert target.execute("SELECT count(*) FROM cases").fetchone() == (1,)
        assert target.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    source.close()
    target.close()


def test_f70_what_was_in_hand_when_the_copy_was_made_is_nobodys_in_the_restored_one(sqlite: Store, tmp_path: Path) -> None:
    with sqlite.write() as connection:
        spool.accept(connection, [arrival(envelope(mail()), Addresses(load(configuration(tmp_path / "config"))))])
    add(sqlite, message())
    assert len(spool.lease(sqlite, "here#a.1", limit=1, max_bytes=1, seconds=900)) == 1
    assert len(outbox.lease(sqlite, "here#a.2", 1, NOW)) == 1
    copies.backup(sqlite, tmp_path / "copy")
    (tmp_path / "other").mkdir()
    other = Store(f"sqlite:///{tmp_path}/other/maild.db", tmp_path / "other")
    copies.restore(other, tmp_path / "copy")
    assert [one.attempts for one in spool.lease(other, "there#b.1", limit=1, max_bytes=1, seconds=900)] == [1]
    assert len(outbox.lease(other, "there#b.2", 1, NOW)) == 1
    other.close()


def test_the_configuration_of_the_tests_passes_the_check(tmp_path: Path) -> None:
    from maild.settings.load import load

    assert load(configuration(tmp_path / "config")).main.mailboxes["support"].address == "support@example.com"


def test_versions_say_what_is_there_and_what_is_known(store: Store) -> None:
    have, want = migrate.versions(store)
    assert have == want


def newer(store: Store, version: str, word: str) -> Store:
    """The database as a newer maild left it, opened by this one."""
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        connection.execute(text("DELETE FROM meta WHERE key = 'schema_works_with'"))
        if word:
            connection.execute(text("INSERT INTO meta (key, value) VALUES ('schema_works_with', :word)"), {"word": word})
    return store


def test_a_new_schema_works_with_the_version_before_so_that_nodes_upgrade_one_by_one(store: Store) -> None:
    here = migrate.known()[-1]
    with store.read() as connection:
        word = connection.execute(text("SELECT value FROM meta WHERE key = 'schema_works_with'")).scalar()
    assert word == f"{here} 0001"  # what this one says to older programs
    assert newer(store, "0099", f"0099 {here}").create_or_upgrade() == ""
    with store.read() as connection:
        assert migrate.version(connection) == "0099"


@pytest.mark.parametrize("word", ["", "0099 0098", "0098 0001"], ids=["no word", "contracted", "a word about another schema"])
def test_a_newer_schema_that_does_not_say_so_is_refused(sqlite: Store, word: str) -> None:
    with pytest.raises(ConfigError, match="newer than this maild knows"):
        newer(sqlite, "0099", word).create_or_upgrade()


def test_the_plan_of_an_upgrade_says_what_it_locks_and_changes_nothing(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    (tmp_path / "maild.db").touch()
    old = Store(f"sqlite:///{tmp_path}/maild.db", tmp_path)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with old.engine.connect() as connection, connection.execution_options(maild_write=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    assert [(one.version, one.works_with) for one in migrate.plan(old)] == [("0004", "0001")]
    assert all(one.what and one.locks for one in migrate.plan(old))
    assert migrate.versions(old)[0] == "0003"
    assert old.create_or_upgrade() == "schema 0003 upgraded to 0004"
    assert migrate.plan(old) == []
    old.close()
