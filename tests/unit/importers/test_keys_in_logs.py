"""Keys that stand in a log never reach the run directory, in whatever place and spelling."""

import base64
import json

import pytest

from insideLLMs.api.imports.importing import import_files

PLAIN = "canary9f8e7d6c5b4a"
SHAPED = (
    "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
    "sk-ant-api03-Ab3dEf6hIj9kLm2nOp5q",
    "AIzaSyAb3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z0",
    "ghp_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z0123",
    "hf_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
)


def row(number, **changes):
    test = {"vars": {"q": f"Question {number}?"}, "assert": [{"type": "contains", "value": "a"}]}
    graded = {
        "pass": True,
        "score": 1,
        "reason": "ok",
        "componentResults": [{"pass": True, "score": 1, "reason": "ok"}],
    }
    whole = {
        "promptIdx": 0, "testIdx": number, "testCase": test, "vars": test["vars"], "success": True, "score": 1,
        "gradingResult": graded, "provider": {"id": "p"}, "prompt": {"raw": f"Question {number}?", "label": "q"},
        "response": {"output": "an answer"},
    }  # fmt: skip
    return {**whole, **changes}


def written(tmp_path, rows):
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    imported = import_files([path], tmp_path / "run")
    return imported, b"".join(file.read_bytes() for file in (tmp_path / "run").iterdir())


@pytest.mark.parametrize("key", SHAPED)
@pytest.mark.parametrize("place", ["answer", "question", "metadata", "error", "model", "reason"])
def test_what_looks_like_a_key_is_blanked_out_everywhere(key, place, tmp_path):
    text = f"see\n{key}, please"
    changes = {
        "answer": {"response": {"output": text}},
        "question": {"vars": {"q": text}},
        "metadata": {"testCase": {**row(0)["testCase"], "metadata": {"note": [text]}}},
        "error": {"response": {}, "success": False, "failureReason": 2, "error": text},
        "model": {"provider": {"id": key}},
        "reason": {"gradingResult": {**row(0)["gradingResult"], "reason": text}},
    }[place]
    imported, data = written(tmp_path, [row(0, **changes), row(1)])
    assert key.encode() not in data
    assert any("keys were blanked out" in note for note in imported.notes)


@pytest.mark.parametrize(
    "spelling",
    [PLAIN, PLAIN.upper(), PLAIN[::-1], PLAIN.encode().hex(), base64.b64encode(PLAIN.encode()).decode()],
    ids=["plain", "upper", "backwards", "hex", "base64"],
)
def test_what_stands_under_a_secret_name_is_blanked_out_wherever_it_comes_up_again(spelling, tmp_path):
    hidden = row(1, provider={"id": "p", "config": {"headers": {"Authorization": f"Bearer {PLAIN}"}}})
    _, data = written(tmp_path, [row(0, response={"output": f"your key is {spelling}"}), hidden])
    assert spelling.encode() not in data


def test_a_key_that_only_an_error_quotes_is_blanked_out(tmp_path):
    failed = row(0, response={}, success=False, failureReason=2, error=f"401 Incorrect API key provided: {PLAIN}")
    _, data = written(tmp_path, [failed, row(1)])
    assert PLAIN.encode() not in data


def test_ordinary_words_stay(tmp_path):
    text = "the token is risk-management-of-a-task; sk-short; password: see below; https://example.org/a?b=c"
    _, data = written(tmp_path, [row(0, response={"output": text}), row(1)])
    assert json.dumps(text)[1:-1].encode() in data


def test_the_tokens_of_log_probabilities_are_no_secrets(tmp_path):
    tokens = [{"token": "answer", "logprob": -0.1}, {"token": "international", "logprob": -0.2}]
    text = "an international answer"
    _, data = written(tmp_path, [row(0, response={"output": text, "logprobs": tokens}), row(1)])
    assert text.encode() in data


def test_a_key_as_the_name_of_a_scorer_changes_no_order(tmp_path):
    annotations = [{"name": SHAPED[0], "score": 1.0}, {"name": "zeal", "score": 1.0}]
    run = {"repetition_number": 1, "input": {"q": "?"}, "output": "x", "annotations": annotations}
    failed = {**run, "example_id": "b", "output": None, "error": "500", "annotations": []}
    (tmp_path / "p.json").write_text(json.dumps([{**run, "example_id": "a"}, failed]))
    assert import_files([tmp_path / "p.json"], tmp_path / "run").manifest.trials == 4
    assert SHAPED[0] not in (tmp_path / "run" / "records.jsonl").read_text()
