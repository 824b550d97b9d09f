"""A key that a server sends back is blanked out in whatever spelling it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.errors import AuthError
from insideLLMs.core.types import Message, Response, TokenLogprob, ToolCall
from insideLLMs.providers.redaction import Redactor
from support.key_spellings import KEYS, SPELLINGS


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_found_in_every_spelling(key, spelling):
    echoed = SPELLINGS[spelling](key)
    blanked = Redactor([key]).text(f'{{"error": "wrong key: {echoed} (of 2)"}}')
    assert "[redacted]" in blanked
    assert len(blanked) < 70, blanked  # what stood before the key in Base64 may stay


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_found_in_what_was_decoded_in_every_spelling(key, spelling):
    echoed = SPELLINGS[spelling](key)
    blanked = Redactor([key]).response(Response(text=f"it is {echoed}\n", kept={"sources": [echoed]}))
    assert "[redacted]" in blanked.text
    assert "[redacted]" in blanked.kept["sources"][0]


@given(st.text(max_size=300))
def test_text_without_a_key_is_left_alone(text):
    assert Redactor(KEYS).text(text) == text


def test_a_placeholder_is_no_secret():
    assert Redactor(["none", ""]).text("none at all") == "none at all"


def test_what_was_decoded_is_searched_once_more():
    key = KEYS[0]
    response = Response(
        text=f"it is {key}",
        reasoning=f"is it {key}?",
        tool_calls=(ToolCall(name="f", arguments={"header": [f"Bearer {key}"]}),),
        trajectory=(Message(role="tool", content=f"token: {key}", tool_call_id=key),),
        logprobs=tuple(TokenLogprob(token=piece, logprob=-1.0) for piece in ("it is ", key[:20], key[20:])),
    )
    blanked = Redactor([key]).response(response)
    assert blanked.text == "it is [redacted]"
    assert blanked.tool_calls[0].arguments == {"header": ["Bearer [redacted]"]}
    assert blanked.trajectory == (Message(role="tool", content="token: [redacted]", tool_call_id="[redacted]"),)
    assert blanked.logprobs == ()
    assert "CANARY" not in repr(blanked)
    clean = Response(text="it is 4", logprobs=(TokenLogprob(token="4", logprob=-1.0),))
    assert Redactor([key]).response(clean) is clean


def test_the_words_of_an_error_are_searched():
    error = Redactor([KEYS[1]]).error(AuthError(f"no: {KEYS[1]}", fix=f"not {KEYS[1]}"))
    assert (error.message, error.fix) == ("no: [redacted]", "not [redacted]")
    assert "CANARY" not in f"{error!r} {error}"


def test_credentials_that_are_found_later_are_blanked_out_as_well():
    first = Redactor([KEYS[0]])
    both = first.also(KEYS[1], "")
    assert both.text(f"{KEYS[0]} {KEYS[1]}") == "[redacted] [redacted]"
    assert both.also(KEYS[1]) is both
