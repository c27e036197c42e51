"""This is where maild says which names templates may use, what they are when there is nothing, and what they look like.

The names are the interface between whoever asks for a mail (`Draft.names`) and the templates; they are listed in
`docs/reference/templates.md`. Values are data: text with ``{{`` in it is shown as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# Below these any name may be used: declared fields, and what a rule's `extract` found.
OPEN = frozenset({"fields", "found"})


def _nothing(rating: int) -> str:
    return ""


DEFAULTS: Mapping[str, Any] = {
    "message": {"subject": "", "text": "", "new_text": "", "date": None, "from": {"name": "", "email": ""}},
    "case": {
        "number": 0, "title": "", "summary": "", "status": "", "priority": "", "category": "", "channel": "",
        "mailbox": "", "contact": {"name": "", "email": ""}, "organisation": "", "group": "", "assignee": "",
        "owner": "", "sla": "", "tags": (), "fields": {}, "resolution": "", "billable": False, "rating": None,
        "feedback": "", "created_at": None, "updated_at": None, "first_response_at": None, "last_responded_at": None,
        "resolved_at": None, "closed_at": None,
    },
    "fields": {},
    "found": {},
    "contact": {"name": "", "email": "", "language": ""},
    "organisation": {"name": ""},
    "mailbox": {"key": "", "name": "", "address": ""},
    "agent": {"name": "", "signature": ""},
    "event": {
        "type": "",  # new_case answer note assignment reopened follow_up bounce rating released escalation …
        "actor": "",  # who did it, by name
        "text": "",  # the words that the mail is about
        "html": "",  # the same as cleaned HTML, '' where there is only text
        "reply_to": "",  # whom a reply goes to; '' where it stays internal
        "subject": "",
        "reason": "",
        "hint": "",
        "marks": (),  # warnings, a line each
        "lines": (),  # what was done, a line each
        "attachments": (),  # {name, size, attached}
        "cases": (),  # {number, title, status, priority, assignee, contact, due_at, updated_at}; in `absent` also tag, since
        "messages": (),  # {number, id, subject, from, reason, received_at}
        "report": None,  # the figures, as `maild report --json` prints them
        "charts": (),  # {title, picture}: picture is the address of an <img>
        "notices": (),  # {tag, title, status, assignee, happened: {type, actor, text, at}}, a case each
        "faqs": (),  # {question, answer}
        "refused": (),  # kinds of attachments that are not taken: exe, js
        "links": (),  # {name, url}
        "clock": "",  # first_response, next_response, resolution
        "percent": 0,
        "policy": "",
        "due_at": None,
        "previous": 0,  # the number of the case that this one follows
        "behalf": "",  # whose mail the actor, a user, has passed on
    },
    "link": {"survey": _nothing, "unsubscribe": ""},
    "now": None,
}  # fmt: skip


class Open(dict[str, Any]):
    """Values of which any may be absent: declared fields that this case does not have are empty."""

    def __missing__(self, name: str) -> str:
        return ""


def complete(names: Mapping[str, Any]) -> dict[str, Any]:
    """``names`` with what is absent or None filled in from DEFAULTS, all the way down, ready for a template."""
    return {
        name: Open(names.get(name) or {}) if name in OPEN else _merged(default, names.get(name))
        for name, default in DEFAULTS.items()
    }


def _merged(default: Any, value: Any) -> Any:
    if value is None:
        return default
    if isinstance(default, dict) and isinstance(value, Mapping):
        return {**default, **{key: _merged(default.get(key), inner) for key, inner in value.items()}}
    return value


_AT = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)

SAMPLE: Mapping[str, Any] = {
    "message": {
        "subject": "Damaged phone", "text": "The display is cracked.\n\nJo", "new_text": "The display is cracked.",
        "date": _AT, "from": {"name": "Jo Doe", "email": "jo@acme.example"},
    },
    "case": {
        "number": 123, "title": "Damaged phone", "summary": "The display is cracked", "status": "open",
        "priority": "high", "category": "defect", "channel": "email", "mailbox": "support",
        "contact": {"name": "Jo Doe", "email": "jo@acme.example"}, "organisation": "Acme Ltd", "group": "support",
        "assignee": "alice", "owner": "alice", "sla": "Standard", "tags": ("returns",), "fields": {"order": "77"},
        "resolution": "A new one is on its way.", "created_at": _AT, "updated_at": _AT, "resolved_at": _AT,
    },
    "fields": {"order": "77"},
    "contact": {"name": "Jo Doe", "email": "jo@acme.example", "language": "en"},
    "organisation": {"name": "Acme Ltd"},
    "mailbox": {"key": "support", "name": "Example Support", "address": "support@example.com"},
    "agent": {"name": "Alice Ng", "signature": "Alice Ng\nExample Support"},
    "event": {
        "type": "new_case", "actor": "Jo Doe", "text": "The display is cracked.\n\nJo", "reply_to": "Jo Doe",
        "subject": "Damaged phone", "reason": "#asign is no command", "hint": "did you mean #assign?",
        "marks": ("from x@acme.example, not known in this case",), "lines": ("Case 123 is resolved.",),
        "attachments": ({"name": "photo.jpg", "size": 81920, "attached": True},),
        "cases": ({"number": 123, "title": "Damaged phone", "status": "open", "priority": "high", "assignee": "alice",
                   "contact": "Jo Doe", "due_at": _AT, "updated_at": _AT, "tag": "[#123]", "since": _AT},),
        "messages": ({"number": 1, "id": "01j", "subject": "Damaged phone", "from": "jo@acme.example", "reason": "no rule matches",
                      "received_at": _AT},),
        "report": {
            "since": "2026-11-17T16:30:00Z", "until": "2026-11-24T16:30:00Z",
            "totals": {"mails_in": 40, "mails_out": 52, "created": 21, "resolved": 19, "open": 8,
                       "first_response_median": 5400, "resolution_median": 90000, "sla_kept": 0.95, "rating": 4.5,
                       "rated": 6, "time_spent": 36000},
            "by_group": (), "by_agent": (), "by_organisation": (), "by_mailbox": (), "by_day": (), "ratings": {},
        },
        "charts": ({"title": "Mail and cases a day", "picture": "cid:chart1@maild"},),
        "notices": ({"tag": "[#123]", "title": "Damaged phone", "status": "open", "assignee": "alice",
                     "happened": ({"type": "answer", "actor": "Jo Doe", "text": "It is cracked.", "at": _AT},)},),
        "refused": ("exe",),
        "faqs": ({"question": "What if the display is cracked?", "answer": "We change it within a week."},),
        "links": ({"name": "Take", "url": "mailto:support@example.com?subject=%5B%23123%5D&body=%23take"},),
        "clock": "resolution", "percent": 80, "policy": "Standard", "due_at": _AT, "previous": 99, "behalf": "",
    },
    "link": {"survey": lambda rating: f"https://cases.example.com/s/{rating}", "unsubscribe": "https://cases.example.com/u"},
    "now": _AT,
}  # fmt: skip
