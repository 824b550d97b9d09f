"""Other people's objects -> what identifies them: their class and the settings they were made with. Pure.

Two models configured differently must never share an identity, and one model must keep its identity while it
works. So the settings are the attributes named like constructor arguments (with or without an underscore
before), not counters and caches; only an object that keeps an argument under another name, or not at all, is
described by all its attributes that are JSON values. Settings that sound secret are left out.
"""

import functools
import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError
from insideLLMs.core.types import JsonValue

_SECRET_WORDS = ("key", "secret", "token", "password", "credential")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_DEEPEST = 8


class FromEnvironment(str):
    """A setting that came from the environment; `written` is how the user wrote it, with ``${VARIABLE}``."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, value: str, written: str) -> "FromEnvironment":
        """Make one."""
        made = cls(value)
        made.written = written
        return made

    @staticmethod
    def like(given: str, made: str) -> str:
        """Return what was made of a setting, from the environment if that was."""
        return FromEnvironment.of(made, given.written) if isinstance(given, FromEnvironment) else made


def describe(thing: object) -> dict[str, JsonValue]:
    """Identify a model, a probe or one of their settings. An object may say it all with an `identity()` method."""
    return _describe(thing, 0)


def describe_settings(settings: Mapping[str, object]) -> dict[str, JsonValue]:
    """Write settings as JSON values, each of which differs where the setting does."""
    return _named(settings, 0)


def without_secrets(value: JsonValue) -> JsonValue:
    """Return a JSON value without the texts that stand under names that sound secret, however deep.

    A mapping under such a name stays: it is the schema of something called so.
    """
    if isinstance(value, Mapping):
        return {name: without_secrets(item) for name, item in value.items() if not _holds_secret(str(name), item)}
    return [without_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def secret_texts(value: JsonValue) -> list[str]:
    """Return the texts that `without_secrets` leaves out."""
    if isinstance(value, Mapping):
        own = [str(item) for name, item in value.items() if _holds_secret(str(name), item)]
        return own + [text for item in value.values() for text in secret_texts(item)]
    return [text for item in value for text in secret_texts(item)] if isinstance(value, list | tuple) else []


def _holds_secret(name: str, value: JsonValue) -> bool:
    return isinstance(value, str) and _is_secret(name)


def _describe(thing: object, depth: int) -> dict[str, JsonValue]:
    own = getattr(thing, "identity", None)
    if callable(own) and not isinstance(thing, type):
        return dict(own())
    kind = thing if isinstance(thing, type | FunctionType | MethodType) else type(thing)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "settings": _settings(thing, depth)}


def _settings(thing: object, depth: int) -> dict[str, JsonValue]:
    if depth > _DEEPEST or isinstance(thing, type):
        return {}
    if isinstance(thing, functools.partial):
        return _digest({"function": thing.func, "args": thing.args, "keywords": thing.keywords}, depth)
    if isinstance(thing, MethodType):
        return _named({"self": thing.__self__}, depth)
    if isinstance(thing, FunctionType):
        return _digest(_of_function(thing), depth)
    held = msgspec.structs.asdict(thing) if isinstance(thing, msgspec.Struct) else _attributes(thing)
    wanted = _constructor_arguments(type(thing))
    found = {name: held[key] for name in wanted for key in (name, f"_{name}") if key in held}
    if len(found) == len(wanted) or depth:
        return _named(found, depth)
    return _named({name.lstrip("_"): value for name, value in held.items() if _is_json(value)}, depth)


def _digest(parts: Mapping[str, object], depth: int) -> dict[str, JsonValue]:
    """Hash what a function is made of: a key written into its code must not be readable in a manifest."""
    return {"digest": canonical.identity("function/1", _named(parts, depth))}


def _attributes(thing: object) -> dict[str, object]:
    slots = {name for kind in type(thing).__mro__ for name in _slots(kind)}
    held = {name: getattr(thing, name) for name in sorted(slots) if hasattr(thing, name)}
    return {**held, **getattr(thing, "__dict__", {})}


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if name not in {"__dict__", "__weakref__"})


def _constructor_arguments(kind: type) -> tuple[str, ...]:
    """Name the constructor's arguments; a class written in C tells nothing.

    Not with inspect.signature: for such a class it parses text, which CPython 3.11 cannot do on two threads at
    once (github.com/python/cpython/issues/106905), and runs are prepared on threads.
    """
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    for name in ("__init__", "__new__"):
        constructor = inspect.unwrap(getattr(kind, name))
        if isinstance(constructor, FunctionType):
            code = constructor.__code__
            starred = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
            return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount + starred]
    return ()


def _of_function(function: FunctionType) -> dict[str, object]:
    """What tells a function from another of the same name: constants, names, defaults, what it closes over."""
    cells: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            cells[name] = None
    return {
        "code": _of_code(function.__code__),
        "defaults": function.__defaults__,
        "keyword_defaults": function.__kwdefaults__,
        "closure": {name: value for name, value in cells.items() if value is not function},
    }


def _of_code(code: CodeType) -> list[object]:
    constants = [_of_code(const) if isinstance(const, CodeType) else const for const in code.co_consts]
    return [list(code.co_names), constants]


def _named(settings: Mapping[str, object], depth: int) -> dict[str, JsonValue]:
    return {str(name): _plain(value, depth + 1) for name, value in settings.items() if not _is_secret(str(name))}


def _plain(value: object, depth: int) -> JsonValue:
    if depth > _DEEPEST:
        return type(value).__qualname__
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _plain_collection(value, depth)
    if value is None or isinstance(value, str | int | float):
        written = value.written if isinstance(value, FromEnvironment) else value
        return written if _is_json(written) else ascii(written)
    if isinstance(value, bytes | PurePath):
        return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value.as_posix()
    described = _describe(value, depth)
    if not described.get("settings") and type(value).__repr__ is not object.__repr__:
        described["value"] = ascii(_ADDRESS.sub("0x...", repr(value)))
    return described


def _plain_collection(value: object, depth: int) -> JsonValue:
    if isinstance(value, Mapping):
        return _named(value, depth)
    assert isinstance(value, Iterable)
    items = [_plain(item, depth + 1) for item in value]
    return sorted(items, key=canonical.line) if isinstance(value, set | frozenset) else items


def _is_secret(name: str) -> bool:
    return any(word in _SECRET_WORDS for word in name.lower().replace("-", "_").split("_"))


def _is_json(value: object) -> bool:
    try:
        canonical.check(value)
    except CanonicalError:
        return False
    return True
