"""People's labels, from wherever they are, as a comparison takes them."""

from collections.abc import Sequence
from pathlib import Path

from insideLLMs.api.imports.importing import read_label_table
from insideLLMs.compare.agreed_labels import agreed_labels, random_verdicts
from insideLLMs.compare.human_labels import HumanLabels
from insideLLMs.compare.run_labels import RunLabels, unused_labels
from insideLLMs.core.errors import OptionError
from insideLLMs.store.labels import holds_labels, labels_at
from insideLLMs.store.sealed_run import SealedRun


def labels_for(
    places: Sequence[Path], runs: Sequence[SealedRun], labelled: SealedRun | None = None
) -> tuple[HumanLabels | None, tuple[str, ...]]:
    """Read labels for a comparison of `runs`, and what to say of those that it does not use, also of `labelled`.

    Each place is a table, of which there may be one, a file of labels, or a run with such a file. Raises DatasetError,
    ConfigError, OptionError and RunDirectoryError.
    """
    given = [place for place in places if holds_labels(place)]
    tables = [place for place in places if place not in given]
    if len(tables) > 1:
        raise OptionError("--labels takes one table", fix="put the rows of both tables into one")
    of_judge = () if labelled is None else _unused([RunLabels.beside(labelled)])
    if not given:
        return (read_label_table(tables[0]) if tables else None), of_judge
    labels = [label for place in given for label in labels_at(place)]
    usable = random_verdicts(agreed_labels(labels))
    table = read_label_table(tables[0]).verdicts if tables else {}
    found = HumanLabels(
        source=", ".join(map(str, places)),
        verdicts=table,
        answers=usable,
        probes=frozenset(label.probe for label in labels if label.answer in usable),
    )
    return found, (*of_judge, *_unused([RunLabels(run, labels) for run in runs]))


def _unused(found: Sequence[RunLabels]) -> tuple[str, ...]:
    told = unused_labels(found)
    return (f"labels not used: {told}",) if told else ()
