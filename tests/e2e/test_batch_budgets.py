"""`run --batch` under a budget, and over a provider's limits: what is submitted is known before."""

import json
from collections import Counter

import pytest

from support.batch_server import BatchServer
from support.command import canonical_bytes, insidellms, write_files
from support.killed_batches import BASES, KilledBatches

ROWS = [{"id": f"e{i}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(8)]
EXPERIMENT = """
name: bounded
model: {type: TYPE, id: m, args: {model_name: stub, base_url: 'URL', max_tokens: 100}}
probe: equals
dataset: {format: jsonl, path: data.jsonl}
execution: {prices: {m: {input: 1000, output: 1000}}, BUDGET}
"""


def experiment(folder, server, model="openai", budget="max_attempts: 3", text=EXPERIMENT):
    written = text.replace("TYPE", model).replace("URL", server.url + BASES[model]).replace("BUDGET", budget)
    write_files(folder, {"e.yaml": written, "data.jsonl": ROWS})


def batch(folder, *args):
    return insidellms("run", "e.yaml", "--run-dir", "batch", "--batch", *args, cwd=folder)


def most_tokens(server):
    """Return the most that each batch could have taken: the bytes of its requests, and the limits of their answers."""
    return [sum(len(json.dumps(body)) + 100 for _, _, body in job.requests) for job in server.jobs]


@pytest.mark.parametrize("model", BASES)
def test_a_budget_is_kept_by_submitting_in_rounds(tmp_path, model):
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server, model, "max_tokens: 700")
        done = batch(tmp_path)
        assert done.code == 0, done.err
        sizes = [len(job.requests) for job in server.jobs]
        assert (sum(sizes), len(sizes) > 1) == (8, True)
        assert max(most_tokens(server)) < 700 + 8 * 40  # json.dumps writes blanks that no request has
    assert "will be submitted once the cost of these is known" in done.err
    assert (tmp_path / "batch" / "records.jsonl").read_text().count('"status":"success"') == 8


@pytest.mark.parametrize("bound", ["max_tokens: 150", "max_cost_usd: 0.05"])
def test_a_budget_that_allows_no_request_submits_none(tmp_path, bound):
    with BatchServer() as server:
        experiment(tmp_path, server, budget=bound)
        done = batch(tmp_path)
        assert (done.code, server.jobs) == (1, [])
    assert "of the budget of" in done.err


def test_a_budget_that_is_spent_is_resumed_with_a_larger_one_and_what_was_paid_counts(tmp_path):
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server, budget="max_cost_usd: 0.15")
        stopped = batch(tmp_path)
        assert (stopped.code, "left" in stopped.err) == (1, True), stopped.err
        asked = [len(job.requests) for job in server.jobs]
        assert 0 < sum(asked) < 8
        again = batch(tmp_path, "--resume")
        assert (again.code, [len(job.requests) for job in server.jobs]) == (1, asked), again.err
        done = batch(tmp_path, "--resume", "--set", "execution.max_cost_usd=1")
        assert (done.code, sum(len(job.requests) for job in server.jobs)) == (0, 8), done.err


def test_a_model_whose_answers_nothing_bounds_is_refused_before_anything_is_written(tmp_path):
    with BatchServer() as server:
        experiment(tmp_path, server, budget="max_cost_usd: 1", text=EXPERIMENT.replace(", max_tokens: 100", ""))
        done = batch(tmp_path)
        assert (done.code, server.jobs) == (1, [])
    assert "its answers have no limit" in done.err
    assert "set max_tokens in the model's args" in done.err
    assert not (tmp_path / "batch").exists()


SPLITS = [
    ("openai", {"most_requests": 3}, [3, 3, 2]),
    ("openai", {"most_bytes": 450}, [2, 2, 2, 2]),
    ("anthropic", {"most_requests": 5}, [5, 3]),
    ("gemini", {"most_requests": 4, "most_inline_bytes": 10}, [4, 4]),
    ("gemini", {"most_bytes": 300}, [2, 2, 2, 2]),
]
MOMENTS = [("creating", 2), ("created", 1), ("created", 2), ("upload", 2), ("looked", 2), ("results", 2)]


@pytest.mark.parametrize(("model", "limits", "sizes"), SPLITS)
def test_killed_between_two_batches_none_exceeds_a_limit_and_each_request_is_submitted_once(
    tmp_path, model, limits, sizes
):
    killed = KilledBatches(tmp_path, MOMENTS, model, **limits)
    with BatchServer(on_event=killed.on_event) as server:
        experiment(tmp_path, server, model)
        assert insidellms("run", "e.yaml", "--run-dir", "live", cwd=tmp_path).code == 0
        code, err = killed.run()
        assert code == 0, err
        assert sorted((len(job.requests) for job in server.jobs), reverse=True) == sizes
        asked = Counter(json.dumps(body) for job in server.jobs for _, _, body in job.requests)
        assert set(asked.values()) == {1}
        assert server.most_bytes <= limits.get("most_bytes", 10**9)
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_a_request_that_no_batch_can_hold_fails_alone(tmp_path):
    rows = [*ROWS, {"id": "long", "question": "x" * 900, "answer": ""}]
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server)
        write_files(tmp_path, {"data.jsonl": rows})
        code, err = KilledBatches(tmp_path, most_bytes=800).run()
        assert code == 0, err
    text = (tmp_path / "batch" / "records.jsonl").read_text()
    assert (text.count('"status":"success"'), text.count("and a batch at most 800")) == (8, 1)
