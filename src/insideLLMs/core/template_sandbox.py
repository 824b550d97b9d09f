"""Where templates are rendered: Jinja2 with JSON values in, text out, the same every time, and bounded.

Imported only when a template is used. There is nothing to load from disk, nothing random, no method or filter that
can make much out of little, and every loop is counted.
"""

import json
from collections.abc import Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from insideLLMs.core.arguments import nearest
from insideLLMs.core.types import JsonValue, as_text

MOST_CHARACTERS = 10_000_000
MOST_STEPS = 100_000
"""Turns of all loops of one rendering together."""
LONGEST_RANGE = 10_000
_WIDEST_INDENT = 100
_LARGEST_BITS = 1_024

_STATEMENTS = (nodes.Output, nodes.If, nodes.For, nodes.Assign, nodes.With)
_METHODS = frozenset(
    {
        *("upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize", "startswith", "endswith", "split"),
        *("splitlines", "removeprefix", "removesuffix", "count", "find", "index", "get", "items", "keys", "values"),
        *("cycle", "changed"),
    }
)
_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length"),
    *("list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr"),
    *("sort", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount"),
)


def text_of(value: object) -> str:
    """Write a value into the text. Raises for what is no JSON value, and for null."""
    if isinstance(value, str):
        return value
    if value is None:
        raise TemplateRuntimeError("null stands where text is needed; test it first: {% if name %}...{% endif %}")
    if isinstance(value, Undefined):
        return str(value)  # raises, and says what is undefined
    if isinstance(value, bool | int | float | list | tuple | dict):
        return as_text(value)
    kind = type(value).__name__
    raise TemplateRuntimeError(f"a value of type {kind} is no text; a list is written with |list or |join(', ')")


class _Missing(StrictUndefined):
    """What a template names and the example lacks; within a mapping, with the nearest key that it has."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        holder, name = self._undefined_obj, self._undefined_name
        if self._undefined_hint or not isinstance(holder, dict) or not isinstance(name, str):
            return str(super()._undefined_message)
        near = nearest(name, list(holder))
        return f"a mapping has no {name!r}" + (
            f"; did you mean {near!r}?" if near else f" (it has {', '.join(holder)})"
        )


class _CountedContext(Context):
    steps = 0


@jinja2.pass_context
def _counted(context: _CountedContext, items: Any) -> Iterator[Any]:
    """Yield the items of a loop, up to a bound on all loops together."""
    if isinstance(items, str):
        raise TemplateRuntimeError("a loop goes over text, letter by letter; give it a list: name.split(', ')")
    for item in items:
        context.steps += 1
        if context.steps > MOST_STEPS:
            raise TemplateRuntimeError(f"its loops run more than {MOST_STEPS:,} times")
        yield item


def _bounded(size: int) -> None:
    if size > MOST_CHARACTERS:
        raise TemplateRuntimeError(f"it makes more than {MOST_CHARACTERS:,} characters")


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > LONGEST_RANGE:
        raise TemplateRuntimeError(f"a range is longer than {LONGEST_RANGE:,}")
    return made


@jinja2.pass_environment
def _join(env: jinja2.Environment, items: Any, separator: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        items = map(make_attrgetter(env, attribute), items)
    texts = [text_of(item) for item in items]
    _bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: object, old: str, new: str, count: int = -1) -> str:
    whole = text_of(text)
    _bounded(len(whole) + whole.count(old) * len(new))
    return whole.replace(old, new, count)


def _indent(text: object, width: int = 4, first: bool = False) -> str:
    whole = text_of(text)
    if not 0 <= width <= _WIDEST_INDENT:
        raise TemplateRuntimeError(f"an indent of {width} is not from 0 to {_WIDEST_INDENT}")
    margin = " " * width
    _bounded(len(whole) + whole.count("\n") * width)
    lines = [margin + line if line and (at or first) else line for at, line in enumerate(whole.split("\n"))]
    return "\n".join(lines)


def _tojson(value: object, indent: int | None = None) -> str:
    if isinstance(value, Undefined):
        return str(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=min(indent, 8) if indent else None)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """The one environment of all templates."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    context_class = _CountedContext

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, finalize=text_of, keep_trailing_newline=True, autoescape=False)
        self.globals = {"range": _range}
        self.filters = {name: FILTERS[name] for name in _FILTERS}
        self.filters |= {"join": _join, "replace": _replace, "indent": _indent, "tojson": _tojson, "string": text_of}
        self.filters |= {"_counted": _counted, "_joined": _join}

    def syntax(self, text: str) -> nodes.Template:
        """Return the tree of a template, made safe. Raises jinja2.TemplateSyntaxError."""
        tree = self.parse(text)
        for statement in tree.find_all(nodes.Stmt):
            if not isinstance(statement, _STATEMENTS) or getattr(statement, "recursive", False):
                word = _WORDS.get(type(statement).__name__, type(statement).__name__.lower())
                raise jinja2.TemplateSyntaxError(f"a template cannot use {word}", statement.lineno)
        return tree

    def compiled(self, tree: nodes.Template) -> jinja2.Template:
        """Return what renders a tree: its loops counted, its `~` bounded."""
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = _filtered(loop.iter, "_counted")
        _replace_concat(tree)
        tree.set_environment(self)
        return self.from_string(tree)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer a mapping's key to a method of the same name: ``order.items`` is what the example holds."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja2's own names, which no keyword of a template can meet
        """Call a method that is on the list. Raises SecurityError for any other."""
        name = getattr(__obj, "__name__", type(__obj).__name__)
        owner = getattr(__obj, "__self__", None)
        if __obj is not _range and not (isinstance(owner, str | list | dict | LoopContext) and name in _METHODS):
            if isinstance(__obj, Undefined):
                str(__obj)  # raises, and says what is undefined
            raise SecurityError(f"{name}() cannot be called in a template; use a filter, as in name|replace('a', 'b')")
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute ``+ * ** %``. Raises for what would grow without bound."""
        if operator == "**" or (operator == "%" and not isinstance(left, int | float)):
            raise TemplateRuntimeError(f"{operator} cannot be used so in a template")
        if operator == "*" and isinstance(left, int) and isinstance(right, int):
            _bounded(MOST_CHARACTERS + 1 if left.bit_length() + right.bit_length() > _LARGEST_BITS else 0)
        elif operator == "*":
            _bounded(_size(left) * right if isinstance(right, int) else _size(right) * left if _size(right) else 0)
        elif operator == "+":
            _bounded(_size(left) + _size(right))
        return super().call_binop(context, operator, left, right)


_WORDS = {
    "FromImport": "{% from %}",
    "CallBlock": "{% call %}",
    "FilterBlock": "{% filter %}",
    "AssignBlock": "{% set %} as a block; write {% set name = value %}",
    "ScopedEvalContextModifier": "{% autoescape %}",
    "For": "a recursive {% for %}",
    **{name.title(): f"{{% {name} %}}" for name in ("include", "import", "extends", "block", "macro")},
}


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _replace_concat(node: nodes.Node) -> None:
    """Put our own bounded joining in the place of every ``a ~ b`` below a node."""
    for field, value in node.iter_fields():
        items = value if isinstance(value, list) else [value]
        made = [_concat(item) if isinstance(item, nodes.Node) else item for item in items]
        if isinstance(value, list | nodes.Node):
            setattr(node, field, made if isinstance(value, list) else made[0])


def _concat(node: nodes.Node) -> nodes.Node:
    _replace_concat(node)
    if not isinstance(node, nodes.Concat):
        return node
    return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_joined")


def render(template: jinja2.Template, values: dict[str, JsonValue]) -> str:
    """Return the text; stops at the first character too many."""
    pieces: list[str] = []
    size = 0
    for piece in template.root_render_func(template.new_context(values)):
        size += len(piece)
        _bounded(size)
        pieces.append(piece)
    return "".join(pieces)
