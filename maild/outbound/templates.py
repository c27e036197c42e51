"""This is where maild finds and renders the texts of its mails.

A template is three files, ``[MAILBOX/]NAME[.LANG].{subject,txt,html}.j2``; only the txt is needed. The package holds
the defaults; a file of the same name in the configuration's ``templates/`` replaces one. Of what is there the nearest
wins: for the mailbox in the language, for the mailbox, in the language, plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    DictLoader,
    Environment,
    Template,
    TemplateError,
    TemplateSyntaxError,
    nodes,
    pass_context,
)
from jinja2.runtime import Context

from maild.errors import ConfigError, Fault
from maild.outbound import html, words
from maild.outbound.names import DEFAULTS, OPEN, SAMPLE, complete
from maild.plain.sandbox import environment

PACKAGED = Path(__file__).with_name("templates")
PARTS = ("subject", "txt", "html")

_FAILURES = (TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_FILE = re.compile(
    r"(?:(?P<mailbox>[^/]+)/)?(?P<name>[a-z0-9][a-z0-9_-]*)"
    r"(?:\.(?P<language>[a-z]{2,3}(?:-[a-z0-9]{2,8})*))?\.(?P<part>subject|txt|html)\.j2\Z"
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words: the subject on one line, the plain text, and a whole HTML document."""

    subject: str
    text: str
    html: str


class Templates:
    """All templates of a configuration, compiled. Raises ConfigError with every fault: names, encoding, syntax."""

    def __init__(self, *folders: Path) -> None:
        self._paths: dict[str, Path] = {}
        sources: dict[str, str] = {}
        faults: list[Fault] = []
        for root in (PACKAGED, *folders):
            for path in _files(root):
                name = path.relative_to(root).as_posix()
                if _FILE.match(name) is None:
                    faults.append(Fault(str(path), 0, 0, "this is no name of a template",
                                        "[MAILBOX/]NAME[.LANG].subject.j2, .txt.j2 or .html.j2"))  # fmt: skip
                    continue
                try:
                    sources[name] = path.read_text(encoding="utf-8")
                except UnicodeDecodeError as error:
                    faults.append(Fault(str(path), 0, 0, f"this is not UTF-8: {error.reason} at byte {error.start}"))
                except OSError as error:
                    faults.append(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}"))
                else:
                    self._paths[name] = path
        loader = DictLoader(sources)
        self._text = _prepared(environment(False), loader)
        self._html = _prepared(environment(True), loader)
        self._trees: dict[str, nodes.Template] = {}
        self._compiled: dict[str, Template] = {}
        for name, source in sources.items():
            env = self._environment(name)
            try:
                self._trees[name] = env.parse(source)
                self._compiled[name] = env.get_template(name)
            except TemplateSyntaxError as error:
                faults.append(Fault(str(self._paths[name]), error.lineno, 1, f"{error.message}"))
            except TemplateError as error:
                faults.append(Fault(str(self._paths[name]), 0, 0, f"{error.message or error}"))
        if faults:
            raise ConfigError(faults)

    def names(self) -> tuple[str, ...]:
        """The names of all templates that have a text, in order: what ``acknowledge:`` and ``reply:`` may name."""
        found = {match["name"] for name in self._compiled if (match := _FILE.match(name)) and match["part"] == "txt"}
        return tuple(sorted(found))

    def languages(self, name: str) -> tuple[str, ...]:
        """The languages in which this template is there besides its plain form."""
        matches = (_FILE.match(file) for file in self._compiled)
        return tuple(
            sorted({match["language"] for match in matches if match and match["name"] == name and match["language"]})
        )

    def find(self, name: str, mailbox: str, language: str, part: str) -> str | None:
        """The file (relative to ``templates/``) that serves this mailbox and language, or None."""
        return next((file for file in _nearest(name, mailbox, language, part) if file in self._compiled), None)

    def render(self, name: str, mailbox: str, language: str, names: Mapping[str, Any]) -> Rendered:
        """The words of one mail. ``names`` are plain values by their documented names; what is absent is empty.

        The HTML is made from the text where no HTML template is as near as the text's. Raises ConfigError where there
        is no such template, or where it uses what is not there (`maild check` finds both beforehand).
        """
        files = [self.find(name, mailbox, language, part) for part in PARTS]
        subject, text, page = files
        if text is None:
            raise ConfigError(
                [Fault("templates", 0, 0, f"there is no template {name!r}", f"there are {', '.join(self.names())}")]
            )
        values = complete(names) | {"language": language}
        order = {part: list(_nearest(name, mailbox, language, part)) for part in ("txt", "html")}
        body = self._render(text, values).strip("\n")
        if page is not None and order["html"].index(page) <= order["txt"].index(text) and self._beside(page, text):
            document = self._render(page, values)
        else:
            document = str(html.paragraphs(body))
        return Rendered(
            subject=" ".join(self._render(subject, values).split()) if subject else "",
            text=body + "\n",
            html=html.page(document, language),
        )

    def check(self, names: Iterable[str] = (), mailboxes: Iterable[str] | None = None) -> list[tuple[str, int, str]]:
        """Every fault as (file, line, message): unknown names, what fails with sample data, templates that are missing.

        ``names`` are the templates that the configuration uses, ``mailboxes`` its mailboxes' keys (None: not compared).
        """
        faults: list[tuple[str, int, str]] = []
        known = set(self.names())
        faults += [("templates", 0, f"there is no template {name!r}; there are {', '.join(sorted(known))}")
                   for name in names if name not in known]  # fmt: skip
        sample = complete(SAMPLE) | {"language": "en"}
        for file, path in self._paths.items():
            match = _FILE.match(file)
            assert match is not None
            if mailboxes is not None and match["mailbox"] and match["mailbox"] not in mailboxes:
                faults.append((str(path), 0, f"there is no mailbox {match['mailbox']!r}"))
            unknown = [
                (str(path), line, _unknown(dotted)) for dotted, line in _used(self._trees[file]) if not _known(dotted)
            ]
            faults += unknown
            if unknown:
                continue
            try:
                self._compiled[file].render(sample | {"language": match["language"] or "en"})
            except _FAILURES as error:
                faults.append((str(path), getattr(error, "lineno", None) or 0, f"cannot be rendered: {error}"))
        return faults

    def _environment(self, file: str) -> Environment:
        return self._html if file.endswith(".html.j2") else self._text

    def _beside(self, page: str, text: str) -> bool:
        # The configuration's text beside the package's HTML: the admin changed the words, the HTML has the old ones.
        packaged = [self._paths[file].is_relative_to(PACKAGED) for file in (page, text)]
        return packaged[1] or not packaged[0]

    def _render(self, file: str, values: Mapping[str, Any]) -> str:
        try:
            return self._compiled[file].render(values)
        except _FAILURES as error:
            raise ConfigError(
                [Fault(str(self._paths[file]), 0, 0, f"cannot be rendered: {error}", "run: maild check")]
            ) from error


def _files(root: Path) -> list[Path]:
    paths = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("README"))
    return sorted(path for path in paths if not any(part.startswith(".") for part in path.relative_to(root).parts))


def _nearest(name: str, mailbox: str, language: str, part: str) -> Iterator[str]:
    """The files that could serve, nearest first. A language of ``de-at`` is also served by ``de``."""
    tag = language.lower().replace("_", "-")
    languages = [f".{one}" for one in dict.fromkeys((tag, tag.split("-")[0])) if one]
    for place in (f"{mailbox}/", ""):
        if place != "/":
            yield from (f"{place}{name}{one}.{part}.j2" for one in (*languages, ""))


def _prepared(env: Environment, loader: BaseLoader) -> Environment:
    inherited = env.getattr

    def key_first(value: Any, name: str) -> Any:
        # A custom field may be called `items`: with values that are plain data the dot means the key, then the method.
        return value[name] if isinstance(value, dict) and name in value else inherited(value, name)

    env.getattr = key_first  # type: ignore[method-assign, assignment]
    env.loader = loader
    env.trim_blocks = env.lstrip_blocks = True
    env.filters["when"] = _when
    env.filters["day"] = _day
    env.filters["paragraphs"] = lambda text: html.paragraphs(str(text))
    env.filters["duration"] = words.duration
    env.filters["percent"] = words.percent
    return env


@pass_context
def _when(context: Context, value: Any) -> str:
    return words.when(value, context.get("now"), str(context.get("language", "")))


@pass_context
def _day(context: Context, value: Any) -> str:
    return words.day(value, context.get("now"), str(context.get("language", "")))


def _used(tree: nodes.Template) -> list[tuple[tuple[str, ...], int]]:
    """The names that a template takes from outside, as paths (("message", "from", "name"), line)."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")} | {
        "loop",
        "range",
        "dict",
        "namespace",
    }
    own |= {node.name for node in tree.find_all(nodes.Macro)}
    inner = {
        id(child)
        for node in tree.find_all((nodes.Getattr, nodes.Getitem))
        for child in node.iter_child_nodes(only=("node",))
    }
    found = []
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)):
        path = _path(node)
        if path and path[0] not in own and (id(node) not in inner):
            found.append((path, node.lineno))
    return found


def _path(node: nodes.Node) -> tuple[str, ...]:
    match node:
        case nodes.Name(name=str() as name):
            return (name,)
        case nodes.Getattr(node=base, attr=str() as name):
            above = _path(base)
            return (*above, name) if above else ()
        case nodes.Getitem(node=base, arg=nodes.Const(value=str() as name)):
            above = _path(base)
            return (*above, name) if above else ()
        case nodes.Getitem(node=base):
            return _path(base)
    return ()


def _known(path: Sequence[str]) -> bool:
    if path == ("language",) or path[0] in OPEN:
        return True
    place: Any = DEFAULTS
    for name in path:
        if not isinstance(place, Mapping):
            return True  # a method or part of a value: rendering with sample data says whether it is there
        if name not in place:
            return False
        place = place[name]
    return True


def _unknown(path: Sequence[str]) -> str:
    import difflib

    everything = sorted(_dotted(DEFAULTS))
    near = difflib.get_close_matches(".".join(path), everything, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{'.'.join(path)} is no name that templates may use{hint}"


def _dotted(names: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in names.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
