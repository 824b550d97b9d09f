"""The tables of gate settings in the documentation, made from the settings' own type."""

from typing import Literal, get_args, get_origin

import msgspec

from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec

PROBES_OWN = frozenset(ProbeGateSpec.__struct_fields__)


def meaning(field):
    """Return the field's sentence, and the values that it takes where they are words."""
    text = sentence(field)
    values = ", ".join(f"`{value}`" for value in words_of(field.type))
    return f"{text} One of {values}." if values else text


def sentence(field):
    """Return the field's own sentence."""
    return next(meta.description for meta in field.type.__metadata__ if meta.description)


def words_of(kind):
    """Return the words that a type is made of; none for a number or a text."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((found for part in get_args(kind) if (found := words_of(part))), ())


def default(field):
    """Return the default as it is written in YAML."""
    value = msgspec.to_builtins(field.default if field.default is not msgspec.NODEFAULT else field.default_factory())
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def table():
    """Return the table; settings that a probe may have of its own are marked."""
    rows = [f"| {name(field)} | {default(field)} | {meaning(field)} |" for field in msgspec.structs.fields(GateSpec)]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def name(field):
    return f"`{field.encode_name}` *" if field.encode_name in PROBES_OWN else f"`{field.encode_name}`"
