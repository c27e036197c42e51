"""This is where maild renders templates: Jinja2 in a sandbox with small limits, in which values are only ever data.

Templates come from the configuration or from agents, never from mail. A name that is not there is an error, not an
empty text; nothing can be read from files; what a template may cost is bounded (loops, sizes, output).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_OUTPUT = 1 << 18  # characters that one template may give
MAX_SOURCE = 1 << 16  # characters of a template's source
MAX_RANGE = 100  # numbers that range() gives
MAX_LOOPS = 3  # loops within each other
MAX_WIDTH = 1000  # characters that padding may add

# Everything else that Jinja2 brings as a filter is left out: it loads, pads without end, or looks into objects.
_FILTERS = frozenset(
    [
        "abs",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "filesizeformat",
        "first",
        "float",
        "forceescape",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "striptags",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "wordcount",
        "wordwrap",
    ]
)
_PADDING = frozenset(("center", "ljust", "rjust", "zfill", "expandtabs"))
_FORMATTING = frozenset(("format", "format_map"))


class TemplateFault(ValueError):
    """A template cannot be read or rendered; ``str()`` says why in one line."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with limits on what one expression can make."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic for templates; refuses what would make a huge value."""
        sizes = [len(value) for value in (left, right) if isinstance(value, str | bytes | list | tuple)]
        if operator == "*" and sizes:
            times = right if isinstance(right, int) else left
            if not isinstance(times, int) or sizes[0] * max(times, 0) > MAX_OUTPUT:
                raise SecurityError("the result would be too large")
        elif operator == "+" and sum(sizes) > MAX_OUTPUT:
            raise SecurityError("the result would be too large")
        elif operator == "%" and isinstance(left, str | bytes):
            raise SecurityError("text is put together with ~ or join, not with %")
        elif operator in ("*", "**") and not _small(operator, left, right):
            raise SecurityError("the number would be too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls for templates; refuses formatting, and padding beyond MAX_WIDTH."""
        name, owner = getattr(obj, "__name__", ""), getattr(obj, "__self__", None)
        if isinstance(owner, str):
            if name in _FORMATTING:
                raise SecurityError("text is put together with ~ or join, not with format()")
            if name in _PADDING and any(
                isinstance(value, int) and value > MAX_WIDTH for value in (*args, *kwargs.values())
            ):
                raise SecurityError(f"{name}() takes a width of at most {MAX_WIDTH}")
            if name in ("replace", "join") and not _replaces_little(name, owner, args):
                raise SecurityError("the result would be too large")
        return super().call(context, obj, *args, **kwargs)


def _small(operator: str, left: Any, right: Any) -> bool:
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return True
    if operator == "**":
        return abs(left) <= 10**6 and abs(right) <= 64
    return abs(left) <= 10**300 and abs(right) <= 10**300


def _replaces_little(name: str, owner: str, args: tuple[Any, ...]) -> bool:
    if name == "join":
        items = list(args[0]) if args else []
        return sum(len(item) for item in items if isinstance(item, str)) + len(owner) * len(items) <= MAX_OUTPUT
    if len(args) < 2 or not isinstance(args[0], str) or not isinstance(args[1], str):
        return True
    return len(owner) + (owner.count(args[0]) * len(args[1])) <= MAX_OUTPUT


def _range(*args: int) -> range:
    made = range(*args)
    if len(made) > MAX_RANGE:
        raise SecurityError(f"range() gives at most {MAX_RANGE} numbers")
    return made


def _indent(text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    pad = " " * min(max(int(width), 0), 40)
    lines = str(text).split("\n")
    return "\n".join(pad + line if (first or at) and (line.strip() or blank) else line for at, line in enumerate(lines))


def _replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    if not _replaces_little("replace", str(text), (str(old), str(new))):
        raise SecurityError("the result would be too large")
    return str(text).replace(str(old), str(new), count)


def _wordwrap(text: str, width: int = 79) -> str:
    import textwrap

    return "\n".join("\n".join(textwrap.wrap(line, max(int(width), 10))) for line in str(text).split("\n"))


def environment(autoescape: bool) -> ImmutableSandboxedEnvironment:
    """A sandbox without a loader: StrictUndefined, a short list of filters, no access to files or to `_` attributes.

    ``autoescape``: whether values are escaped for HTML. The caller may add a loader and filters of its own.
    """
    made = Sandbox(autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=False, cache_size=400)
    made.filters = {name: made.filters[name] for name in _FILTERS if name in made.filters}
    if not autoescape:
        made.filters |= {"indent": _indent, "replace": _replace, "wordwrap": _wordwrap}
    made.globals = {"range": _range, "dict": made.globals["dict"], "namespace": made.globals["namespace"]}
    return made


_TEXT = environment(False)


@lru_cache(maxsize=4096)
def _template(source: str) -> Any:
    parse(source)
    return _TEXT.from_string(source)


def parse(source: str) -> nodes.Template:
    """The syntax tree of a template. Raises TemplateFault that says what is wrong with it."""
    if len(source) > MAX_SOURCE:
        raise TemplateFault(f"the template is longer than {MAX_SOURCE} characters")
    try:
        _TEXT.compile(source)
        tree = _TEXT.parse(source)
    except TemplateError as error:
        raise TemplateFault(f"the template cannot be read: {error.message or error}") from None
    except RecursionError:
        raise TemplateFault("the template is nested too deeply") from None
    if _loops(tree) > MAX_LOOPS:
        raise TemplateFault(f"the template has more than {MAX_LOOPS} loops within each other")
    if any(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))):
        raise TemplateFault("the template includes another file, which is not possible here")
    if any(loop.recursive for loop in tree.find_all(nodes.For)):
        raise TemplateFault("recursive loops are not possible in a template")
    return tree


def _loops(node: nodes.Node) -> int:
    below = max((_loops(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)


def is_template(source: object) -> bool:
    """Whether this is text with something to render in it."""
    return isinstance(source, str) and ("{{" in source or "{%" in source or "{#" in source)


def render(source: str, names: Mapping[str, Any]) -> str:
    """The template (text, not HTML) with these values. What a value holds is never rendered itself.

    Raises TemplateFault where a name is missing, the syntax is wrong, or a limit is reached.
    """
    if not is_template(source):
        return source
    try:
        return collect(_template(source).generate(names))
    except TemplateFault:
        raise
    except TemplateError as error:
        raise TemplateFault(str(error.message or error)) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise TemplateFault(f"{type(error).__name__}: {error}") from None


def collect(chunks: Iterator[str]) -> str:
    """The output of a template put together, as far as the limit allows. Raises TemplateFault beyond."""
    found: list[str] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_OUTPUT:
            raise TemplateFault(f"the template gives more than {MAX_OUTPUT} characters")
        found.append(chunk)
    return "".join(found)


def variables(source: str) -> set[str]:
    """The names that a template takes from outside, dotted as far as they are constant: {"message.subject", "found.host"}.

    Names set within the template (loops, set, macros) are left out. Raises TemplateFault where it cannot be read.
    """
    found: set[str] = set()
    _collect_names(parse(source), frozenset(), found)
    return found - set(_TEXT.globals)


def _dotted(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=attr):
            base = _dotted(inner)
            return f"{base}.{attr}" if base else None
        case nodes.Getitem(node=inner, arg=nodes.Const(value=str() as key)):
            base = _dotted(inner)
            return f"{base}.{key}" if base else None
    return None


def _stored(node: nodes.Node) -> set[str]:
    return {name.name for name in node.find_all(nodes.Name) if name.ctx in ("store", "param")} | (
        {node.name} if isinstance(node, nodes.Name) and node.ctx in ("store", "param") else set()
    )


def _collect_names(node: nodes.Node, local: frozenset[str], found: set[str]) -> None:
    if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
        name = _dotted(node)
        if name is not None:
            if name.partition(".")[0] not in local and getattr(node, "ctx", "load") == "load":
                found.add(name)
            return
    inner = local
    if isinstance(node, nodes.For):
        _collect_names(node.iter, local, found)
        inner = local | _stored(node.target) | {"loop"}
        for child in (*node.body, *node.else_, *([node.test] if node.test else [])):
            _collect_names(child, inner, found)
        return
    if isinstance(node, nodes.Macro):
        inner = local | {argument.name for argument in node.args} | {"varargs", "kwargs", "caller"}
    bound = set(inner)
    for child in node.iter_child_nodes():
        _collect_names(child, frozenset(bound), found)
        if isinstance(child, nodes.Assign | nodes.AssignBlock):
            bound |= _stored(child.target)
        elif isinstance(child, nodes.Macro):
            bound.add(child.name)


__all__ = [
    "Sandbox",
    "TemplateFault",
    "Undefined",
    "collect",
    "environment",
    "is_template",
    "parse",
    "render",
    "variables",
]
