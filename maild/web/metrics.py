"""This is where maild's figures become Prometheus text, for /metrics and for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# seconds from the answer 250 to the case; the upper bounds of the histogram
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram: ``counts`` has for each of BUCKETS how many took at most so long; ``total`` is all of them."""

    counts: tuple[int, ...] = (0,) * len(BUCKETS)
    total: int = 0
    sum: float = 0.0

    @staticmethod
    def of(seconds: Iterable[float]) -> Durations:
        """The histogram of these durations."""
        values = sorted(seconds)
        return Durations(tuple(sum(v <= bound for v in values) for bound in BUCKETS), len(values), float(sum(values)))


@dataclass(frozen=True, slots=True)
class Figures:
    """One snapshot of everything that is measured; the daemon fills it from the database. Ages are in seconds,
    timestamps in seconds since 1970. What a mapping does not name is not printed."""

    version: str = ""
    config_hash: str = ""
    accepted: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (door, mailbox) -> messages ever
    done: Mapping[str, int] = field(default_factory=dict)  # disposition -> messages ever
    spool_pending: int = 0
    spool_held: int = 0
    spool_oldest: float = 0.0
    outbox_waiting: Mapping[str, int] = field(default_factory=dict)  # state -> mails now
    outbox_oldest: Mapping[str, float] = field(default_factory=dict)  # state -> age
    mailbox_last_fetch: Mapping[str, float] = field(default_factory=dict)  # mailbox -> timestamp
    oauth_expires: Mapping[str, float] = field(default_factory=dict)  # mailbox -> timestamp
    deadlines_late: float = 0.0  # how long the oldest deadline that is due has waited for its sweep
    suppressed: Mapping[str, int] = field(default_factory=dict)  # reason -> automatic answers ever
    config_fault: bool = False
    nodes: int = 0  # daemons on this database that live
    nodes_differ: bool = False
    paused: Mapping[str, bool] = field(default_factory=dict)  # what -> is paused
    cases: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (status, group or '') -> cases now
    accept_to_case: Durations = Durations()
    workers_died: int = 0
    log_dropped: int = 0


class _Collector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        f = self._figures
        yield _counter("maild_messages_accepted", "Messages made durable.", ("door", "mailbox"), f.accepted)
        yield _counter("maild_messages_done", "Messages that came to an end.", ("disposition",), f.done)
        yield _gauge("maild_spool_pending", "Accepted messages not yet processed.", f.spool_pending)
        yield _gauge("maild_spool_held", "Messages that wait for a person.", f.spool_held)
        yield _gauge("maild_spool_oldest_seconds", "Age of the oldest message not yet processed.", f.spool_oldest)
        yield _gauge_by("maild_outbox_waiting", "Outgoing mails by state.", ("state",), f.outbox_waiting)
        yield _gauge_by("maild_outbox_oldest_seconds", "Age of the oldest outgoing mail.", ("state",), f.outbox_oldest)
        yield _gauge_by("maild_mailbox_last_fetch_timestamp", "When an IMAP account was last read.", ("mailbox",),
                        f.mailbox_last_fetch)  # fmt: skip
        yield _gauge_by("maild_oauth_expires_timestamp", "When a mailbox's OAuth token expires.", ("mailbox",),
                        f.oauth_expires)  # fmt: skip
        yield _gauge("maild_deadlines_late_seconds", "How long the oldest due deadline waits.", f.deadlines_late)
        yield _counter("maild_automatic_suppressed", "Automatic answers not sent.", ("reason",), f.suppressed)
        yield _gauge("maild_config_fault", "1 while a changed configuration is refused.", f.config_fault)
        yield _gauge("maild_nodes", "Daemons on this database that were heard of within a minute.", f.nodes)
        yield _gauge("maild_nodes_differ", "1 while they run different configurations.", f.nodes_differ)
        yield _gauge_by("maild_paused", "1 while a part is paused.", ("what",), f.paused)
        yield _gauge_by("maild_cases", "Cases by status and group.", ("status", "group"), f.cases)
        yield self._accept_to_case()
        yield _counter("maild_workers_died", "Worker processes that ended unexpectedly.", (), {(): f.workers_died})
        yield _counter("maild_log_dropped", "Log lines that nobody took.", (), {(): f.log_dropped})
        yield _gauge_by("maild_build_info", "1; the labels say what runs.", ("version", "config_hash"),
                        {(f.version, f.config_hash): 1})  # fmt: skip

    def _accept_to_case(self) -> Metric:
        took = self._figures.accept_to_case
        buckets = [(str(bound), float(n)) for bound, n in zip(BUCKETS, took.counts, strict=True)]
        metric = HistogramMetricFamily("maild_accept_to_case_seconds", "Time from accepting a message to its case.")
        metric.add_metric([], [*buckets, ("+Inf", float(took.total))], took.sum)
        return metric


def render(figures: Figures) -> str:
    """The figures in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures))
    return generate_latest(registry).decode()


def write_textfile(figures: Figures, path: Path) -> None:
    """Put the figures where node_exporter reads them; a reader never sees half a file. OSError where that fails."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(render(figures), encoding="utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)


def _labels(key: Any) -> list[str]:
    return [str(part) for part in (key if isinstance(key, tuple) else (key,))]


def _counter(name: str, says: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    metric = CounterMetricFamily(name, says, labels=labels)
    for key, value in sorted(values.items()):
        metric.add_metric(_labels(key), float(value))
    return metric


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=float(value))


def _gauge_by(name: str, says: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    metric = GaugeMetricFamily(name, says, labels=labels)
    for key, value in sorted(values.items()):
        metric.add_metric(_labels(key), float(value))
    return metric
