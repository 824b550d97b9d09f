"""``{"type": "words", "max": 50}`` -> Constraint, with every mistake named."""

from collections.abc import Mapping

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.constraints import language, layout, wording
from insideLLMs.scoring.constraints.constraint import Constraint, Family

FAMILIES: Mapping[str, Family] = {**wording.FAMILIES, **layout.FAMILIES, **language.FAMILIES}

_COUNTS = ("min", "max", "exactly")


def parse_constraint(spec: JsonValue) -> Constraint:
    """Make a Constraint of a mapping with `type` and parameters, or of a bare name.

    Raises ArgumentError for an unknown type or parameter (with the nearest known), a missing one, or a value
    of the wrong kind.
    """
    raw = {"type": spec} if isinstance(spec, str) else spec
    if not isinstance(raw, Mapping) or not isinstance(raw.get("type"), str):
        raise ArgumentError(f"constraint {spec!r} has no type", fix='write {"type": "words", "max": 50}, say')
    name = raw["type"]
    family = FAMILIES.get(name)
    if family is None:
        raise ArgumentError(f"unknown constraint {name!r}{_near(name, FAMILIES)}", fix=f"known: {', '.join(FAMILIES)}")
    parameters = {key: value for key, value in raw.items() if key != "type"}
    known = {**family.required, **family.optional, **(dict.fromkeys(_COUNTS, "count") if family.counts else {})}
    for key, value in parameters.items():
        if key not in known:
            taken = ", ".join(known) or "no parameters"
            raise ArgumentError(f"constraint {name!r} has no {key!r}{_near(key, known)}", fix=f"it takes {taken}")
        _check_kind(name, key, value, known[key])
    missing = [key for key in family.required if key not in parameters]
    if missing:
        raise ArgumentError(
            f"constraint {name!r} lacks {', '.join(missing)}", fix=f"it needs {', '.join(family.required)}"
        )
    if family.counts and not any(key in parameters for key in _COUNTS):
        raise ArgumentError(f"constraint {name!r} has no limit", fix="give it min, max or exactly")
    if parameters.get("min", 0) > parameters.get("max", float("inf")):
        raise ArgumentError(f"constraint {name!r} has min above max", fix="no answer can satisfy it; swap them")
    if family.confirm is not None:
        family.confirm(parameters)
    return Constraint(name=name, parameters=parameters, family=family)


def _near(word: str, known: Mapping[str, object]) -> str:
    near = nearest(word, tuple(known))
    return f"; did you mean {near!r}?" if near else ""


def _check_kind(name: str, key: str, value: JsonValue, kind: str) -> None:
    if kind == "count":
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        wanted = "a whole number of 0 or more"
    elif kind == "text":
        good, wanted = isinstance(value, str) and bool(value), "a text that is not empty"
    else:
        good = isinstance(value, list | tuple) and bool(value) and all(isinstance(item, str) and item for item in value)
        wanted = "a list of texts, none of them empty"
    if not good:
        raise ArgumentError(f"constraint {name!r}: {key} is {value!r}", fix=f"{key} takes {wanted}")
