"""Options of the command line that override the experiment's gate, made from the fields of GateSpec."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin  # Any: see `_words_of`

import click
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.gate_spec import GateSpec

FILE_ONLY = frozenset({"score_range", "probes"})
"""Settings with no option: they belong to single probes."""

GateWords = Mapping[str, object]
"""Settings by name; None where the command line leaves the experiment's own value."""


def gate_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add an option for each setting; the function gets them as one argument, `gate`."""
    settings = [field for field in fields(GateSpec) if field.name not in FILE_ONLY]

    def gathered(*args: object, **options: object) -> int:
        gate = {field.name: options.pop(field.name) for field in settings}
        gate["max_growth"] = _growth(gate["max_growth"])
        return function(*args, gate=gate, **options)

    gathered.__doc__ = function.__doc__
    command: Callable[..., int] = gathered
    command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined] # click's own place
    for field in reversed(settings):
        command = click.option(f"--{field.name.replace('_', '-')}", **_declared(field))(command)
    return command


def _declared(field: FieldInfo) -> dict[str, Any]:  # the keywords of click.option have no common type
    kind, *metas = get_args(field.type)
    words, said = _words_of(kind), next(meta.description for meta in metas if meta.description)
    if get_origin(kind) is dict:
        return {"multiple": True, "metavar": "QUANTITY=SHARE", "help": f"{said} Of {', '.join(words)}."}
    if kind is bool:
        return {"is_flag": True, "default": None, "help": said}
    shown = "" if field.default in (None, "", 0) else f"  [default: {field.default}]"
    return {"type": click.Choice(words) if words else _number(kind, metas), "help": f"{said}{shown}"}


def _words_of(kind: Any) -> tuple[str, ...]:  # a type of any form
    """Return the words that a type allows: those of a Literal, or of the Literal inside it."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((found for part in get_args(kind) if (found := _words_of(part))), ())


def _number(kind: type, metas: list[Meta]) -> click.IntRange | click.FloatRange | type:
    if kind not in (int, float):
        return kind
    bounds = next(meta for meta in metas if meta.ge is not None or meta.gt is not None)
    if kind is int:
        return click.IntRange(min=None if bounds.ge is None else int(bounds.ge))
    return click.FloatRange(
        min=bounds.ge if bounds.gt is None else bounds.gt,
        max=bounds.le if bounds.lt is None else bounds.lt,
        min_open=bounds.gt is not None,
        max_open=bounds.lt is not None,
    )


def _growth(pairs: object) -> dict[str, float] | None:
    """Parse ``QUANTITY=SHARE``. Raises ConfigError."""
    assert isinstance(pairs, tuple)
    parsed: dict[str, float] = {}
    for pair in pairs:
        name, _, share = pair.partition("=")
        try:
            parsed[name] = float(share)
        except ValueError as error:
            raise ConfigError(
                [Problem(f"--max-growth {pair!r} is not QUANTITY=SHARE")], fix="e.g. --max-growth latency_ms=0.2"
            ) from error
    return parsed or None
