"""What a run lacks, collected instead of asked: a batch answers it, and the run goes on from there."""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from insideLLMs.core.errors import NotAnsweredYetError
from insideLLMs.core.types import Request

_encode = msgspec.json.Encoder().encode


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is sent, which lacks an answer; `model` is the label, `key` what `request_key` makes."""

    key: str
    model: str
    repeat: int
    request: Request


_decode = msgspec.json.Decoder(Unanswered).decode


class _Place(NamedTuple):
    """The first Trial that asks, and where its request stands in the file."""

    trial: int
    start: int
    length: int


class WantedAnswers:
    """The requests, each once, in the order of the Trials that ask them first; and the Trials that wait.

    The requests are on disk, in a file without a name: some 200 bytes of memory each.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self._places: dict[bytes, _Place] = {}
        self._asking: set[int] = set()
        self.open_trials = 0

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Unanswered]:
        for _, place in sorted(self._places.items(), key=lambda item: (item[1].trial, item[0])):
            yield self._at(place)

    def __contains__(self, key: str) -> bool:
        return _packed(key) in self._places

    def __getitem__(self, key: str) -> Unanswered:
        return self._at(self._places[_packed(key)])

    def add(self, request: Unanswered, trial: int) -> NotAnsweredYetError:
        """Take a request of a Trial; return the error to raise in the place of an answer."""
        key = _packed(request.key)
        known = self._places.get(key)
        if known is None:
            start = self._file.seek(0, 2)
            self._places[key] = _Place(trial, start, self._file.write(_encode(request)))
        elif trial < known.trial:
            self._places[key] = known._replace(trial=trial)
        self._asking.add(trial)
        return NotAnsweredYetError("the answer is still to come in a batch")

    def leaves_open(self, trial: int, *, told: bool) -> bool:
        """Whether a Trial that ends is to have no record yet; `told` where what it ended with says so."""
        is_open = told or trial in self._asking
        self.open_trials += is_open
        return is_open

    def _at(self, place: _Place) -> Unanswered:
        self._file.seek(place.start)
        return _decode(self._file.read(place.length))


def _packed(key: str) -> bytes:
    with contextlib.suppress(ValueError):
        packed = bytes.fromhex(key)
        if packed.hex() == key:  # it takes capitals and spaces, too
            return packed
    return b"?" + key.encode("utf-8", "replace")
