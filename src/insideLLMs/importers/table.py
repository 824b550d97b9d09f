"""A table of outcomes (CSV, JSONL, JSON, YAML), one row per Trial -> Records, in two streaming passes.

The first pass checks every row, finds the order that records are stored in, and whether scores are verdicts (every
one is 0 or 1, true or false, pass or fail) or numbers; the second makes the Records.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.types import DatasetSpec, Example, Failure, JsonValue, Record, Response, ResultStatus, Scores
from insideLLMs.datasets.examples import BadRow
from insideLLMs.datasets.rows import open_rows, place
from insideLLMs.plan import trial_key

ROLES = ("id", "input", "output", "score", "expected", "repeat", "probe", "model", "cluster", "status")
USUAL = {
    "id": ("id", "example_id"),
    "input": ("input", "prompt", "question"),
    "output": ("output", "response", "completion"),
    "score": ("passed", "score", "correct"),
    "expected": ("expected", "answer"),
    **{role: (role,) for role in ("repeat", "probe", "model", "cluster", "status")},
}
"""The columns that are taken for a role which is not mapped; the first that the table has."""
ALONE = "imported"
"""The probe, model and dataset of a table that does not name them."""
_VERDICTS = {
    "1": True, "true": True, "yes": True, "pass": True, "passed": True, "correct": True,
    "0": False, "false": False, "no": False, "fail": False, "failed": False, "incorrect": False, "wrong": False,
}  # fmt: skip
_MOST_PROBLEMS = 20
_FIX = 'say which column is which, e.g. --map "id=case,input=prompt,output=reply,score=ok"'


@dataclass(slots=True, kw_only=True)
class Scan:
    """What the first pass found.

    `columns` maps roles to columns, `ranks` each row to its place among the records; `models` and `probes` are
    sorted, `examples` counts those of every probe.
    """

    sha256: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    ranks: "array[int]" = field(default_factory=lambda: array("q"))
    are_verdicts: bool = True
    models: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    examples: int = 0
    repeats: int = 1

    @property
    def rows(self) -> int:
        """How many Trials the table holds."""
        return len(self.ranks)


def table_spec(path: Path, format: str) -> DatasetSpec:
    """Name the table as a source of rows."""
    return DatasetSpec(name=ALONE, format=format, path=str(path.resolve()))


def scan(spec: DatasetSpec, wanted: Mapping[str, str]) -> Scan:
    """Read the table once. Raises DatasetError with up to 20 problems, each with its line."""
    found = Scan()
    keys: list[str] = []
    lines = array("q")
    problems: list[str] = []
    members: tuple[set[str], set[str]] = set(), set()
    with open_rows(spec) as rows:
        for number, row in rows.numbered:
            if not found.columns and isinstance(row, dict):
                found.columns = choose_columns(row, wanted)
            try:
                cells = Cells(row, found.columns)
                keys.append("\0".join((cells.probe, ALONE, cells.id, cells.model, f"{cells.repeat:09}")))
                members[0].add(cells.probe)
                members[1].add(cells.model)
                found.are_verdicts = found.are_verdicts and (cells.raw_score is None or cells.verdict is not None)
                found.repeats = max(found.repeats, cells.repeat + 1)
                lines.append(number)
            except DatasetError as error:
                problems.append(f"  {place(spec, number)}: {error.message}")
                if len(problems) >= _MOST_PROBLEMS:
                    break
        found.sha256 = "" if problems else rows.digest()
    found.probes, found.models = (tuple(sorted(names)) for names in members)
    problems += _order(found, keys, lines, spec)
    if problems:
        raise DatasetError("the table cannot be read:\n" + "\n".join(problems[:_MOST_PROBLEMS]), fix=_FIX)
    if not keys:
        raise DatasetError(f"{Path(spec.path or '').name} has no rows", fix="a table needs one row per trial")
    return found


def _order(found: Scan, keys: list[str], lines: "array[int]", spec: DatasetSpec) -> Iterator[str]:
    """Rank the rows in the order of records; yield a problem for each Trial that occurs twice."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    found.ranks = array("q", bytes(8 * len(keys)))
    last = ""
    for rank, row in enumerate(order):
        found.ranks[row] = rank
        example = keys[row].rsplit("\0", 2)[0]
        found.examples += example != last
        last = example
        if rank and keys[row] == keys[order[rank - 1]]:
            first, second = sorted((lines[order[rank - 1]], lines[row]))
            probe, _, name, model, repeat = keys[row].split("\0")
            yield (
                f"  {place(spec, second)}: the trial of line {first} again (id {name!r}, probe {probe!r}, model "
                f"{model!r}, repeat {int(repeat)}); map a repeat column if it was asked again"
            )


def choose_columns(row: Mapping[str, object], wanted: Mapping[str, str]) -> dict[str, str]:
    """Decide which column has which role. Raises DatasetError for a column that there is not."""
    chosen = dict(wanted)
    for role, column in wanted.items():
        if column not in row:
            raise DatasetError(
                f"there is no column {column!r} (for {role}); there are {', '.join(map(repr, row))}", fix=_FIX
            )
    for role, names in USUAL.items():
        known = next((name for name in names if name in row and name not in chosen.values()), None)
        if role not in chosen and known is not None:
            chosen[role] = known
    if "id" not in chosen or "score" not in chosen:
        lacking = "id" if "id" not in chosen else "score"
        raise DatasetError(f"no column is known for {lacking}; there are {', '.join(map(repr, row))}", fix=_FIX)
    return chosen


class Cells:
    """One row by role. Raises DatasetError for a cell that its role does not take."""

    __slots__ = ("_columns", "_row", "id", "model", "number", "probe", "raw_score", "repeat", "verdict")

    def __init__(self, row: object, columns: Mapping[str, str]) -> None:
        if isinstance(row, BadRow):
            raise DatasetError(row.message)
        if not isinstance(row, dict):
            raise DatasetError("is not a row of named columns")
        try:
            canonical.check(row, at="row")
        except CanonicalError as error:
            raise DatasetError(error.message) from error
        self._row: dict[str, JsonValue] = row
        self._columns = columns
        self.id = self._text("id")
        if not self.id:
            raise DatasetError(f"column {columns['id']!r} is empty; every row needs an id")
        self.probe = self._text("probe") or ALONE
        self.model = self._text("model") or ALONE
        if any("\0" in name for name in (self.id, self.probe, self.model)):
            raise DatasetError("a name holds a NUL character")
        self.repeat = self._repeat()
        self.raw_score = None if self.cell("score") in (None, "") else self.cell("score")
        self.verdict = _VERDICTS.get(_plain(self.raw_score))
        self.number = self._number()

    def cell(self, role: str) -> JsonValue:
        """Return the row's cell for a role; None where the table has no such column."""
        column = self._columns.get(role)
        return None if column is None else self._row.get(column)

    def _text(self, role: str) -> str:
        value = self.cell(role)
        if value is None or isinstance(value, str):
            return value or ""
        return canonical.line(value).decode()

    def _repeat(self) -> int:
        text = self._text("repeat")
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 9):
            raise DatasetError(f"column {self._columns['repeat']!r} is {text!r}; a repeat is a whole number from 0 on")
        return int(text)

    def _number(self) -> float | None:
        if self.raw_score is None:
            return None
        if self.verdict is not None:
            return float(self.verdict)
        try:
            number = float(self.raw_score)
        except (TypeError, ValueError):
            number = float("nan")
        if not abs(number) < float("inf"):
            raise DatasetError(
                f"column {self._columns['score']!r} is {self.raw_score!r}; a score is a number, or one of "
                "true, false, pass, fail, yes, no, 1, 0; leave it empty where there is none"
            )
        return number

    def example(self) -> Example:
        """Return the input with what belongs to it."""
        expected = self.cell("expected")
        accepted = tuple(expected) if isinstance(expected, list) else () if expected in (None, "") else (expected,)
        cluster = self.cell("cluster")
        return Example(
            id=self.id,
            input=self._text("input"),
            expected=accepted,
            fields={} if cluster in (None, "") else {"cluster": cluster},
        )

    def status(self) -> ResultStatus:
        """Return how the Trial ended: as the table says, else answered if it has an output or a score."""
        told = self._text("status")
        if told:
            try:
                return ResultStatus(told)
            except ValueError as error:
                known = ", ".join(status.value for status in ResultStatus)
                raise DatasetError(f"status {told!r} is none of {known}") from error
        answered = self.raw_score is not None or self.cell("output") not in (None, "")
        return ResultStatus.SUCCESS if answered else ResultStatus.ERROR

    def record(self, *, are_verdicts: bool, digests: Mapping[str, str]) -> Record:
        """Make the Record; `digests` identify each model (``model:ID``) and probe (``probe:ID``)."""
        example, status = self.example(), self.status()
        digest = example.digest()
        answered = status is ResultStatus.SUCCESS
        scores = None
        if answered and self.number is not None:
            name = "correct" if are_verdicts else "score"
            scores = Scores(values={name: self.number}, passed=self.number == 1.0 if are_verdicts else None)
        failed = not answered and status is not ResultStatus.SKIPPED
        return Record(
            probe=self.probe,
            dataset=ALONE,
            example_id=self.id,
            model=self.model,
            repeat=self.repeat,
            key=trial_key(digests[f"model:{self.model}"], digests[f"probe:{self.probe}"], digest, self.repeat),
            example_digest=digest,
            example=example,
            status=status,
            response=Response(text=self._text("output")) if answered else None,
            scores=scores,
            failure=Failure(stage="model", type="Imported", message="the table has no answer") if failed else None,
        )


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if value in (0, 1) else str(value)
    text = str(value).strip().lower() if value is not None else ""
    return {"1.0": "1", "0.0": "0"}.get(text, text)


def records(spec: DatasetSpec, found: Scan, digests: Mapping[str, str]) -> Iterator[tuple[int, Record]]:
    """Read the table again and yield each Record with its place in the order of records."""
    with open_rows(spec) as rows:
        for place_in_file, (number, row) in enumerate(rows.numbered):
            try:
                cells = Cells(row, found.columns)
                record = cells.record(are_verdicts=found.are_verdicts, digests=digests)
            except DatasetError as error:
                raise DatasetError(f"{place(spec, number)}: {error.message}", fix=_FIX) from error
            yield found.ranks[place_in_file], record
