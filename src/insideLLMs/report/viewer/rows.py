"""A line of records.jsonl -> what the table shows of it, and the rest, undecoded, for the page of the example."""

import msgspec

from insideLLMs.core.record_views import ScoreFacts, ViewedFailure, ViewedRecord, ViewedResponse
from insideLLMs.core.types import Message

PREVIEW_CHARACTERS = 72
_COMPARED_CHARACTERS = 20_000
_BEFORE_DIFFERENCE = 20
_ABSENT = msgspec.Raw(b"null")

BODY = ("input", "expected", "fields")
"""The columns of an example."""
ANSWER = ("request", "response", "scores", "failure")
"""The columns of what came of it."""


_decode_input = msgspec.json.Decoder(str | tuple[Message, ...]).decode
_decode_response = msgspec.json.Decoder(ViewedResponse | None).decode
_decode_scores = msgspec.json.Decoder(ScoreFacts | None).decode
_decode_failure = msgspec.json.Decoder(ViewedFailure | None).decode
_NO_RESPONSE = ViewedResponse()
_NO_SCORES = ScoreFacts()


def example_columns(record: ViewedRecord) -> tuple[bytes, ...]:
    """Return the JSON of the columns in BODY."""
    return (bytes(record.example.input), bytes(record.example.expected), bytes(record.example.fields))


def answer_columns(record: ViewedRecord) -> tuple[bytes, ...]:
    """Return the JSON of the columns in ANSWER."""
    return (bytes(record.request), bytes(record.response), bytes(record.scores), bytes(record.failure))


def response_of(record: ViewedRecord) -> ViewedResponse:
    """Return the response, an empty one where there is none."""
    return _decode_response(record.response) or _NO_RESPONSE


def scores_of(record: ViewedRecord) -> ScoreFacts:
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


def answer_text(record: ViewedRecord, response: ViewedResponse) -> str:
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
