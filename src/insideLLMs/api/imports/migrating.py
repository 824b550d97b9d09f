"""An experiment of another tool, or of the earlier insideLLMs -> an experiment file, checked before it is written."""

import asyncio
import contextlib
import functools
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.config.file import DatasetEntry, ExperimentFile, is_deprecated
from insideLLMs.config.load import LoadedExperiment, read_experiment
from insideLLMs.config.secrets import references
from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError, InsideLLMsError, Problem
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.draft import written
from insideLLMs.migrate.earlier.config import is_insidellms, is_of_this_version, read_earlier
from insideLLMs.migrate.promptfoo.config import is_promptfoo, read_promptfoo
from insideLLMs.migrate.source import FORMATS, ForeignFile, ImportFindings, Node

_LARGEST_BYTES = 20_000_000
_SHORTEST_SECRET = 5
_SKIP_FIX = "change them, or add --skip-unsupported: then a check that always fails replaces each"


class Migrated(NamedTuple):
    """What an import came to: how many trials the experiment has, and what is not as it was."""

    trials: int
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    variables: tuple[str, ...]


def is_experiment(path: Path) -> bool:
    """Whether a file is an experiment that `migrate_experiment` reads, by its content."""
    if path.suffix.lower() not in FORMATS or not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
        return False
    value = read_document(path.read_bytes(), FORMATS[path.suffix.lower()]).value
    return is_promptfoo(value) or is_insidellms(value)


def migrate_experiment(path: Path, to: Path, *, overwrite: bool = False, skip_unsupported: bool = False) -> Migrated:
    """Write the experiment file `to` for the one at `path`.

    Raises ConfigError with everything that cannot be carried over; nothing is written then.
    """
    if to.exists() and not overwrite:
        raise InsideLLMsError(f"{to} exists already; nothing was written", fix="choose another name, or --overwrite")
    document = read_document(path.read_bytes(), FORMATS[path.suffix.lower()])
    is_ours = is_insidellms(document.value)
    if is_ours and is_of_this_version(document.value):
        raise _nothing_to_do(path)
    folder = path.resolve().parent
    here = Path.cwd().resolve()
    findings = ImportFindings(root=here if is_ours and folder.is_relative_to(here) else folder)
    findings.wrong.extend(replace(one, file=path.name) for one in document.problems)
    source = ForeignFile(path.name, folder, document)
    read = functools.partial(read_earlier, to=to.resolve().parent) if is_ours else read_promptfoo
    with findings.collecting():
        draft = read(Node(document.value, source), findings)
    _raise(findings, skip_unsupported=skip_unsupported)
    text = written(draft.content(), findings, origin=path.name, places=draft.places)
    trials = _write(to, text, findings, same=path if is_ours and not _is_spelt_earlier(document.value) else None)
    told = tuple(one.in_words for one in findings.left_out)
    return Migrated(trials, tuple(findings.notes), told, tuple(findings.secrets))


def _raise(findings: ImportFindings, *, skip_unsupported: bool) -> None:
    left_out = [] if skip_unsupported else [one.problem for one in findings.left_out]
    problems = dict.fromkeys([*findings.wrong, *left_out])
    if problems:
        fix = _SKIP_FIX if left_out and not findings.wrong else "nothing was written"
        raise ConfigError(sorted(problems, key=lambda one: (one.file or "", one.line or 0, one.column or 0)), fix=fix)


def _nothing_to_do(path: Path) -> InsideLLMsError:
    return InsideLLMsError(
        f"{path} is already an experiment of this version; nothing was written",
        fix=f"run it as it is; `insidellms validate {as_typed(path)}` says what is wrong with it, if anything",
    )


def _is_spelt_earlier(value: JsonValue) -> bool:
    """Whether an experiment has keys that are read only for the sake of earlier files."""
    held = ((value, ExperimentFile), (value.get("dataset") if isinstance(value, dict) else None, DatasetEntry))
    return any(
        isinstance(one, dict) and field.encode_name in one and is_deprecated(field.type)
        for one, kind in held
        for field in msgspec.structs.fields(kind)
    )


def _is_same(draft: Path, path: Path) -> bool:
    """Whether an experiment file is valid and says what the draft says, too."""
    try:
        theirs = _loaded(path).experiment
    except ConfigError:
        return False
    return msgspec.structs.replace(theirs, name="") == msgspec.structs.replace(_loaded(draft).experiment, name="")


def _write(to: Path, text: bytes, findings: ImportFindings, *, same: Path | None) -> int:
    """Write the file in one step, once it is known to be valid and to hold no secret; return its number of trials.

    Raises InsideLLMsError where the experiment at `same` says just that already.
    """
    for secret in findings.secrets.values():
        if len(secret) > _SHORTEST_SECRET and secret.encode() in text:
            raise ConfigError([Problem("a key occurs in more than one place of the file", file=findings.root.name)])
    handle, name = tempfile.mkstemp(prefix=f".{to.stem}-", suffix=to.suffix or ".yaml", dir=to.resolve().parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        trials = _check(draft, to)
        if same is not None and _is_same(draft, same):
            raise _nothing_to_do(same)
        draft.chmod(0o644)
        draft.replace(to)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return trials


def _loaded(path: Path) -> LoadedExperiment:
    """Read an experiment file, whatever the environment holds. Raises ConfigError."""
    named = references(path.read_text(encoding="utf-8"))
    return read_experiment(path, environ={**os.environ, **dict.fromkeys(named, "set later")})


def _check(draft: Path, to: Path) -> int:
    """Return the number of trials of a valid experiment. Raises ConfigError."""
    try:
        loaded = _loaded(draft)
        experiment = loaded.experiment
        models = tuple(msgspec.structs.replace(one, args=_stood_in(one.args)) for one in experiment.models)
        probes = tuple(msgspec.structs.replace(one, args=_stood_in(one.args)) for one in experiment.probes)
        with loaded.placing_errors():
            whole = msgspec.structs.replace(experiment, models=models, probes=probes)
            prepared = prepare(whole, folder=to.resolve().parent, asks=False)
    except ConfigError as error:
        problems = [Problem(one.message, one.field, hint=one.hint) for one in error.problems]
        raise ConfigError(problems, fix="what was made of the file is not valid; nothing was written") from error
    asyncio.run(prepared.aclose())
    return prepared.plan.total


def _stood_in(value: JsonValue, key: str = "") -> JsonValue:
    """Return arguments with something in the place of variables, which are set later."""
    if isinstance(value, dict):
        return {name: _stood_in(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [_stood_in(held, key) for held in value]
    if not isinstance(value, str) or not references(value):
        return value
    return "http://localhost" if key == "base_url" else "set later"
