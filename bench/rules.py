"""This is where rules are measured: ``python -m bench.rules`` prints what a decision about a 10 KB mail costs.

The rules are of five kinds in equal parts: words in the subject, a text in the body, a pattern, a sender, a sender's
domain. One of them matches, the last. Beside the whole decision stands what it costs to find the rules that could match.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maild.model.message import Address, Message
from maild.rules.engine import decide
from maild.rules.facts import Facts
from maild.rules.ruleset import Ruleset, compile_rules
from maild.rules.view import View
from maild.settings.models import MaildYaml, Settings
from maild.settings.rule_models import RuleFile

SIZES = (10, 100, 1_000, 10_000)
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MAIN = {
    "database": "sqlite:///x.db", "outbound": {"smtp": {"host": "127.0.0.1"}},
    "mailboxes": {"support": {"address": "support@example.com"}},
}  # fmt: skip


def rule(number: int) -> dict[str, Any]:
    """One of the rules that do not match."""
    kinds: tuple[dict[str, Any], ...] = (
        {"subject": {"words": [f"topic{number}", f"matter {number}"]}},
        {"body": {"contains": f"serial-{number}-x"}},
        {"body": {"matches": rf"ticket {number}:\s+\d+"}},
        {"from": f"person{number}@customer.example"},
        {"from": {"domain": f"company{number}.example"}, "subject": {"contains": "order"}},
    )
    return {"name": f"Rule {number}", "when": kinds[number % len(kinds)], "case": {"category": f"c{number}"}}


def ruleset(count: int) -> Ruleset:
    """So many rules, the last of which matches the mail."""
    rules = [rule(number) for number in range(count - 1)]
    rules.append({"name": "Last", "when": {"subject": {"words": "broken"}}, "case": {"tags": ["last"]}})
    file = RuleFile.model_validate({"rules": rules})
    return compile_rules(
        Settings(folder=Path("/nowhere"), named=Path("/nowhere"), state_dir=Path("/nowhere"), main=MaildYaml.model_validate(MAIN), rules=file.rules)
    )


def mail(size: int = 10_000) -> Facts:
    """A mail whose new text has this many characters."""
    chance = random.Random(1)
    words = "the parcel with my telephone came late and its display does not light any more please help order"
    text = " ".join(chance.choice(words.split(" ")) for _ in range(size // 5))[:size]
    body = "\n".join(text[place : place + 72] for place in range(0, size, 72))
    message = Message(from_=(Address("Jo Doe", "jo@home.example"),), subject="My phone is broken", new_text=body, text=body)
    return Facts(message, "support", NOW, recipients=("support@example.com",))


def measure(rules: Ruleset, facts: Facts, seconds: float = 2.0) -> dict[str, float]:
    """Milliseconds of a core (other programs do not count): the median and the 99th of a hundred of a decision, and the
    median of finding its candidates."""
    decisions: list[float] = []
    finding: list[float] = []
    assert decide(rules, facts).rule == "Last"
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.thread_time()
        decide(rules, facts)
        decisions.append(time.thread_time() - begun)
        view = View(facts)
        begun = time.thread_time()
        rules.candidates(view)
        finding.append(time.thread_time() - begun)
    return {
        "median_ms": statistics.median(decisions) * 1000,
        "p99_ms": sorted(decisions)[int(len(decisions) * 0.99)] * 1000,
        "candidates_ms": statistics.median(finding) * 1000,
    }


def main() -> None:
    """Print a table, or JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--seconds", type=float, default=2.0)
    given = options.parse_args()
    facts = mail()
    found = {}
    for count in SIZES:
        begun = time.perf_counter()
        rules = ruleset(count)
        found[count] = {"compile_ms": (time.perf_counter() - begun) * 1000, **measure(rules, facts, given.seconds)}
    ratio = found[10_000]["median_ms"] / found[100]["median_ms"]
    if given.json:
        print(json.dumps({"rules": found, "ratio_10000_to_100": ratio}))
        return
    print(f"{'rules':>7}  {'decision':>10}  {'99 of 100':>10}  {'candidates':>10}  {'compiled in':>11}")
    for count, one in found.items():
        print(f"{count:>7,}  {one['median_ms']:>7.2f} ms  {one['p99_ms']:>7.2f} ms  {one['candidates_ms']:>7.2f} ms  {one['compile_ms']:>8.0f} ms")
    print(f"10,000 rules cost {ratio:.2f} times what 100 cost")


if __name__ == "__main__":
    main()
