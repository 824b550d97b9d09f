"""Merge the shards of one run into the run: its canonical files have the bytes that it would have had in one piece."""

import heapq
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from insideLLMs.api.run import Run
from insideLLMs.api.run_writer import RunFacts, RunWriter
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.part import Part
from insideLLMs.core.record_views import trial_order
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.shard import Shard
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import Telemetry
from insideLLMs.remote.copies import place_of
from insideLLMs.store.directory import REPLACE_OR_MOVE, RunDirectory
from insideLLMs.store.manifest import DatasetFacts, Manifest
from insideLLMs.store.sealed_entries import sealed_entries
from insideLLMs.store.sealed_run import CONFIG, PACKED_RECORDS, SealedRun, State, state_of

logger = logging.getLogger(__name__)
_FLUSH_EVERY = 1_000
_read_telemetry = msgspec.json.Decoder(Telemetry).decode


def merge_shards(paths: Sequence[Path], to: Path, *, overwrite: bool = False) -> Run:
    """Write the run that the shards in `paths`, in any order, are of.

    Raises RunDirectoryError unless they are all the shards of one run, each once, finished and unchanged.
    """
    _check_apart(paths, to)
    shards = open_shards(paths)
    facts = _facts(shards)
    with (
        RunDirectory.open(to, facts.header(), overwrite=overwrite, taken_fix=REPLACE_OR_MOVE) as directory,
        directory.whole_or_nothing(),
        RunWriter(facts, directory) as writer,
    ):
        manifest, summary = write_merged(shards, directory, writer)
    return Run(path=to, manifest=manifest, summary=summary)


def _check_apart(paths: Sequence[Path], to: Path) -> None:
    """Raise RunDirectoryError where the run would lie in a shard, or a shard in the run, here or at URLs."""
    target = place_of(to)
    for path in paths:
        shard = place_of(path)
        told = "is one of the shards" if target == shard else ""
        told = f"lies in the shard {path}" if target.startswith(f"{shard}/") else told
        told = f"has the shard {path} in it" if shard.startswith(f"{target}/") else told
        if told:
            raise RunDirectoryError(f"{to} {told}; nothing was changed", fix="choose another --to")


def open_shards(paths: Sequence[Path]) -> list[SealedRun]:
    """Open all shards of one run, and return them by their number. Raises RunDirectoryError for anything else."""
    return _in_order([_open(path) for path in paths])


def write_merged(shards: Sequence[SealedRun], directory: RunDirectory, writer: RunWriter) -> tuple[Manifest, Summary]:
    """Seal the run in `directory` with the records of its shards. Raises RunDirectoryError."""
    journal = directory.journal
    for index, (record, telemetry) in enumerate(_records(shards)):
        if index < journal.total:  # sealing says so if there are more, as it does if there are fewer
            journal.append_record(index, record, telemetry)
        if index % _FLUSH_EVERY == 0:
            journal.flush()
    return writer.seal(shards[0].manifest.notes)


def _open(path: Path) -> SealedRun:
    if state_of(path) is State.UNFINISHED:
        raise RunDirectoryError(
            f"{path} is not finished, so it cannot be merged yet",
            fix=f"finish it: insidellms run EXPERIMENT --shard I/N --run-dir {as_typed(path)} --resume",
        )
    run = SealedRun.open(path)
    part = _part_of(run)
    if not part.shard or not part.shard_of:
        why = "it was scored again" if part.shard else "it was run without --shard"
        raise RunDirectoryError(
            f"{path} is not a shard: {why}",
            fix="give the folders of `insidellms run --shard I/N`; score the merged run again, not its shards",
        )
    return run


def _part_of(run: SealedRun) -> Part:
    return run.manifest.part or Part(trials=0, of_trials=0)


def _shard_of(run: SealedRun) -> Shard:
    shard = _part_of(run).shard
    assert shard is not None
    return shard


def _in_order(shards: Sequence[SealedRun]) -> list[SealedRun]:
    """Return the shards by their number. Raises RunDirectoryError unless they are those of one run, each once."""
    found: dict[Shard, SealedRun] = {}
    usual = _usual(shards)
    for run in shards:
        _check_alike(usual, run)
        twin = found.setdefault(_shard_of(run), run)
        if twin is not run:
            raise RunDirectoryError(
                f"{twin.path} and {run.path} are both shard {_shard_of(run)}", fix="give each shard once"
            )
    missing = [str(shard) for shard in Shard.all_of(_shard_of(shards[0]).count) if shard not in found]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise RunDirectoryError(
            f"{len(missing)} of {_shard_of(shards[0]).count} shards {verb} missing: {', '.join(missing[:20])}",
            fix=f"give them too, or run them: insidellms run EXPERIMENT --shard {missing[0]}",
        )
    return [found[shard] for shard in sorted(found)]


def _usual(shards: Sequence[SealedRun]) -> SealedRun:
    """Return a shard that is as most of them are: what differs from it is what is to be run again."""
    facts = [tuple(one for _, one, _, _ in _compared(run, run)) for run in shards]
    return shards[facts.index(Counter(facts).most_common(1)[0][0])]


def _check_alike(first: SealedRun, run: SealedRun) -> None:
    """Raise RunDirectoryError unless two shards are of one run, split in the same way, with the same settings."""
    for what, one, other, fix in _compared(first, run):
        if one != other:
            raise RunDirectoryError(
                f"{first.path} and {run.path} do not belong together: {what} differ ({one} and {other})", fix=fix
            )


def _compared(first: SealedRun, run: SealedRun) -> Iterator[tuple[str, object, object, str]]:
    """Yield what must be the same: its name, what it is in both, and what to do where it differs."""
    again = f"run the shard of {run.path} again, as the others were"
    one, other = first.manifest, run.manifest
    yield "the versions of insidellms", _version(one), _version(other), f"{again}: all with one version"
    yield "the numbers of shards", _shard_of(first).count, _shard_of(run).count, "give the shards of one split"
    same = f"{again}: models, probes, prompts, datasets and repeats must be the same"
    yield f"the {_moved(one, other)} of their runs", _whole_id(first)[:12], _whole_id(run)[:12], same
    settings = f"{again}: name, title and gate must be the same too"
    yield f"the settings in {CONFIG}", _config_digest(one), _config_digest(other), settings


def _moved(one: Manifest, other: Manifest) -> str:
    """Name what differs, of what makes a run the run that it is."""
    names = [name for name in ("models", "probes", "prompts", "repeats") if getattr(one, name) != getattr(other, name)]
    digests = [{each.name: each.sha256 for each in manifest.datasets} for manifest in (one, other)]
    return " and ".join([*names, *(["datasets"] if digests[0] != digests[1] else [])]) or "ids"


def _whole_id(run: SealedRun) -> str:
    return _part_of(run).shard_of or "unknown"


def _config_digest(manifest: Manifest) -> str:
    digest = manifest.files.get(CONFIG)
    return digest.sha256[:12] if digest else "none"


def _version(manifest: Manifest) -> str:
    return f"{manifest.library.get('version')}, format {manifest.library.get('format')}"


def _facts(shards: Sequence[SealedRun]) -> RunFacts:
    """Return what the whole run is. Raises RunDirectoryError where its shards do not add up to it."""
    manifest, trials = shards[0].manifest, sum(run.manifest.trials for run in shards)
    part = msgspec.structs.replace(_part_of(shards[0]), trials=trials, shard=None, shard_of=None)
    whole = Part(trials=part.of_trials, of_trials=part.of_trials)
    is_whole = msgspec.structs.replace(part, trials=part.of_trials) == whole
    if is_whole and part != whole:
        raise RunDirectoryError(
            f"together the shards have {trials:,} of the {part.of_trials:,} trials of the run",
            fix="see which of them was changed: insidellms verify RUN",
        )
    has_telemetry = all(run.has_telemetry for run in shards)
    if not has_telemetry and any(run.has_telemetry for run in shards):
        logger.warning("not every shard has telemetry, so the merged run has none")
    experiment = shards[0].experiment
    return RunFacts(
        run_id=_whole_id(shards[0]),
        trials=trials,
        experiment=msgspec.structs.replace(
            experiment,
            part=None if is_whole else part,
            execution=msgspec.structs.replace(
                experiment.execution,
                telemetry=has_telemetry,
                compress=all((run.path / PACKED_RECORDS).exists() for run in shards),
            ),
        ),
        models=manifest.models,
        probes=manifest.probes,
        prompts=manifest.prompts,
        datasets=_datasets(shards),
    )


def _datasets(shards: Sequence[SealedRun]) -> tuple[DatasetFacts, ...]:
    return tuple(
        msgspec.structs.replace(each[0], selected=sum(one.selected for one in each))
        for each in zip(*(run.manifest.datasets for run in shards), strict=True)
    )


def _records(shards: Sequence[SealedRun]) -> Iterator[tuple[bytes, Telemetry]]:
    """Yield the records of all shards, with their telemetry, in the order of the whole run."""
    merged = heapq.merge(*map(sealed_entries, shards), key=lambda found: trial_order(found[0]))
    for _, entry in merged:
        yield entry.record, _read_telemetry(entry.telemetry)
