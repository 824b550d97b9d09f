"""`batch export` and `batch import`: somebody else asks, and the run has the bytes of one that asked by itself."""

import json

import pytest

from support.api_server import ApiServer
from support.batch_answers import answer_lines, as_anthropic, as_gemini, as_openai, read_lines, write_lines
from support.batch_imports import EXPERIMENT, PROVIDERS, ROWS, begun, experiment, export, take
from support.command import canonical_bytes, insidellms, records_of, write_files
from support.openai_server import OpenAIServer


def live(folder, run="live"):
    done = insidellms("run", "e.yaml", "--run-dir", run, cwd=folder)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("model", "form"),
    [*((model, as_openai) for model in PROVIDERS), ("anthropic", as_anthropic), ("gemini", as_gemini)],
)
def test_a_run_of_imported_answers_has_the_bytes_of_one_that_asked(tmp_path, model, form):
    with ApiServer() as server:
        experiment(tmp_path, model=model, url=server.url + PROVIDERS[model])
        live(tmp_path)
        asked = len(server.requests)
        assert export(tmp_path, "e.yaml", "--run-dir", "batch").code == 0
        write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl", form=form))
        done = take(tmp_path, "answers.jsonl")
        assert len(server.requests) == asked
    assert done.json["complete"], done.err
    assert done.json["taken"] == len(ROWS) * 2
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")
    assert not (tmp_path / "batch" / "batches.jsonl").exists()


def test_a_request_is_a_line_of_openais_batch_format_and_trials_that_share_an_answer_share_it(tmp_path):
    begun(tmp_path)
    lines = read_lines(tmp_path / "requests.jsonl")
    assert len(lines) == len(ROWS) * 2  # of two probes
    assert len({line["custom_id"] for line in lines}) == len(lines)
    assert all(len(line["custom_id"]) <= 64 for line in lines)
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    assert lines[0]["body"] == {"model": "stub", "messages": [{"role": "user", "content": "Question 0"}]}


def test_the_same_experiment_is_exported_as_the_same_bytes(tmp_path):
    begun(tmp_path)
    first = (tmp_path / "requests.jsonl").read_bytes()
    for args in (("e.yaml", "--run-dir", "other"), ("--run-dir", "batch"), ("e.yaml", "--run-dir", "batch")):
        assert export(tmp_path, *args).code == 0
        assert (tmp_path / "requests.jsonl").read_bytes() == first


def test_an_export_of_a_complete_run_says_that_it_is_complete_and_how_to_ask_its_failures(tmp_path):
    begun(tmp_path)
    write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl", form=as_openai))
    assert take(tmp_path, "answers.jsonl").code == 0
    done = export(tmp_path, "--run-dir", "batch")
    assert (done.code, "batch is complete" in done.err) == (1, True), done.err
    assert "insidellms batch export EXPERIMENT -o FILE --run-dir batch" in done.err


def test_no_stream_is_asked_for_in_a_batch(tmp_path):
    begun(tmp_path, text=EXPERIMENT.replace("model_name: stub", "model_name: stub, stream: true"))
    assert not any("stream" in line["body"] for line in read_lines(tmp_path / "requests.jsonl"))


JUDGED = """
name: judged
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe:
  type: judge
  args:
    judges: [{type: openai, id: j1, args: {model_name: g1, base_url: 'URL'}},
             {type: openai, id: j2, args: {model_name: g2, base_url: 'URL'}}]
    rubric: Is it an answer?
dataset: {format: jsonl, path: data.jsonl}
"""


def test_judges_take_a_second_round(tmp_path):
    with OpenAIServer(answers={"You grade": '{"reason": "clear", "score": 4}'}) as server:
        experiment(tmp_path, url=server.base_url, text=JUDGED)
        live(tmp_path)

        def answer(request):
            return server.completion(request["body"]["messages"][-1]["content"], request["body"]["model"])

        assert export(tmp_path, "e.yaml", "--run-dir", "batch").code == 0
        write_lines(tmp_path / "one.jsonl", answer_lines(tmp_path / "requests.jsonl", answer))
        done = take(tmp_path, "one.jsonl")
        assert (done.code, done.json["complete"], done.json["missing"]) == (0, False, len(ROWS) * 2)
        assert export(tmp_path, "--run-dir", "batch").code == 0
        models = [line["body"]["model"] for line in read_lines(tmp_path / "requests.jsonl")]
        assert sorted(models) == ["g1"] * len(ROWS) + ["g2"] * len(ROWS)
        write_lines(tmp_path / "two.jsonl", answer_lines(tmp_path / "requests.jsonl", answer))
    assert take(tmp_path, "one.jsonl", "two.jsonl").json["complete"]
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")
    assert take(tmp_path, "two.jsonl").json["complete"]


CALLS = """
from insideLLMs import Probe

class Talk(Probe):
    def run(self, model, data, **options):
        try:
            first = model.generate(data["question"])
        except Exception:  # as careless as users are
            first = "nothing"
        return first + "/" + model.generate("More on " + first)
"""
CALLING = """
name: calls
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe: {type: 'talk.py:Talk', args: {name: talk}}
dataset: {format: jsonl, path: data.jsonl}
"""


def test_a_probe_of_several_calls_takes_a_round_for_each_and_no_caught_error_becomes_a_record(tmp_path):
    write_files(tmp_path, {"talk.py": CALLS})
    with ApiServer() as server:
        experiment(tmp_path, url=server.url + "/v1", text=CALLING)
        live(tmp_path)
    assert export(tmp_path, "e.yaml", "--run-dir", "batch").code == 0
    for _ in range(2):
        write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl"))
        done = take(tmp_path, "answers.jsonl")
        assert export(tmp_path, "--run-dir", "batch").code == (1 if done.json["complete"] else 0)
    assert done.json["complete"]
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def cut(lines):
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return data[:-40]


def line_of(value):
    return json.dumps(value).encode() + b"\n"


WRONG = {
    "an unknown id": (
        lambda lines: [*lines, as_openai("f" * 64, {})],
        "answers.jsonl, line 13: this run has no request",
    ),
    "another experiment": (lambda lines: [as_openai("f" * 64, {})], "another experiment's answers"),
    "two answers": (
        lambda lines: [*lines, as_openai(lines[0]["custom_id"], lines[-1]["response"]["body"])],
        "line 13: another answer to",
    ),
    "a cut last line": (cut, "line 12: it is not JSON"),
    "no JSON in the middle": (lambda lines: b"oops\n" + cut(lines[:2]) + b"\n", "line 1: it is not JSON"),
    "no id": (lambda lines: [*lines, {"response": {"body": {}}}], "line 13: it has no custom_id"),
    "an array": (lambda lines: json.dumps(lines).encode(), "line 1: it is a JSON array"),
    "a pretty array": (lambda lines: json.dumps(lines, indent=1).encode(), "is one JSON array"),
    "a gzip file": (lambda lines: b"\x1f\x8b\x08\0", "is compressed"),
    "UTF-16": (lambda lines: json.dumps(lines[0]).encode("utf-16"), "is not UTF-8"),
    "an empty file": (lambda lines: b"", "is empty"),
    "blank lines": (lambda lines: b"\n \r\n\n", "is empty"),
    "text for an answer": (lambda lines: b'"hello"\n', "line 1: it is a JSON str"),
    "neither answer nor error": (
        lambda lines: [{"custom_id": lines[0]["custom_id"]}],
        "neither a response nor an error",
    ),
    "not UTF-8": (lambda lines: b'{"custom_id": "\xff"}\n', "line 1: it is not JSON"),
    "only errors": (
        lambda lines: [as_openai(line["custom_id"], {"error": {"message": "busy"}}, 503) for line in lines],
        "errors only, and no answer, in 12 lines",
    ),
    "only expired": (
        lambda lines: [{"custom_id": line["custom_id"], "result": {"type": "expired"}} for line in lines],
        "the batch expired before",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_taken_from_a_file_that_is_wrong(tmp_path, wrong):
    lines = begun(tmp_path)
    make, told = WRONG[wrong]
    content = make(lines)
    if isinstance(content, list):
        write_lines(tmp_path / "answers.jsonl", content)
    else:
        (tmp_path / "answers.jsonl").write_bytes(content)
    before = (tmp_path / "batch" / "batches.jsonl").read_bytes()
    done = take(tmp_path, "answers.jsonl")
    assert done.code == 1, done.out
    assert told in done.err
    assert "fix: " in done.err
    assert (tmp_path / "batch" / "batches.jsonl").read_bytes() == before


def test_the_file_of_requests_is_not_taken_for_one_of_answers(tmp_path):
    begun(tmp_path)
    done = take(tmp_path, "requests.jsonl")
    assert (done.code, "it is a request, not an answer" in done.err) == (1, True)


@pytest.mark.parametrize(("start", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n \r\n")])
def test_order_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, start, end):
    with ApiServer() as server:
        lines = begun(tmp_path, url=server.url + "/v1")
        live(tmp_path)
    write_lines(tmp_path / "plain", [*reversed(lines), lines[0]], end=end)
    (tmp_path / "answers.jsonl").write_bytes(start.encode() + (tmp_path / "plain").read_bytes().rstrip())
    assert take(tmp_path, "answers.jsonl").json["complete"]
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_an_import_can_be_repeated_and_completed(tmp_path):
    lines = begun(tmp_path)
    write_lines(tmp_path / "half.jsonl", lines[:5])
    write_lines(tmp_path / "all.jsonl", lines)
    first, again = take(tmp_path, "half.jsonl").json, take(tmp_path, "half.jsonl").json
    assert (first["taken"], again["taken"], again["known"]) == (5, 0, 5)
    assert first["missing"] == again["missing"] == 7
    assert export(tmp_path, "--run-dir", "batch").code == 0
    assert [line["custom_id"] for line in read_lines(tmp_path / "requests.jsonl")] == [
        line["custom_id"] for line in lines[5:]
    ]
    assert take(tmp_path, "all.jsonl").json["complete"]
    sealed = canonical_bytes(tmp_path / "batch")
    done = take(tmp_path, "all.jsonl")
    assert (done.code, done.json["complete"], done.json["taken"]) == (0, True, 0)
    assert canonical_bytes(tmp_path / "batch") == sealed
    write_lines(tmp_path / "other.jsonl", [as_openai("f" * 64, {})])
    assert take(tmp_path, "other.jsonl").code == 1


def test_a_run_that_is_partly_answered_goes_on_live(tmp_path):
    with ApiServer() as server:
        lines = begun(tmp_path, url=server.url + "/v1")
        live(tmp_path)
        write_lines(tmp_path / "half.jsonl", lines[:5])
        assert not take(tmp_path, "half.jsonl").json["complete"]
        asked = len(server.requests)
        done = insidellms("run", "e.yaml", "--run-dir", "batch", "--resume", cwd=tmp_path)
        assert (done.code, len(server.requests) - asked) == (0, 7)
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_a_refusal_is_the_outcome_of_its_trials_and_other_errors_are_asked_again(tmp_path):
    lines = begun(tmp_path)
    refusal = {"error": {"message": "too long", "type": "invalid_request_error"}}
    ids = [line["custom_id"] for line in lines]
    lines[0] = as_openai(ids[0], refusal, 400)
    lines[1] = as_openai(ids[1], {"error": {"message": "slow down"}}, 429)
    lines[2] = {"custom_id": ids[2], "response": None, "error": {"code": "batch_expired", "message": "expired"}}
    lines[3] = as_openai(ids[3], {"object": "chat.completion"})  # without choices
    lines[4] = as_openai(ids[4], {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401)
    write_lines(tmp_path / "answers.jsonl", lines)
    done = take(tmp_path, "answers.jsonl").json
    assert (done["taken"], done["refused"], done["missing"]) == (7, 1, 4)
    assert [(line["place"], line["type"]) for line in done["failed"]] == [
        ("answers.jsonl, line 2", "RateLimitError"),
        ("answers.jsonl, line 3", "ServerError"),
        ("answers.jsonl, line 4", "BadAnswerError"),
        ("answers.jsonl, line 5", "AuthError"),
    ]
    assert export(tmp_path, "--run-dir", "batch").code == 0
    assert [line["custom_id"] for line in read_lines(tmp_path / "requests.jsonl")] == ids[1:5]
    write_lines(tmp_path / "again.jsonl", answer_lines(tmp_path / "requests.jsonl"))
    assert take(tmp_path, "answers.jsonl", "again.jsonl").json["complete"]  # an answer stands before an error
    assert [record["status"] for record in records_of(tmp_path / "batch")].count("error") == 2  # of two probes
    with ApiServer(status=400, failure=refusal) as server:
        experiment(tmp_path, url=server.url + "/v1")
        insidellms("run", "e.yaml", "--run-dir", "live", cwd=tmp_path)
    assert records_of(tmp_path / "live")[0]["failure"] == records_of(tmp_path / "batch")[0]["failure"]


def test_a_key_among_the_answers_is_not_kept(tmp_path):
    key = "sk-proj-abcdefgh12345678"
    lines = begun(tmp_path)
    for line in lines:
        line["response"]["headers"] = {"Authorization": f"Bearer {key}"}
        line["response"]["body"]["choices"][0]["message"]["content"] += f" {key} {key[::-1]}"
    write_lines(tmp_path / "answers.jsonl", lines)
    assert take(tmp_path, "answers.jsonl", OPENAI_API_KEY=key).json["complete"]
    for file in (tmp_path / "batch").iterdir():
        assert key.encode() not in file.read_bytes()
        assert key[::-1].encode() not in file.read_bytes()


def test_no_file_holds_a_secret_of_the_requests(tmp_path):
    text = EXPERIMENT.replace("model_name: stub", "model_name: stub, extra: {api_token: '${USER_KEY}'}")
    experiment(tmp_path, text=text)
    done = export(tmp_path, "e.yaml", "--run-dir", "batch", USER_KEY="a-secret-of-the-user")
    assert done.code == 1
    assert "no file may hold it" in done.err
    assert not (tmp_path / "requests.jsonl").exists()
    assert not (tmp_path / "batch").exists()


def test_a_model_without_batches_is_named(tmp_path):
    experiment(
        tmp_path, text=EXPERIMENT.replace("{type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}}", "dummy")
    )
    done = export(tmp_path, "e.yaml", "--run-dir", "batch")
    assert (done.code, "(dummy) has no batches" in done.err) == (1, True)
    assert not (tmp_path / "batch").exists()


def test_a_run_says_what_it_lacks_to_go_on(tmp_path):
    experiment(tmp_path)
    told = export(tmp_path).err
    assert ("an experiment is needed" in told, "name its file before -o, or the --run-dir" in told) == (True, True)
    told = take(tmp_path, "x.jsonl", run="none").err
    assert ("an experiment is needed: none" in told, "add --experiment FILE" in told) == (True, True)
    done = export(tmp_path, "e.yaml", "--run-dir", "e.yaml")
    assert (done.code, "is a file, not a run directory" in done.err) == (1, True)
    done = insidellms("batch", "export", "e.yaml", "-o", "no/such/requests.jsonl", "--run-dir", "batch", cwd=tmp_path)
    assert (done.code, "cannot write no/such/requests.jsonl" in done.err) == (1, True)
    assert not (tmp_path / "batch").exists()
    assert export(tmp_path, "e.yaml", "--run-dir", "batch").code == 0
    assert export(tmp_path, "--run-dir", "batch").code == 0
    assert "cannot be read" in take(tmp_path, "none.jsonl").err


def test_the_part_and_the_settings_of_a_run_hold_in_every_round(tmp_path):
    experiment(tmp_path)
    args = ("--only", "e[0-2]", "--set", "model.args.max_tokens=7", "--repeats", "1")
    assert export(tmp_path, "e.yaml", "--run-dir", "batch", *args).code == 0
    lines = read_lines(tmp_path / "requests.jsonl")
    assert [line["body"]["max_tokens"] for line in lines] == [7, 7, 7]
    write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl")[:1])
    assert take(tmp_path, "answers.jsonl").json["missing"] == 2
    assert export(tmp_path, "--run-dir", "batch").code == 0
    assert len(read_lines(tmp_path / "requests.jsonl")) == 2


def test_the_part_of_a_run_that_failed_holds_from_any_folder(tmp_path):
    experiment(tmp_path)
    write_lines(tmp_path / "wrong.jsonl", begun(tmp_path))
    assert take(tmp_path, "wrong.jsonl").json["complete"]
    assert export(tmp_path, "e.yaml", "--run-dir", "part", "--failed-in", "batch").code == 0
    (tmp_path / "deeper").mkdir()
    write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl"))
    args = ("batch", "import", "../answers.jsonl", "--run-dir", "../part", "--json")
    assert insidellms(*args, cwd=tmp_path / "deeper").json["complete"]


def test_answers_are_taken_into_a_run_that_does_not_exist_yet(tmp_path):
    write_lines(tmp_path / "answers.jsonl", begun(tmp_path))
    args = ("batch", "import", "answers.jsonl", "--run-dir", "new", "--experiment", "e.yaml", "--json")
    assert insidellms(*args, cwd=tmp_path).json["complete"]


def test_one_models_requests_can_be_written_alone(tmp_path):
    experiment(tmp_path, text=JUDGED)
    assert export(tmp_path, "e.yaml", "--run-dir", "batch", "--for", "m").code == 0
    assert len(read_lines(tmp_path / "requests.jsonl")) == len(ROWS)
    done = export(tmp_path, "--run-dir", "batch", "--for", "judge/j1")
    assert (done.code, "there is nothing to ask judge/j1 yet" in done.err) == (1, True)
    done = export(tmp_path, "e.yaml", "--run-dir", "batch", "--for", "nobody")
    assert (done.code, "there is no model 'nobody'" in done.err) == (1, True)
