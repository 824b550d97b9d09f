"""A file of examples that wait for a person's review: what is shown of each, and the file with what the person says."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from insideLLMs.core.answer_digest import JudgedAnswer
from insideLLMs.core.errors import DatasetError, StorageError
from insideLLMs.core.types import JsonValue
from insideLLMs.store.labels import Said
from insideLLMs.store.whole_file import whole_file

_REVIEWS: Mapping[Said, str] = {"pass": "accepted", "fail": "rejected", "skip": "pending", "open": "pending"}
_SAID = {"accepted": "pass", "rejected": "fail"}
Row = dict[str, JsonValue]


class ReviewFile:
    """JSON lines of which some have a `review`: pending, accepted or rejected. Every other byte stays as it is."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def shown(self) -> Iterator[dict[str, object]]:
        """Yield what the page gets of each example. Raises DatasetError naming the line of what is none."""
        for number, line in enumerate(self._lines(), start=1):
            row = self._row(line, number)
            if row is not None:
                yield _shown(row)

    def save(self, example_id: str, said: Said) -> bool:
        """Write a review; whether there is such an example. Raises DatasetError and StorageError."""
        try:
            with whole_file(self.path) as file:
                lines = self._lines()
                places = [n for n, line in enumerate(lines) if _is(self._row(line, n + 1), example_id)]
                for place in places:
                    row = {**(self._row(lines[place], place + 1) or {}), "review": _REVIEWS[said]}
                    lines[place] = msgspec.json.encode(row)
                file.write(b"\n".join(lines))
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; the review is not saved",
                fix="check the folder's permissions",
            ) from error
        return bool(places)

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be read: {error.strerror}") from error

    def _row(self, line: bytes, number: int) -> Row | None:
        """Return an example with a review; None for a line that has none."""
        if not line.strip():
            return None
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DatasetError(f"{self.path}:{number}: not JSON: {error}", fix="reviews are of JSON lines") from error
        return row if isinstance(row, dict) and "review" in row and isinstance(row.get("id"), str) else None


def _is(row: Row | None, example_id: str) -> bool:
    return row is not None and row["id"] == example_id


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
        "verdict": _SAID.get(str(row["review"]), "open"),
        "note": "",
        "counts": True,
        "others": [],
    }
