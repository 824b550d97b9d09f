"""Experiments as tests: run one, and hold it against a baseline; the message is the diff's own text."""

import getpass
import os
from pathlib import Path

import pytest

from insideLLMs.api.baselines import open_pool
from insideLLMs.api.compare import ComparisonSetup, DecidedComparison, GateOverrides, compare_runs
from insideLLMs.cli.options.gate import today
from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.config.load import read_experiment
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.pytest_plugin.marks import find_path
from insideLLMs.pytest_plugin.session import LlmSession
from insideLLMs.remote.url import parse_place
from insideLLMs.runner.load import LoadedRun
from insideLLMs.store.pool import accept
from insideLLMs.store.remote.pool import local_baseline, writing_pool
from insideLLMs.store.sealed_run import SealedRun, State, state_of


class LlmRun:
    """A run that a test made: `run` is its run directory, opened."""

    def __init__(self, run: LoadedRun, session: LlmSession) -> None:
        self.run = run
        self._session = session

    def assert_no_regression(self, baseline: str | os.PathLike[str], *, fail_on: str | None = None) -> None:
        """Fail where the gate fails against `baseline`: a pool of accepted runs, or a run directory.

        An inconclusive gate fails or skips the test, as the session is set. With ``--llm-accept`` the run joins the
        pool, and nothing is compared. Raises RunDirectoryError where there is no baseline.
        """
        __tracebackhide__ = True
        given = parse_place(os.fspath(baseline))
        place = self._session.settings.root / given if isinstance(given, Path) else given
        if self._session.settings.accept:
            with writing_pool(place) as pool:
                accepted = self._accept(pool)
            self._session.tally.notes.append(f"accepted as a baseline: {accepted}")
            return
        decided = self._compare(place if isinstance(place, Path) else local_baseline(place), fail_on)
        if decided.verdict.passed:
            return
        told = f"{decided}\nthe run is in {self.run.path}"
        if decided.verdict.state == "inconclusive" and self._session.settings.inconclusive == "skip":
            pytest.skip(f"the gate is inconclusive: {'; '.join(decided.verdict.reasons)}")
        pytest.fail(told, pytrace=False)

    def _accept(self, pool: Path) -> Path:
        slim = not self.run.gate.max_growth  # which reads the telemetry
        return accept(pool, self.run.path, on=today(), by=getpass.getuser(), why="pytest --llm-accept", slim=slim)

    def _compare(self, path: Path, fail_on: str | None) -> DecidedComparison:
        gate = GateOverrides(settings={"fail_on": fail_on})
        if not path.exists():
            raise RunDirectoryError(
                f"there is no baseline {path}", fix="accept this run as the first: pytest --llm-accept"
            )
        if state_of(path) is State.SEALED:
            return compare_runs([SealedRun.open(path)], [self.run], ComparisonSetup(gate=gate))
        pool = open_pool(path, today=today())
        options = CompareOptions(waived=pool.waived)
        setup = ComparisonSetup(gate=gate, options=options, noise=pool.noise, warnings=pool.left_out)
        return compare_runs(pool.runs, [self.run], setup)


def run_experiment(experiment: str | os.PathLike[str], session: LlmSession, module: Path, folder: Path) -> LlmRun:
    """Run an experiment file into a folder, its answers from the cassette of the test's module as the mode says."""
    path = find_path(os.fspath(experiment), session.settings.root, module)
    loaded = read_experiment(path)
    with loaded.placing_errors():
        run = session.run(loaded.experiment, folder=path.parent, run_dir=folder / path.stem, module=module)
    return LlmRun(run, session)
