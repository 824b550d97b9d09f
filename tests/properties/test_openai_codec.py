"""Laws of the chat completions codec: whatever a server sends, the outcome is a storable Response or a ModelError."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import ModelError
from insideLLMs.core.types import Message, Request, Response
from insideLLMs.providers.apis.openai import OpenAICodec
from insideLLMs.providers.codec import HttpAnswer, excerpt
from insideLLMs.providers.request_options import own_seed

CODEC = OpenAICodec(model_name="m", fields={"seed": 1})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELD = st.sampled_from(
    ["content", "refusal", "tool_calls", "reasoning_content", "function", "name", "arguments", "id", "type", "text"]
)
MESSAGES = st.dictionaries(FIELD, JSON | st.lists(st.dictionaries(FIELD, JSON, max_size=4), max_size=3), max_size=6)
COMPLETIONS = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": MESSAGES, "finish_reason": JSON}), max_size=2)},
    optional={
        "usage": JSON | st.fixed_dictionaries({"prompt_tokens": JSON, "completion_tokens": JSON}),
        "model": JSON,
        "system_fingerprint": JSON,
        "error": JSON,
    },
)


def decode(body: bytes, status: int) -> Response | ModelError:
    try:
        return CODEC.decode(HttpAnswer(status=status, headers={}, body=body))
    except ModelError as error:
        return error


@given(COMPLETIONS | JSON, st.sampled_from([200, 400, 401, 404, 429, 500, 503]))
def test_any_json_becomes_a_storable_response_or_a_model_error(body: object, status: int) -> None:
    outcome = decode(orjson.dumps(body), status)
    if isinstance(outcome, Response):
        canonical.line(outcome)
    else:
        assert outcome.message.isprintable()


@given(st.binary(max_size=200), st.integers(200, 599))
def test_any_bytes_under_any_status_become_a_model_error_or_a_response(body: bytes, status: int) -> None:
    assert isinstance(decode(body, status), Response | ModelError)


@given(st.text() | st.binary())
def test_an_excerpt_is_short_and_printable(text: str | bytes) -> None:
    assert excerpt(text).isprintable()
    assert len(excerpt(text)) <= 201


@given(st.lists(st.text(), min_size=1, max_size=4), st.integers(0, 50))
def test_encoding_is_a_function_of_request_and_repeat_and_keeps_every_text(texts: list[str], repeat: int) -> None:
    request = Request(messages=tuple(Message(role="user", content=text) for text in texts))
    call = CODEC.encode(request, repeat=repeat)
    body = orjson.loads(call.body)
    assert [message["content"] for message in body["messages"]] == texts
    assert body["seed"] == own_seed(1, repeat, request)
    assert call == CODEC.encode(request, repeat=repeat)
