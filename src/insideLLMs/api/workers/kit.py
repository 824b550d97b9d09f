"""What a worker on another machine needs to ask a run's models: packed by the driver, opened there.

It travels as content. Secrets do not travel: the entries of an experiment name environment variables, which each
machine looks up for itself.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePath
from typing import TypeVar

import msgspec

import insideLLMs
from insideLLMs.api.preparation.members import Site, check_models
from insideLLMs.api.preparation.prepare import Members, make_members
from insideLLMs.api.preparation.prepared import Parts, Prepared
from insideLLMs.compare.differences.identities import differences
from insideLLMs.config.secrets import gives_away, leaves
from insideLLMs.core.errors import OptionError, WorkersLostError
from insideLLMs.core.experiment import Experiment, Spec
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.types import JsonValue
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import close_model, example_data
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.remote.messages import StoreTerms
from insideLLMs.execute.remote.worker import WorkerSetup
from insideLLMs.execute.work import EngineOptions, Sharing, Work
from insideLLMs.plan import Plan, member_digests

MOST_BYTES = 100_000_000
_FOLDERS = {"exec": ("files", "cwd")}
"""Arguments that may name whole folders, by the type of the model."""
_BOUNDLESS = 1e300
_SHOWN = 3
Named = TypeVar("Named", bound=Spec)


class KitFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an experiment names; `path` is relative to the folder that all of them lie in."""

    path: str
    content: bytes
    is_program: bool


class WorkerKit(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its datasets, for workers that ask some of its models.

    `folder` is where the experiment lies among the files. `identities` are those that the driver has found.
    """

    experiment: Experiment
    plan: Plan
    identities: dict[str, dict[str, JsonValue]]
    sharing: Sharing
    shared: frozenset[str]
    recorded: dict[str, dict[str, JsonValue]] | None
    store: StoreTerms | None
    is_resumed: bool
    counts_tokens: bool
    folder: str
    files: tuple[KitFile, ...]
    log_level: int


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A kit with the library that packed it, which is compared before anything of the kit is read."""

    library: str
    kit: bytes


@cache
def library_name() -> str:
    """Name this library by its version and the bytes of its modules."""
    root = Path(insideLLMs.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return f"insidellms {insideLLMs.__version__} ({digest.hexdigest()[:12]})"


class RunSite(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all workers of a run: the experiment's folder, and where answers come from beside models.

    `recorded` has what the cassette of a replay tells of its models' machine, `store` the terms of the driver's store.
    """

    folder: Path
    is_resumed: bool
    recorded: Mapping[str, Mapping[str, JsonValue]] | None = None
    store: StoreTerms | None = None


def pack_kit(
    prepared: Prepared, models: tuple[str, ...], site: RunSite, *, shared: frozenset[str], workers: int
) -> bytes:
    """Pack what `workers` need to ask `models`. Raises OptionError for a secret, or for files that are too large."""
    experiment = prepared.experiment
    _refuse_secrets(experiment)
    execution = msgspec.structs.replace(
        prepared.execution,
        retry_budget=prepared.execution.retry_budget / workers,
        max_tokens=None,
        max_cost_usd=None if prepared.execution.max_cost_usd is None else _BOUNDLESS,
    )
    files = _Files(site.folder)
    narrowed = msgspec.structs.replace(
        experiment,
        models=tuple(_placed(spec, files) for spec in experiment.models if spec.id in models),
        probes=tuple(_placed(spec, files) for spec in experiment.probes),
        datasets=(),
        part_examples={},
        gate=GateSpec(),
        execution=execution,
    )
    kit = WorkerKit(
        experiment=narrowed,
        plan=prepared.plan,
        identities={
            **{name: dict(identity) for name, identity in prepared.identities.items()},
            **{f"probe:{spec.id}": dict(spec.identity) for spec in prepared.probe_specs},
        },
        sharing=prepared.sharing,
        shared=shared,
        recorded=None if site.recorded is None else {name: dict(facts) for name, facts in site.recorded.items()},
        store=site.store,
        is_resumed=site.is_resumed,
        counts_tokens=prepared.execution.max_tokens is not None,
        folder=files.folder,
        files=tuple(files.packed()),
        log_level=logging.getLogger("insideLLMs").getEffectiveLevel(),
    )
    return msgspec.msgpack.encode(_Sealed(library=library_name(), kit=msgspec.msgpack.encode(kit)))


def _refuse_secrets(experiment: Experiment) -> None:
    for spec in (*experiment.models, *experiment.probes):
        for path, value, _ in leaves(spec.args, (spec.id,)):
            if gives_away(path, value):
                raise OptionError(
                    f"{spec.id!r} has a secret in its argument {path[-1]!r}, which would be sent to other machines",
                    fix="keep it in the environment of every node, and name the variable: ${NAME}",
                )


class _Files:
    """The files that an experiment in `folder` names, and how they are named where they are unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay what they are called
        self._found: dict[Path, None] = {}

    @property
    def folder(self) -> str:
        """Where the experiment lies below the folder that all files lie in."""
        return str(PurePath(self._folder).relative_to(self._root()))

    def _root(self) -> Path:
        return Path(os.path.commonpath([self._folder, *(path.parent for path in self._found)]))

    def name(self, text: str, *, may_be_folder: bool) -> str:
        """Take the file that a text names, if it names one; return what names it wherever the kit is unpacked."""
        source, _, attribute = text.rpartition(":")
        is_code = source.endswith(".py")
        for candidate in (source,) if is_code else (text, text.partition("=")[2]):
            path = self._path(candidate)
            if path is None or (PurePath(candidate).is_absolute() and not is_code):
                continue  # what stands at an absolute path is to be there on every machine
            if path.is_file():
                self._found[path] = None
            elif may_be_folder and path.is_dir() and not self._folder.is_relative_to(path):
                self._found.update(dict.fromkeys(sorted(each for each in path.rglob("*") if each.is_file())))
            if is_code and PurePath(candidate).is_absolute():
                return f"{os.path.relpath(path, self._folder)}:{attribute}"
        return text

    def _path(self, candidate: str) -> Path | None:
        try:
            path = Path(os.path.normpath(self._folder / candidate))
            return path if candidate and path.exists() else None
        except (OSError, ValueError):  # a text that is no path: too long, or with a NUL
            return None

    def packed(self) -> Iterator[KitFile]:
        """Yield the files with their content. Raises OptionError if they are too large together."""
        root, left = self._root(), MOST_BYTES
        for path in self._found:
            left -= path.stat().st_size
            if left < 0:
                raise OptionError(
                    f"files of the experiment have more than {MOST_BYTES:,} bytes, {path.name!r} among them",
                    fix="put large files, such as weights, on every node, and name them by their absolute path",
                )
            is_program = os.access(path, os.X_OK)
            name = str(PurePath(path).relative_to(root))
            yield KitFile(path=name, content=path.read_bytes(), is_program=is_program)


def _placed(spec: Named, files: _Files) -> Named:
    """Return an entry whose files are named as they are unpacked."""

    def place(value: JsonValue, name: str) -> JsonValue:
        if isinstance(value, Mapping):
            return {key: place(item, str(key)) for key, item in value.items()}
        if isinstance(value, list):
            return [place(item, name) for item in value]
        may_be_folder = name in _FOLDERS.get(spec.type, ())
        return files.name(value, may_be_folder=may_be_folder) if isinstance(value, str) else value

    kind = files.name(spec.type, may_be_folder=False)
    return msgspec.structs.replace(spec, type=kind, args=place(spec.args, ""))


def open_kit(packed: bytes) -> WorkerSetup:
    """Make ready what a kit holds. Raises InsideLLMsError where this machine lacks something, or differs."""
    sealed = msgspec.msgpack.decode(packed, type=_Sealed)
    if sealed.library != library_name():
        raise WorkersLostError(
            f"it runs {library_name()}, and this run is of {sealed.library}",
            fix="install the same version of insidellms on every node",
        )
    kit = msgspec.msgpack.decode(sealed.kit, type=WorkerKit)
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="insidellms-", ignore_cleanup_errors=True)))
        _unpack(kit.files, root)
        work = _work_of(kit, root / kit.folder)
        kept = stack.pop_all()

    async def aclose() -> None:
        await asyncio.gather(*(close_model(ready.model) for ready in work.asked.values()))
        work.threads.close()
        kept.close()

    counts = kit.counts_tokens or work.execution.max_cost_usd is not None
    budget = Budget(work.execution, kit.identities) if counts else None
    return WorkerSetup(
        work=work,
        options=EngineOptions(budget=budget, is_resumed=kit.is_resumed, data_of=example_data),
        shared=kit.shared & work.asked.keys(),
        store=kit.store,
        log_level=kit.log_level,
        aclose=aclose,
    )


def _work_of(kit: WorkerKit, folder: Path) -> Work:
    threads = AbandonableThreads()
    made = make_members(kit.experiment, Parts(), Site(folder=folder, threads=threads, recorded=kit.recorded))
    _check_same(kit, made)
    if kit.recorded is None:
        check_models((*made.models.values(), *(one for named in made.judges.values() for one in named.values())))
    return Work(
        plan=kit.plan,
        models=made.models,
        prompts=made.prompts,
        probes=made.probes,
        datasets={},
        judges=made.judges,
        execution=kit.experiment.execution,
        threads=threads,
        sharing=kit.sharing,
    )


def _unpack(files: tuple[KitFile, ...], root: Path) -> None:
    for file in files:
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if file.is_program:
            path.chmod(0o700)


def _check_same(kit: WorkerKit, made: Members) -> None:
    """Raise WorkersLostError if a model or probe is not, here, what the driver has found it to be."""
    found = member_digests(kit.experiment, made.identities, made.probe_identities)
    for name in sorted(found):
        if found[name] != kit.plan.digests[name]:
            kind, _, member = name.partition(":")
            is_probe = kind == "probe"
            here = (made.probe_identities if is_probe else made.identities).get(member, {})
            moves = differences(kit.identities.get(name if is_probe else member, {}), here)
            raise WorkersLostError(
                f"the {kind} {member!r} differs on that node: {'; '.join(moves[:_SHOWN]) or 'its parts differ'}",
                fix="give every node the same files, weights and packages",
            )
