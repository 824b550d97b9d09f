"""What is compared: a run as lines of `records.jsonl`, and the few facts of each line that alignment needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from insideLLMs.core.errors import CompareError

NO_RESPONSE = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One side of a comparison.

    `records` starts a fresh pass over the lines of `records.jsonl`, in its order and without newlines. `models`
    are the ids of all models of the run, `datasets` the dataset names of each probe. `label` is what people
    call the run (its folder's name, say). `score_ranges` are the (worst, best) that a probe declares of its scores;
    a probe that is not named there may have declared anything.
    """

    run_id: str
    label: str
    models: tuple[str, ...]
    datasets: Mapping[str, tuple[str, ...]]
    records: Callable[[], Iterator[bytes]]
    score_ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes of the run, sorted."""
        return tuple(sorted(self.datasets))


class ScoreFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a record's scores that is compared; explanation and details are not."""

    values: dict[str, float] = {}
    passed: bool | None = None
    label: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a record that places it and says how it ended; `response` stays undecoded until it differs."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    example_digest: str
    status: str
    scores: ScoreFacts | None = None
    response: msgspec.Raw = NO_RESPONSE

    @property
    def answered(self) -> bool:
        """Whether the model answered and the answer was scored."""
        return self.status == "success"

    @property
    def failed(self) -> bool:
        """Whether there should be an answer and is none."""
        return self.status not in {"success", "skipped"}

    @property
    def passed(self) -> bool | None:
        """The verdict; None where there is none."""
        return self.scores.passed if self.scores is not None else None


_decode = msgspec.json.Decoder(Facts).decode


def read_facts(line: bytes, label: str) -> Facts:
    """Read the facts of one line. Raises CompareError naming the run if it is no record."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CompareError(
            f"run {label!r}: a line of records.jsonl is not a record: {error}: {line[:80]!r}",
            fix="check the files with `insidellms verify`, or run the experiment again",
        ) from error
