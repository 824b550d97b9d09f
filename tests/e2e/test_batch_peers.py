"""`batch import` of what other executors write: Azure, Together, LiteLLM, vLLM's run-batch and Ray Data."""

import json

import pytest

from support.batch_answers import write_lines
from support.batch_imports import begun, take


def without_status(line):
    return {**line, "response": {"status_code": None, "body": line["response"]["body"]}}


PEERS = {
    "Azure": lambda line: {"custom_id": line["custom_id"], "response": line["response"], "error": None},
    "Together": lambda line: {"custom_id": line["custom_id"], "response": line["response"]},
    "vLLM": lambda line: {**line, "id": "vllm-1", "response": {**line["response"], "request_id": "vllm-batch-1"}},
    "Ray Data, chosen columns": lambda line: {
        "custom_id": line["custom_id"], "response": line["response"]["body"], "__inference_error__": ""
    },
    "Ray Data, HTTP": lambda line: {"custom_id": line["custom_id"], "http_response": line["response"]["body"]},
    "a table": lambda line: {**line, "response": {**line["response"], "status_code": 200.0}},
    "no status": without_status,
    "an error that says nothing": lambda line: {**line, "error": {"code": None, "message": None}},
    "half a surrogate pair, and no number": lambda line: {**line, "usage": float("nan"), "user": "\ud83d"},
    "a body of text": lambda line: {
        **line, "response": {"status_code": "200", "body": json.dumps(line["response"]["body"])}
    },
}  # fmt: skip


@pytest.mark.parametrize("peer", PEERS)
def test_answers_are_taken_as_other_executors_write_them(tmp_path, peer):
    lines = begun(tmp_path)
    (tmp_path / "answers.jsonl").write_text("".join(f"{json.dumps(PEERS[peer](line))}\n" for line in lines))
    done = take(tmp_path, "answers.jsonl")
    assert (done.code, done.json["taken"], done.json["complete"]) == (0, 12, True), done.err


TOO_LONG = {"message": "maximum context length is 2048 tokens", "type": "BadRequestError", "param": None, "code": 400}
ANSWER = {"choices": [{"message": {"content": "QUESTION 0"}, "finish_reason": "stop"}]}
UNANSWERED = {  # what stands instead of an answer, and whether it is final
    "Azure": (
        {
            "response": {
                "status_code": 400,
                "body": {"error": {"message": "too long", "code": "string_above_max_length"}},
            }
        },
        True,
    ),
    "Azure, an empty error": ({"response": None, "error": {}}, False),
    "expired": ({"response": None, "error": {"code": "batch_expired", "message": "too late"}}, False),
    "Together": ({"error": {"message": "Input validation error", "type": "invalid_request_error"}}, True),
    "vLLM": ({"response": {"status_code": 400, "body": None}, "error": {"object": "error", **TOO_LONG}}, True),
    "vLLM, nested": ({"response": {"status_code": 400, "body": None}, "error": {"error": TOO_LONG}}, True),
    "vLLM, down": ({"response": {"status_code": 500, "body": None}, "error": {"error": {"code": 500}}}, False),
    "LiteLLM": ({"response": {"status_code": 500, "body": {"error": {"message": "x", "code": "500"}}}}, False),
    "Ray Data": ({"response": None, "__inference_error__": "ValueError: prompt too long"}, False),
    "text": ({"response": None, "error": "timed out"}, False),
    "a null body": ({"response": {"status_code": 200, "body": None}, "error": None}, False),
    "an empty body": ({"response": {"status_code": 200, "body": {}}, "error": None}, False),
    "an answer beside an error": (
        {"response": {"status_code": 200, "body": ANSWER}, "error": {"code": "x", "message": "cut"}},
        False,
    ),
    "an answer beside a text": ({"response": {"status_code": 200, "body": ANSWER}, "error": "timed out"}, False),
    "an answer beside Ray Data's error": ({"http_response": ANSWER, "__inference_error__": "timed out"}, False),
    "Anthropic, too large": (
        {"result": {"type": "errored", "error": {"error": {"type": "request_too_large", "message": "32 MB"}}}},
        True,
    ),
    "Anthropic, in its examples": ({"result": {"type": "errored", "error": {"type": "invalid_request"}}}, True),
    "Anthropic, no error": ({"result": {"type": "errored", "error": None}}, False),
    "Anthropic, a type of the future": ({"result": {"type": "paused"}}, False),
    "Anthropic, no message": ({"result": {"type": "succeeded", "message": None}}, False),
    "Anthropic, no result": ({"result": None}, False),
}


@pytest.mark.parametrize("kind", UNANSWERED)
def test_an_error_of_another_executor_is_final_or_asked_again_and_hinders_no_other_answer(tmp_path, kind):
    lines = begun(tmp_path)
    told, is_final = UNANSWERED[kind]
    write_lines(tmp_path / "answers.jsonl", [{"custom_id": lines[0]["custom_id"], **told}, *lines[1:]])
    done = take(tmp_path, "answers.jsonl")
    assert (done.code, done.json["taken"]) == (0, 11), done.err
    assert (done.json["refused"], len(done.json["failed"])) == ((1, 0) if is_final else (0, 1)), done.json
