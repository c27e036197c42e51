"""This is where maild reads bounces that come as JSON: the notices of Amazon SES, mailed by its notification service."""

from __future__ import annotations

import json
from typing import Any

from maild.ingest.bounce_verdict import judge, tidy
from maild.model.message import BounceAction, BouncedRecipient, BounceReport

MAX_TEXT = 200_000
_JSON = json.JSONDecoder(strict=False)  # the mail broke the lines inside strings


def is_notice(text: str) -> bool:
    """Whether the text of a mail is such a notice (of a bounce, a complaint or a delivery)."""
    head = text.lstrip()[:20_000]
    return head.startswith("{") and ('"notificationType"' in head or '"eventType"' in head)


def read_notice(text: str) -> BounceReport | None:
    """The bounce of a notice; None for one about a complaint or a delivery, and for broken JSON."""
    try:
        notice = _JSON.raw_decode(text.lstrip()[:MAX_TEXT])[0]
        if isinstance(notice.get("Message"), str):  # as the notification service wraps it
            notice = _JSON.decode(notice["Message"])
        bounce = notice.get("bounce")
        if not isinstance(bounce, dict):
            return None
        recipients = tuple(_recipient(one) for one in bounce.get("bouncedRecipients", []))
        return BounceReport(recipients, _original(notice.get("mail", {})))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None


def _recipient(one: dict[str, Any]) -> BouncedRecipient:
    diagnostic = str(one.get("diagnosticCode") or "")
    verdict = judge(diagnostic, str(one.get("status") or ""))
    address = str(one.get("emailAddress") or "").strip("<> ")
    return BouncedRecipient(address, verdict.status, BounceAction.FAILED, verdict.hard, tidy(diagnostic))


def _original(mail: dict[str, Any]) -> str:
    """The Message-ID as the sender set it, else the service's own."""
    headers = {str(one.get("name", "")).lower(): str(one.get("value", "")) for one in mail.get("headers", [])}
    return (headers.get("message-id") or str(mail.get("messageId") or "")).strip("<> ")
