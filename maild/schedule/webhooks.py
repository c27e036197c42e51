"""This is where other programs are called: a POST of JSON, signed as the Standard Webhooks specification says.

The receiver computes HMAC-SHA-256 over `ID.TIMESTAMP.BODY` with the secret that `maild workflow secret` prints and
compares it with `webhook-signature` (`v1,` and base64). The same id comes again at every try of one call.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from maild import __version__
from maild.log import get_logger
from maild.store import webhooks
from maild.store.unit_of_work import Store

log = get_logger("webhook")

TIMEOUT = 15.0  # seconds
# after each failed try, as the specification proposes; together about three days
AGAIN = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
Post = Callable[[str, bytes, dict[str, str]], int]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer that is not 2xx: the call is meant for the URL that the admin wrote."""

    def redirect_request(self, *_: Any) -> None:
        return None


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Make the call; returns the HTTP status. Raises OSError where there was no answer."""
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)
    except ValueError as error:  # no URL at all
        raise OSError(str(error)) from error


def signature(secret: str, name: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for a call of this id."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{name}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def deliver(store: Store, now: datetime, call: Post = post) -> int:
    """Make the calls that are due; returns how many were taken."""
    taken = 0
    rows = webhooks.lease(store, now)
    if not rows:
        return 0
    with store.write() as connection:
        secret = webhooks.secret(connection)
    for row in rows:
        body = row.body.encode()
        stamp = int(now.timestamp())
        headers = {
            "content-type": "application/json", "user-agent": f"maild/{__version__}", "webhook-id": row.name,
            "webhook-timestamp": str(stamp), "webhook-signature": signature(secret, row.name, stamp, body),
        }  # fmt: skip
        try:
            status = call(row.url, body, headers)
            reason = "" if 200 <= status < 300 else f"answered {status}"
        except OSError as error:
            reason = str(error) or type(error).__name__
        with store.write() as connection:
            if not reason:
                taken += 1
                webhooks.record(connection, row.id, "sent", "", now)
            elif row.attempts >= len(AGAIN):
                webhooks.record(connection, row.id, "failed", reason, now)
            else:
                webhooks.record(connection, row.id, "pending", reason, now + timedelta(seconds=AGAIN[row.attempts]))
        if reason:
            log.warning("webhook.failed", url=row.url, case=row.case_number, reason=reason, attempts=row.attempts + 1)
        else:
            log.info("webhook.sent", url=row.url, case=row.case_number)
    return taken
