"""What the command line and ``[tool.insidellms.pytest]`` say of tests that ask models."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pytest

from insideLLMs.config.load import parse_experiment
from insideLLMs.core.arguments import nearest
from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError, InsideLLMsError, Problem
from insideLLMs.core.experiment import ExecutionSpec, ModelSpec
from insideLLMs.core.types import JsonValue

Mode = Literal["replay", "missing", "record", "live"]
Inconclusive = Literal["fail", "skip"]
_TABLE = "tool.insidellms.pytest"
_KEYS = ("model", "execution", "cassettes", "inconclusive")
_FALSE = ("", "0", "false", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How tests ask: `model` is what they ask by default, None where nothing names one.

    `root` is the folder that paths are relative to; `cassettes` names the folder beside the tests.
    """

    root: Path
    mode: Mode
    accept: bool = False
    inconclusive: Inconclusive = "fail"
    cassettes: str = "__llm__"
    model: JsonValue = None
    execution: Mapping[str, JsonValue] = field(default_factory=dict)


def read_settings(config: pytest.Config) -> Settings:
    """Read the options and the project's file. Raises ConfigError for a key or value that there is not."""
    root = config.rootpath
    table = _read_table(root / "pyproject.toml")
    option = config.option
    given: Path | None = option.llm_model and Path(option.llm_model)
    model = table.get("model") if given is None else _read_model(given)
    if model is not None and not isinstance(model, str | Mapping):
        raise ConfigError([Problem("must name one model", field="model")], fix='write {type = "openai", args = {...}}')
    return Settings(
        root=root,
        mode=option.llm or ("missing" if os.environ.get("CI", "").lower() in _FALSE else "replay"),
        accept=option.llm_accept,
        inconclusive=option.llm_inconclusive or _choice(table, "inconclusive", Inconclusive, "fail"),
        cassettes=_folder_name(table.get("cassettes", "__llm__")),
        model=model,
        execution=_table(table, "execution", f"{_TABLE}."),
    )


def parse_model(given: JsonValue, settings: Settings) -> tuple[ModelSpec, ExecutionSpec]:
    """Make what names a model a ModelSpec, with the settings of asking it. Raises ConfigError."""
    stub = {"model": given, "probe": "record", "dataset": {"examples": [{"prompt": "?"}]}}
    experiment = parse_experiment({**stub, "execution": dict(settings.execution)}, folder=settings.root)
    if len(experiment.models) != 1:
        raise ConfigError([Problem("names several models", field="model")], fix="name one")
    return experiment.models[0], experiment.execution


def _read_table(path: Path) -> Mapping[str, JsonValue]:
    try:
        table: Mapping[str, JsonValue] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InsideLLMsError(f"{path} cannot be read: {error}") from error
    for name in ("tool", "insidellms", "pytest"):
        table = _table(table, name)
    for key in table:
        if key not in _KEYS:
            near = nearest(key, _KEYS)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(_KEYS)}"
            raise ConfigError([Problem("unknown key", field=f"{_TABLE}.{key}", file=path.name, hint=hint)])
    return table


def _table(holder: Mapping[str, JsonValue], name: str, within: str = "") -> Mapping[str, JsonValue]:
    value = holder.get(name, {})
    if not isinstance(value, Mapping):
        raise ConfigError([Problem("must be a table", field=f"{within}{name}", file="pyproject.toml")])
    return value


def _read_model(path: Path) -> JsonValue:
    """Return the model that a file is, or that it has under `model`, as an experiment has it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InsideLLMsError(
            f"--llm-model {path}: {error.strerror}", fix="name a file with `type` and `args`"
        ) from error
    suffix = path.suffix.lower()
    document = read_document(data, "toml" if suffix == ".toml" else "json" if suffix == ".json" else "yaml")
    if document.problems:
        raise ConfigError(document.problems, fix=f"see --llm-model {path}")
    found = document.value
    return found["model"] if isinstance(found, Mapping) and "model" in found else found


def _choice(table: Mapping[str, JsonValue], key: str, choices: object, default: str) -> JsonValue:
    value = table.get(key, default)
    if value not in get_args(choices):
        raise ConfigError([Problem(f"must be one of {', '.join(get_args(choices))}", field=f"{_TABLE}.{key}")])
    return value


def _folder_name(value: object) -> str:
    if not isinstance(value, str) or not value or Path(value).name != value:
        raise ConfigError([Problem("must be the name of a folder beside the tests", field=f"{_TABLE}.cassettes")])
    return value
