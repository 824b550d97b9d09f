"""Whether what a tool was called with is what it is expected to be called with: values, or matchers in their place.

A matcher is an object with one key that begins with `$`, at any depth: ``{$any: true}``, ``{$absent: true}``,
``{$optional: VALUE}``, ``{$one_of: [VALUE, ...]}``, ``{$regex: "..."}``, ``{$number: 20, $within: 0.5}``,
``{$ignore_case: "text"}``, ``{$any_order: [VALUE, ...]}``, ``{$equals: VALUE}`` (literally). ``$others: allowed`` in an
object lets it have further members.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal

from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, as_text, cut_off
from insideLLMs.scoring.patterns import compile_safely, found_in

MATCHERS = ("any", "absent", "optional", "one_of", "regex", "number", "ignore_case", "any_order", "equals")
_OTHERS = "$others"
_SHOWN = 60


def same_json(left: JsonValue, right: JsonValue) -> bool:
    """Whether two values are equal as canonical JSON: 1 is 1.0, the order of keys is nothing, nor how é is composed."""
    ours, theirs = canonical.jcs(left), canonical.jcs(right)
    return ours == theirs or (not (ours.isascii() and theirs.isascii()) and _composed(ours) == _composed(theirs))


def _composed(written: bytes) -> str:
    return unicodedata.normalize("NFC", written.decode())


def check_matchers(due: JsonValue) -> None:
    """Raise ArgumentError for a matcher that cannot be read, at any depth."""
    name = _matcher(due)
    if name is not None:
        _check(name, due)
    elif isinstance(due, Mapping):
        if "$within" in due:
            raise ArgumentError(f"the matcher {_shown(due)} cannot be read", fix=_FORMS["number"])
        if due.get(_OTHERS, "allowed") not in ("allowed", "forbidden"):
            raise ArgumentError(f"$others is {due[_OTHERS]!r}", fix="write allowed or forbidden")
        for value in due.values():
            check_matchers(value)
    elif isinstance(due, list):
        for value in due:
            check_matchers(value)


def mismatch(due: JsonValue, given: JsonValue, at: str = "") -> str | None:
    """Say how `given` differs from what is due, naming the first place; None where it does not."""
    name = _matcher(due)
    if name is not None:
        return None if _holds(name, due, given) else f"{at} is {_shown(given)}, due is {_shown(due)}"
    if isinstance(due, Mapping) and isinstance(given, Mapping):
        return _members(due, given, at)
    if isinstance(due, list) and isinstance(given, list) and len(due) == len(given):
        pairs = zip(due, given, strict=True)
        found = (mismatch(one, other, f"{at}[{number}]") for number, (one, other) in enumerate(pairs))
        return next((why for why in found if why is not None), None)
    return None if same_json(due, given) else f"{at} is {_shown(given)}, due is {_shown(due)}"


def _members(due: Mapping[str, JsonValue], given: Mapping[str, JsonValue], at: str) -> str | None:
    for name, value in due.items():
        place = f"{at}.{name}" if at else name
        matcher = _matcher(value)
        if name == _OTHERS or (name not in given and matcher in ("absent", "optional")):
            continue
        if name not in given:
            return f"{place} is missing, due is {_shown(value)}"
        if matcher == "absent":
            return f"{place} is {_shown(given[name])}, and should be left out"
        if (why := mismatch(value, given[name], place)) is not None:
            return why
    extra = next((name for name in given if name not in due), None)
    if extra is None or due.get(_OTHERS) == "allowed":
        return None
    return f"{at}.{extra} is not due".lstrip(".")


def _matcher(due: JsonValue) -> str | None:
    """Return the name of a matcher; None for a value."""
    if not isinstance(due, Mapping):
        return None
    return next((name[1:] for name in due if name.startswith("$") and name not in (_OTHERS, "$within")), None)


def _check(name: str, due: Mapping[str, JsonValue]) -> None:
    if name not in MATCHERS:
        near = nearest(name, MATCHERS)
        hint = f"did you mean ${near}?" if near else f"known are {', '.join(f'${one}' for one in MATCHERS)}"
        raise ArgumentError(f"${name} is not a matcher", fix=f"{hint} To match a key that begins with $, use $equals")
    beside = set(due) - {f"${name}"} - ({"$within"} if name == "number" else set())
    value, within = due[f"${name}"], due.get("$within", 0)
    if beside or not _takes(name, value) or not _is_number(within) or within < 0:
        raise ArgumentError(f"the matcher {_shown(due)} cannot be read", fix=_FORMS[name])
    if name == "regex":
        compile_safely(value, ignore_case=False)
    for inner in value if name in ("one_of", "any_order") else [value] if name == "optional" else ():
        check_matchers(inner)


_FORMS: Mapping[str, str] = {
    "any": "write {$any: true}",
    "absent": "write {$absent: true}",
    "optional": "write {$optional: VALUE}",
    "one_of": "write {$one_of: [VALUE, ...]}",
    "regex": "write {$regex: TEXT}",
    "number": "write {$number: 20} or {$number: 20, $within: 0.5}",
    "ignore_case": "write {$ignore_case: TEXT}",
    "any_order": "write {$any_order: [VALUE, ...]}",
    "equals": "write {$equals: VALUE}",
}


def _takes(name: str, value: JsonValue) -> bool:
    match name:
        case "any" | "absent":
            return value is True
        case "one_of":
            return isinstance(value, list) and bool(value)
        case "any_order":
            return isinstance(value, list)
        case "regex" | "ignore_case":
            return isinstance(value, str)
        case "number":
            return _is_number(value)
    return True


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _exact(number: float) -> Decimal:
    """Return a number as it is written, so that 20.01 is within 0.01 of 20."""
    return Decimal(str(number))


def _holds(name: str, due: Mapping[str, JsonValue], given: JsonValue) -> bool:  # noqa: PLR0911 - one per matcher
    value = due[f"${name}"]
    match name:
        case "any":
            return True
        case "absent":
            return False
        case "optional":
            return mismatch(value, given) is None
        case "one_of":
            return any(mismatch(one, given) is None for one in value)
        case "regex":
            return isinstance(given, str) and found_in(compile_safely(value, ignore_case=False), given)
        case "number":
            return _is_number(given) and abs(_exact(given) - _exact(value)) <= _exact(due.get("$within", 0))
        case "ignore_case":
            return isinstance(given, str) and _folded(given) == _folded(value)
        case "any_order":
            return isinstance(given, list) and len(given) == len(value) and len(paired(given, value)) == len(value)
    return same_json(value, given)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def paired(given: Sequence[JsonValue], due: Sequence[JsonValue]) -> dict[int, int]:
    """Pair as many values as can be with what is due, in any order: places of `due` to places of `given`."""
    return pair_up(len(given), [[mismatch(one, other) is None for one in due] for other in given])


def pair_up(count: int, fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """Return a largest pairing of `count` things with the columns of `fits`: column to row, earlier rows first."""
    columns = [[column for column, is_fit in enumerate(row) if is_fit] for row in fits]
    partner: dict[int, int] = {}
    for row in range(count):
        seen: set[int] = set()
        path, taken = [(row, iter(columns[row]))], list[int]()  # each row of the path takes the column of the next one
        while path:
            column = next((one for one in path[-1][1] if one not in seen), None)
            if column is None:
                path.pop()
                del taken[-1:]
                continue
            seen.add(column)
            taken.append(column)
            if column not in partner:
                partner.update(zip(taken, (each for each, _ in path), strict=True))
                break
            path.append((partner[column], iter(columns[partner[column]])))
    return partner


def _shown(value: JsonValue) -> str:
    """Write a value in a message, at most a line of it."""
    return cut_off(f'"{value}"' if isinstance(value, str) else as_text(value), _SHOWN)
