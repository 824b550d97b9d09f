"""Canonical JSON and digests: the one place that decides how a value is spelt.

Two forms. *Lines* are what we store: sorted keys, floats stay floats, digests over the bytes as written.
*Identities* (trial keys, run ids) are SHA-256 over RFC 8785 (JCS) text behind a versioned prefix, so that
another language can recompute them from parsed JSON.
"""

import hashlib
import math

import msgspec
import orjson

from insideLLMs.core.errors import CanonicalError

MAX_INTEGER = 2**53 - 1
_DEEPEST = 100  # orjson writes 254 levels at most; no record comes near
_SEQUENCES = (list, tuple)  # not `list | tuple`, which would be made again for every value
_EXPONENT_FROM = 1e21  # ECMAScript's Number::toString switches to exponents here (RFC 8785, 3.2.2.3)
_EXPONENT_BELOW = 1e-6
_HUGE, _HUGE_BELOW_ZERO = b"\xcb\x7f", b"\xcb\xff"
"""With these bytes MessagePack begins nan, infinity and floats beyond 1e303, for which orjson may write null."""


def check(value: object, *, at: str = "$") -> None:
    """Raise CanonicalError, naming the place as a JSON path, if `value` has no canonical form."""
    if not _has_form(value, _DEEPEST):
        _find_fault(value, at, _DEEPEST)


def _has_form(value: object, depth: int) -> bool:  # noqa: PLR0911 - one per kind of value
    """Whether `value` has a canonical form; told without words, at a fraction of the cost of finding the place."""
    if isinstance(value, str):
        return value.isascii() or _is_encodable(value)
    if isinstance(value, dict):  # a loop that spares most calls: generators would double the cost
        for key, item in value.items():
            if not isinstance(key, str) or not (key.isascii() or _is_encodable(key)):
                return False
            plain = item is None or (type(item) is str and item.isascii())
            if not plain and not _has_form(item, depth - 1):
                return False
        return depth > 0
    if isinstance(value, _SEQUENCES):
        for item in value:
            if not _has_form(item, depth - 1):
                return False
        return depth > 0
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _find_fault(value: object, at: str, depth: int) -> None:
    if isinstance(value, dict | list | tuple) and not depth:
        raise CanonicalError(f"{at[:80]}... is nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CanonicalError(f"{at} has the key {key!r}; keys must be text")
            _check_text(key, at)
            _find_fault(item, f"{at}.{key}", depth - 1)
    elif isinstance(value, _SEQUENCES):
        for position, item in enumerate(value):
            _find_fault(item, f"{at}[{position}]", depth - 1)
    else:
        _check_scalar(value, at)


def _check_scalar(value: object, at: str) -> None:
    if isinstance(value, str):
        _check_text(value, at)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise CanonicalError(f"{at} is {value}; integers must lie within 2^53-1 either side of zero")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise CanonicalError(f"{at} is {value}; numbers must be finite")
    elif value is not None:
        raise CanonicalError(f"{at} is of type {type(value).__name__}; only JSON values can be stored")


def _check_text(text: str, at: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CanonicalError(f"{at} holds a lone surrogate at position {error.start}") from error


def line(value: object) -> bytes:
    """Return the stored form of `value` without a newline: UTF-8, sorted keys, no spaces.

    `value` may be a JSON value or a msgspec Struct. Raises CanonicalError for what has no canonical form.
    """
    if isinstance(value, msgspec.Struct):
        return _line_of_struct(value)
    check(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _line_of_struct(value: msgspec.Struct) -> bytes:
    """Write a Struct, and check only what the encoders do not: at half the time of checking all that is in it."""
    plain = msgspec.to_builtins(value)
    try:
        written = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
        packed = msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError):
        check(plain)
        raise
    is_deep = written.count(b"{") + written.count(b"[") > _DEEPEST
    # one byte is looked for at a sixth of the cost of two, and most records do not have it
    if is_deep or (b"\x7f" in packed and _HUGE in packed) or (b"\xff" in packed and _HUGE_BELOW_ZERO in packed):
        check(plain)
    return written


def pretty(value: object) -> bytes:
    """Return `line` laid out for people: two spaces of indent and a final newline."""
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    check(plain)
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def jcs(value: object) -> bytes:
    """Return the RFC 8785 form of a JSON value or a Struct; integers beyond 2^53-1 are refused, not rounded."""
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    check(plain)
    if _is_plain(plain):
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    return _spell(plain).encode()


def _is_plain(value: object) -> bool:
    """Whether orjson's sorted output is already RFC 8785: no floats, and keys whose order no encoding changes."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.isascii() or not (isinstance(item, str) or _is_plain(item)):
                return False
        return True
    if isinstance(value, _SEQUENCES):
        for item in value:  # noqa: SIM110 - a generator would double the cost
            if not (isinstance(item, str) or _is_plain(item)):
                return False
        return True
    return not isinstance(value, float)


def _spell(value: object) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_spell(key)}:{_spell(value[key])}" for key in keys) + "}"
    if isinstance(value, _SEQUENCES):
        return "[" + ",".join(_spell(item) for item in value) + "]"
    if isinstance(value, float):
        return _spell_number(value)
    return orjson.dumps(value).decode()


def _spell_number(value: float) -> str:
    """Spell a float as ECMAScript does: Python's repr has the same shortest digits in another layout."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    mantissa, _, exponent_text = repr(magnitude).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    exponent = int(exponent_text or 0) - len(fraction)
    digits = (whole + fraction).lstrip("0")
    trimmed = digits.rstrip("0")
    exponent += len(digits) - len(trimmed)
    sign = "-" if value < 0 else ""
    point = len(trimmed) + exponent
    if magnitude >= _EXPONENT_FROM or magnitude < _EXPONENT_BELOW:
        tail = f".{trimmed[1:]}" if len(trimmed) > 1 else ""
        return f"{sign}{trimmed[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    if exponent >= 0:
        return sign + trimmed + "0" * exponent
    if point > 0:
        return f"{sign}{trimmed[:point]}.{trimmed[point:]}"
    return f"{sign}0.{'0' * -point}{trimmed}"


def identity(kind: str, value: object) -> str:
    """Return the hex SHA-256 of `value` as an identity of `kind`, e.g. ``identity("run/1", spec)``.

    The hashed bytes are ``insidellms/<kind>\\n`` and the RFC 8785 form.
    """
    return hashlib.sha256(f"insidellms/{kind}\n".encode() + jcs(value)).hexdigest()
