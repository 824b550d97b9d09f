"""A key that an answer holds in pieces is blanked out in whatever form answers stream, and nothing else is changed."""

import json
import re

import pytest

from insideLLMs.proxy.seen_secrets import SeenSecrets

PIECES = ["say my-own", "-sec", "ret-7!", " Done."]
CLEAN = "say [redacted]! Done."


@pytest.fixture
def secrets():
    seen = SeenSecrets({})
    seen.see([("Authorization", "Bearer my-own-secret-7")], "")
    return seen


def ollama(text):
    return {"model": "m", "message": {"content": text}, "done": False}


def gemini(text):
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]}


def in_lines(texts):
    return "".join(json.dumps(ollama(text)) + "\r\n" for text in texts)


def in_a_list(texts):
    return json.dumps([gemini(text) for text in texts], indent=2)


def in_a_list_that_broke_off(texts):
    return in_a_list(texts).rstrip("]\n") + ',\r\n{"candidates": [{"conte'


def one_after_the_other(texts):
    return "".join(json.dumps(gemini(text)) for text in texts)


def read(body):
    texts = re.findall(r'"(?:text|content)": ?("(?:[^"\\\\]|\\\\.)*")', body)
    return [json.loads(text) for text in texts]


@pytest.mark.parametrize("written", [in_lines, in_a_list, in_a_list_that_broke_off, one_after_the_other])
def test_a_key_in_pieces_is_blanked_out_of_a_stream_of_any_form(written, secrets):
    (kept,) = secrets.answer([written(PIECES)])
    assert read(kept) == ["say [redacted]", "", "!", " Done."]
    assert secrets.answers == 1
    (same,) = secrets.answer([written(["No key", " is", " here."])])
    assert same == written(["No key", " is", " here."])


def test_a_key_in_the_parts_of_a_message_is_blanked_out_and_ids_are_not_taken_for_one(secrets):
    parts = {"content": [{"type": "text", "text": text, "id": f"sk-{at}"} for at, text in enumerate(PIECES * 3)]}
    kept = json.loads(secrets.answer([json.dumps(parts)])[0])["content"]
    assert "".join(part["text"] for part in kept) == CLEAN * 3
    assert [part["id"] for part in kept] == [f"sk-{at}" for at in range(12)]


def test_tokens_that_spell_a_key_are_left_out_with_all_that_stands_beside_them(secrets):
    tokens = [{"token": text, "bytes": list(text.encode()), "top_logprobs": [{"token": text}]} for text in PIECES]
    body = {"choices": [{"message": {"content": "".join(PIECES)}, "logprobs": {"content": tokens}}]}
    (kept,) = secrets.answer([json.dumps(body)])
    assert json.loads(kept) == {"choices": [{"message": {"content": CLEAN}, "logprobs": None}]}
    events = [f"data: {json.dumps({'choices': [{'logprobs': {'content': [token]}}]})}\n\n" for token in tokens]
    assert "sec" not in "".join(secrets.answer(events))


@pytest.mark.parametrize("text", ["", "{", "[[1, 2], 3]", '["my", "own"]', "{} {", "NaN", '{"a": ' * 2000, "no JSON"])
def test_what_is_no_stream_of_objects_stays_as_it_is(text, secrets):
    assert secrets.answer([text]) == [text]


def test_what_stands_beside_a_key_in_pieces_may_be_any_json(secrets):
    odd = '"big":' + "9" * 40 + ',"none":NaN,"half":"\\ud800","word":"caf\\u00e9"'
    (kept,) = secrets.answer([f'{{"text":"my-own-se",{odd}}}{{"text":"cret-7",{odd}}}'])
    assert kept == f'{{"text":"[redacted]",{odd}}}{{"text":"",{odd}}}'
