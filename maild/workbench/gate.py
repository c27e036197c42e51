"""This is where rules whose own tests fail are kept from going live, at start and at reload, in bounded time."""

from __future__ import annotations

from maild.errors import ConfigError, Fault, TransientError
from maild.log import get_logger
from maild.office import Compiled, compile_office
from maild.plain.layers import within
from maild.settings.models import Settings
from maild.workbench import testing

log = get_logger(__name__)

SECONDS = 10.0  # after that no further test is begun
PAGE = "docs/reference/rules.md#tests-beside-rules"


def refuse_failing(settings: Settings, compiled: Compiled) -> None:
    """Run the tests beside these rules. Raises ConfigError with one fault for each that fails."""
    found = _faults(settings, compiled)
    if found:
        raise ConfigError(found)


def faults(settings: Settings) -> list[Fault]:
    """One fault for each test that fails, for `maild check`; nothing where a template is broken, which is said elsewhere."""
    if not any(rule.tests for rule in settings.rules):
        return []
    try:
        return _faults(settings, compile_office(settings))
    except ConfigError:
        return []


def _faults(settings: Settings, compiled: Compiled) -> list[Fault]:
    try:
        report = testing.run(settings, compiled, seconds=SECONDS)
    except (OSError, TransientError) as error:  # no room for a database of their own says nothing against the rules
        log.warning("rules.tests_unfinished", left=sum(len(rule.tests) for rule in settings.rules), reason=str(error))
        return []
    found = []
    for one in report.failed:
        file, _, line = one.place.rpartition(":")
        first = one.differences[0]
        message = f"rule {one.rule!r}: {one.test} fails: {first.what}: expected {first.expected}, got {first.got}"
        where = str(within(settings.named, file)) if file else str(settings.folder)
        found.append(Fault(where, int(line) if line.isdigit() else 0, one.column, message, "run: maild rules test", PAGE))
    if report.left:
        log.warning("rules.tests_unfinished", left=report.left, seconds=round(report.seconds, 1))
    return found
