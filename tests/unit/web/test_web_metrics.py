from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from maild.web.metrics import Durations, Figures, render, write_textfile

ROOT = Path(__file__).parents[3]

FIGURES = Figures(
    version="1.0",
    config_hash="abc",
    accepted={("smtp", "support"): 3, ("imap", 'odd"\n'): 1},
    done={"case": 2, "held": 1},
    spool_pending=1,
    spool_held=1,
    spool_oldest=12.5,
    outbox_waiting={"deferred": 2},
    outbox_oldest={"deferred": 60.0},
    mailbox_last_fetch={"support": 1.0},
    oauth_expires={"support": 2.0},
    deadlines_late=0.5,
    suppressed={"limit": 4},
    config_fault=True,
    nodes=2,
    nodes_differ=True,
    paused={"outbox": True, "automatic": False},
    cases={("open", "support"): 5, ("closed", ""): 100},
    accept_to_case=Durations.of([0.01, 0.2, 0.2, 4000.0]),
    workers_died=1,
    log_dropped=9,
)


def samples(figures: Figures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(render(figures))
        for sample in family.samples
    }


def test_every_figure_is_printed_under_its_name() -> None:
    found = samples(FIGURES)
    assert found["maild_messages_accepted_total", (("door", "smtp"), ("mailbox", "support"))] == 3
    assert found["maild_messages_accepted_total", (("door", "imap"), ("mailbox", 'odd"\n'))] == 1
    assert found["maild_messages_done_total", (("disposition", "held"),)] == 1
    assert found["maild_spool_oldest_seconds", ()] == 12.5
    assert found["maild_spool_held", ()] == 1
    assert found["maild_outbox_oldest_seconds", (("state", "deferred"),)] == 60
    assert found["maild_mailbox_last_fetch_timestamp", (("mailbox", "support"),)] == 1
    assert found["maild_oauth_expires_timestamp", (("mailbox", "support"),)] == 2
    assert found["maild_deadlines_late_seconds", ()] == 0.5
    assert found["maild_automatic_suppressed_total", (("reason", "limit"),)] == 4
    assert found["maild_config_fault", ()] == 1
    assert (found["maild_nodes", ()], found["maild_nodes_differ", ()]) == (2, 1)
    assert found["maild_paused", (("what", "outbox"),)] == 1
    assert found["maild_paused", (("what", "automatic"),)] == 0
    assert found["maild_cases", (("group", "support"), ("status", "open"))] == 5
    assert found["maild_log_dropped_total", ()] == 9
    assert found["maild_build_info", (("config_hash", "abc"), ("version", "1.0"))] == 1


def test_the_histogram_is_cumulative() -> None:
    found = samples(FIGURES)
    buckets = {dict(labels)["le"]: n for (name, labels), n in found.items() if name.endswith("case_seconds_bucket")}
    assert (buckets["0.05"], buckets["0.25"], buckets["1800.0"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert found["maild_accept_to_case_seconds_count", ()] == 4
    assert found["maild_accept_to_case_seconds_sum", ()] == 4000.41


def test_an_empty_snapshot_prints_too() -> None:
    assert samples(Figures())["maild_config_fault", ()] == 0


def test_the_textfile_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "maild.prom"
    path.write_text("old", encoding="utf-8")
    write_textfile(FIGURES, path)
    assert path.read_text(encoding="utf-8") == render(FIGURES)
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_reference_names_every_metric_and_its_alerts_know_no_others() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^# TYPE (\S+)", render(FIGURES), re.MULTILINE))
    assert [name for name in names if f"| `{name}" not in page] == []
    used = set(re.findall(r"maild_[a-z_]+", page.split("## Alerts")[1]))
    assert used - names == set()
    assert page.count("- alert:") == 7
