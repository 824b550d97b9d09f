"""`config.resolved.yaml`: the effective experiment, all defaults written out, as YAML of the same bytes always."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.experiment import DatasetSpec, Experiment, Spec
from insideLLMs.core.types import JsonValue, expand


def resolved_yaml(experiment: Experiment, dataset_digests: Mapping[str, str]) -> bytes:
    """Return the experiment as an experiment file, the same bytes wherever its files lie.

    A file is given by its name and the digest of its bytes, so the result loads to the same experiment from a
    folder with those files. Environment references stay references. `execution` is left out: it changes
    nothing of what is asked.
    """
    return write_yaml(
        {
            "name": experiment.name,
            "title": experiment.title,
            "models": [{**_spec(model), "system": model.system} for model in experiment.models],
            **({"prompts": [expand(prompt) for prompt in experiment.prompts]} if experiment.prompts else {}),
            "probes": [{**_spec(probe), "datasets": list(probe.datasets)} for probe in experiment.probes],
            "datasets": [_dataset(each, dataset_digests.get(each.name, each.sha256)) for each in experiment.datasets],
            "max_examples": experiment.max_examples,
            "repeats": experiment.repeats,
            **({"independent_answers": True} if experiment.independent_answers else {}),
            "confidence_level": experiment.confidence_level,
            "gate": msgspec.to_builtins(experiment.gate),
        }
    )


def read_resolved(data: bytes) -> Experiment:
    """Read what `resolved_yaml` wrote; environment references stay references. Raises ConfigError."""
    document = read_document(data, "yaml")
    if document.problems:
        raise ConfigError(document.problems)
    try:
        return msgspec.convert(document.value, Experiment)
    except msgspec.ValidationError as error:
        raise ConfigError([Problem(str(error))]) from error


def _spec(spec: Spec) -> dict[str, JsonValue]:
    return {"type": _file_name_only(spec.type), "id": spec.id, "args": dict(spec.args)}


def _dataset(spec: DatasetSpec, sha256: str | None) -> dict[str, JsonValue]:
    source: dict[str, JsonValue] = {}
    if spec.path is not None:
        source["path"] = PurePath(spec.path).name
    elif spec.examples:
        source["examples"] = [dict(row) for row in spec.examples]
    return {
        "name": spec.name,
        "format": _file_name_only(spec.format),
        **source,
        "sha256": sha256,
        "field_names": dict(spec.field_names),
        "on_error": spec.on_error,
        **({"reviewed": True} if spec.reviewed else {}),
        "args": dict(spec.args),
    }


def _file_name_only(kind: str) -> str:
    """Take the folder off a reference such as ``/somewhere/my_probe.py:MyProbe``."""
    source, colon, attribute = kind.rpartition(":")
    return f"{PurePath(source).name}:{attribute}" if colon and source.endswith(".py") else kind


_WORD = r"[A-Za-z_][A-Za-z0-9_./@+-]*"
_PLAIN = re.compile(rf"{_WORD}(?: {_WORD})*")
_NOT_TEXT = frozenset({"null", "true", "false", "y", "n", "yes", "no", "on", "off"})  # to some reader or other
_LONGEST_PLAIN = 120
_LONGEST_KEY = 900  # readers look ahead no further than 1,024 for the colon
# ranges of our own, as what counts as printable grows with every version of Unicode; the gaps are spaces, marks
# that steer the writing direction, surrogates and private use
_SHOWN = (
    (0x20, 0x7E),
    (0xA1, 0xAC),
    (0xAE, 0x61B),
    (0x61D, 0x167F),
    (0x1681, 0x180D),
    (0x180F, 0x1FFF),
    (0x2010, 0x2027),
    (0x2030, 0x205E),
    (0x2070, 0x2FFF),
    (0x3001, 0xD7FF),
    (0xF900, 0xFDFF),
    (0xFE10, 0xFEFE),
    (0xFF00, 0xFFEF),
    (0x10000, 0x1CFFF),
    (0x1D000, 0x1D172),
    (0x1D17B, 0x1FFFD),
    (0x20000, 0x3FFFD),
)
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write_yaml(value: Mapping[str, JsonValue], *, width: int = 0) -> bytes:
    """Return `value` as a YAML document, keys in the order given. Raises CanonicalError for what is no JSON.

    A mapping or list stands on one line where it takes no more than `width` characters.
    """
    canonical.check(value)
    return "".join(f"{line}\n" for line in _block(value, width)).encode()


def _block(value: JsonValue, width: int) -> Iterator[str]:
    """Yield the lines of a mapping, list or text as a block of its own."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            name = _text(key)
            if len(name) > _LONGEST_KEY:
                yield f"? {name}"
                name = ""
            yield from _attached(f"{name}:", item, width)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            first, *others = _line(item, width) or _block(item, width)
            yield f"- {first}"
            yield from _indented(others)
    elif isinstance(value, str) and _is_block_text(value):
        yield "|" if value.endswith("\n") else "|-"
        yield from _indented(value.removesuffix("\n").split("\n"))
    else:
        yield _scalar(value)


def _line(value: JsonValue, width: int) -> list[str]:
    """Return the one line of a mapping or list; nothing where it does not fit."""
    if not width or not isinstance(value, Mapping | list | tuple):
        return []
    line = _flow(value)
    return [line] if len(line) <= width else []


def _flow(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _attached(head: str, value: JsonValue, width: int) -> Iterator[str]:
    """Yield `value` as it stands behind a key."""
    line = _line(value, width)
    if isinstance(value, Mapping | list | tuple) and value and not line:
        yield head
        yield from _indented(_block(value, width))
    else:
        first, *others = line or _block(value, width)
        yield f"{head} {first}"
        yield from others


def _indented(lines: list[str] | Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield f"  {line}" if line else ""


def _scalar(value: JsonValue) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list | tuple) else repr(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT and len(text) <= _LONGEST_PLAIN:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _is_block_text(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    return len(lines) > 1 and bool(lines[-1]) and lines[0][:1] not in {"", " "} and all(map(_is_printable, lines))


def _is_printable(line: str) -> bool:
    return all(_escaped(letter) == letter or letter in '"\\' for letter in line) and not line.endswith(" ")


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    number = ord(letter)
    if any(first <= number <= last for first, last in _SHOWN):
        return letter
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
