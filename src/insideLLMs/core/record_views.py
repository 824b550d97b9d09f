"""Parts of stored lines: a reader decodes only what it needs of `records.jsonl` and `telemetry.jsonl`.

A field has the name that it has in Record, Scores and so on; a test holds every view against them. What stays Raw is
decoded where it is needed, if at all.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import AskedBy, Failure, JsonValue, SinceMark, Telemetry, Usage

NO_RESPONSE = msgspec.Raw(b"null")
_ABSENT = msgspec.Raw(b"null")
_NO_LIST = msgspec.Raw(b"[]")
NO_FIELDS = msgspec.Raw(b"{}")
Stored = TypeVar("Stored")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON that was expected; the last for one that is nested too deeply."""


class OfTrial(Protocol):
    """A stored line that names its Trial."""

    @property
    def probe(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def example_id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def prompt(self) -> str | None: ...
    @property
    def repeat(self) -> int: ...


TrialOrder = tuple[str, str, str, str, str, int]


def trial_order(line: OfTrial) -> TrialOrder:
    """Return what places a Trial in the order of records.jsonl, and tells it from every other of its run."""
    return (line.probe, line.dataset, line.example_id, line.model, line.prompt or "", line.repeat)


def is_same_trial(one: OfTrial, other: OfTrial) -> bool:
    """Whether two stored lines are of one Trial."""
    return trial_order(one) == trial_order(other)


class RecordStatus(msgspec.Struct, frozen=True):
    """How a Trial ended, and nothing else."""

    status: str


class RecordIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record says of its Trial: its names and how it ended. What reads more of a record begins with these."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    status: str
    prompt: str | None = None

    @property
    def subject(self) -> Subject:
        """The model with its prompt."""
        return Subject(self.model, self.prompt)

    @property
    def identity(self) -> "RecordIdentity":
        """This much of a view that reads more."""
        return RecordIdentity(
            probe=self.probe,
            dataset=self.dataset,
            example_id=self.example_id,
            model=self.model,
            repeat=self.repeat,
            status=self.status,
            prompt=self.prompt,
        )


class ScoreFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a record's scores that is compared; explanation and details are not."""

    values: dict[str, float] = {}
    passed: bool | None = None
    label: str | None = None


class StoredFields(msgspec.Struct, frozen=True, gc=False):
    """What an example came with beside its input, as it is stored."""

    fields: msgspec.Raw = NO_FIELDS


class Facts(RecordIdentity, frozen=True, kw_only=True, gc=False):
    """What a comparison reads: what places a record, and how it ended; `response` stays undecoded until it differs."""

    example_digest: str
    example: StoredFields = StoredFields()
    key: str = ""
    scores: ScoreFacts | None = None
    response: msgspec.Raw = NO_RESPONSE
    shared_with: AskedBy | None = None
    since: SinceMark | None = None

    @property
    def answered(self) -> bool:
        """Whether the model answered and the answer was scored."""
        return self.status == "success"

    @property
    def failed(self) -> bool:
        """Whether an answer should be there and is missing."""
        return self.status not in {"success", "skipped"}

    @property
    def passed(self) -> bool | None:
        """The verdict; None where there is none."""
        return self.scores.passed if self.scores is not None else None


class ServedResponse(msgspec.Struct, frozen=True, gc=False):
    """What a provider said of an answer beside what it says."""

    model: str | None = None
    fingerprint: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None


class SummedScores(msgspec.Struct, frozen=True):
    """The part of the scores that a summary counts."""

    values: dict[str, float]
    passed: bool | None = None


class SummedResponse(msgspec.Struct, frozen=True):
    """The part of a response that a summary counts."""

    usage: Usage | None = None


class SummedRecord(RecordIdentity, frozen=True, kw_only=True):
    """What a summary reads, and what a sample of a run is drawn by."""

    example_digest: str = ""
    scores: SummedScores | None = None
    response: SummedResponse | None = None
    shared_with: AskedBy | None = None


class FailedRecord(RecordIdentity, frozen=True, kw_only=True):
    """What a list of failures reads."""

    failure: Failure | None = None


class ExampleFields(msgspec.Struct, frozen=True):
    """What an example came with beside its input."""

    fields: dict[str, JsonValue] = {}


class AnsweredRecord(RecordIdentity, frozen=True, kw_only=True, gc=False):
    """What people's labels are held against: an answer as it is stored, to which example, and the verdict on it."""

    example_digest: str
    response: msgspec.Raw = NO_RESPONSE
    scores: ScoreFacts | None = None

    @property
    def passed(self) -> bool | None:
        """The verdict; None where there is none."""
        return self.scores.passed if self.scores is not None else None


class LabelledRecord(AnsweredRecord, frozen=True, kw_only=True, gc=False):
    """The same with the example's own fields, of which one may be a person's label, and one a cluster."""

    example: ExampleFields


class MeasuredResponse(msgspec.Struct, frozen=True):
    """The part of a response that has a length and a price."""

    text: str = ""
    usage: Usage | None = None


class MeasuredRecord(RecordIdentity, frozen=True, kw_only=True):
    """What quantities are measured by."""

    example_digest: str
    response: MeasuredResponse | None = None
    shared_with: AskedBy | None = None
    since: SinceMark | None = None


class GatedExample(msgspec.Struct, frozen=True):
    """The part of an example that a report of a run shows."""

    expected: tuple[JsonValue, ...] = ()


class GatedScores(msgspec.Struct, frozen=True):
    """The part of the scores that a gate reads and a report of a run shows."""

    values: dict[str, float] = {}
    passed: bool | None = None
    explanation: str = ""


class GatedRecord(MeasuredRecord, frozen=True, kw_only=True):
    """What the absolute gate reads, and what a report shows of an example that did not pass."""

    example: GatedExample = GatedExample()
    scores: GatedScores | None = None
    failure: Failure | None = None


class ViewedExample(msgspec.Struct, frozen=True, gc=False):
    """An example whose parts stay as they are stored."""

    input: msgspec.Raw
    expected: msgspec.Raw = _NO_LIST
    fields: msgspec.Raw = NO_FIELDS


class ViewedRecord(RecordIdentity, frozen=True, kw_only=True, gc=False):
    """What a page shows; long parts stay as they are stored."""

    example: ViewedExample
    request: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    scores: msgspec.Raw = _ABSENT
    failure: msgspec.Raw = _ABSENT
    shared_with: AskedBy | None = None
    since: SinceMark | None = None


class ViewedResponse(msgspec.Struct, frozen=True, gc=False):
    """The part of a response that a page's table shows."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    value: msgspec.Raw = _ABSENT


class ViewedFailure(msgspec.Struct, frozen=True, gc=False):
    """The part of a failure that a page's table shows."""

    type: str = ""
    message: str = ""


class TelemetryLine(Telemetry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `telemetry.jsonl`: the volatile facts of the Trial that it names; `crc` is over the rest of it."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    status: str
    prompt: str | None = None
    crc: str | None = None

    @property
    def facts(self) -> Telemetry:
        """The facts without the names."""
        return Telemetry(**{name: getattr(self, name) for name in Telemetry.__struct_fields__})


@cache
def _decoder(kind: Any) -> Any:  # a class, and a decoder of it; a cache cannot say that
    return msgspec.json.Decoder(kind)


def read_record(line: bytes, kind: type[Stored], *, where: str = "a line of records.jsonl") -> Stored:
    """Read one stored line as `kind`: Record, or one of these views. Raises RunDirectoryError saying `where`."""
    try:
        read: Stored = _decoder(kind).decode(line)  # type: ignore[arg-type] # a class can be hashed
    except UNREADABLE as error:
        raise _no_record(line, where, error) from error
    return read


def record_reader(kind: type[Stored], *, where: str) -> Callable[[bytes], Stored]:
    """Return what reads many stored lines as `read_record` reads one."""
    decode: Callable[[bytes], Stored] = _decoder(kind).decode  # type: ignore[arg-type] # a class can be hashed

    def read(line: bytes) -> Stored:
        try:
            return decode(line)
        except UNREADABLE as error:
            raise _no_record(line, where, error) from error

    return read


def _no_record(line: bytes, where: str, error: Exception) -> RunDirectoryError:
    return RunDirectoryError(
        f"{where} is not a record: {error}: {line[:80]!r}",
        fix="check the run with `insidellms verify`, or run the experiment again",
    )
