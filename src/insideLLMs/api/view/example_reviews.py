"""Examples drawn from traffic that wait for a person's review: what is shown, and the file with the decisions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core.answer_digest import JudgedAnswer
from insideLLMs.core.errors import DatasetError, StorageError
from insideLLMs.core.repeated_keys import repeated_key
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.reviews import PENDING, Review, review_of
from insideLLMs.store.labels import Said
from insideLLMs.store.whole_file import whole_file

_REVIEWS: Mapping[Said, Review] = {"pass": "accepted", "fail": "rejected", "skip": PENDING, "open": PENDING}
_SAID: Mapping[str, Said] = {review: said for said, review in _REVIEWS.items() if review != PENDING}
Row = dict[str, JsonValue]


class ReviewFile:
    """JSON lines; those drawn from traffic are reviewed, and a run reads their reviews. Other bytes stay."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def shown(self) -> Iterator[dict[str, object]]:
        """Yield what the page shows of each example. Raises DatasetError with the line of a row that is not one."""
        yield from map(_shown, self._rows(self._lines()).values())

    def save(self, example_id: str, said: Said) -> bool:
        """Write a review; whether there is such an example. Raises DatasetError and StorageError."""
        try:
            with whole_file(self.path) as file:
                lines = self._lines()
                place = next((n for n, row in self._rows(lines).items() if row["id"] == example_id), None)
                if place is not None:
                    lines[place] = _reviewed(lines[place], _REVIEWS[said])
                file.write(b"\n".join(lines))
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; the review is not saved",
                fix="check the folder's permissions",
            ) from error
        return place is not None

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be read: {error.strerror}") from error

    def _rows(self, lines: Sequence[bytes]) -> dict[int, Row]:
        """Return the examples with a review by the index of their line. Raises DatasetError."""
        found = {place: row for place, line in enumerate(lines) if (row := self._row(line, place + 1)) is not None}
        known: set[JsonValue] = set()
        for place, row in found.items():
            name = row.get("id")
            if not isinstance(name, str) or name in known:
                fault = "has an id that another has, too" if isinstance(name, str) else "has no id that is a text"
                raise DatasetError(f"{self.path}:{place + 1}: {fault}", fix="give each example an id of its own")
            known.add(name)
        return found

    def _row(self, line: bytes, number: int) -> Row | None:
        """Return an example that was drawn from traffic; None for any other, whose `review` may be its own text."""
        if not line.strip():
            return None
        try:
            row = msgspec.json.decode(line)
            key = repeated_key(line, row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DatasetError(
                f"{self.path}:{number}: not JSON: {error}", fix="write one JSON object per line"
            ) from error
        if key is not None:  # writing the review would lose one of its values
            raise DatasetError(f"{self.path}:{number}: has the key {key!r} twice", fix="keep one of them")
        try:
            return None if review_of(row) is None else row
        except DatasetError as error:
            raise DatasetError(f"{self.path}:{number}: {error.message}") from error


def _reviewed(line: bytes, review: str) -> bytes:
    """Return a row with another review; its other values, and the end of its line, stay as they are spelled."""
    row = {**msgspec.json.decode(line, type=dict[str, msgspec.Raw]), "review": review}
    return msgspec.json.encode(row) + (b"\r" if line.endswith(b"\r") else b"")


def _shown(row: Row) -> dict[str, object]:
    traffic = row.get("traffic")
    seen = traffic if isinstance(traffic, dict) else {}
    answer = {"text": seen.get("answer"), **{name: seen.get(name) for name in ("tool_calls", "trajectory", "kept")}}
    try:
        judged = msgspec.convert({name: value for name, value in answer.items() if value}, JudgedAnswer)
    except msgspec.ValidationError:  # of traffic that looks otherwise, all is shown as it is
        judged = JudgedAnswer(value=seen)
    asked = next((row[name] for name in ("messages", "input", "question", "prompt") if row.get(name)), "")
    is_known = isinstance(asked, str) or (isinstance(asked, list) and all(isinstance(one, dict) for one in asked))
    return {
        "answer": row["id"],
        "example": row["id"],
        "probe": "",
        "model": None,
        "input": asked if is_known else msgspec.json.encode(asked).decode(),
        "request": None,
        "response": msgspec.to_builtins(judged),
        "verdict": _SAID.get(str(row.get("review")), "open"),
        "note": "",
        "counts": True,
        "others": [],
    }
