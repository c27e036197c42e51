"""This is where maild cuts named pieces out of a mail by pattern: `(?P<host>…)` becomes `{{ found.host }}`."""

from __future__ import annotations

from maild.model.decision import Extracted
from maild.plain import patterns
from maild.rules.view import View
from maild.settings.rule_models import Extract, Rule


def extract(rule: Rule, view: View) -> tuple[dict[str, str], list[Extracted], str]:
    """What the rule's patterns find, first come first kept; each result for the trace; and the source of the first
    required pattern that found nothing, '' where there is none such."""
    found: dict[str, str] = {}
    results: list[Extracted] = []
    missing = ""
    for wanted in rule.extract:
        pieces = _search(wanted, view)
        results.append(Extracted(rule.name, wanted.from_, wanted.matches, pieces))
        if pieces is None:
            missing = missing or (wanted.from_ if wanted.required else "")
            continue
        for name, text in pieces.items():
            found.setdefault(name, text)
    return found, results, missing


def _search(wanted: Extract, view: View) -> dict[str, str] | None:
    pattern = patterns.compiled(wanted.matches)
    for text in view.tidied(wanted.from_):
        match = pattern.search(text)
        if match is not None:
            return {name: text for name, text in match.groupdict().items() if text is not None}
    return None
