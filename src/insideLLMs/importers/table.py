"""A table of outcomes (CSV, JSONL, JSON, YAML), one row per Trial, by the roles of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, ConfigError, DatasetError, Problem
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import EXPECTED_KEYS, Example, JsonValue, Response, ResultStatus
from insideLLMs.datasets.examples import ID_KEYS, BadRow, ExampleReader
from insideLLMs.datasets.rows import open_rows
from insideLLMs.datasets.rows import place as place_of_row
from insideLLMs.datasets.source import SUFFIXES, format_of
from insideLLMs.datasets.tables import usual_args
from insideLLMs.importers.foreign import ALONE, ForeignScore, ForeignTrial, Place

USUAL = {
    "id": ID_KEYS,
    "input": ("input", "prompt", "question", "messages"),
    "output": ("output", "response", "completion"),
    "score": ("passed", "score", "correct"),
    "expected": EXPECTED_KEYS,
    **{role: (role,) for role in ("repeat", "probe", "model", "cluster", "status", "error")},
}
"""Each role, and the columns that are taken for it where it is not mapped: the first that the table has."""
_VERDICTS = {
    "1": True, "true": True, "yes": True, "pass": True, "passed": True, "correct": True,
    "0": False, "false": False, "no": False, "fail": False, "failed": False, "incorrect": False, "wrong": False,
}  # fmt: skip
_READER = ExampleReader({})
_NO_ANSWER = "the table has no answer"
_NO_INPUT = "-"
_MOST_PROBLEMS = 20
_FIX = 'say which column is which, e.g. --map "id=case,input=prompt,output=reply,score=ok"'


def table_spec(path: Path, format: str | None) -> DatasetSpec:
    """Name the table as a source of rows. Raises ConfigError where nothing tells its format."""
    known = format or format_of(path)
    if known is None:
        raise ConfigError(
            [Problem(f"the suffix of {path.name} tells no format")],
            fix=f"add --format, one of {', '.join(dict.fromkeys(SUFFIXES.values()))}",
        )
    return DatasetSpec(name=ALONE, format=known, path=str(path.resolve()), args=usual_args(path, known, {}))


class TableSource:
    """The rows of a table as trials. `columns` maps roles to columns, as asked for and as found in the first pass."""

    repeat_hint = "map a repeat column if it was asked again"
    secrets: tuple[str, ...] = ()

    def __init__(self, spec: DatasetSpec, wanted: Mapping[str, str]) -> None:
        self.spec = spec
        self.columns: dict[str, str] = {}
        self.left_out: dict[str, int] = {}
        self.sha256 = ""
        self._wanted = wanted
        self._seen: dict[str, object] = {}
        self._problems: list[str] = []
        self._is_first = True

    def trials(self) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every row. In the first pass columns are chosen, and bad rows gathered; in the second they are errors.

        Raises DatasetError.
        """
        with open_rows(self.spec) as rows:
            for number, row in rows.numbered:
                if self._is_first and isinstance(row, dict) and not self._seen.keys() >= row.keys():
                    self._seen |= row
                    self.columns = choose_columns(self._seen, {**self._wanted, **self.columns})
                try:
                    yield 0, Cells(row, self.columns).trial(number)
                except DatasetError as error:
                    self._refuse(number, error)
                    if len(self._problems) >= _MOST_PROBLEMS:
                        break
            if self._is_first and not self._problems:
                self.sha256 = rows.digest()

    def _refuse(self, number: int, error: DatasetError) -> None:
        told = f"{self.place((0, number))}: {error.message}"
        if not self._is_first:
            raise DatasetError(told, fix=_FIX) from error
        self._problems.append(f"  {told}")

    def end(self) -> list[str]:
        """End the first pass. Raises DatasetError where a column that was asked for is not there."""
        self._is_first = False
        for role, column in self._wanted.items() if self._seen else ():
            if column not in self._seen:
                raise DatasetError(
                    f"there is no column {column!r} (for {role}); there are {', '.join(map(repr, self._seen))}",
                    fix=_FIX,
                )
        self.left_out = dict.fromkeys(sorted(set(self._seen) - set(self.columns.values())), 1)
        return self._problems

    def place(self, place: Place, *, short: bool = False) -> str:
        """Say where a row stands."""
        return f"line {place[1]}" if short else place_of_row(self.spec, place[1])

    def refusal(self, problems: Sequence[str]) -> DatasetError:
        """Make the error for a table with problems, or without rows."""
        if problems:
            return DatasetError("the table cannot be read:\n" + "\n".join(problems), fix=_FIX)
        return DatasetError(f"{Path(self.spec.path or '').name} has no rows", fix="a table needs one row per trial")


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

    def trial(self, line: int) -> ForeignTrial:
        """Return what the row says."""
        answered = self.status is ResultStatus.SUCCESS
        return ForeignTrial(
            line=line,
            example=self.example,
            model=self.model,
            repeat=self.repeat,
            status=self.status,
            response=Response(text=self._text("output")) if answered else None,
            scores=(ForeignScore(probe=self.probe, value=self.number if answered else None),),
            failure=self._text("error") or _NO_ANSWER,
        )


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if value in (0, 1) else str(value)
    text = str(value).strip().lower() if value is not None else ""
    return {"1.0": "1", "0.0": "0"}.get(text, text)
