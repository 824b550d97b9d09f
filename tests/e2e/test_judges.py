"""Judges' calls are calls of the run: its retries, limits, budget, cassettes, telemetry and timeout hold for them."""

import json
import time

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files
from support.openai_server import OpenAIServer

EXPERIMENT = """
name: judged
model: {type: openai, id: m, args: {model_name: stub, base_url: 'BASE'}}
probe:
  type: judge
  args:
    judges: {type: openai, args: {model_name: grader, base_url: 'BASE'}}
    rubric: Is it an answer?
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"e{i:02}", "prompt": f"Question {i}", "label": i % 4 != 0} for i in range(40)]
GRADE = {"You grade": '{"reason": "clear", "score": 4}'}
TOKENS = ("input_tokens", "output_tokens")


@pytest.fixture
def server():
    with OpenAIServer(answers=GRADE) as running:
        yield running


def experiment(folder, server, **execution):
    text = EXPERIMENT.replace("BASE", server.base_url) + f"execution: {json.dumps(execution)}\n"
    write_files(folder, {"e.yaml": text, "data.jsonl": ROWS})


def run(folder, name, *args, **env):
    return insidellms("run", "e.yaml", "--run-dir", name, *args, cwd=folder, env=env)


def telemetry(folder, name):
    return [json.loads(line) for line in (folder / name / "telemetry.jsonl").read_bytes().splitlines()]


def judged(prompts):
    return [prompt for prompt in prompts if prompt.startswith("You grade")]


def test_the_judge_is_asked_for_json_of_the_right_form_and_the_model_is_not(tmp_path, server):
    experiment(tmp_path, server)
    assert run(tmp_path, "out").code == 0
    assert len(server.bodies) == 2 * len(ROWS)
    for body in server.bodies:
        form = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("required")
        assert form == (["reason", "score"] if judged([body["messages"][-1]["content"]]) else None)


def test_a_storm_of_429_at_the_judge_costs_retries_and_no_trial(tmp_path):
    storm = {"kind": "429", "match": "You grade", "share": 0.6, "times": 3, "retry_after": "0.05"}
    with OpenAIServer(answers=GRADE, faults=[storm]) as server:
        experiment(tmp_path, server, concurrency=8)
        done = run(tmp_path, "out")
        assert done.code == 0, done.err
        faults = server.faults_done["429"]
        assert faults > len(ROWS)
        assert server.requests == 2 * len(ROWS) + faults
    assert all(record["status"] == "success" for record in records_of(tmp_path / "out"))
    calls = [call for line in telemetry(tmp_path, "out") for call in line["judges"]]
    assert sum(call["attempts"] for call in calls) == len(ROWS) + faults
    assert {call["model"] for call in calls} == {"judge/openai/grader"}


def test_a_rate_holds_for_models_and_judges_of_one_account_together(tmp_path, server):
    experiment(tmp_path, server, requests_per_minute=2400)
    started = time.monotonic()
    assert run(tmp_path, "out").code == 0
    assert server.requests == 2 * len(ROWS)
    assert time.monotonic() - started > (2 * len(ROWS) - 1) * 60 / 2400


@pytest.mark.parametrize("setting", ["max_tokens", "max_cost_usd"])
def test_what_judges_use_is_counted_in_the_budget_also_when_resumed(tmp_path, server, setting):
    prices = {name: {"input": 1.0, "output": 1.0} for name in ("m", "judge/openai/grader")}
    experiment(tmp_path, server, concurrency=1, prices=prices)
    assert run(tmp_path, "whole").code == 0
    lines = telemetry(tmp_path, "whole")
    model = sum(line[name] for line in lines for name in TOKENS)
    judges = sum(call[name] for line in lines for call in line["judges"] for name in TOKENS)
    assert judges > model
    asked = server.requests
    half = (model + judges) // 2 if setting == "max_tokens" else (model + judges) / 2e6
    limit = ("--set", f"execution.{setting}={half}")
    done = run(tmp_path, "out", *limit)
    assert done.code == 1
    assert "budget" in done.err
    used = server.requests - asked
    assert 0.3 * asked < used < 0.7 * asked
    assert run(tmp_path, "out", "--resume", *limit).code == 1
    assert server.requests - asked == used
    assert run(tmp_path, "out", "--resume").code == 0
    assert server.requests == 2 * asked
    assert canonical_bytes(tmp_path / "out") == canonical_bytes(tmp_path / "whole")


def test_a_bound_on_costs_needs_the_judges_price(tmp_path, server):
    experiment(tmp_path, server, max_cost_usd=1, prices={"m": {"input": 1.0, "output": 1.0}})
    done = run(tmp_path, "out")
    assert done.code == 1
    assert "'judge/openai/grader'" in done.err
    assert server.requests == 0


def test_a_replay_needs_neither_model_nor_judge(tmp_path):
    with OpenAIServer(answers=GRADE) as server:
        experiment(tmp_path, server)
        assert run(tmp_path, "recorded", "--record", "tape.jsonl").code == 0
    done = run(tmp_path, "replayed", "--replay", "tape.jsonl")
    assert done.code == 0, done.err
    assert canonical_bytes(tmp_path / "recorded") == canonical_bytes(tmp_path / "replayed")
    tape = (tmp_path / "tape.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "tape.jsonl").write_text("".join(line for line in tape if "You grade" not in line))
    done = run(tmp_path, "lacking", "--replay", "tape.jsonl")
    assert done.code == 1
    assert "the cassette has no answer" in done.err
    assert "judge/openai/grader" in done.err


def test_a_cached_judgement_is_not_asked_again(tmp_path, server):
    experiment(tmp_path, server)
    for name in ("one", "two"):
        assert run(tmp_path, name, "--cache", "read", INSIDELLMS_CACHE=str(tmp_path / "cache")).code == 0
    assert server.requests == 2 * len(ROWS)
    assert canonical_bytes(tmp_path / "one") == canonical_bytes(tmp_path / "two")


def test_a_judge_that_hangs_times_its_trial_out_and_the_answer_is_kept(tmp_path):
    hang = {"kind": "hang", "match": "Question 7\n", "times": 9}
    with OpenAIServer(answers=GRADE, faults=[hang]) as server:
        experiment(tmp_path, server, timeout_s=3.0)
        assert run(tmp_path, "out").code == 0
    (late,) = [record for record in records_of(tmp_path / "out") if record["status"] != "success"]
    assert (late["example_id"], late["status"], late["failure"]["stage"]) == ("e07", "timeout", "score")
    assert "within 3 s" in late["failure"]["message"]
    assert late["response"]["text"] == "echo: Question 7"


def test_a_judge_that_refuses_the_key_stops_the_run_and_a_resumed_one_only_judges(tmp_path):
    with OpenAIServer(answers=GRADE, faults=[{"kind": "401", "match": "You grade"}]) as server:
        experiment(tmp_path, server, concurrency=4)
        done = run(tmp_path, "out")
        assert done.code == 1
        assert "401" in done.err
        answered = len(server.prompts) - len(judged(server.prompts))
        assert 0 < answered <= 8
        while done.code == 1:
            done = run(tmp_path, "out", "--resume")
        assert done.code == 0, done.err
        assert len(server.prompts) - len(judged(server.prompts)) == len(ROWS)


def test_a_judge_without_its_key_is_told_before_anything_is_asked(tmp_path, server):
    experiment(tmp_path, server)
    text = (tmp_path / "e.yaml").read_text()
    write_files(tmp_path, {"e.yaml": text.replace(f"grader, base_url: '{server.base_url}'", "grader")})
    done = run(tmp_path, "out")
    assert done.code == 1
    assert "OPENAI_API_KEY" in done.err
    assert server.requests == 0


def test_how_the_run_went_tells_the_judges_part(tmp_path, server):
    experiment(tmp_path, server)
    assert run(tmp_path, "out").code == 0
    done = insidellms("report", "out", "--telemetry", "--json", cwd=tmp_path)
    parts = {part["model"]: part for part in done.json["models"]}
    assert set(parts) == {"m", "judge/openai/grader"}
    assert [part["calls"] for part in parts.values()] == [len(ROWS), len(ROWS)]
    assert parts["judge/openai/grader"]["input_tokens"] > parts["m"]["input_tokens"]


def test_stored_answers_are_judged_again(tmp_path, server):
    experiment(tmp_path, server)
    assert run(tmp_path, "out").code == 0
    asked = server.requests
    judge = {"type": "openai", "args": {"model_name": "other", "base_url": server.base_url}}
    probe = json.dumps({"type": "judge", "args": {"judges": judge, "rubric": "Is it long?"}})
    again = ("rescore", "out", "--probe", probe, "--to", "again")
    done = insidellms(*again, cwd=tmp_path)
    assert done.code == 0, done.err
    assert server.requests == asked + len(ROWS)
    assert {body["model"] for body in server.bodies[asked:]} == {"other"}
    server.reply = (401, b"{}")
    done = insidellms(*again, "--overwrite", cwd=tmp_path)
    assert done.code == 1
    assert "Traceback" not in done.err


def test_a_users_own_model_judges_and_its_code_names_the_run(tmp_path, server):
    experiment(tmp_path, server)
    text = (tmp_path / "e.yaml").read_text()
    provider = f"{{type: openai, args: {{model_name: grader, base_url: '{server.base_url}'}}}}"
    own = text.replace(provider, "{type: 'mine.py:Mine'}")
    names = set()
    for score in (2, 5):
        code = f"class Mine:\n    def generate(self, prompt, **kwargs):\n        return '{{\"score\": {score}}}'\n"
        write_files(tmp_path, {"e.yaml": own, "mine.py": code})
        done = run(tmp_path, f"out{score}")
        assert done.code == 0, done.err
        assert {record["scores"]["passed"] for record in records_of(tmp_path / f"out{score}")} == {score == 5}
        names.add(json.loads((tmp_path / f"out{score}" / "manifest.json").read_text())["run_id"])
    assert len(names) == 2


def test_a_model_may_not_be_called_as_a_judge_is(tmp_path, server):
    experiment(tmp_path, server)
    write_files(tmp_path, {"e.yaml": (tmp_path / "e.yaml").read_text().replace("id: m,", "id: judge/openai/grader,")})
    done = run(tmp_path, "out")
    assert done.code == 1
    assert "is also the name of a judge" in done.err


def test_a_dry_run_names_the_judges_and_that_their_part_cannot_be_known(tmp_path, server):
    experiment(tmp_path, server)
    done = run(tmp_path, "out", "--dry-run")
    assert done.code == 0, done.err
    assert "judge/openai/grader: unknown calls" in done.out
    assert server.requests == 0


def test_agreement_with_labels_is_reported_and_a_weak_judge_warned_of(tmp_path, server):
    experiment(tmp_path, server)
    done = run(tmp_path, "out")
    (result,) = json.loads((tmp_path / "out" / "summary.json").read_text())["results"]
    found = result["agreement"]
    assert (found["n"], found["accuracy"]["value"], found["kappa"]["value"]) == (40, 0.75, 0.0)
    assert (found["sensitivity"]["value"], found["specificity"]["value"]) == (1.0, 0.0)
    for words in ("agrees with 75.0% of 40 labels", "kappa 0.00 is below 0.6", "only 40 examples with a label"):
        assert words in " ".join(done.out.split())
    assert run(tmp_path, "again").code == 0
    assert "kappa 0.00 is below 0.6" in " ".join(insidellms("diff", "out", "again", cwd=tmp_path).out.split())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "agrees with 75.0% of 40 labels" in page
    assert "do not gate on them" in page
