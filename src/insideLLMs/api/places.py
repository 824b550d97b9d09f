"""Where the examples of a comparison stand: file and line, for reports that point there."""

from collections.abc import Iterable
from pathlib import Path

from insideLLMs.compare.comparison import TrialName
from insideLLMs.config.load import load_experiment
from insideLLMs.datasets.dataset import find_lines
from insideLLMs.datasets.source import shown
from insideLLMs.report.sarif import Place, Places
from insideLLMs.store.sealed_run import RECORDS


def find_places(trials: Iterable[TrialName], *, candidate: Path, experiment: Path | None) -> Places:
    """Find the examples of `trials` in the datasets of the experiment file, as they are now.

    What is not in a file stands in the experiment file; where none is named, in the candidate's records. Raises
    ConfigError or DatasetError if one of them cannot be read.
    """
    if experiment is None:
        return Places(otherwise=Place(shown(candidate / RECORDS)))
    wanted: dict[str, set[str]] = {}
    for trial in trials:
        wanted.setdefault(trial.dataset, set()).add(trial.example_id)
    known: dict[tuple[str, str], Place] = {}
    for spec in load_experiment(experiment).datasets:
        ids = wanted.get(spec.name, set())
        if spec.path is not None and ids:
            lines, file = find_lines(spec, ids), shown(Path(spec.path))
            known.update(((spec.name, name), Place(file, lines.get(name, 1))) for name in ids)
    return Places(known=known, otherwise=Place(shown(experiment)))
