"""A table of people's labels -> what a comparison reads of it."""

from pathlib import Path

from insideLLMs.compare.human_labels import HumanLabels, LabelKey, Side
from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets.examples import ID_KEYS
from insideLLMs.datasets.rows import open_rows, place
from insideLLMs.datasets.source import shown
from insideLLMs.importers import ALONE, Cells, table_spec

_SIDES: dict[object, Side] = {"baseline": "baseline", "candidate": "candidate"}
_FIX = (
    "each row has `run` (baseline or candidate), `id`, `label` (true or false), and `probe`, `model`, `repeat` where "
    "there are several"
)


def read_labels(path: Path) -> HumanLabels:
    """Read the table at `path`. Raises DatasetError naming the line of what is wrong, or ConfigError."""
    spec = table_spec(path, None)
    found: dict[LabelKey, bool] = {}
    with open_rows(spec) as rows:
        for number, row in rows.numbered:
            try:
                key, label = _label(row)
                if key in found:
                    raise DatasetError(f"labels {key.example_id!r} of the {key.side} a second time")
            except DatasetError as error:
                raise DatasetError(f"{place(spec, number)}: {error.message}", fix=_FIX) from error
            found[key] = label
    if not found:
        raise DatasetError(f"{shown(path)} has no labels", fix=_FIX)
    return HumanLabels(source=shown(path), verdicts=found)


def _label(row: object) -> tuple[LabelKey, bool]:
    names = row if isinstance(row, dict) else {}
    name = next((key for key in ID_KEYS if key in names), None)
    if name is None:
        raise DatasetError("has no id")
    cells = Cells(row, {"id": name, "score": "label", "probe": "probe", "model": "model", "repeat": "repeat"})
    side = _SIDES.get(names.get("run"))
    if side is None:
        raise DatasetError(f"`run` is {names.get('run')!r}, neither baseline nor candidate")
    if cells.verdict is None:
        raise DatasetError(f"`label` is {names.get('label')!r}, neither true nor false")
    probe, model = (None if value == ALONE else value for value in (cells.probe, cells.model))
    return LabelKey(side, probe, cells.id, model, cells.repeat), cells.verdict
