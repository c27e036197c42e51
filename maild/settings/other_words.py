"""This is where maild knows the words that people bring along from other systems, and says what is written here."""

from __future__ import annotations

CRITERIA = {
    "sender": "from", "from_address": "from", "recipients": "recipient", "receiver": "recipient", "content": "body", "message": "body",
    "title": "subject", "attachments": "attachment.count: {above: 0}", "has_attachment": "attachment.count: {above: 0}",
    "filename": "attachment.name", "sender_domain": "from: {domain: …}", "domain": "from: {domain: …}", "lang": "language",
    "priority": "case.priority", "status": "case.status", "tags": "case.tags", "customer": "contact", "company": "organisation",
    "or": "any: [ … ]", "and": "all: [ … ]", "not": "none: [ … ]",
}  # fmt: skip
OPERATORS = {
    "regex": "matches", "regexp": "matches", "pattern": "matches", "match": "matches", "equals": "is", "equal": "is", "eq": "is",
    "includes": "contains", "like": "contains", "has": "contains", "begins_with": "starts_with", "startswith": "starts_with",
    "endswith": "ends_with", "gt": "above", "greater_than": "above", "more_than": "above", "lt": "below", "less_than": "below",
    "in": "is with a list, or in_list", "one_of": "is with a list", "not": "the criterion under none: [ … ]",
    "is_not": "the criterion under none: [ … ]", "not_contains": "the criterion under none: [ … ]",
    "does_not_contain": "the criterion under none: [ … ]", "not_equals": "the criterion under none: [ … ]",
}  # fmt: skip
_ACTIONS = "case: {…}, reply, notify, hold, discard, forward"
RULE_KEYS = {
    **{word: f"case: {{{word}: …}}" for word in (
        "assign", "set", "tags", "priority", "title", "summary", "status", "category", "channel", "sla", "raise", "autofill", "update",
        "update_by", "contact", "followers", "fields", "group", "user", "match_organisation", "create_contact")},
    "actions": _ACTIONS, "action": _ACTIONS, "then": _ACTIONS, "do": _ACTIONS, "conditions": "when", "condition": "when", "if": "when",
    "match": "when", "criteria": "when", "filter": "when", "delete": "discard: REASON", "drop": "discard: REASON",
    "reject": "discard: REASON", "ignore": "discard: REASON", "move": "mailbox", "auto_reply": "reply", "template": "reply",
    "active": "enabled", "disabled": "enabled: false", "comment": "description",
}  # fmt: skip

FILE_KEYS = {
    "include": "- include: FILE among the rules", "includes": "- include: FILE among the rules", "tests": "tests: beside a rule",
    "named_conditions": "conditions", "mailboxes": "mailbox",
}  # fmt: skip


def said(word: str, words: dict[str, str]) -> str:
    """A hint for a word of elsewhere, '' where it is none."""
    known = words.get(word.lower().replace("-", "_"))
    return f"write {known}" if known else ""
