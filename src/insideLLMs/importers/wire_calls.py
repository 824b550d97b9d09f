"""Cassettes of `insidellms record`: each case of an application is a trial, its calls what the application did.

A case is named by its test, so that it stays the same example whatever it asks: what it asked first is the request,
what it was answered last is the response, and all that was said between is the trajectory.
"""

from collections.abc import Iterator, Sequence

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import BadAnswerError, CanonicalError, DatasetError, InsideLLMsError, ModelError
from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus, sum_usage
from insideLLMs.importers.foreign import ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile
from insideLLMs.providers.answer_fields import read_list, read_mapping
from insideLLMs.providers.apis.anthropic import AnthropicCodec
from insideLLMs.providers.apis.gemini import GeminiCodec
from insideLLMs.providers.apis.openai import OpenAICodec
from insideLLMs.providers.apis.openai_responses import ResponsesCodec
from insideLLMs.providers.chat_model import ChatCodec
from insideLLMs.providers.codec import HttpAnswer
from insideLLMs.providers.events import EventData
from insideLLMs.store.answers.wire_cassette import WireAnswer, WireCall, WireHead, WireRequest
from insideLLMs.trajectories import read_trajectory

_MODEL, _DATASET = "application", "cases"
_CODECS: dict[str, ChatCodec] = {
    "/chat/completions": OpenAICodec(model_name="", fields={}),
    "/responses": ResponsesCodec(model_name="", fields={}),
    "/messages": AnthropicCodec(model_name="", fields={}),
    ":generateContent": GeminiCodec(model_name="", fields={}),
    ":streamGenerateContent": GeminiCodec(model_name="", fields={}),
}
"""What reads chats, by how their path ends."""
_HEAD = frozenset(WireHead.__struct_fields__)


class WireCallsLog:
    """insidellms record: the cassette of an application's calls"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it begins with the format of such a cassette."""
        return log.is_lines and "format" in log.keys and log.keys <= _HEAD

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield a trial for each case."""
        cases: dict[str, list[WireCall]] = {}
        lines: dict[str, int] = {}
        for line, row in log.rows():
            if line == 1:
                continue
            with log.reading(line):
                call = _call(row)
            cases.setdefault(call.case, []).append(call)
            lines.setdefault(call.case, line)
        for case, calls in cases.items():
            with log.reading(lines[case]):
                trial = _trial(case, calls, lines[case], reading)
            yield trial


def _call(row: JsonValue) -> WireCall:
    try:
        canonical.check(row)
        return msgspec.convert(row, WireCall)
    except (msgspec.ValidationError, CanonicalError) as error:
        raise DatasetError(f"is not a recorded call: {error}") from error


def _trial(case: str, calls: Sequence[WireCall], line: int, reading: Reading) -> ForeignTrial:
    chats = [call for call in calls if _codec_of(call.request) is not None]
    if len(chats) < len(calls):
        reading.left_out["calls that are no chat"] += len(calls) - len(chats)
    said = _Conversation()
    failure = "no call of this case is a chat"
    answers: list[Response] = []
    for call in chats:
        said.ask(_asked(call.request, reading))
        try:
            answers.append(_answer(call))
        except ModelError as error:
            failure = error.message
        else:
            failure = ""
            said.answer(answers[-1])
    used = sum_usage(answer.usage for answer in answers)
    response = None if failure else msgspec.structs.replace(answers[-1], usage=used, trajectory=said.trajectory())
    return ForeignTrial(
        line=line,
        example=Example(id=case, input=case),
        dataset=_DATASET,
        model=_MODEL,
        repeat=0,
        status=ResultStatus.SUCCESS if response else ResultStatus.ERROR,
        request=said.first,
        response=response,
        failure=failure,
    )


class _Conversation:
    """What was said in a case. A request that goes on from what was said holds it again, and so takes its place."""

    def __init__(self) -> None:
        self.first: tuple[Message, ...] = ()
        self._before: list[Message] = []
        self._going_on: list[Message] = []

    def ask(self, messages: Sequence[Message]) -> None:
        """Add a request."""
        held = self._going_on
        if [_gist(one) for one in messages[: len(held)]] != [_gist(one) for one in held]:
            self._before += held
        self._going_on = list(messages)
        self.first = self.first or tuple(messages)

    def answer(self, response: Response) -> None:
        """Add an answer."""
        self._going_on.append(Message(role="assistant", content=response.text, tool_calls=response.tool_calls))

    def trajectory(self) -> tuple[Message, ...]:
        """Return what followed the first request; nothing where that was one answer."""
        after = (*self._before, *self._going_on)[len(self.first) :]
        return after if len(after) > 1 or any(message.tool_calls for message in after) else ()


def _gist(message: Message) -> tuple[JsonValue, ...]:
    """Return a message without the ids of its calls, which a cassette numbers in requests."""
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    return message.role, message.content, calls


def _asked(request: WireRequest, reading: Reading) -> tuple[Message, ...]:
    """Return the messages of a request, the instructions first."""
    body = request.body if isinstance(request.body, dict) else {}
    system = next((body[name] for name in ("system", "instructions", "systemInstruction") if body.get(name)), None)
    turns: JsonValue = next((body[name] for name in ("messages", "input", "contents") if body.get(name)), [])
    listed = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    before = (
        [] if system is None else [{"role": "system", **(system if isinstance(system, dict) else {"content": system})}]
    )
    try:
        return read_trajectory([*before, *_with_roles(listed)])
    except InsideLLMsError:
        reading.left_out["requests that are no chat"] += 1
        return ()


def _with_roles(turns: JsonValue) -> list[JsonValue]:
    """Give Gemini's contents the role that they have without one."""
    items = turns if isinstance(turns, list) else [turns]
    return [{"role": "user", **item} if isinstance(item, dict) and "parts" in item else item for item in items]


def _codec_of(request: WireRequest) -> ChatCodec | None:
    path = request.path.partition("?")[0]
    return next((codec for end, codec in _CODECS.items() if path.endswith(end)), None)


def _answer(call: WireCall) -> Response:
    """Read an answer. Raises ModelError for anything else."""
    codec, answer = _codec_of(call.request), call.answer
    assert codec is not None  # of a chat
    if answer.status is None or answer.broken:
        raise ModelError("the connection ended before the answer did")
    body = _assembled(codec, answer) if answer.events else answer.body.encode()
    return codec.decode(HttpAnswer(status=answer.status, headers=answer.headers, body=body))


def _assembled(codec: ChatCodec, answer: WireAnswer) -> bytes:
    """Put the events of an answer together. Raises BadAnswerError."""
    data = EventData()
    events = [event for piece in answer.events for event in data.feed(piece.encode())]
    events += data.end()
    if codec.events is None:
        return _joined_contents(events)
    assembler = codec.events(codec.endpoint.provider)
    for event in events:
        assembler.add(event)
    return assembler.body()


def _joined_contents(events: Sequence[bytes]) -> bytes:
    """Join the pieces of a Gemini stream: the last one says how it ended, all of them have parts."""
    try:
        pieces = [read_mapping(msgspec.json.decode(event)) for event in events]
    except msgspec.DecodeError as error:
        raise BadAnswerError("the stream holds an event that is not JSON") from error
    found = [read_mapping(one) for piece in pieces for one in read_list(piece.get("candidates"))]
    if not found:
        raise BadAnswerError("the stream holds no answer")
    parts = [part for one in found for part in read_list(read_mapping(one.get("content")).get("parts"))]
    candidate = {**found[-1], "content": {"role": "model", "parts": parts}}
    return msgspec.json.encode({**pieces[-1], "candidates": [candidate]})
