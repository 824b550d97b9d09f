"""Answers to a file of requests, as providers write them: in each one's shape, by the rules of a stub server."""

import json
from pathlib import Path

from support.api_server import SHAPES, last_text


def read_lines(path):
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def shouted(request):
    """Answer with the last text in upper case, in the body of the API whose path is asked."""
    shape = next(shape for end, shape in SHAPES.items() if request["url"].endswith(end))
    return shape(last_text(request["body"]).upper())


def as_openai(custom_id, body, status=200):
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}


def as_anthropic(custom_id, body):
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": body}}


def as_gemini(custom_id, body):
    return {"key": custom_id, "response": body}


def answer_lines(requests, answer=shouted, form=as_openai):
    """Return a line for each request of a file."""
    return [form(request["custom_id"], answer(request)) for request in read_lines(requests)]


def write_lines(path, lines, *, end="\n"):
    Path(path).write_bytes("".join(json.dumps(line, ensure_ascii=False) + end for line in lines).encode())
