"""What an importer reads: one answer of another tool with all its scores, and the contract of an importer."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus
from insideLLMs.importers.log_file import LogFile

ALONE = "imported"
"""The probe, model and dataset of what does not name them."""


class ForeignScore(msgspec.Struct, frozen=True, kw_only=True):
    """What one scorer says of an answer: a number, a verdict where the tool states one, or both.

    `named` are further numbers. `lower_is_better` is None where the log does not tell the direction.
    """

    probe: str
    value: float | None = None
    passed: bool | None = None
    named: dict[str, float] = {}
    label: str | None = None
    explanation: str = ""
    details: dict[str, JsonValue] = {}
    lower_is_better: bool | None = None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of an application in production came with, beside question and answer.

    `trace` and `span` are the ids of its outermost span, `route` is what was called, `template` tells prompts apart.
    `persons` are texts that name its user.
    """

    trace: str
    span: str
    route: str = ""
    template: str = ""
    conversation: str = ""
    feedback: str = ""
    persons: tuple[str, ...] = ()


class ForeignTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or the failure to get one. `line` is where it stands in the log.

    A trial without `repeat` is numbered after those of the same example before it. One without scores stands under
    every probe of the log. `prompt` is the id of the prompt, where the log compares several.
    """

    line: int
    example: Example
    model: str = ALONE
    dataset: str = ALONE
    prompt: str | None = None
    repeat: int | None = None
    status: ResultStatus = ResultStatus.SUCCESS
    request: tuple[Message, ...] = ()
    response: Response | None = None
    scores: tuple[ForeignScore, ...] = ()
    failure: str = ""
    latency_ms: float | None = None
    started_at: str | None = None
    traffic: Traffic | None = None


@dataclass(slots=True, kw_only=True)
class Reading:
    """What an importer reports while it reads a log.

    `left_out` counts what could not be carried, by name; `notes` are sentences for the user. With `unfinished`,
    logs are read whose tool did not come to its end. `logs` are all files of the run. With `each_call`, every call of
    a model is a trial, where a trace has several. `tell` gets how far reading has come.
    """

    logs: tuple[LogFile, ...] = ()
    unfinished: bool = False
    each_call: bool = False
    tell: Callable[[str], None] | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)

    def again(self) -> "Reading":
        """Return one for reading the same files again."""
        return Reading(logs=self.logs, unfinished=self.unfinished, each_call=self.each_call)

    def note(self, text: str) -> None:
        """Tell the user something once."""
        self.notes[text] = None

    def check_finished(self, log: LogFile, problem: str | None) -> None:
        """Refuse a log that says of itself that it is not whole, unless that is wanted. Raises DatasetError."""
        if problem is None:
            return
        if not self.unfinished:
            raise DatasetError(
                f"{log.name} is not whole: {problem}",
                fix="finish the evaluation, or add --unfinished to take what is there",
            )
        self.note(f"{log.name} is not whole: {problem}")


Place = tuple[int, int]
"""Where a trial stands: the number of its file, and the line."""


class TrialSource(Protocol):
    """Where trials come from: the logs of a tool, or a table. `repeat_hint` says what to do about a double trial."""

    repeat_hint: str

    @property
    def left_out(self) -> Mapping[str, int]:
        """How often each field was not carried, by name."""
        ...

    @property
    def secrets(self) -> Iterable[str]:
        """What stood under names that say secret, as far as it was read."""
        ...

    def trials(self) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every trial with the number of its file: each time the same ones. Raises DatasetError."""
        ...

    def end(self) -> list[str]:
        """Return the problems of the first pass that did not end it. Raises DatasetError for those of the whole."""
        ...

    def place(self, place: Place, *, short: bool = False) -> str:
        """Say where a trial stands; `short` where the file was named before."""
        ...

    def refusal(self, problems: Sequence[str]) -> DatasetError:
        """Make the error for a source with these problems; without any, for one that has no trials."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """An importer whose trials are spread over files."""

    def gathered(
        self, logs: Sequence[LogFile], reading: Reading, wanted: Callable[[int], bool] | None = None
    ) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every trial of all logs with the number of its file, each time the same. Raises DatasetError."""
        ...


class TrialChange(Protocol):
    """What is done to each request of traffic. `note` tells the user, `leaves_out` names requests that are left out."""

    note: str
    leaves_out: str

    def of(self, trial: ForeignTrial) -> ForeignTrial | None:
        """Return the request as it is kept; None to leave it out."""
        ...

    def identity(self) -> JsonValue:
        """Return what tells runs apart that differ in this change, once the files were read."""
        ...


class Importer(Protocol):
    """Reads the logs of one tool; the first line of its docstring says which they are."""

    def recognises(self, log: LogFile) -> bool:
        """Whether the content is a log of this tool."""
        ...

    def trials(self, log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every trial in the order of the log, each time the same. Raises DatasetError."""
        ...
