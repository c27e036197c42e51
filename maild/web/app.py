"""This is where maild answers by HTTP: /healthz, /readyz, /metrics, and the survey page where one is given.

Nothing here looks at Host or X-Forwarded-*: links are made from `web.public_url`, and no answer redirects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maild.log import get_logger
from maild.web.survey import SurveyPages

_log = get_logger("web")
_SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the process and its workers turn; ``detail`` is shown as it is (no secrets, it is not protected)."""

    ok: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


def make_app(
    health: Callable[[], Health],
    ready: Callable[[], tuple[bool, str]],
    metrics: Callable[[], str],
    survey: SurveyPages | None = None,
) -> Starlette:
    """The application. The functions are called in a thread for each request; what they raise makes a 503.

    ``ready`` answers whether mail can be stored now, and if not, why in a line.
    """

    def healthz(_: Request) -> Response:
        found = health()
        return JSONResponse({"ok": found.ok, **found.detail}, 200 if found.ok else 503)

    def readyz(_: Request) -> Response:
        ok, why = ready()
        return PlainTextResponse(f"{'ready' if ok else why or 'not ready'}\n", 200 if ok else 503)

    def show_metrics(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", show_metrics)]
    app = Starlette(
        routes=[*routes, *(survey.routes() if survey is not None else [])],
        exception_handlers={Exception: _failed},
    )
    app.router.redirect_slashes = False  # a redirect would name the Host that the client sent
    app.add_middleware(_SecurityHeaders)
    return app


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("web.failed", path=request.url.path, reason=type(error).__name__, exc_info=error)
    return PlainTextResponse("this does not work now; the reason is in the log\n", 503)


class _SecurityHeaders:
    """Puts the headers on every answer that has not its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sending)
