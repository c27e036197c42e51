"""What `maild inspect` reads in a folder of mail from the field, held against that folder's own scorer.

The folder is named by MAILD_CORPUS, or is `shared/corpus` beside the checkout. It holds `score.py` and a folder with
`manifest.jsonl`. Expectations that maild does not hold, and why, stand in docs/corpus.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from maild.cli.inspect import describe, messages_in, read
from maild.model.message import MessageKind

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("MAILD_CORPUS") or ROOT.parent / "shared" / "corpus")
MANIFEST = next(iter(sorted(FOLDER.glob("*/manifest.jsonl"))), None) if FOLDER.is_dir() else None

pytestmark = pytest.mark.skipif(
    MANIFEST is None or not (FOLDER / "score.py").exists(),
    reason="no mail from the field: name its folder in MAILD_CORPUS",
)

# The least share of expectations that has to hold, in percent.
LEAST = {
    "is_bounce": 99, "bounced": 98, "status": 97, "hard": 95, "is_auto_reply": 85, "no_auto_answer": 99.5, "subject": 99.5,
    "from": 99.5, "from_name": 98, "message_id": 100, "to": 99.5, "cc": 99.5, "reply_to": 99.5, "body": 99, "attachments": 98,
    "new_text": 90,
}  # fmt: skip


@pytest.fixture(scope="module")
def records() -> dict[str, dict[str, Any]]:
    assert MANIFEST is not None
    return {file.name: read(file) for file in messages_in(MANIFEST.parent)}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    assert MANIFEST is not None
    return [json.loads(line) for line in MANIFEST.read_text().splitlines()]


def test_every_message_is_read(records: dict[str, dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    missing = [row["path"] for row in rows if Path(row["path"]).name not in records]
    assert missing == []
    assert [r["file"] for r in records.values() if any(d.startswith("parse: ") for d in r["defects"])] == []


def test_the_scores_hold(records: dict[str, dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    spec = importlib.util.spec_from_file_location("corpus_score", FOLDER / "score.py")
    assert spec is not None
    assert spec.loader is not None
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        if row.get("format") in ("rfc822", "mbox"):
            for name, holds, _, _ in score.judge(row.get("expect") or {}, records[Path(row["path"]).name]):
                counts[name][0] += bool(holds)
                counts[name][1] += 1
    below = {
        name: f"{held} of {wanted}"
        for name, (held, wanted) in counts.items()
        if 100 * held < LEAST.get(name, 0) * wanted
    }
    assert below == {}


def test_no_personal_mail_is_taken_for_a_machines(
    records: dict[str, dict[str, Any]], rows: list[dict[str, Any]]
) -> None:
    answers = {
        MessageKind.AUTO_REPLY.value,
        MessageKind.VERIFICATION.value,
        MessageKind.RECEIPT.value,
        "calendar",
        "loop",
    }
    wrong = [
        row["path"]
        for row in rows
        if row["kind"] in ("replies", "plain", "encodings", "attachments", "signed")
        and not (row.get("expect") or {}).get("no_auto_answer")
        and records[Path(row["path"]).name]["kind"] in answers
    ]
    assert wrong == []


def test_facts_about_header_blocks() -> None:
    assert MANIFEST is not None
    facts = MANIFEST.parent / "header-facts.jsonl"
    if not facts.exists():
        pytest.skip("no header-facts.jsonl in the corpus")
    wrong = []
    for line in facts.read_text().splitlines():
        row = json.loads(line)
        found = describe("facts", (row["headers"] + "\n\nA text.\n").encode())
        if row["expect"].get("is_auto_reply") is False and found["kind"] == "auto_reply":
            wrong.append(row["headers"])
        # `auto-generated` is made by a machine without being an answer: certain, and no auto_reply
        if row["expect"].get("is_auto_reply") and found["kind"] != "auto_reply" and found["automatic"] != "certain":
            wrong.append(row["headers"])
    assert wrong == []
