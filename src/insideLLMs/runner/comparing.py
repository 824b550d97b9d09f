"""Run directories compared from Python."""

import os
from collections.abc import Sequence
from pathlib import Path

from insideLLMs.api.compare import GateOverrides, Judged
from insideLLMs.api.compare import compare_runs as compare_sealed
from insideLLMs.compare import CompareOptions
from insideLLMs.store.sealed_run import SealedRun

Folder = str | os.PathLike[str]


def compare_runs(
    baseline: Folder | Sequence[Folder],
    candidate: Folder,
    *,
    fail_on: str | None = None,
    tolerance: int | None = None,
    options: CompareOptions | None = None,
) -> Judged:
    """Compare two sealed run directories: what changed, and the gate's verdict.

    Of several baseline runs, oldest first, the last is shown trial by trial and the statistics read all.
    The policy is the one in the candidate's experiment; `fail_on` and `tolerance` override it. Raises
    RunDirectoryError or CompareError.
    """
    gate = GateOverrides(settings={"fail_on": fail_on, "tolerance": tolerance})
    folders = (baseline,) if isinstance(baseline, str | os.PathLike) else baseline
    runs = [SealedRun.open(Path(folder)) for folder in folders]
    return compare_sealed(runs, [SealedRun.open(Path(candidate))], options=options, gate=gate)
