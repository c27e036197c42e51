"""This is where maild is measured: ``python -m bench`` prints how many mails a second are taken and made into cases.

Beside it stands what the machine gives at best: aiosmtpd's bare sink, and maild's own door with nothing behind it. Each
daemon is a real `maild run` with a configuration and database of its own in a temporary folder. All on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench.preload import preload
from maild.store import schema
from maild.store.unit_of_work import Store

ROOT = Path(__file__).parent.parent
START_WITHIN, EMPTY_WITHIN, SETTLING = 60.0, 1800.0, 3.0  # seconds
CONFIG = """\
database: {url}
state_dir: ./var
mailboxes:
  support: {{address: support@example.com, name: Example Support, group: support}}
ingest:
  smtp: {{listen: "127.0.0.1:{port}"}}
outbound:
  smtp: {{host: 127.0.0.1, port: {smarthost}}}
limits: {{answers_overall: [1000000 in 10m]}}
{workers}
"""
DIRECTORY = """\
users:
  alice: {name: Alice Ng, email: alice@example.com}
  bob: {name: Bob Roy, email: bob@example.com}
groups:
  support: {members: [alice, bob]}
"""
RULE = """\
  - name: Rule {number}
    when: {{subject: {{words: [word{number}, other{number}]}}, body: {{contains: text{number}}}}}
    case: {{set: {{category: c{number}}}}}
"""


def send(port: int, count: int, connections: int, only: str, pace: float = 0.0) -> dict[str, Any]:
    """Send mails from a process of their own; returns what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.sender", "127.0.0.1", str(port), str(count), "--connections", str(connections),
         "--run", uuid.uuid4().hex[:8], "--only", only, "--pace", str(pace)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def sink(*arguments: str, module: str = "bench.bare_sink") -> Iterator[tuple[int, int]]:
    """A sink process; gives its port and its process id."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.close()
            process.terminate()


@contextmanager
def daemon(
    folder: Path, url: str, cases: int, workers: int | None, smarthost: int = 9
) -> Iterator[tuple[int, int, Store]]:
    """A running `maild run` over so many cases; gives its port, its process id and its database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "config"
    (config / "rules").mkdir(parents=True)
    lines = f"workers: {workers}" if workers else ""
    (config / "maild.yaml").write_text(CONFIG.format(url=url, port=port, workers=lines, smarthost=smarthost))
    (config / "directory.yaml").write_text(DIRECTORY)
    (config / "rules" / "10.yaml").write_text("rules:\n" + "".join(RULE.format(number=n) for n in range(50)))
    state = config / "var"
    store = Store(url.replace("sqlite:///maild.db", f"sqlite:///{state / 'maild.db'}"), state)
    store.create_or_upgrade()
    preload(store, cases, lambda done: print(f"\r{done} cases", end="", file=sys.stderr))
    store.close()
    os.sync()  # what was filled in is not to be written while we measure
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "maild", "--config", str(config), "run"], cwd=ROOT, stderr=log
        )
    try:
        wait_for_port(port, process, folder / "log")
        yield port, process.pid, store
    finally:
        process.terminate()
        process.wait(60)
        store.close()


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until somebody listens there. Raises RuntimeError when the process ended, or too late."""
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"maild ended with {process.returncode} at its start:\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("maild did not listen in time")


def waiting(store: Store) -> int:
    """How many accepted messages are not yet processed."""
    with store.read() as connection:
        query = (
            select(func.count()).select_from(schema.spool).where(schema.spool.c.state.in_(("pending", "processing")))
        )
        return int(connection.execute(query).scalar_one())


def family_of(root: int) -> set[int]:
    """The numbers of a process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family, added = {root}, True
    while added:
        added = False
        for process, parent in parents.items():
            if parent in family and process not in family:
                family.add(process)
                added = True
    return family


def proportional_memory(root: int) -> int:
    """The memory of a process and all below it in MB, shared pages counted once (PSS)."""
    total = 0
    for process in family_of(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 // 10**6


def processor_time(root: int) -> float:
    """The seconds of processor time that a process and all below it have had."""
    total = 0
    for process in family_of(root):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def measure(given: argparse.Namespace, cases: int) -> list[str]:
    """One row of the table: a daemon over so many cases."""
    with (
        tempfile.TemporaryDirectory(prefix="maild-bench-", dir=given.folder) as name,
        sink(module="bench.smarthost") as (smarthost, _),
    ):
        with daemon(Path(name), given.database, cases, given.workers, smarthost) as (port, pid, store):
            time.sleep(SETTLING)
            idle = proportional_memory(pid)
            used = processor_time(pid)
            sent = send(port, given.mails, given.connections, given.only)
            began = sent["began"]  # making the mails is no time of ours
            memory = proportional_memory(pid)
            behind = left = waiting(store)
            while left and time.time() - began < EMPTY_WITHIN:
                time.sleep(0.2)
                memory = max(memory, proportional_memory(pid))
                left = waiting(store)
            seconds = time.time() - began
            used = processor_time(pid) - used
            made = (given.mails - left) / seconds
            delay = visible_after(given, port, store, made / 2) if not left else "-"
        return [
            f"maild, {cases} cases", str(sent["rate"]), f"{sent['p50_ms']}/{sent['p99_ms']}",
            f"{made:.0f}" + (" (not done)" if left else ""), str(behind), f"{used / given.mails * 1000:.1f}", delay,
            f"{idle}/{memory}", json.dumps(sent["others"]) if sent["others"] else "",
        ]  # fmt: skip


def visible_after(given: argparse.Namespace, port: int, store: Store, pace: float) -> str:
    """How long after its 250 a mail is a case (p50/p99 ms), with so many coming a second."""
    with store.read() as connection:
        last = int(connection.execute(select(func.max(schema.spool.c.seq))).scalar() or 0)
    seen: dict[str, float] = {}
    done = threading.Event()

    def look() -> None:
        query = select(schema.spool.c.message_id).where(schema.spool.c.seq > last, schema.spool.c.state == "done")
        while not done.is_set():
            with store.read() as connection:
                for message_id in connection.execute(query).scalars():
                    seen.setdefault(message_id, time.time())
            done.wait(0.02)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        count = max(50, min(given.mails, int(pace * 10)))
        sent = send(port, count, given.connections, given.only, pace)
        until = time.monotonic() + 10
        while waiting(store) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.1)
    finally:
        done.set()
        watching.join()
    took = sorted(max(0.0, seen.get(one, time.time()) - at) for one, at in sent["at"].items())
    return f"{took[len(took) // 2] * 1000:.0f}/{took[len(took) * 99 // 100] * 1000:.0f}"


def measure_sink(given: argparse.Namespace, label: str, *arguments: str) -> list[str]:
    """One row of the table: a sink."""
    with sink(*arguments) as (port, pid):
        used = processor_time(pid)
        sent = send(port, given.mails, given.connections, given.only)
        used = processor_time(pid) - used
        memory = proportional_memory(pid)
    others = json.dumps(sent["others"]) if sent["others"] else ""
    cpu = f"{used / given.mails * 1000:.1f}"
    return [label, str(sent["rate"]), f"{sent['p50_ms']}/{sent['p99_ms']}", "-", "-", cpu, "-", f"-/{memory}", others]


def print_row(cells: Sequence[str]) -> None:
    """One line of the table."""
    widths = (24, 11, 14, 9, 10, 8, 14, 12, 0)
    print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip(), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--cases", default="0,10000,100000", help="sizes of the database, '' for the sinks alone")
    parser.add_argument("--only", default="", help="one kind of mail: plain, alternative, answer, attachment, large")
    parser.add_argument("--database", default="sqlite:///maild.db", help="an empty PostgreSQL database: one size only")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument(
        "--folder", default=None, help="where the temporary folders are made: the disk that is measured"
    )
    given = parser.parse_args()
    print(
        f"{given.mails} mails over {given.connections} connections, {os.cpu_count()} cores, sender on the same machine"
    )
    print_row(["", "accepted/s", "p50/p99 ms", "cases/s", "left then", "CPU ms", "visible ms", "MB idle/max", "refused"])
    print_row(measure_sink(given, "aiosmtpd, bare sink"))
    print_row(measure_sink(given, "maild's door, no store", "--door"))
    for size in filter(None, given.cases.split(",")):
        print_row(measure(given, int(size)))


if __name__ == "__main__":
    main()
