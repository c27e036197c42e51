"""This is where maild finds what no single file can show: names that no other file knows, addresses claimed twice.

Each check takes what was read (`load.Reading`) and yields faults; one that would only repeat another fault is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from maild.errors import Fault
from maild.plain.domains import FREE_MAIL, fold_address, to_ascii
from maild.settings import lists, references, renamed, rule_sets, strays
from maild.settings.faults import PAGE, nearest, page_of
from maild.settings.references import Reference
from maild.settings.source import Document

if TYPE_CHECKING:
    from maild.settings.load import Reading

RESERVED = ("group", "manager", "assignee", "none")


def faults(reading: Reading) -> list[Fault]:
    """Every fault and warning between the files of this directory, as far as their values could be read."""
    found: list[Fault] = []
    known = _known(reading)
    for name, document in reading.documents.items():
        for reference in references.of(name, document):
            fault = _unknown(reading, reference, known)
            if fault is not None and (fault.line, fault.column) not in document.bad:
                found.append(fault)
        found += renamed.faults(document)
    found += _addresses(reading)
    found += _directory(reading)
    if reading.complete:
        found += strays.templates(reading)
        found += strays.not_read(reading)
        found += rule_sets.faults(reading)
        found += _same_names(reading)
        found += _holidays(reading)
        found += _idle_steps(reading)
        found += _bodies(reading)
    return found


def _keys(reading: Reading, file: str, *path: str) -> frozenset[str] | None:
    """The keys written at a path of a file; none where the file is absent, None where it could not be read."""
    document = reading.documents.get(file)
    if document is None:
        return frozenset() if reading.complete or file in {"maild.yaml", "directory.yaml"} else None
    value = document.value
    if document.broken or (file == "maild.yaml" and isinstance(value, dict) and path[0] not in value):
        return None
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, list):
        return frozenset(str(each) for each in value)
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _known(reading: Reading) -> dict[str, frozenset[str] | None]:
    """The names that exist, by kind; None where any name may be right."""
    main = reading.documents.get("maild.yaml")
    declared = main.value if main is not None and isinstance(main.value, dict) else {}
    return {
        "group": _keys(reading, "directory.yaml", "groups"),
        "user": _keys(reading, "directory.yaml", "users"),
        "sla": _keys(reading, "sla.yaml", "policies"),
        "calendar": _keys(reading, "sla.yaml", "calendars"),
        "mailbox": _keys(reading, "maild.yaml", "mailboxes"),
        "field": _keys(reading, "maild.yaml", "fields") if declared.get("fields") is not None else None,
        "category": _keys(reading, "maild.yaml", "categories") if declared.get("categories") is not None else None,
        "template": strays.template_names(reading.named) if reading.complete else None,
    }


_WHERE = {
    "group": "directory.yaml", "user": "directory.yaml", "sla": "sla.yaml", "calendar": "sla.yaml",
    "mailbox": "maild.yaml", "field": "maild.yaml, fields", "category": "maild.yaml, categories",
    "template": "templates/",
}  # fmt: skip
_LISTED = {
    "template": "maild template list shows them", "user": "maild user lists them", "group": "maild group lists them",
    "mailbox": "maild mailbox lists them",
}  # fmt: skip
_SAID = {"sla": "SLA policy", "notify": "receiver", "digest": "receiver"}


def _unknown(reading: Reading, reference: Reference, known: dict[str, frozenset[str] | None]) -> Fault | None:
    kind, name, document = reference.kind, reference.name, reference.document
    page = page_of(document, reference.path)
    if kind == "list":
        why = _list(reading, name)
        return (
            document.fault(reference.path, *why.partition("\n")[::2], page=f"{PAGE}#in_list")
            if why
            else None
        )
    if kind in {"notify", "digest"}:
        users, groups = known["user"], known["group"]
        if "@" in name or users is None or groups is None or name in users or (kind == "digest" and name in groups):
            return None
        hint = (
            "it is a group: write group for the case's group, or name its users"
            if name in groups
            else nearest(name, {*users, "assignee", "group", "manager"}, shown=12)
        )
        return document.fault(reference.path, f"there is nobody {name!r} to notify", hint, page=page)
    names = known[kind]
    if names is None or name in names:
        return None
    meant = names | references.CHOOSERS if kind == "user" and reference.path[-1] == "user" else names
    hint = nearest(name, meant, shown=12) or (_LISTED.get(kind, "") if names else "none is declared")
    message = f"there is no {_SAID.get(kind, kind)} {name!r} in {_WHERE[kind]}"
    return document.fault(reference.path, message, hint, key=reference.key, page=page)


def _list(reading: Reading, name: str) -> str:
    """Read the file that `in_list` names, once; gives what is wrong with it, or ''."""
    if name not in reading.lists:
        try:
            file, digest, entries = lists.read(reading.named, name)
        except ValueError as error:
            return str(error)
        reading.lists[name], reading.hashes[file] = entries, digest
    return ""


def _each_text(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _each_text(each, (*path, position))


def _mappings(document: Document | None, *keys: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    value = document.value if document is not None and isinstance(document.value, dict) else {}
    for key in keys:
        below = value.get(key)
        for name, each in below.items() if isinstance(below, dict) else ():
            yield key, name, each if isinstance(each, dict) else {}


def _addresses(reading: Reading) -> Iterator[Fault]:
    """One address belongs to one mailbox or one user."""
    main, directory = reading.documents.get("maild.yaml"), reading.documents.get("directory.yaml")
    owner: dict[str, tuple[str, str]] = {}
    claims = [
        (main, top, name, mailbox, key)
        for top, name, mailbox in _mappings(main, "mailboxes")
        for key in ("address", "aliases", "receives")
    ]
    claims += [(directory, top, name, user, "email") for top, name, user in _mappings(directory, "users")]
    for document, top, name, value, key in claims:
        assert document is not None
        who = f"{top.removesuffix('es') if top == 'mailboxes' else 'user'} {name!r}"
        for path, address in _each_text(value.get(key), (top, name, key)):
            first, place = owner.setdefault(
                fold_address(address), (who, "{}:{}:{}".format(document.home(path).file, *document.place(path)))
            )
            if first != who:
                yield document.fault(
                    path,
                    f"{address} belongs to {first} already ({place})",
                    "give each its own address",
                    page=f"{PAGE}#{top}",
                )


def _directory(reading: Reading) -> Iterator[Fault]:
    """Names that mean something else, and domains claimed by two organisations."""
    document = reading.documents.get("directory.yaml")
    for top, name, _ in _mappings(document, "users", "groups"):
        assert document is not None
        if name in RESERVED or (top == "users" and name in references.CHOOSERS):
            yield document.fault(
                (top, name),
                f"{name!r} means something else in rules and cannot be the name of a {top[:-1]}",
                "choose another name",
                key=True,
                page=f"{PAGE}#{top}",
            )
    owner: dict[str, str] = {}
    for top, name, organisation in _mappings(document, "organisations", "organizations"):
        assert document is not None
        for path, domain in _each_text(organisation.get("domains"), (top, name, "domains")):
            first = owner.setdefault(to_ascii(domain), name)
            if first != name:
                yield document.fault(
                    path,
                    f"{domain} belongs to organisation {first!r} already",
                    "name it once",
                    page=f"{PAGE}#organisations",
                )
            if to_ascii(domain) in FREE_MAIL:
                yield document.fault(
                    path, f"nobody is taken for {name!r} by {domain}: anybody can have an address there", "name a domain of its own",
                    severity="warning", page=f"{PAGE}#organisations",
                )  # fmt: skip


def _same_names(reading: Reading) -> Iterator[Fault]:
    """Two workflows of one name cannot be told apart in a trace (rules: rules.lint)."""
    document = reading.documents.get("workflows.yaml")
    written = document.value.get("workflows") if document is not None and isinstance(document.value, dict) else None
    if document is None or not isinstance(written, list):
        return
    seen: dict[str, int] = {}
    for position, each in enumerate(written):
        name = each.get("name") if isinstance(each, dict) else None
        path = ("workflows", position, "name")
        line, _ = document.place(path)
        if isinstance(name, str) and seen.setdefault(name, line) != line:
            yield document.fault(
                path,
                f"the name {name!r} is taken already in line {seen[name]}",
                "give each its own name, so that a trace tells them apart",
                severity="warning",
                page=f"{PAGE}#workflows",
            )


def _bodies(reading: Reading) -> Iterator[Fault]:
    r"""Bodies of rule tests in which a \n was meant as a line break and is two characters."""
    for file, document in reading.documents.items():
        rules = document.value.get("rules") if isinstance(document.value, dict) and file.startswith("rules/") else None
        for position, rule in enumerate(rules if isinstance(rules, list) else ()):
            for path, text in _each_body(rule, ("rules", position)):
                if "\\n" in text and "\n" not in text:
                    said = r"\n is no line break here: it is one in double quotes only"
                    hint = r'write "…\n…", or body: | and the lines below it'
                    yield document.fault(path, said, hint, severity="warning", page=page_of(document, path))


def _each_body(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    tests = value.get("tests") if isinstance(value, dict) else None
    for number, test in enumerate(tests if isinstance(tests, list) else ()):
        written = test if isinstance(test, dict) else {}
        several = written.get("messages")
        mails: list[tuple[tuple[str | int, ...], Any]] = [(("message",), written.get("message"))]
        mails += [(("messages", each), mail) for each, mail in enumerate(several if isinstance(several, list) else ())]
        for where, mail in mails:
            if isinstance(mail, dict) and isinstance(mail.get("body"), str):
                yield (*path, "tests", number, *where, "body"), mail["body"]


def _idle_steps(reading: Reading) -> Iterator[Fault]:
    """Escalations of a clock that no priority has a time for: they never come."""
    document, sla = reading.documents.get("sla.yaml"), reading.models.get("sla.yaml")
    if document is None or sla is None:
        return
    for name, policy in sla.policies.items():
        timed = [clock for clock in ("first_response", "next_response", "resolution") if any(getattr(one, clock) for one in policy.targets.values())]
        for number, step in enumerate(policy.escalations):
            if step.of not in timed:
                yield document.fault(
                    ("policies", name, "escalations", number), f"no priority of {name!r} has a time for {step.of}: this step never comes",
                    f"write the time under targets{f', or of: {timed[0]}' if timed else ''}",
                    severity="warning", page=f"{PAGE}#policiesescalations",
                )  # fmt: skip


def _holidays(reading: Reading) -> Iterator[Fault]:
    document, sla = reading.documents.get("sla.yaml"), reading.models.get("sla.yaml")
    if document is None or sla is None:
        return
    for name, calendar in sla.calendars.items():
        if calendar.holidays is None:
            continue
        from holidays.utils import list_supported_countries

        countries = list_supported_countries()
        country, part = calendar.holidays.country, calendar.holidays.subdivision
        path = ("calendars", name, "holidays")
        if country not in countries:
            yield document.fault(
                (*path, "country"),
                f"the holidays of {country!r} are not known",
                "write two letters: DE, FR, US",
                page=f"{PAGE}#calendars",
            )
        elif part is not None and part not in countries[country]:
            yield document.fault(
                (*path, "subdivision"),
                f"{country} has no part {part!r}",
                nearest(part, countries[country], shown=60),
                page=f"{PAGE}#calendars",
            )
