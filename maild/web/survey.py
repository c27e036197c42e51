"""This is where maild asks a customer how the work was: the page behind the smileys of a survey mail.

Opening a link shows a form and changes nothing, since scanners open links too; only sending the form votes. The token
in the address is the permission: without it there is nothing to send a form for. Links are relative, so that the pages
work under any path of `web.public_url`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import parse_qs

from jinja2 import Environment, StrictUndefined, Template
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

LONGEST_COMMENT = 4000
_LARGEST_FORM = 64 * 1024
# the mouths of five drawn faces (SVG paths in a square of 24): not every system has a font with smileys
_MOUTHS = ("M8 17.5Q12 12.5 16 17.5", "M8.5 16.8Q12 14.4 15.5 16.8", "M8.5 16H15.5", "M8.5 15Q12 18 15.5 15",
           "M7.5 14Q12 21 16.5 14Z")  # fmt: skip
_WORDS = {
    "en": {
        "title": "Your feedback",
        "ask": "How did we do?",
        "legend": "Please pick one",
        "labels": ("Very bad", "Bad", "All right", "Good", "Very good"),
        "comment": "What should we know? (optional)",
        "send": "Send",
        "missing": "Please pick one of the five.",
        "thanks": "Thank you",
        "thanks_more": "Your answer has been stored. You can close this page.",
        "answered": "Thank you, we have your answer",
        "answered_more": "This survey was answered before. You can close this page.",
        "unknown": "This survey is not open",
        "unknown_more": "The link is incomplete or too old. If you want to tell us something, answer any of our mails.",
        "stop": "No more such questions?",
        "stop_more": "We then send you no more surveys and reminders. Answers to what you write still reach you.",
        "stop_send": "No more questions",
        "stopped": "Done",
        "stopped_more": "You get no more surveys and reminders from us. You can close this page.",
    },
    "de": {
        "title": "Ihre Meinung",
        "ask": "Wie waren wir?",
        "legend": "Bitte wählen Sie eines",
        "labels": ("Sehr schlecht", "Schlecht", "In Ordnung", "Gut", "Sehr gut"),
        "comment": "Was sollten wir wissen? (freiwillig)",
        "send": "Absenden",
        "missing": "Bitte wählen Sie eines der fünf.",
        "thanks": "Danke",
        "thanks_more": "Ihre Antwort ist gespeichert. Sie können diese Seite schließen.",
        "answered": "Danke, wir haben Ihre Antwort",
        "answered_more": "Diese Umfrage wurde schon beantwortet. Sie können diese Seite schließen.",
        "unknown": "Diese Umfrage ist nicht offen",
        "unknown_more": "Der Link ist unvollständig oder zu alt. Wenn Sie uns etwas sagen möchten, "
        "antworten Sie auf eine unserer Mails.",
        "stop": "Keine solchen Fragen mehr?",
        "stop_more": "Wir schicken Ihnen dann keine Umfragen und Erinnerungen mehr. Antworten auf Ihre Mails kommen weiter.",
        "stop_send": "Keine Fragen mehr",
        "stopped": "Erledigt",
        "stopped_more": "Sie bekommen von uns keine Umfragen und Erinnerungen mehr. Sie können diese Seite schließen.",
    },
}


@dataclass(frozen=True, slots=True)
class SurveyView:
    """What the page shows of a survey: the mailbox's ``name``, the case's ``title`` and ``number``, the ``language``
    of its contact, and whether it was ``answered`` before."""

    name: str
    title: str
    number: int
    language: str = "en"
    answered: bool = False


@dataclass(frozen=True, slots=True)
class SurveyPages:
    """The pages under ``prefix``. ``load(token)`` gives the survey or None; ``save(token, rating 1-5, comment)`` stores
    the answer; a view that is ``answered`` takes none. ``stop(token, certain)`` says whether this is a link for wanting
    no more such mail, and with ``certain`` does it (RFC 8058: by POST alone). All are called in a thread."""

    load: Callable[[str], SurveyView | None]
    save: Callable[[str, int, str], None]
    prefix: str = "/survey"
    stop: Callable[[str, bool], bool] = lambda token, certain: False

    def routes(self) -> list[Route]:
        """The routes for the application."""
        return [
            Route(f"{self.prefix}/style.css", self._style, methods=["GET"]),
            Route(f"{self.prefix}/stop/style.css", self._style, methods=["GET"]),
            Route(f"{self.prefix}/stop/{{token}}", self._stop, methods=["GET", "POST"]),
            Route(f"{self.prefix}/{{token}}", self._show, methods=["GET"]),
            Route(f"{self.prefix}/{{token}}", self._vote, methods=["POST"]),
        ]

    def _style(self, _: Request) -> Response:
        return Response(_resource("survey.css"), media_type="text/css", headers={"cache-control": "max-age=86400"})

    def _stop(self, request: Request) -> Response:
        """GET asks, POST does it, from the page's button or from the mail client itself (RFC 8058, 3.2)."""
        token = request.path_params["token"]
        certain = request.method == "POST"
        language = (request.headers.get("accept-language", "en") or "en")[:2]
        if not self.stop(token, certain):
            return _page("unknown", None, status=404)
        return _page("stopped" if certain else "stop", None, language=language, action=token)

    def _show(self, request: Request) -> Response:
        """The form, the smiley of the link (`?r=4`) picked; nothing is stored."""
        token = request.path_params["token"]
        view = self.load(token)
        if view is None or view.answered:
            return self._closed(view)
        return self._form(token, view, _rating(request.query_params.get("r", "")))

    async def _vote(self, request: Request) -> Response:
        token = request.path_params["token"]
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_FORM:
                return PlainTextResponse("this form is too large\n", 413)
        try:
            form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
        except ValueError:
            return PlainTextResponse("this is no form of ours\n", 400)
        rating = _rating(form.get("rating", [""])[0])
        comment = _comment(form.get("comment", [""])[0])
        return await run_in_threadpool(self._answered, token, rating, comment)

    def _answered(self, token: str, rating: int | None, comment: str) -> Response:
        view = self.load(token)
        if view is None or view.answered:
            return self._closed(view)
        if rating is None:
            return self._form(token, view, None, comment, fault=str(_words(view)["missing"]), status=400)
        self.save(token, rating, comment)
        return _page("thanks", view)

    def _closed(self, view: SurveyView | None) -> Response:
        if view is None:
            return _page("unknown", None, status=404)
        return _page("answered", view)

    def _form(
        self, token: str, view: SurveyView, rating: int | None, comment: str = "", fault: str = "", status: int = 200
    ) -> Response:
        return _page("form", view, status=status, rating=rating, comment=comment, fault=fault, action=token)


def _rating(text: str) -> int | None:
    return int(text) if text in ("1", "2", "3", "4", "5") else None


def _comment(text: str) -> str:
    """The comment without control characters and cut to its longest, line ends as LF."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t").strip()[:LONGEST_COMMENT]


def _words(view: SurveyView | None, language: str = "en") -> dict[str, object]:
    language = (view.language if view else language).partition("-")[0].lower()
    return dict(_WORDS.get(language, _WORDS["en"]))


def _page(
    page: str, view: SurveyView | None, *, status: int = 200, language: str = "en", **names: object
) -> HTMLResponse:
    words = _words(view, language)
    language = "de" if words["title"] == _WORDS["de"]["title"] else "en"
    labels = words["labels"]
    assert isinstance(labels, tuple)
    names = {"rating": None, "comment": "", "fault": "", "action": "", **names}
    text = _template().render(page=page, view=view, words=words, language=language,
                              faces=list(zip(_MOUTHS, labels, strict=True)), longest=LONGEST_COMMENT,
                              **names)  # fmt: skip
    return HTMLResponse(text, status)


@cache
def _resource(name: str) -> str:
    return files("maild.web").joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(_resource("survey.html.j2"))
