"""This is where maild reads the configuration directory: every file into frozen typed models, or every fault at once.

All or nothing: one fault anywhere and there are no settings, so that a daemon goes on with those it has (RELOAD in
docs/howto/operations.md). Warnings never stop anything.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from maild.errors import ConfigError, Fault
from maild.plain.layers import below, layers, site, within
from maild.settings import crosscheck, named_files, rule_sets, secrets
from maild.settings import faults as wanting
from maild.settings.models import Directory, MaildYaml, Settings, SlaYaml, WorkflowsYaml
from maild.settings.reader import read_file
from maild.settings.source import Document, overlaid

Files = Literal["all", "main"]

MODELS: dict[str, type[BaseModel]] = {
    "maild.yaml": MaildYaml, "directory.yaml": Directory, "sla.yaml": SlaYaml, "workflows.yaml": WorkflowsYaml,
}  # fmt: skip
_MAIN = ("maild.yaml", "directory.yaml")


def load(
    folder: Path, *, files: Files = "all", rules: Path | None = None, instead: Mapping[str, Path] | None = None
) -> Settings:
    """The settings in this directory (or in several, `plain.layers`). ``files="main"`` reads maild.yaml and directory.yaml only, for commands that
    must work while a rule is broken; ``rules`` is a folder of rule files in place of those in `rules/`; ``instead`` names
    files that are read in place of others. Raises ConfigError with all faults of all files."""
    settings, found = load_with_warnings(folder, files=files, rules=rules, instead=instead)
    if settings is None:
        raise ConfigError([fault for fault in found if fault.severity == "error"])
    return settings


def load_with_warnings(
    folder: Path, *, files: Files = "all", rules: Path | None = None, instead: Mapping[str, Path] | None = None
) -> tuple[Settings | None, tuple[Fault, ...]]:
    """The settings (None where there is an error) and every fault and warning, by file and line."""
    with _without_collecting():
        reading = Reading(folder, files, rules, instead)
        settings = reading.settings()
    return settings, reading.found()


class Reading:
    """The files of one directory while they are read: documents, models as far as they are right, faults.

    ``documents`` and ``models`` are by name within the directory (`rules/10-support.yaml`).
    """

    def __init__(
        self, folder: Path, files: Files = "all", rules: Path | None = None, instead: Mapping[str, Path] | None = None
    ) -> None:
        self.named, self.folder, self.rules, self.instead = folder, site(folder), rules, dict(instead or {})
        self.complete = files == "all"
        self.documents: dict[str, Document] = {}
        self.models: dict[str, Any] = {}
        self.lists: dict[str, tuple[str, ...]] = {}
        self.hashes: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.first: tuple[str, ...] = ()  # the rule files that are read of themselves, in order
        try:
            for one in layers(folder):
                next(one.iterdir(), None)
            names = rule_files(folder, rules) if self.complete else []
        except OSError as error:
            where, why = error.filename or folder, (error.strerror or str(error)).lower()
            hint = f"maild init {where} writes a configuration to start from; another one is named by --config DIR"
            mend = hint if isinstance(error, FileNotFoundError) else "check its owner and mode, or run as its owner"
            self.faults.append(wanting.whole(where, f"cannot be read: {why}", mend))
            return
        for name in MODELS if self.complete else _MAIN:
            self._read(name, MODELS[name])
        self.first = tuple(names)
        for name in names:
            self._read_rules(name)

    @classmethod
    def of_document(cls, name: str, document: Document, model: type[BaseModel] | None) -> Reading:
        """One document alone, proved against its model; ``name`` is what it would be called in a directory."""
        reading = cls.__new__(cls)
        reading.named = reading.folder = Path(document.file).parent
        reading.complete, reading.rules = False, None
        reading.documents, reading.models, reading.lists, reading.hashes = {name: document}, {}, {}, {}
        reading.faults, reading.first = list(document.faults), ()
        document.name = name
        reading.models[name] = reading._validated(document, model)
        return reading

    def _read_rules(self, name: str) -> None:
        """Read a rule file, and those that it includes."""
        self._read(name, rule_model())
        for _, path in rule_sets.includes(self.documents[name]) if name in self.documents else ():
            target = rule_sets.included(path)
            if rule_sets.may_be_included(target) and target not in self.documents:
                if rule_path(self.named, self.rules, target).is_file():
                    self._read_rules(target)

    def below(self) -> list[str]:
        """The names of the rule files in folders below rules/, which are read where they are included."""
        bases = [self.rules] if self.rules else below(self.named, "rules")
        found = {f"rules/{path.relative_to(base).as_posix()}" for base in bases for path in base.rglob("*.yaml")}
        return sorted(name for name in found if rule_sets.may_be_included(name))

    def _read(self, name: str, model: type[BaseModel] | None) -> None:
        paths = self._paths(name)
        if name == "maild.yaml" or paths:
            if not paths:
                hint = f"maild init {self.folder} writes one; another directory is named by --config DIR"
                self.faults.append(wanting.whole(self.folder / name, "there is no maild.yaml in this directory", hint))
                return
            read = [read_file(path, str(path)) for path in paths]
            self.hashes |= {str(path.absolute()): one.sha256 for path, one in zip(paths, read, strict=True) if one is not read[-1]}
            document = overlaid(read)
            self.hashes[name] = document.sha256
            document.name = name
            self.documents[name] = document
            self.faults += document.faults
            self.models[name] = self._validated(document, model)
        elif model is not None:
            self.models[name] = model()

    def _paths(self, name: str) -> list[Path]:
        """The files that are this file of the configuration, each to be laid over the one before."""
        if name not in MODELS:
            path = rule_path(self.named, self.rules, name)
            return [path] if os.path.lexists(path) else []
        paths = [folder / name for folder in layers(self.named)]
        if name in self.instead:
            paths[-1] = self.instead[name]
        return [path for path in paths if os.path.lexists(path)]

    def _validated(self, document: Document, model: type[BaseModel] | None) -> Any:
        if document.node is None and (document.broken or model is None):
            return None
        if document.node is None and model is MaildYaml:
            hint = "database, mailboxes and outbound are needed: maild init shows how"
            self.faults.append(wanting.whole(document.file, "this file is empty", hint))
            return None
        value = {} if document.value is None and document.node is None else document.value
        if not isinstance(value, dict):
            self.faults.append(wanting.no_keys(document))
            return None
        if model is None:
            return value
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.faults += wanting.from_validation(document, model, error)
            return None

    def found(self) -> tuple[Fault, ...]:
        """Every fault and warning once, by file and line."""
        key = attrgetter("file", "line", "column", "message")
        return tuple(sorted(dict.fromkeys(self.faults), key=key))

    def settings(self) -> Settings | None:
        """The settings, or None where something is at fault."""
        if "maild.yaml" in self.documents:
            self.faults += crosscheck.faults(self)
        if any(fault.severity == "error" for fault in self.faults):
            return None
        main: MaildYaml = self.models["maild.yaml"]
        folder = self.folder.absolute()
        state_dir = state_directory(main, folder)
        database = main.database.model_copy(update={"url": placed_url(main.database.url, state_dir)})
        files = {name: model for name, model in self.models.items() if name.startswith("rules/") and model is not None}
        placed = tuple(rule_sets.assemble(files, tuple(name for name in self.first if name in files)))
        return Settings(
            folder=folder,
            named=Path(":".join(str(one.absolute()) for one in layers(self.named))),
            state_dir=state_dir,
            main=named_files.placed(main.model_copy(update={"database": database}), folder),
            directory=self.models.get("directory.yaml") or Directory(),
            rules=tuple(rule for rule, _, _ in placed),
            rule_places=tuple((name, place) for _, name, place in placed),
            sla=self.models.get("sla.yaml") or SlaYaml(),
            workflows=self.models.get("workflows.yaml") or WorkflowsYaml(),
            lists=self.lists,
            files=self.hashes,
            rules_folder=self.rules,
            hash=hashlib.sha256(
                "".join(f"{name}\0{digest}\n" for name, digest in sorted(self.hashes.items())).encode()
            ).hexdigest(),
        )


def rule_files(folder: Path, rules: Path | None = None) -> list[str]:
    """The names of the rule files in the order in which their rules are tried: natural order, 9-x before 10-y.

    They are called `rules/NAME` wherever they are; ``rules`` is their folder when it is not `rules` in ``folder``.
    """
    places = [rules] if rules else below(folder, "rules")
    names = {path.name for place in places for path in place.iterdir() if path.suffix == ".yaml" and path.name[0] != "."}
    return [f"rules/{name}" for name in sorted(names, key=natural)]


def rule_documents(settings: Settings) -> dict[str, Document]:
    """The files in which the rules of these settings stand, by name, read again; {} where they have changed since."""
    found: dict[str, Document] = {}
    for name in dict.fromkeys(name for name, _ in settings.rule_places):
        path = rule_path(settings.named, settings.rules_folder, name)
        found[name] = read_file(path, str(path))
        found[name].name = name
        if found[name].sha256 != settings.files.get(name):
            return {}
    return found


def rule_path(folder: Path, rules: Path | None, name: str) -> Path:
    """Where the file of this name is: `rules/10-x.yaml` in ``rules``, if that is given, everything else in ``folder``."""
    return rules / name.removeprefix("rules/") if rules is not None and name.startswith("rules/") else within(folder, name)


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts names with numbers as people do."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower()) for part in re.split(r"(\d+)", name) if part]


def state_directory(main: MaildYaml, folder: Path) -> Path:
    """Where the daemon keeps its state: `state_dir` (relative to maild.yaml), else $STATE_DIRECTORY, else ./var."""
    if main.state_dir is not None:
        return Path(os.path.normpath(folder / Path(main.state_dir).expanduser()))
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given) if given else folder / "var"


def placed_url(url: str, state_dir: Path) -> str:
    """The database's URL with a relative SQLite path (`sqlite:///maild.db`) made absolute in the state directory."""
    scheme, mark, path = url.partition(":///")
    if not mark or not scheme.startswith("sqlite") or not path or path.startswith((":memory:", "file:")):
        return url
    name, query, options = path.partition("?")
    return f"{scheme}:///{state_dir / name}{query}{options}"


def database_url(settings: Settings) -> str:
    """The URL to open the database by, with the password from its secret. Raises ConfigError where there is none."""
    database = settings.main.database
    if database.password is None:
        return database.url
    scheme, _, rest = database.url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user}:{quote(secrets.read(database.password, settings.folder), safe='')}{at or '@'}{host}"


def rule_model() -> type[BaseModel] | None:
    try:
        from maild.settings.rule_models import RuleFile
    except ImportError:
        return None
    return RuleFile  # type: ignore[no-any-return,unused-ignore]


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A thousand rules are a million objects that live on: looking for garbage among them costs more than they do."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
