"""A msgspec Struct as a pydantic model, so that settings are declared once: types, defaults and bounds."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, create_model

_BOUNDS = ("ge", "gt", "le", "lt", "pattern", "min_length", "max_length")
STRICT = ConfigDict(strict=True, extra="forbid")


def struct_model(struct: type[msgspec.Struct], name: str, words: Mapping[str, str]) -> type[BaseModel]:
    """Return a strict model called `name` of the fields of `struct`, which `words` describe.

    A Struct within it gets a model of its own; one within itself is any mapping.
    """
    fields: dict[str, Any] = {
        field.encode_name: (
            dict[str, Any] if struct in get_args(field.type) else _annotation(field.type, words),
            Field(description=words.get(field.encode_name), **_default(field)),
        )
        for field in msgspec.structs.fields(struct)
    }
    made: type[BaseModel] = create_model(name, __config__=STRICT, __doc__=_first_sentence(struct), **fields)
    return made


def _default(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    if field.default is not msgspec.NODEFAULT:
        return {"default": list(field.default) if isinstance(field.default, tuple) else field.default}
    return {} if field.default_factory is msgspec.NODEFAULT else {"default_factory": field.default_factory}


def _first_sentence(struct: type[msgspec.Struct]) -> str:
    return (struct.__doc__ or "").partition(". ")[0].partition("\n")[0].rstrip(".;:") + "."


def _annotation(kind: Any, words: Mapping[str, str]) -> Any:  # noqa: PLR0911 - one per kind of type
    """Translate a field's type: bounds to pydantic's, floats to finite ones, tuples to the lists that files have."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is float:
        return FiniteFloat
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return struct_model(kind, kind.__name__.replace("Spec", "Entry"), words)
    if origin is Annotated:
        meta: msgspec.Meta = parts[1]
        bounds = {name: value for name in _BOUNDS if (value := getattr(meta, name)) is not None}
        return Annotated[_annotation(parts[0], words), Field(**bounds)]
    if origin in {Union, types.UnionType}:
        return Union[tuple(_annotation(part, words) for part in parts)]  # noqa: UP007 - made of parts
    if origin is dict:
        return dict[_annotation(parts[0], words), _annotation(parts[1], words)]  # type: ignore[misc] # made of parts
    if origin is tuple:
        item, length = _annotation(parts[0], words), None if Ellipsis in parts else len(parts)
        return Annotated[list[item], Field(min_length=length, max_length=length)]  # type: ignore[valid-type] # as above
    return kind
