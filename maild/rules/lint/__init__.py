"""This is where maild looks at the rules as a whole for what is valid and yet not meant: rules that never get a turn,
templates that ask for names there are not, criteria that fit everything or nothing.

Errors are what would fail on every mail; the rest are warnings.
"""

from __future__ import annotations

from maild.errors import Fault
from maild.rules.lint import actions, criteria, order
from maild.rules.lint.findings import Rules
from maild.settings.models import Settings

CHECKS = (*order.CHECKS, *criteria.CHECKS, *actions.CHECKS)


def lint(settings: Settings) -> list[Fault]:
    """Every finding about the rules of this configuration, at its place in the rule files."""
    rules = Rules.of(settings)
    return list(dict.fromkeys(rules.fault(finding) for check in CHECKS for finding in check(rules)))
