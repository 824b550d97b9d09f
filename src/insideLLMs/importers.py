"""A table of outcomes (CSV, JSONL, JSON, YAML), one row per Trial -> Records, in two streaming passes.

The first pass checks every row, finds the order that records are stored in, and whether scores are verdicts (every
one is 0 or 1, true or false, pass or fail) or numbers; the second makes the Records.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, ConfigError, DatasetError, Problem
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import Example, Failure, JsonValue, Record, Response, ResultStatus, Scores
from insideLLMs.datasets.examples import EXPECTED_KEYS, ID_KEYS, BadRow, ExampleReader
from insideLLMs.datasets.rows import open_rows, place
from insideLLMs.datasets.source import SUFFIXES, format_of
from insideLLMs.datasets.tables import usual_args
from insideLLMs.plan import trial_key

USUAL = {
    "id": ID_KEYS,
    "input": ("input", "prompt", "question", "messages"),
    "output": ("output", "response", "completion"),
    "score": ("passed", "score", "correct"),
    "expected": EXPECTED_KEYS,
    **{role: (role,) for role in ("repeat", "probe", "model", "cluster", "status", "error")},
}
"""Each role, and the columns that are taken for it where it is not mapped: the first that the table has."""
ALONE = "imported"
"""The probe, model and dataset of a table that does not name them."""
_VERDICTS = {
    "1": True, "true": True, "yes": True, "pass": True, "passed": True, "correct": True,
    "0": False, "false": False, "no": False, "fail": False, "failed": False, "incorrect": False, "wrong": False,
}  # fmt: skip
_READER = ExampleReader({})
_NO_ANSWER = "the table has no answer"
_NO_INPUT = "-"
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


def table_spec(path: Path, format: str | None) -> DatasetSpec:
    """Name the table as a source of rows. Raises ConfigError where nothing tells its format."""
    known = format or format_of(path)
    if known is None:
        raise ConfigError(
            [Problem(f"the suffix of {path.name} tells no format")],
            fix=f"add --format, one of {', '.join(dict.fromkeys(SUFFIXES.values()))}",
        )
    return DatasetSpec(name=ALONE, format=known, path=str(path.resolve()), args=usual_args(path, known, {}))


def scan(spec: DatasetSpec, wanted: Mapping[str, str]) -> Scan:
    """Read the table once. Raises DatasetError with up to 20 problems, each with its line."""
    found = Scan()
    keys: list[str] = []
    lines = array("q")
    problems: list[str] = []
    members: tuple[set[str], set[str]] = set(), set()
    seen: dict[str, object] = {}
    with open_rows(spec) as rows:
        for number, row in rows.numbered:
            if isinstance(row, dict) and not seen.keys() >= row.keys():
                seen |= row
                found.columns = choose_columns(seen, {**wanted, **found.columns})
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
    _check_wanted(wanted, seen)
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
    """Decide which column has which role. Raises DatasetError where none is known for the id or the score."""
    chosen = dict(wanted)
    for role, names in USUAL.items():
        known = next((name for name in names if name in row and name not in chosen.values()), None)
        if role not in chosen and known is not None:
            chosen[role] = known
    if "id" not in chosen or "score" not in chosen:
        lacking = "id" if "id" not in chosen else "score"
        raise DatasetError(f"no column is known for {lacking}; there are {', '.join(map(repr, row))}", fix=_FIX)
    return chosen


def _check_wanted(wanted: Mapping[str, str], seen: Mapping[str, object]) -> None:
    for role, column in wanted.items() if seen else ():
        if column not in seen:
            raise DatasetError(
                f"there is no column {column!r} (for {role}); there are {', '.join(map(repr, seen))}", fix=_FIX
            )


class Cells:
    """One row by role. Raises DatasetError for a cell that its role does not take."""

    __slots__ = (
        "_columns", "_row", "example", "id", "model", "number", "probe", "raw_score", "repeat", "status", "verdict",
    )  # fmt: skip

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
        self.example = self._example()
        self.status = self._status()

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

    def _example(self) -> Example:
        """Return the input with what belongs to it, as a dataset's row of these columns would be read."""
        has_input = self.cell("input") not in (None, "")
        row = {
            "id": self.id,
            "input": self._input() if has_input else _NO_INPUT,
            "expected": self.cell("expected"),
            "cluster": self.cell("cluster"),
        }
        example = _READER.example({role: value for role, value in row.items() if value not in (None, "")})
        return example if has_input else msgspec.structs.replace(example, input="")

    def _input(self) -> JsonValue:
        """Return text or a chat; anything else that a harness stores as its input is kept as JSON text."""
        value = self.cell("input")
        is_chat = isinstance(value, list) and all(isinstance(turn, dict) and "role" in turn for turn in value)
        return value if is_chat else self._text("input")

    def _status(self) -> ResultStatus:
        """Return how the Trial ended: as the table says, else answered if it has an output or a score."""
        stated = self._text("status")
        if stated:
            try:
                return ResultStatus(stated)
            except ValueError as error:
                known = ", ".join(status.value for status in ResultStatus)
                raise DatasetError(f"status {stated!r} is none of {known}") from error
        answered = self.raw_score is not None or self.cell("output") not in (None, "")
        return ResultStatus.SUCCESS if answered else ResultStatus.ERROR

    def record(self, *, are_verdicts: bool, digests: Mapping[str, str]) -> Record:
        """Make the Record; `digests` identify each model (``model:ID``) and probe (``probe:ID``)."""
        example, status = self.example, self.status
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
            response=separate(Response(text=self._text("output"))) if answered else None,
            scores=scores,
            failure=Failure(stage="model", type="Imported", message=self._text("error") or _NO_ANSWER)
            if failed
            else None,
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
