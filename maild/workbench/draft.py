"""This is where maild drafts a rule out of sample mails: what they share, the labels found in them, and tests of them.

Addresses in the tests are replaced, each by the same one everywhere; names and words are not: a person reads them first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maild.model.message import Message
from maild.plain.domains import fold_address
from maild.rules.autofill import find_pairs
from maild.settings.addresses import Addresses
from maild.settings.models import Settings
from maild.workbench import yamltext

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_WORD = re.compile(r"[^\W\d_]{4,}")
# What labels usually mean, by words that are found in them.
_MEANS = (
    ("contact.name", ("name", "nom", "nombre", "nome", "naam")),
    ("contact.phone", ("phone", "telefon", "tel", "mobile", "handy", "téléphone", "teléfono")),
    ("priority", ("urgency", "priority", "priorität", "dringlichkeit", "urgence", "prioridad")),
    ("summary", ("message", "issue", "problem", "description", "nachricht", "anliegen", "beschreibung", "comment", "details")),
    ("category", ("category", "kategorie", "topic", "thema")),
)
_DELIMITERS = (":", "=", "|")
_MAILS = frozenset(("email", "e-mail", "mail", "e-mail address", "email address"))


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample mail: the name of its file, and the mail as read."""

    file: str
    message: Message


def draft(samples: Sequence[Sample], settings: Settings) -> str:
    """A rule file's text with one rule for mails like these, its tests in it. At least one sample is needed."""
    addresses = Addresses(settings)
    delimiter, pairs = _pairs(samples)
    shared = [label for label, _ in pairs[0] if all(label in dict(one) for one in pairs)]
    targets = _targets(shared, settings)
    replaced = _Replaced(addresses)
    when = _when(samples, shared, addresses, delimiter)
    if "from" in when:  # what the rule goes by has to stay in its tests
        replaced.kept = frozenset(one.message.from_[0].email.lower() for one in samples if one.message.from_)
    case: dict[str, Any] = {}
    email_label = next((label for label in shared if label.lower() in _MAILS), None)
    if targets:
        case["autofill"] = {"delimiter": delimiter, "map": {target: list(labels) for target, labels in targets.items()}}
    if email_label is not None:
        case["contact"] = {"from": f"field:{email_label}"}
    tests = [_test(one, dict(found), targets, replaced, addresses) for one, found in zip(samples, pairs, strict=True)]
    rule: dict[str, Any] = {"name": _name(samples), "when": when or {"subject": {"exists": True}}}
    rule["case"] = case or {"tags": ["draft"]}
    rule["tests"] = tests
    head = [
        "# A draft from " + ", ".join(one.file for one in samples) + ": read it before it goes live.",
        "# Addresses in the tests are replaced; names and words are as they came.",
    ]
    if not when:
        head.append("# Nothing is common to these mails: write in `when` by what they are known.")
    if email_label is not None:
        head.append("# Anybody could open cases in another's name by this form: add envelope.from or auth: pass to `when`.")
    return "\n".join(head) + "\n" + yamltext.dump({"rules": [rule]})


def _pairs(samples: Sequence[Sample]) -> tuple[str, list[list[tuple[str, str]]]]:
    """The delimiter by which most labels are found, and the labelled values of each mail."""
    best: tuple[str, list[list[tuple[str, str]]]] = (":", [[] for _ in samples])
    for delimiter in _DELIMITERS:
        found = [list(find_pairs(one.message.new_text or one.message.text, one.message.html, [delimiter])) for one in samples]
        if sum(map(len, found)) > sum(map(len, best[1])):
            best = (delimiter, found)
    return best


def _targets(labels: Sequence[str], settings: Settings) -> dict[str, list[str]]:
    """target -> labels, by what the words of a label usually mean; the rest are custom fields (declared ones only, if any)."""
    declared = settings.main.fields
    targets: dict[str, list[str]] = {}
    for label in labels:
        if label.lower() in _MAILS:
            continue
        words = set(_WORD.findall(label.lower())) | {label.lower()}
        target = next((target for target, means in _MEANS if words & set(means)), "")
        if not target:
            name = re.sub(r"\W+", "_", label.lower()).strip("_")
            near = name if declared is None or name in declared else next((one for one in declared if one in words), "")
            if not near or not name.isascii():
                continue
            target = f"fields.{near}"
        targets.setdefault(target, []).append(label)
    return targets


def _when(samples: Sequence[Sample], labels: Sequence[str], addresses: Addresses, delimiter: str) -> dict[str, Any]:
    when: dict[str, Any] = {}
    mailboxes = {_mailbox(one, addresses) for one in samples}
    if len(mailboxes) == 1 and "" not in mailboxes:
        when["mailbox"] = mailboxes.pop()
    words = _shared_words(samples)
    if words:
        when["subject"] = {"contains_all": words} if len(words) > 1 else {"words": words[0]}
    if labels and delimiter == ":":
        when["body"] = {"has_field": labels[0]}
    senders = {one.message.from_[0].email.lower() for one in samples if one.message.from_}
    domains = {sender.rpartition("@")[2] for sender in senders}
    if not set(when) - {"mailbox"} and len(samples) > 1 and len(domains) == 1:
        when["from"] = senders.pop() if len(senders) == 1 else {"domain": domains.pop()}
    return when if set(when) - {"mailbox"} else {}


def _shared_words(samples: Sequence[Sample]) -> list[str]:
    """The words that every subject has, in the order of the first; at most three."""
    every = [set(_WORD.findall(one.message.subject.lower())) for one in samples]
    first = list(dict.fromkeys(_WORD.findall(samples[0].message.subject)))
    return [word for word in first if all(word.lower() in words for words in every)][:3]


def _mailbox(sample: Sample, addresses: Addresses) -> str:
    for one in (*sample.message.to, *sample.message.cc):
        found = addresses.mailbox_of(one.email)
        if found:
            return found
    return ""


def _name(samples: Sequence[Sample]) -> str:
    words = _shared_words(samples)
    text = " ".join(words) if words else samples[0].message.subject.strip() or "Drafted rule"
    return text[:60].strip()


class _Replaced:
    """Addresses of people become others of the same shape; ours stay."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._known: dict[str, str] = {}
        self.kept: frozenset[str] = frozenset()

    def one(self, address: str) -> str:
        folded = fold_address(address)
        if folded in self.kept or self._addresses.accepts(folded) or self._addresses.user_of(folded):
            return folded
        return self._known.setdefault(folded, f"person{len(self._known) + 1}@customer.example")

    def text(self, text: str) -> str:
        return _ADDRESS.sub(lambda match: self.one(match[0]), text)


def _test(
    sample: Sample, found: Mapping[str, str], targets: Mapping[str, Sequence[str]], replaced: _Replaced, addresses: Addresses
) -> dict[str, Any]:
    message = sample.message
    mail: dict[str, Any] = {"from": replaced.one(message.from_[0].email) if message.from_ else "person@customer.example"}
    to = [one.email for one in (*message.to, *message.cc) if addresses.accepts(one.email)]
    if to:
        mail["to"] = to[0].lower()
    mail["subject"] = replaced.text(message.subject)
    body = "\n".join(line.rstrip() for line in replaced.text(message.new_text or message.text).strip().splitlines())
    mail["body"] = body + "\n" if "\n" in body else body
    if message.attachments:
        mail["attachments"] = [{"name": one.name, "type": one.type} for one in message.attachments]
    expected: dict[str, Any] = {}
    for target, labels in targets.items():
        value = next((found[label] for label in labels if found.get(label)), "")
        if value and target.startswith("fields."):
            expected[target] = replaced.text(value)
    return {"name": sample.file, "message": mail, "expect": {"case": expected} if expected else {"no_case": False}}
