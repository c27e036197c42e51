"""This is where maild makes the report for a bug: a stored message with its words blotted out, its trace, and versions."""

from __future__ import annotations

import io
import json
import platform
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from maild import __version__
from maild.cases.shape import instant
from maild.office import Office
from maild.plain.jsontext import plain
from maild.workbench.blot import Blotter

_LIBRARIES = ("mail-parser", "google-re2", "SQLAlchemy", "pydantic", "jinja2", "authres", "nh3", "mail-parser-reply", "PyYAML")
# What of a trace holds words of the mail and of people; the rest are sentences of maild's and words of the configuration.
_OF_THE_MAIL = frozenset(("from", "seen", "words", "value", "values", "title", "summary", "resolution", "fields", "contact", "facts",
                          "found", "notes", "subject"))  # fmt: skip
# Of these the words are the same for everybody: a value that was understood stays, so that it is understood again.
_CLOSED = frozenset(("priority", "category", "status", "channel", "sla", "group", "user", "billable", "contact.language"))
README = """A report for a bug in maild.

message.eml   the message: its words are replaced by others of the same length, the same ones everywhere; its structure,
              encodings and header fields are as they came. Our own addresses, signed ids and case numbers stay, and the
              words that maild itself or a rule looked at.
trace.json    what was decided and why; in it the words that the mail had are blotted in the same way, and people's names.
versions.json versions of maild, Python and the libraries, and the hash of each file of the configuration.

Read message.eml before you send it on.
"""


def build(row: Any, raw: bytes, office: Office) -> bytes:
    """The bundle (a zip file's bytes) of a stored message: its whole row and raw bytes."""
    blotter = Blotter(_looked_at(row.trace or {}, office), _people(office), lambda text: _ours(office, text))
    message = blotter.mail(raw)  # first: it is what tells the words of the mail
    envelope = {
        "door": row.door, "mail_from": blotter.text(row.mail_from) if row.mail_from else row.mail_from,
        "rcpt_tos": [blotter.text(one) for one in row.rcpt_tos], "mailboxes": row.mailboxes, "size": row.size,
        "received_at": instant(row.received_at), "state": row.state, "disposition": row.disposition,
        "attempts": row.attempts, "reason": blotter.sentence(row.reason or ""), "authentication": {
            **(row.authentication or {}), "source": blotter.text((row.authentication or {}).get("source") or ""),
            "login": blotter.text((row.authentication or {}).get("login") or ""),
        },
    }  # fmt: skip
    trace = _blotted(plain(row.trace or {}), blotter)
    return _zipped({
        "README.txt": README,
        "message.eml": message,
        "trace.json": json.dumps({"envelope": envelope, "trace": trace}, indent=2),
        "versions.json": json.dumps(_versions(office, row.config_hash), indent=2),
    })  # fmt: skip


def _ours(office: Office, text: str) -> bool:
    return office.is_our_id(text) or office.addresses.accepts(text)


def _people(office: Office) -> Iterable[str]:
    """Names that stand in traces: agents, and the companies that write."""
    directory = office.settings.directory
    for key, user in directory.users.items():
        yield from (key, user.name or "")
    yield from directory.organisations


def _looked_at(trace: Mapping[str, Any], office: Office) -> Iterable[str]:
    """The words that decided: those that rules found in the message, the labels that autofill read, values that were
    understood, and the sender's domain where a rule asked for the organisation."""
    decided = (trace.get("decision") or {}).get("trace") or {}
    for tried in decided.get("tried") or ():
        yield from _of(tried.get("condition"))
        if _asked_for(tried.get("condition"), "organisation"):
            yield str(trace.get("from") or "").rpartition("@")[2]
    for label in decided.get("labels") or ():
        yield str(label.get("label") or "")
        if label.get("used") and _same_for_all(str(label.get("target") or ""), office):
            yield str(label.get("value") or "")


def _same_for_all(target: str, office: Office) -> bool:
    declared = (office.settings.main.fields or {}).get(target.removeprefix("fields.")) if target.startswith("fields.") else None
    return target in _CLOSED or (declared is not None and declared.type in ("choice", "date"))


def _of(condition: Mapping[str, Any] | None) -> Iterable[str]:
    if condition:
        yield from map(str, condition.get("words") or ())
        for part in condition.get("parts") or ():
            yield from _of(part)


def _asked_for(condition: Mapping[str, Any] | None, name: str) -> bool:
    """Whether a criterion of this name held."""
    if not condition:
        return False
    if condition.get("held") and str(condition.get("text") or "").startswith(name):
        return True
    return any(_asked_for(part, name) for part in condition.get("parts") or ())


def _blotted(value: Any, blotter: Blotter, of_the_mail: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {key: _blotted(below, blotter, of_the_mail or str(key) in _OF_THE_MAIL) for key, below in value.items()}
    if isinstance(value, list):
        return [_blotted(each, blotter, of_the_mail) for each in value]
    if not isinstance(value, str):
        return value
    return blotter.text(value) if of_the_mail else blotter.sentence(value)


def _versions(office: Office, config_hash: str | None) -> dict[str, Any]:
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "maild": __version__, "python": platform.python_version(), "system": platform.platform(),
        "libraries": libraries,
        "database": office.settings.main.database.url.partition(":")[0],
        "configuration": {"decided_by": config_hash, "now": office.settings.hash, "files": office.settings.files},
    }  # fmt: skip


def _zipped(files: Mapping[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
