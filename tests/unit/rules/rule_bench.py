"""Small configurations and mails for tests of rules: YAML in, a decision out."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from maild.model.decision import Decision
from maild.model.message import Address, Authentication, Message
from maild.rules.engine import decide
from maild.rules.facts import CaseFacts, Facts
from maild.rules.ruleset import Ruleset, compile_rules
from maild.settings.models import Directory, MaildYaml, Settings, SlaYaml
from maild.settings.reader import read_bytes
from maild.settings.rule_models import Rule, RuleFile
from maild.settings.rule_sets import Placed, assemble

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

MAIN: dict[str, Any] = {
    "database": {"url": "sqlite:///x.db"},
    "outbound": {"smtp": {"host": "127.0.0.1"}},
    "mailboxes": {
        "support": {"address": "support@example.com", "aliases": ["help@example.com"], "name": "Example Support", "group": "support"},
        "billing": {"address": "billing@example.com", "unmatched": "hold"},
        "orders": {"address": "orders@example.com"},
        "ops": {"address": "ops@example.com", "unmatched": "discard"},
        "alerts": {"address": "alerts@example.com", "accept_automatic": True},
    },
}  # fmt: skip


FILE = "rules/10-x.yaml"


def placed_rules(text: str, others: dict[str, str] | None = None) -> list[Placed]:
    """The rules of a file with this text, and of ``others`` that it includes; raises ValidationError, or AssertionError
    where it is no YAML."""
    files = {}
    for name, written in {FILE: text, **(others or {})}.items():
        document = read_bytes(written.encode(), name)
        assert not document.faults, [str(fault) for fault in document.faults]
        files[name] = RuleFile.model_validate(document.value)
    return list(assemble(files, (FILE,)))


def rules_of(text: str) -> tuple[Rule, ...]:
    """The same without their places."""
    return tuple(rule for rule, _, _ in placed_rules(text))


def settings_of(rules: str = "rules: []", lists: dict[str, tuple[str, ...]] | None = None, **main: Any) -> Settings:
    """A configuration with these rules; keywords replace keys of maild.yaml, `directory` and `sla` those files;
    `others` are rule files that these include."""
    directory, sla = main.pop("directory", {}), main.pop("sla", {})
    placed = placed_rules(rules, main.pop("others", {}))
    return Settings(
        folder=Path("/nowhere"), named=Path("/nowhere"), state_dir=Path("/nowhere"), main=MaildYaml.model_validate({**MAIN, **main}),
        directory=Directory.model_validate(directory), sla=SlaYaml.model_validate(sla), lists=lists or {},
        rules=tuple(rule for rule, _, _ in placed), rule_places=tuple((file, number) for _, file, number in placed),
        files={FILE: sha256(rules.encode()).hexdigest()},
    )  # fmt: skip


def ruleset_of(rules: str, lists: dict[str, tuple[str, ...]] | None = None, **main: Any) -> Ruleset:
    return compile_rules(settings_of(rules, lists, **main))


def mail(
    subject: str = "Hello", body: str = "", *, sender: str = "jo@acme.example", name: str = "Jo Doe", **more: Any
) -> Message:
    """A mail as it is read, in short."""
    headers = tuple(more.pop("headers", ()))
    return Message(from_=(Address(name, sender),), subject=subject, new_text=body, text=more.pop("text", body),
                   headers=headers, **more)  # fmt: skip


def facts_of(message: Message | None = None, mailbox: str = "support", **more: Any) -> Facts:
    """The facts about a mail to a mailbox; ``auth="pass"`` is short for a proven sender."""
    if more.get("auth") == "pass":
        more["auth"] = Authentication(passed=True)
    more.setdefault("recipients", (f"{mailbox}@example.com",))
    return Facts(message or mail(), mailbox, more.pop("received_at", NOW), **more)


def answer_of(message: Message | None = None, case: CaseFacts | None = None, **more: Any) -> Facts:
    from maild.model.case import Priority, Status

    return facts_of(message, case=case or CaseFacts(7, Status.OPEN, Priority.MEDIUM), is_answer=True, **more)


def decided(rules: str, facts: Facts, lists: dict[str, tuple[str, ...]] | None = None, **main: Any) -> Decision:
    """What these rules decide; looked at one by one and through the index, which must agree."""
    ruleset = ruleset_of(rules, lists, **main)
    full, quick = decide(ruleset, facts, every=True), decide(ruleset, facts, every=False)
    assert outcome(full) == outcome(quick)
    return full


def outcome(decision: Decision) -> tuple[Any, ...]:
    """Everything of a decision but what was looked at on the way."""
    trace = decision.trace
    return (decision.disposition, decision.mailbox, decision.rule, decision.rules, decision.reason, decision.values, decision.update,
            decision.contact, decision.match_organisation, decision.create_contact, decision.reply, decision.notify,
            decision.followers, decision.accept_automatic, decision.hold, decision.forward, decision.notes,
            trace.writes, trace.labels, trace.extracted, [each for each in trace.tried if each.matched])  # fmt: skip


def matches(when: str, facts: Facts, lists: dict[str, tuple[str, ...]] | None = None, **main: Any) -> bool:
    """Whether one rule with this `when` (flow YAML) matches."""
    rules = f"rules:\n  - name: r\n    applies_to: all\n    when: {when}\n"
    return decided(rules, facts, lists, **main).rules == ("r",)
