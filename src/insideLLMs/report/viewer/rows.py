"""A line of records.jsonl -> what the table shows of it, and the rest, undecoded, for the page of the example."""

import msgspec

from insideLLMs.core.errors import CompareError
from insideLLMs.core.types import Message, Usage

PREVIEW_CHARACTERS = 72
_COMPARED_CHARACTERS = 20_000
_BEFORE_DIFFERENCE = 20
_ABSENT = msgspec.Raw(b"null")
_NO_LIST = msgspec.Raw(b"[]")
_NO_OBJECT = msgspec.Raw(b"{}")

BODY = ("input", "expected", "fields")
"""The columns of an example."""
ANSWER = ("request", "response", "scores", "failure")
"""The columns of what came of it."""


class _Example(msgspec.Struct, frozen=True, gc=False):
    input: msgspec.Raw
    expected: msgspec.Raw = _NO_LIST
    fields: msgspec.Raw = _NO_OBJECT


class ViewedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record whose long parts stay as they are stored."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    status: str
    example: _Example
    request: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    scores: msgspec.Raw = _ABSENT
    failure: msgspec.Raw = _ABSENT

    def example_columns(self) -> tuple[bytes, ...]:
        """Return the JSON of the columns in BODY."""
        return (bytes(self.example.input), bytes(self.example.expected), bytes(self.example.fields))

    def answer_columns(self) -> tuple[bytes, ...]:
        """Return the JSON of the columns in ANSWER."""
        return (bytes(self.request), bytes(self.response), bytes(self.scores), bytes(self.failure))


class Timing(msgspec.Struct, frozen=True, gc=False):
    """A line of telemetry.jsonl, as far as it is shown."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    latency_ms: float | None = None
    attempts: int = 0
    cost_usd: float | None = None

    def is_of(self, record: ViewedRecord) -> bool:
        """Whether it tells of this record's Trial."""
        mine = (self.probe, self.dataset, self.example_id, self.model, self.repeat)
        return mine == (record.probe, record.dataset, record.example_id, record.model, record.repeat)


class ShownResponse(msgspec.Struct, frozen=True, gc=False):
    """The part of a response that the table shows."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    value: msgspec.Raw = _ABSENT


class ShownScores(msgspec.Struct, frozen=True, gc=False):
    """The part of the scores that the table shows."""

    values: dict[str, float] = {}
    passed: bool | None = None
    label: str | None = None


class _ShownFailure(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    message: str = ""


_decode = msgspec.json.Decoder(ViewedRecord).decode
_decode_timing = msgspec.json.Decoder(Timing).decode
_decode_input = msgspec.json.Decoder(str | tuple[Message, ...]).decode
_decode_response = msgspec.json.Decoder(ShownResponse | None).decode
_decode_scores = msgspec.json.Decoder(ShownScores | None).decode
_decode_failure = msgspec.json.Decoder(_ShownFailure | None).decode
_NO_RESPONSE = ShownResponse()
_NO_SCORES = ShownScores()


def read(line: bytes) -> ViewedRecord:
    """Read a line of records.jsonl. Raises CompareError if it is no record."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CompareError(
            f"a line of records.jsonl is not a record: {error}: {line[:80]!r}",
            fix="check the files with `insidellms verify`, or run the experiment again",
        ) from error


def read_timing(line: bytes) -> Timing:
    """Read a line of telemetry.jsonl. Raises CompareError if it is none."""
    try:
        return _decode_timing(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CompareError(
            f"a line of telemetry.jsonl cannot be read: {error}: {line[:80]!r}", fix="leave --telemetry out"
        ) from error


def response_of(record: ViewedRecord) -> ShownResponse:
    """Return the response, an empty one where there is none."""
    return _decode_response(record.response) or _NO_RESPONSE


def scores_of(record: ViewedRecord) -> ShownScores:
    """Return the scores, empty where there are none."""
    return _decode_scores(record.scores) or _NO_SCORES


def output_tokens(record: ViewedRecord) -> int | None:
    """Return how many tokens the answer has, where the provider counted them."""
    usage = response_of(record).usage
    return None if usage is None else usage.output_tokens


def prompt_preview(record: ViewedRecord) -> str:
    """Return the beginning of the input; of a chat, that of its last user message."""
    given = _decode_input(record.example.input)
    if not isinstance(given, str):
        given = next((message.text for message in reversed(given) if message.role == "user"), "")
    return preview(given)


def answer_text(record: ViewedRecord, response: ShownResponse) -> str:
    """Return the answer, or why there is none."""
    if response.text:
        return response.text
    if response.value != _ABSENT:
        return bytes(response.value).decode("utf-8", "replace")
    failure = _decode_failure(record.failure)
    return f"{failure.type}: {failure.message}" if failure else ""


def preview(text: str, start: int = 0) -> str:
    """Return the text from `start`, its blanks and line ends as single spaces, cut to PREVIEW_CHARACTERS."""
    shown = " ".join(text[start : start + 3 * PREVIEW_CHARACTERS].split())
    shown = f"…{shown}" if start else shown
    whole = len(shown) <= PREVIEW_CHARACTERS and len(text) <= start + 3 * PREVIEW_CHARACTERS
    return shown if whole else f"{shown[: PREVIEW_CHARACTERS - 1]}…"


def preview_difference(before: str, after: str) -> tuple[str, str]:
    """Return previews that begin shortly before the place from which the texts differ."""
    limit = min(len(before), len(after), _COMPARED_CHARACTERS)
    place = next((place for place in range(limit) if before[place] != after[place]), limit)
    if place < PREVIEW_CHARACTERS // 2 or before == after:
        return preview(before), preview(after)
    blank = before.rfind(" ", 0, place - _BEFORE_DIFFERENCE)
    start = blank + 1 if blank > 0 else place - _BEFORE_DIFFERENCE
    return preview(before, start), preview(after, start)
