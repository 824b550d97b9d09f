"""How a Python caller wants a run: every setting in one frozen object, given whole or as keywords."""

import difflib
import inspect
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from insideLLMs.api.answers import AnswerOptions, CacheMode
from insideLLMs.core.errors import OptionError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.execute.progress import ProgressInfo
from insideLLMs.remote.copies import local_file

ProgressCallback = Callable[[int, int], object] | Callable[[ProgressInfo], object]
Folder = str | os.PathLike[str]
DEFAULT_ROOT = Path("runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """All settings of a run; None leaves the default (16 in flight, 300 s a Trial), or what an experiment file says.

    `concurrency` counts Trials in flight; `batch_workers` is another name for it and counts where `concurrency`
    is None. `timeout` is in seconds, for a Trial with its retries; `math.inf` lifts it. `progress_callback`
    takes ``(current, total)`` or one ProgressInfo, by its arity.

    Without `run_dir` and `run_root` nothing is stored. `run_dir` is the run directory itself; `run_root` holds
    run directories, of which `run_id` names one (without it, the name is made from model, probe and run).
    `resume` continues what is there: only what is missing or did not succeed is asked. `overwrite` replaces it.
    `cache`, `record` and `replay` are those of the command line: "read" asks only what the response cache lacks,
    "refresh" calls the model again and stores the answer; `record` is a cassette to write, of which a run with
    `missing` asks only what it lacks; `replay` is one that stands in for the model. `validate_output` checks each
    stored record when it is read back. `probe_options` are passed to a simple-contract probe's `run`, and are part of
    the run's identity.

    Raises OptionError, a ValueError, naming the value that cannot be.
    """

    concurrency: int | None = None
    batch_workers: int | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    requests_per_minute: float | None = None
    repeats: int | None = None
    stop_on_error: bool | None = None
    progress_callback: ProgressCallback | None = None
    run_dir: Folder | None = None
    run_root: Folder | None = None
    run_id: str | None = None
    overwrite: bool = False
    resume: bool = False
    cache: CacheMode = "off"
    record: Folder | None = None
    missing: bool = False
    replay: Folder | None = None
    validate_output: bool = False
    return_experiment: bool = False
    probe_options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("concurrency", "batch_workers", "repeats", "max_attempts"):
            _check_count(name, getattr(self, name))
        for name in ("timeout", "requests_per_minute"):
            _check_positive(name, getattr(self, name))
        for name in ("stop_on_error", "overwrite", "resume", "missing", "validate_output", "return_experiment"):
            _check_flag(name, getattr(self, name), may_be_none=name == "stop_on_error")
        for name in ("run_dir", "run_root", "record", "replay"):
            if getattr(self, name) is not None:
                as_path(name, getattr(self, name))
        _check_place(self)
        _check_names(self.probe_options)
        _ = self.answers  # raises for settings that contradict each other
        callback = self.progress_callback
        if callback is not None and (not callable(callback) or inspect.iscoroutinefunction(callback)):
            raise OptionError(
                f"progress_callback is {callback!r}; it must be a plain function",
                fix="give it def on_progress(current, total): ... or def on_progress(info): ...",
            )

    @property
    def is_stored(self) -> bool:
        """Whether the run gets a run directory."""
        return self.run_dir is not None or self.run_root is not None or self.run_id is not None

    @property
    def answers(self) -> AnswerOptions:
        """Where answers come from beside the model."""
        record = None if self.record is None else Path(self.record)
        replay = None if self.replay is None else local_file(os.fspath(self.replay))
        return AnswerOptions(cache=self.cache, record=record, missing=self.missing, replay=replay)

    def execution(self, base: ExecutionSpec) -> ExecutionSpec:
        """Return `base` with what is set here."""
        changes: dict[str, Any] = {
            "concurrency": self.concurrency if self.concurrency is not None else self.batch_workers,
            "max_attempts": self.max_attempts,
            "requests_per_minute": self.requests_per_minute,
            "stop_on_error": self.stop_on_error,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        if self.timeout is not None:
            # a time limit given for a Trial is meant for a single call, too
            limit = None if math.isinf(self.timeout) else self.timeout
            changes.update(timeout_s=limit, attempt_timeout_s=limit)
        return msgspec.structs.replace(base, **changes)


class RunKeywords(TypedDict, total=False):
    """A RunConfig and its fields as keywords; `return_experiment`, which decides the type of the result, is apart."""

    config: RunConfig | None
    concurrency: int | None
    batch_workers: int | None
    timeout: float | None
    max_attempts: int | None
    requests_per_minute: float | None
    repeats: int | None
    stop_on_error: bool | None
    progress_callback: ProgressCallback | None
    run_dir: Folder | None
    run_root: Folder | None
    run_id: str | None
    overwrite: bool
    resume: bool
    cache: CacheMode
    record: Folder | None
    missing: bool
    replay: Folder | None
    validate_output: bool
    probe_options: Mapping[str, object]


def derive(keywords: Mapping[str, Any], probe: object) -> RunConfig:
    """Return the RunConfig that `keywords` name under "config", with the others on top of it.

    What is no setting goes to the probe's `run`. Raises TypeError for a keyword that the probe does not take, or
    that looks like a misspelt setting.
    """
    names = {one.name for one in fields(RunConfig)}
    given = {name: value for name, value in keywords.items() if (name, value) != ("return_experiment", None)}
    config = given.pop("config", None)
    if not isinstance(config, RunConfig | None):
        raise OptionError(f"config is {config!r}; it must be a RunConfig")
    settings = {name: value for name, value in given.items() if name in names}
    others = {name: value for name, value in given.items() if name not in names}
    derived = replace(config or RunConfig(), **settings)
    _check_probe_options(others, probe, misspelt=sorted(names))
    _check_probe_options(derived.probe_options, probe)
    return replace(derived, probe_options={**derived.probe_options, **others}) if others else derived


def _check_count(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise OptionError(f"{name} is {value!r}; it must be a whole number of at least 1")


def _check_positive(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise OptionError(f"{name} is {value!r}; it must be a number above 0", fix="None leaves the default")


def _check_flag(name: str, value: object, *, may_be_none: bool) -> None:
    if not isinstance(value, bool) and not (may_be_none and value is None):
        raise OptionError(f"{name} is {value!r}; it must be True or False")


def as_path(name: str, value: object) -> Path:
    """Return a path that the caller gave. Raises OptionError naming it."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise OptionError(f"{name} is {value!r}; it must be a path, as text or a Path")
    return Path(text)


def _check_names(options: object) -> None:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise OptionError(f"probe_options is {options!r}; it must map names of arguments to their values")


def _check_place(config: RunConfig) -> None:
    if config.run_dir is not None and (config.run_root is not None or config.run_id is not None):
        raise OptionError("run_dir is given together with run_root or run_id", fix="give only run_dir")
    if config.run_id is not None and not (isinstance(config.run_id, str) and _is_plain_name(config.run_id)):
        raise OptionError(f"run_id is {config.run_id!r}; it names a folder in run_root, so it must be a plain name")
    if config.resume and config.overwrite:
        raise OptionError("resume and overwrite are both set", fix="resume keeps what is there, overwrite removes it")
    for name in ("resume", "overwrite"):
        if getattr(config, name) and not config.is_stored:
            raise OptionError(f"{name} is set, but no run directory is named", fix="give run_dir, or run_root")


def _is_plain_name(name: str) -> bool:
    return bool(name) and name not in {".", ".."} and not set(name) & set("/\\\0")


def _check_probe_options(options: Mapping[str, object], probe: object, *, misspelt: list[str] | None = None) -> None:
    """Refuse options that `probe` would not take; of undeclared ones also those near a known setting."""
    if not options:
        return
    taken, takes_any = _parameters(probe)
    for name in options:
        near = difflib.get_close_matches(name, misspelt or [], n=1, cutoff=0.75)
        if name in taken or (takes_any and not near):
            continue
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise TypeError(
            f"{name!r} is not a setting of a run, and the probe's run() has no such argument; {hint}"
            f"Arguments for a run() with **kwargs can be given as probe_options={{{name!r}: ...}}"
        )


def _parameters(probe: object) -> tuple[set[str], bool]:
    """Return the names that the probe's `run` declares, and whether it takes any others."""
    if isinstance(probe, PromptProbe):
        return set(), False
    try:
        parameters = inspect.signature(getattr(probe, "run", lambda **_: None)).parameters
    except (TypeError, ValueError):
        return set(), True
    return set(parameters), any(one.kind is one.VAR_KEYWORD for one in parameters.values())
