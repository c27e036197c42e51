"""The rules of the house, kept with `ast`: who may import whom, and who alone may import what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "maild"

EVERYONE = {
    "maild", "maild.model", "maild.errors", "maild.clock", "maild.log", "maild.log_events", "maild.log_output", "maild.plain",
    "maild.settings.models", "maild.settings.values", "maild.settings.criteria", "maild.settings.rule_models",
    "maild.settings.rule_case", "maild.settings.rule_autofill", "maild.settings.rule_values",
}  # fmt: skip
VERBS = ("ingest", "rules", "cases", "sla", "outbound", "store", "web")
# The rule checker reports faults with file and line, as the settings do, and looks at the files as they are written.
MORE = {
    "maild.rules.lint.findings": {"maild.settings.faults", "maild.settings.load", "maild.settings.source"},
    "maild.rules.lint.criteria": {"maild.settings.faults"},
    "maild.rules.lint.actions": {"maild.settings.faults"},
}
BELOW = {  # what the lowest rooms may use besides themselves
    "maild.model": {"maild.model", "maild.errors"},
    "maild.errors": set(),
    "maild.clock": set(),
    "maild.plain": {"maild.plain", "maild.model", "maild.errors", "maild"},
    "maild.log": {"maild.clock", "maild.log_events", "maild.log_output", "maild"},
    "maild.settings": {"maild.settings", "maild.model", "maild.errors", "maild.plain", "maild.clock", "maild.log", "maild"},
}

# A library that is behind a door of its own: the modules that alone may import it.
DOORS = {
    "mailparser": {"maild.ingest.parse"},
    "aiosmtpd": {"maild.ingest.session", "maild.demo"},
    "aiosmtplib": {"maild.outbound.courier"},
    "imapclient": {"maild.ingest", "maild.cli.connect"},
    "imaplib": {"maild.ingest"},
    "smtplib": {"maild.cli", "maild.demo"},
    "dkim": {"maild.outbound.dkim", "maild.ingest.dns"},
    "authres": {"maild.ingest.trust"},
    "re2": {"maild.rules", "maild.ingest", "maild.plain.patterns"},
    "nh3": {"maild.outbound.html"},
    "yaml": {"maild.settings", "maild.cli.deliver", "maild.cli.people"},
    "sqlite3": {"maild.store"},
    "psycopg": {"maild.store"},
    "alembic": {"maild.store"},
    "apscheduler": {"maild.schedule"},
    "starlette": {"maild.web"},
    "uvicorn": {"maild.web"},
    "prometheus_client": {"maild.web.metrics"},
    "pygal": {"maild.reports.charts"},
    "resvg_py": {"maild.reports.charts"},
    "structlog": {"maild.log"},
    "typer": {"maild.cli"},
    "rich": {"maild.cli.show"},
    "oauthlib": {"maild.ingest"},
    "orjson": {"maild.plain.jsontext"},
    "pycld2": {"maild.ingest.language"},
    "publicsuffixlist": {"maild.plain.domains"},
}
# Outside of store/ a transaction is handed about by its type, and its driver's fault is told from ours.
HANDED = {"Connection", "DBAPIError"}
# What counts, files history, or tries the database out, each beside the one thing that it is for.
STATEMENTS = {
    "maild.schedule.sweeps": {"func", "select"},
    "maild.history": {"insert", "update"},
    "maild.cli.connect": {"create_engine", "text", "NullPool"},
    "maild.cli.keys": {"text"},
}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every import, wherever in the file it stands; name '' for a plain import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                assert node.module is not None
                full = f"{node.module}.{alias.name}"
                yield (full, "") if full in MODULES else (node.module, alias.name)


def within(module: str, rooms: set[str] | tuple[str, ...]) -> bool:
    return any(module == room or (room != "maild" and module.startswith(room + ".")) for room in rooms)


def ours(tree: ast.Module) -> set[str]:
    return {module for module, _ in imports(tree) if module.split(".")[0] == "maild"}


def test_the_verbs_never_import_one_another() -> None:
    broken = [
        f"{name} imports {other}"
        for name, tree in MODULES.items()
        for verb in VERBS
        if within(name, {f"maild.{verb}"})
        for other in ours(tree)
        if not within(other, EVERYONE | {f"maild.{verb}"} | MORE.get(name, set()))
    ]
    assert broken == []


@pytest.mark.parametrize("room", sorted(BELOW))
def test_the_lowest_rooms_stand_on_nothing_above_them(room: str) -> None:
    broken = [
        f"{name} imports {other}"
        for name, tree in MODULES.items()
        if within(name, {room})
        for other in ours(tree)
        if not within(other, BELOW[room])
    ]
    assert broken == []


def test_the_daemon_and_the_mailroom_know_nothing_of_the_command_line() -> None:
    broken = [
        f"{name} imports {other}"
        for name, tree in MODULES.items()
        if not within(name, {"maild.cli", "maild.__main__", "maild.demo"})
        for other in ours(tree)
        if within(other, {"maild.cli"})
    ]
    assert broken == []


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_has_one_door(library: str) -> None:
    users = {name for name, tree in MODULES.items() if any(one.split(".")[0] == library for one, _ in imports(tree))}
    assert [name for name in sorted(users) if not within(name, DOORS[library])] == []


def test_only_the_store_speaks_to_the_database() -> None:
    broken = [
        f"{name} imports {module}.{what}"
        for name, tree in MODULES.items()
        if not within(name, {"maild.store"})
        for module, what in imports(tree)
        if module.split(".")[0] == "sqlalchemy" and what not in HANDED | STATEMENTS.get(name, set())
    ]
    assert broken == []
    verbs = [
        name for name, tree in MODULES.items()
        if within(name, tuple(f"maild.{verb}" for verb in VERBS if verb != "store"))
        and any(module.split(".")[0] == "sqlalchemy" for module, _ in imports(tree))
    ]  # fmt: skip
    assert verbs == []


def test_no_statement_is_text_outside_of_the_store() -> None:
    words = ("select ", "insert into ", "update ", "delete from ")
    broken = [
        f"{name}:{node.lineno}"
        for name, tree in MODULES.items()
        if not within(name, {"maild.store", "maild.cli.connect"})
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) in {"text", "exec_driver_sql", "execute"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).lower().startswith(words)
    ]
    assert broken == []


def test_only_the_clock_asks_the_time() -> None:
    broken = []
    for name, tree in MODULES.items():
        if name in {"maild.clock", "maild.plain.incoming"}:  # the latter names files by it, so that they sort
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                if called in {
                    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns",
                    "datetime.datetime.now", "datetime.date.today", "time.localtime", "time.gmtime",
                }:  # fmt: skip
                    broken.append(f"{name}:{node.lineno} calls {called}")
    assert broken == []


def test_catching_everything_is_for_few_places_and_never_silent() -> None:
    broken = []
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type is not None else "everything"
            if caught in {"everything", "BaseException"} and not any(isinstance(one, ast.Raise) for one in ast.walk(node)):
                if name not in {"maild.daemon"}:  # a child that fails says so and ends
                    broken.append(f"{name}:{node.lineno} catches {caught}")
            if caught == "Exception" and all(isinstance(one, ast.Pass | ast.Continue) for one in node.body):
                broken.append(f"{name}:{node.lineno} swallows")
    assert broken == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_says_what_it_is(name: str) -> None:
    tree = MODULES[name]
    said = ast.get_docstring(tree)
    assert said or not tree.body, f"{name} does not begin with a docstring"


def test_nothing_but_show_prints() -> None:
    printers = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printers <= {"maild.cli.show", "maild.settings.reference"}  # the latter is run by hand, to write its page
