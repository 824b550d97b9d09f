"""Two run directories compared from Python."""

import os
from pathlib import Path

from insideLLMs.api.compare import GateOverrides, Judged
from insideLLMs.api.compare import compare_runs as compare_directories
from insideLLMs.compare import CompareOptions

Folder = str | os.PathLike[str]


def compare_runs(
    baseline: Folder,
    candidate: Folder,
    *,
    fail_on: str | None = None,
    tolerance: int | None = None,
    options: CompareOptions | None = None,
) -> Judged:
    """Compare two sealed run directories: what changed, and the gate's verdict.

    The policy is the one in the candidate's experiment; `fail_on` and `tolerance` override it. Raises
    RunDirectoryError or CompareError.
    """
    gate = GateOverrides(fail_on=fail_on, tolerance=tolerance)
    return compare_directories(Path(baseline), Path(candidate), options=options, gate=gate)
