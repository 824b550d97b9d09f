"""Loading an experiment file: read, check everything, report all problems at once, make the Experiment."""

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from insideLLMs.config.file import BARE
from insideLLMs.config.gate import check_gate
from insideLLMs.config.inputs import Datasets
from insideLLMs.config.members import (
    ConfigEntry,
    check_args,
    check_ids,
    check_number,
    check_secrets,
    entries,
    find_factory,
    model_id,
    model_spec,
    probe_id,
)
from insideLLMs.config.prompts import read_prompts
from insideLLMs.config.shape import Findings, check_shape
from insideLLMs.config.texts import Texts
from insideLLMs.core import canonical
from insideLLMs.core.documents import Document, FieldPath, Format, dotted, read_document, undotted
from insideLLMs.core.errors import CanonicalError, ConfigError, Problem
from insideLLMs.core.experiment import ExecutionSpec, Experiment, ProbeSpec
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.source import format_of, near_files, shown
from insideLLMs.plugins import Factory, Registry, model_registry, probe_registry

_USUAL_NAMES = ("experiment.yaml", "experiment.yml", "experiment.json", "experiment.toml")
_FORMATS: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}


class LoadedExperiment(msgspec.Struct, frozen=True):
    """An Experiment with what its file says of places: the texts' files that were read, and where everything stands."""

    experiment: Experiment
    text_files: tuple[str, ...]
    findings: Findings

    @contextlib.contextmanager
    def placing_errors(self) -> Iterator[None]:
        """Say of a ConfigError that is raised later at which line of which file the entry stands that it names."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError([self._placed(one) for one in error.problems], fix=error.fix) from error

    def _placed(self, problem: Problem) -> Problem:
        path = undotted(problem.field) if problem.file is None else None
        if not path or path[0] not in {"models", "probes", "prompts"}:
            return problem
        raw = self.findings.document.value
        if isinstance(raw, Mapping) and path[0] not in raw:  # the only one, under the singular
            path = (str(path[0]).removesuffix("s"), *path[2:])
        return self.findings.placed(replace(problem, field=dotted(path)), path)


def load_experiment(
    path: Path, *, overrides: Mapping[str, JsonValue] | None = None, environ: Mapping[str, str] | None = None
) -> Experiment:
    """Load the Experiment of a file; see `read_experiment`."""
    return read_experiment(path, overrides=overrides, environ=environ).experiment


def read_experiment(
    path: Path, *, overrides: Mapping[str, JsonValue] | None = None, environ: Mapping[str, str] | None = None
) -> LoadedExperiment:
    """Load an experiment file (YAML, JSON or TOML, by its suffix) and the files of its texts.

    `overrides` replace values by dotted key, e.g. ``{"execution.concurrency": 8, "models.0.args.seed": 2}``.
    `environ` is where references are looked up, by default the process's environment. Raises ConfigError with
    every problem there is.
    """
    path = Path(path)
    findings = Findings(Document(value=None, places={}), file=shown(path))
    data = _read(path, findings)
    findings.raise_any()
    if path.suffix.lower() not in _FORMATS and format_of(path) is not None:
        findings.add((), "is a dataset, by its suffix", "run the experiment that names it under 'dataset'")
        findings.raise_any()
    findings.document = read_document(data, _FORMATS.get(path.suffix.lower(), "yaml"))
    findings.adopt(findings.document.problems)
    raw = findings.document.value
    if raw is None and not findings.problems:
        findings.add((), "is empty", "see 'insidellms init' for one to start from")
    if raw is None:
        findings.raise_any()
    source = _Source(findings, path.absolute().parent, path.stem, os.environ if environ is None else environ)
    texts = Texts(source.folder, findings)
    experiment = _experiment(texts.resolve(_overridden(raw, overrides or {}, findings)), source)
    return LoadedExperiment(experiment, tuple(dict.fromkeys(texts.files)), findings)


def parse_experiment(
    mapping: Mapping[str, JsonValue],
    *,
    folder: Path,
    name: str = "experiment",
    environ: Mapping[str, str] | None = None,
) -> Experiment:
    """Make an Experiment of what an experiment file would hold; paths are relative to `folder`.

    Raises ConfigError with every problem there is.
    """
    findings = Findings(Document(value=None, places={}))
    source = _Source(findings, Path(folder).absolute(), name, os.environ if environ is None else environ)
    return _experiment(Texts(source.folder, findings).resolve(_overridden(mapping, {}, findings)), source)


class _Source(msgspec.Struct, frozen=True):
    """What an experiment is read from, beside its text."""

    findings: Findings
    folder: Path
    name: str
    environ: Mapping[str, str]


def _read(path: Path, findings: Findings) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        near = near_files(path)
        findings.add((), "there is no such file", f"did you mean {' or '.join(near)}?" if near else None)
    except IsADirectoryError:
        found = next((path / name for name in _USUAL_NAMES if (path / name).is_file()), None)
        findings.add((), "is a folder", f"name the experiment file in it{f': {found}' if found else ''}")
    except OSError as error:
        findings.add((), f"cannot be read: {error.strerror or error}", "check its permissions")
    return b""


def _overridden(raw: JsonValue, overrides: Mapping[str, JsonValue], findings: Findings) -> JsonValue:
    """Return a copy of `raw` with values replaced by dotted key; report keys that lead nowhere."""
    changed = copy.deepcopy(dict(raw)) if isinstance(raw, Mapping) else raw
    given: list[FieldPath] = []
    for key, value in overrides.items():
        path: FieldPath = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        given.append(path)
        findings.overridden = tuple(given)
        if not _replace(changed, path, value):
            findings.add(path, "there is no such setting", "name list items by number from 0: models.0.args.seed")
    return changed


def _replace(holder: JsonValue, path: FieldPath, value: JsonValue) -> bool:
    """Set the value at `path`, making mappings on the way; say whether that was possible."""
    *way, last = path
    noun = ""
    for part, following in zip(way, path[1:], strict=True):
        if not _fits(holder, part):
            return False
        noun = part if isinstance(part, str) else noun
        if isinstance(holder, dict) and part not in holder:
            if isinstance(following, int):
                return False
            holder[part] = {}
        if isinstance(holder[part], str) and noun in BARE:
            holder[part] = {BARE[noun]: holder[part]}
        holder = holder[part]
    if not _fits(holder, last):
        return False
    holder[last] = value
    return True


def _fits(holder: JsonValue, part: str | int) -> bool:
    if isinstance(part, str):
        return isinstance(holder, dict)
    return isinstance(holder, list) and part < len(holder)


def _experiment(raw: JsonValue, source: _Source) -> Experiment:
    findings = source.findings
    check_shape(raw, findings)
    if not isinstance(raw, dict):
        findings.raise_any()
    _check_values(raw, (), findings)
    models = _check_models(raw, source)
    prompts = read_prompts(raw, [model_id(entry) for entry in models], findings)
    datasets = Datasets(source.folder, source.environ, findings)
    datasets.declare(raw)
    probes = _check_probes(raw, source, datasets)
    datasets.check_used()
    check_gate(raw.get("gate"), {str(probe_id(entry)): factory for entry, _, factory in probes}, findings)
    findings.raise_any()
    return Experiment(
        name=raw.get("name") or source.name,
        models=tuple(model_spec(entry) for entry in models),
        prompts=prompts,
        probes=tuple(
            ProbeSpec(type=str(entry.value["type"]), id=str(probe_id(entry)), args=entry.args, datasets=names)
            for entry, names, _ in probes
        ),
        datasets=tuple(datasets.specs.values()),
        execution=_execution(raw),
        gate=msgspec.convert(raw.get("gate", {}), GateSpec),
        title=raw.get("title") or raw.get("report_title"),
        **{key: raw[key] for key in _AS_GIVEN if raw.get(key) is not None},
    )


_AS_GIVEN = ("max_examples", "repeats", "independent_answers", "confidence_level")


def attempt_limit_s(timeout_s: float) -> float:
    """Return how long one call may take where only the Trial's time is given: so that a hung one can be retried."""
    usual = ExecutionSpec().attempt_timeout_s
    return timeout_s / 2 if usual is None else min(usual, timeout_s / 2)


def _execution(raw: Mapping[str, JsonValue]) -> ExecutionSpec:
    """Read `execution`, under which `concurrency` stood on its own in the earlier system."""
    given = dict(raw.get("execution", {}))
    timeout_s = given.get("timeout_s")
    if "attempt_timeout_s" not in given and isinstance(timeout_s, int | float) and timeout_s > 0:
        given["attempt_timeout_s"] = attempt_limit_s(timeout_s)
    if raw.get("concurrency") is not None:
        given.setdefault("concurrency", raw["concurrency"])
    return msgspec.convert(given, ExecutionSpec)


def _check_values(value: JsonValue, path: FieldPath, findings: Findings) -> None:
    """Report plain values that canonical JSON refuses: NaN, dates, integers beyond 2^53."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_values(item, (*path, str(key)), findings)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_values(item, (*path, position), findings)
    else:
        try:
            canonical.check(value, at="it")
        except CanonicalError as error:
            findings.add(path, error.message, "write it as text" if "type" in error.message else None)


def _check_models(raw: Mapping[str, JsonValue], source: _Source) -> list[ConfigEntry]:
    check_number(raw, "model", source.findings)
    models = list(entries(raw, "model", bare="type"))
    check_ids([(entry, model_id(entry)) for entry in models], "model", source.findings)
    given = raw.get("generation")
    shared = given if isinstance(given, Mapping) else {}
    whole = [ConfigEntry(entry.path, {**entry.value, "args": {**shared, **entry.args}}) for entry in models]
    for entry, merged in zip(models, whole, strict=True):
        _check_member(entry, model_registry, source, shared)
        check_secrets(merged, source.environ, source.findings)
    return whole


def _check_probes(
    raw: Mapping[str, JsonValue], source: _Source, datasets: Datasets
) -> list[tuple[ConfigEntry, tuple[str, ...], Factory | None]]:
    check_number(raw, "probe", source.findings)
    probes = list(entries(raw, "probe", bare="type"))
    check_ids([(entry, probe_id(entry)) for entry in probes], "probe", source.findings)
    joined: list[tuple[ConfigEntry, tuple[str, ...], Factory | None]] = []
    for entry in probes:
        factory = _check_member(entry, probe_registry, source)
        check_secrets(entry, source.environ, source.findings, strict=False)
        for path, message, hint in getattr(factory, "argument_problems", _no_problems)(entry.args):
            source.findings.add((*entry.path, "args", *path), message, hint)
        joined.append((entry, datasets.of_probe(entry, factory), factory))
    return joined


def _no_problems(_: Mapping[str, JsonValue]) -> tuple[tuple[FieldPath, str, str | None], ...]:
    """Stand in for a probe that does not look into its arguments."""
    return ()


def _check_member(
    entry: ConfigEntry, registry: Registry, source: _Source, shared: Mapping[str, JsonValue] | None = None
) -> Factory | None:
    factory = find_factory(entry, "type", registry, source.folder, source.findings)
    name = entry.text("type") or ""
    preset = () if factory is None or ":" in name else tuple(registry.info(name)["defaults"])
    check_args(entry, factory, source.findings, preset=preset, shared=shared or {})
    return factory
