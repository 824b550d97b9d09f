"""The gate's settings as options of a command: names, types, bounds and help are those of GateSpec."""

import datetime as dt
import math
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import click
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.core.errors import OptionError, Problem
from insideLLMs.core.gate_spec import ABSOLUTE, LIMITS, GateSpec, nearest_limit

FILE_ONLY = frozenset({"score_range", "probes"})
"""Settings with no option: they belong to single probes."""

_NUMBERS = {
    "max_growth": ("QUANTITY=SHARE", "latency_ms=0.2"),
    "min_score": ("SCORE=NUMBER", "score=0.7"),
    "max": ("QUANTITY.STATISTIC=NUMBER", "latency_ms.p95=2000"),
}
"""Settings that name several numbers: how one is written, and an example."""

GateWords = Mapping[str, object]
"""Settings by name; None where the command line leaves the experiment's own value."""


def gate_options(names: Collection[str] | None = None) -> Callable[[Command], Command]:
    """Return what adds an option for each setting, or those named; the function gets them as one argument, `gate`."""
    settings = [
        field for field in fields(GateSpec) if field.name not in FILE_ONLY and field.name in (names or [field.name])
    ]

    def gather(given: Given) -> GateWords | None:
        is_off = given.pop("no_gate", False)
        gate = {field.name: given.pop(field.name) for field in settings}
        gate.update({name: _named_numbers(name, gate[name]) for name in _NUMBERS if name in gate})
        return None if is_off else {name: None if value == () else value for name, value in gate.items()}

    options = [click.option(f"--{field.name.replace('_', '-')}", **_declared(field)) for field in settings]
    return lambda function: option_group(function, "gate", options, gather)


def run_gate_options(function: Command) -> Command:
    """Add the settings that concern a run by itself, and `--no-gate`, which makes them None."""
    switch = click.option("--no-gate", is_flag=True, help="Do not check the gate's conditions.")
    return switch(gate_options(ABSOLUTE)(function))


def _declared(field: FieldInfo) -> dict[str, Any]:  # the keywords of click.option have no common type
    kind, *metas = get_args(field.type)
    if type(None) in get_args(kind) and get_origin(get_args(kind)[0]) is Annotated:  # a number that may be left out
        kind, bounds = get_args(get_args(kind)[0])
        metas.append(bounds)
    words, said = _words_of(kind), next(meta.description for meta in metas if meta.description)
    if get_origin(kind) is tuple:
        return {"multiple": True, "metavar": "PATH|/REGEX/", "help": f"{said} May be given several times."}
    if field.name in _NUMBERS:
        of = f" Of {', '.join(words)}." if words else ""
        return {"multiple": True, "metavar": _NUMBERS[field.name][0], "help": f"{said}{of}"}
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


def _named_numbers(setting: str, pairs: object) -> dict[str, float] | None:
    """Parse ``NAME=NUMBER`` pairs. Raises OptionError."""
    assert isinstance(pairs, tuple)
    metavar, example = _NUMBERS[setting]
    option = f"--{setting.replace('_', '-')}"
    parsed: dict[str, float] = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        try:
            parsed[name] = float(number)
            if not math.isfinite(parsed[name]):
                raise ValueError(number)
        except ValueError as error:
            raise OptionError(f"{option} {pair!r} is not {metavar}", fix=f"e.g. {option} {example}") from error
        if setting == "max" and name not in LIMITS:
            said = Problem(f"--max has {name!r}", hint=nearest_limit(name))
            raise OptionError(str(said), fix=f"e.g. --max {example}")
    return parsed or None


def today() -> str:
    """Return today's date in UTC, the one clock that waivers are held against."""
    return dt.datetime.now(dt.UTC).date().isoformat()
