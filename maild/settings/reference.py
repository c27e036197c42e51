"""This is where the page with every key of the configuration is made: docs/reference/configuration.md.

python -m maild.settings.reference > docs/reference/configuration.md
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from maild.settings.descriptions import DESCRIPTIONS
from maild.settings.load import MODELS
from maild.settings.origin import plain
from maild.settings.times import Absence, AtMost
from maild.settings.values import Rate, Secret, WorkingDays, size

_INTRO = """\
# The configuration

A directory (default `/etc/maild`, else `./config`; `maild --config DIR` or `MAILD_CONFIG`) with these files. Rule files
have a page of their own: [rules.md](rules.md). `maild init DIR` writes one to start from, `maild check` names every
fault with file, line and column, `maild config show` prints what is in force and where each value comes from,
`maild config diff` what a reload would change.

This page is made from the models: `python -m maild.settings.reference`.

## Two folders: a base and a site

`MAILD_CONFIG=/usr/share/our-base:/etc/maild` (or `--config BASE:SITE`; more than two may be named) is one configuration. Of maild.yaml,
directory.yaml, sla.yaml and workflows.yaml mappings are merged by key, at every depth; where both have a value the later folder's
counts, and a list is replaced as a whole (so are `workflows:`). Every other file (a rule file, a template, a list) is that of the last
folder that has it: a rule file of the same name takes the base's place, and all that there are stand in one natural order
(`5-site.yaml` before `10-base.yaml`). Relative paths, `./var` among them, are below the last folder, and what maild writes (`rules
rollback`, `canary promote`) stands there. `check`, `config show`, `config diff`, `reload` and `watch` look at all of them.

## YAML

YAML 1.2: `true`, `false` and `null` are what they say, numbers are numbers where a number is meant, all else is text as
it was written. `on`, `no`, `1:30` and dates are text, and `0077` stays `0077`. Some things must be quoted:

| quote it | because |
|---|---|
| `title: "{{ message.subject }}"` | `{` begins a mapping |
| `contains: "#urgent"` | `#` begins a comment |
| `schedule: "*/5 * * * *"`, `ends_with: "@acme.example"` | `* @ % ! &` and `` ` `` mean something else at the start |
| `name: "Orders: urgent"` | a colon and a blank begin a value |
| `contains: "[ALERT]"` | `[` begins a list |
| `delimiter: "\\|"` | `\\|` and `>` begin a block of text |
| `matches: '\\bdamaged\\b'` | patterns go into single quotes: in double quotes `\\b` is a control character |

A key with nothing after its colon is a fault; `{}` and `[]` are values and mean none. A key that stands twice, a tag
(`!!python/…`), a merge (`<<`), and a key that nobody knows are faults. Where a list is taken, a single value may stand.

Durations: `60s`, `15m`, `4h`, `2d`, `1w`, `2y`. Sizes: `500KiB`, `25MiB`. Limits: `5 in 2h`.

## secrets

A password, key or client secret is never in these files; they say where it is found:

- `{credential: NAME}`: systemd's credential of this name ($CREDENTIALS_DIRECTORY); outside the unit
  `/etc/credstore/NAME`, `/run/credstore/NAME`, and the encrypted ones in `/etc/credstore.encrypted` by `systemd-creds`.
- `{env: NAME}`: a variable of the environment.
- `{file: PATH}`: a file, relative to this directory.

A newline at the end is dropped.

## in_list

`in_list: lists/vip.txt` names a file within the configuration directory: a `.txt` has an entry a line (`#` begins a
comment); of a `.csv` the first column counts, or with `lists/vip.csv:domain` the column of that name. Columns are parted by
commas, or by the semicolons or tabs that spreadsheets write; lines that begin with `#` and a blank are comments. The files are UTF-8.

## Renamed keys

These are still read, with a warning that shows the line as it is written now. `maild check --fix` writes it so; comments and all
else stay as they are.

| was | is |
|---|---|
| `stop: false` in a rule | `continue: true` |
| `on: EVENT` in a workflow | `event: EVENT`: to YAML 1.1 tools `on` is the word true |

## What is not read

Files in `rules/` that do not end in `.yaml` (`30-vip.yml`, `10-a.yaml~`, `.rpmnew`) and templates with other names are
named by `maild check` as warnings. Warnings do not change its exit status; `--strict` does.
"""

_FILES = {
    "maild.yaml": "the daemon's own settings; only `database`, `mailboxes` and `outbound` are needed",
    "directory.yaml": "users, groups and organisations",
    "sla.yaml": "calendars and SLA policies",
    "workflows.yaml": "what maild does by itself",
}


def page() -> str:
    """The reference as Markdown: a section a file, a table a block, a row a key with its type, default and meaning."""
    parts = [_INTRO]
    for file, about in _FILES.items():
        parts.append(f"\n# {file}\n\n{about[0].upper()}{about[1:]}.\n")
        seen: set[type[BaseModel]] = set()
        parts += _blocks(MODELS[file], "", seen)
    return "".join(parts)


def _blocks(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    if model in seen or model is Secret:
        return
    seen.add(model)
    words = DESCRIPTIONS.get(model.__name__, {})
    rows, below = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        if model.__name__ == "When" and name == "criteria":
            continue
        kind = (
            "size" if any(getattr(each, "func", None) is size for each in field.metadata) else _type(field.annotation)
        )
        rows.append(f"| `{key}` | {kind} | {_default(field)} | {words.get(key, '')} |\n")
        below += [(inner, f"{path}{key}{suffix}") for inner, suffix in _models(field.annotation)]
    title = path.replace(".NAME", "").rstrip(".") or "Top level"
    yield f"\n## {title}\n\n| key | value | default | |\n|---|---|---|---|\n{''.join(rows)}"
    for inner, where in below:
        yield from _blocks(inner, f"{where}.", seen)


def _models(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The models that an annotation leads to, with what stands between: `.NAME` for a mapping of them."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
    elif origin is dict:
        yield from _models(arguments[1], f"{suffix}.NAME")
    elif origin is typing.Annotated:
        yield from _models(arguments[0], suffix)
    else:
        for each in arguments:
            yield from _models(each, suffix)


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping of NAME to {_type(arguments[1])}"
    simple = {str: "text", int: "number", bool: "true or false", timedelta: "duration", Rate: "limit",
              AtMost: "how often", Absence: "absence", WorkingDays: "working days",
              Any: "value", Secret: "secret"}  # fmt: skip
    if annotation in simple:
        return simple[annotation]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    return "mapping"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, "") or isinstance(value, BaseModel):
        return ""
    shown = plain(value)
    if isinstance(shown, list):
        return ", ".join(f"`{each}`" for each in shown)
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


if __name__ == "__main__":
    print(page(), end="")
