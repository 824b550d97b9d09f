"""One round of a run that batch files answer: its experiment found again, and the run taken as far as it goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from insideLLMs.api.batches.answer_files import check_belongs
from insideLLMs.api.batches.files import BatchExport, BatchImport
from insideLLMs.api.preparation.part import narrow
from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.run import Run, RunOptions, run_prepared
from insideLLMs.config.load import LoadedExperiment, read_experiment
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.part import PartOptions
from insideLLMs.core.types import Record
from insideLLMs.execute.work import request_key
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.batch_log import Origin
from insideLLMs.store.manifest import all_identities
from insideLLMs.store.remote.run import local_run
from insideLLMs.store.sealed_run import SealedRun, State, state_of


def origin_of(experiment_file: Path, given: Origin | None) -> Origin:
    """Return the origin of a run of this file, with the settings and the part that are given."""
    named = str(experiment_file.resolve())
    return Origin(experiment=named) if given is None else msgspec.structs.replace(given, experiment=named)


def load(origin: Origin) -> tuple[LoadedExperiment, Experiment, Path]:
    """Read the experiment, narrowed to its part, and say in which folder it stands. Raises ConfigError."""
    file = Path(origin.experiment)
    loaded = read_experiment(file, overrides=origin.overrides)
    part = msgspec.convert(origin.part, PartOptions, dec_hook=lambda _, place: local_run(place))
    return loaded, narrow(loaded.experiment, part, folder=file.parent), file.parent


async def run_round(
    experiment: Experiment, folder: Path, run_dir: Path | RemoteUrl | None, batch: BatchExport | BatchImport
) -> Run:
    """Begin a run, or go on with it, as far as it can without asking. Raises RunUnfinishedError where that is it."""
    prepared = prepare(experiment, folder=folder, asks=False)
    try:
        batch.check(prepared)
        resume = isinstance(run_dir, RemoteUrl) or (run_dir is not None and state_of(run_dir) is not State.ABSENT)
        return await run_prepared(prepared, RunOptions(run_dir=run_dir, resume=resume, rounds=batch.rounds))
    finally:
        await prepared.aclose()


def complete_run(run_dir: Path | RemoteUrl, files: Sequence[Path]) -> Run | None:
    """Return the run if it is sealed; None otherwise. Raises BatchFileError for files of another run's answers.

    What judges and users' own probes asked is not in the records: a run with such takes any file for its own.
    """
    if isinstance(run_dir, RemoteUrl) or state_of(run_dir) is not State.SEALED:
        return None
    sealed = SealedRun.open(run_dir)
    manifest = sealed.manifest
    has_judges = len(all_identities(manifest.models, manifest.probes)) > len(manifest.models)
    if not has_judges and not any(":" in probe.type for probe in manifest.probes):
        check_belongs(files, set(_keys(sealed)))
    return Run(path=run_dir, manifest=manifest, summary=sealed.summary)


def _keys(sealed: SealedRun) -> Iterator[str]:
    """Yield the keys of the requests of a run."""
    digests = {model.id: model.digest for model in sealed.manifest.models}
    independent = sealed.experiment.independent_answers
    for record in sealed.records(Record):
        request = record.request or record.example.request()
        yield request_key(digests[record.model], request, record.repeat, record if independent else None)
