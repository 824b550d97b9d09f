"""A page of more trials than a browser can hold shows a sample, the same each time, and says of what."""

import asyncio
import io
import json

import pytest

from insideLLMs.api.run import RunOptions, arun
from insideLLMs.config.load import load_experiment
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.report.viewer import sampling
from insideLLMs.report.viewer.run_page import Measured, write_sealed_page
from insideLLMs.store.sealed_run import REPORT, SealedRun
from support.compared_runs import record
from support.viewer_pages import diff_page, read_page, run_page

EXPERIMENT = """
model: {type: dummy, args: {responses: {"7": "yes"}, canned_response: "no"}}
probe: {type: contains, args: {any: ["yes"]}}
dataset: {path: data.jsonl}
"""


def small_pages(monkeypatch, rows):
    monkeypatch.setattr(sampling, "MOST_ROWS", rows)
    monkeypatch.setattr(sampling, "SAMPLE_ROWS", rows)


@pytest.mark.parametrize(
    ("failed", "passed", "shares"),
    [(100, 100, (10, 10)), (3, 100, (3, 17)), (100, 3, (17, 3)), (0, 100, (0, 20)), (100, 0, (20, 0))],
)
def test_trials_that_did_not_pass_fill_half_of_a_sample_and_more_where_others_lack(monkeypatch, failed, passed, shares):
    small_pages(monkeypatch, 20)
    records = [record(f"e{n:03}", passed=n >= failed) for n in range(failed + passed)]
    data = read_page(run_page(records))
    verdicts = [row["passed"] for row in data.rows]
    assert (verdicts.count(0), verdicts.count(1)) == shares
    assert f"a sample of {sum(shares)} of {failed + passed}: {shares[0]} of the {failed}" in data.head["doubts"][0]


def test_a_trial_without_an_answer_is_worth_a_look(monkeypatch):
    small_pages(monkeypatch, 4)
    records = [record(f"e{n:03}") for n in range(50)] + [record("none", status="error")]
    assert "none" in {row["id"] for row in read_page(run_page(records)).rows}


def test_a_sample_holds_whole_examples_as_far_as_it_goes(monkeypatch):
    small_pages(monkeypatch, 40)
    records = [record(f"e{n:03}", repeat=repeat) for n in range(100) for repeat in range(4)]
    ids = [row["id"] for row in read_page(run_page(records)).rows]
    assert {ids.count(name) for name in ids} == {4}


def test_a_sample_is_drawn_from_the_whole_run_and_not_from_its_beginning(monkeypatch):
    small_pages(monkeypatch, 30)
    ids = [row["id"] for row in read_page(run_page([record(f"e{n:03}") for n in range(300)])).rows]
    thirds = [sum(name[1] == str(part) for name in ids) for part in range(3)]
    assert ids == sorted(ids)
    assert min(thirds) > 0


def test_a_sampled_page_shows_the_time_of_the_right_trials(monkeypatch):
    small_pages(monkeypatch, 10)
    records = [record(f"e{n:03}") for n in range(60)]
    lines = [
        TelemetryLine(
            probe=r.probe, dataset=r.dataset, example_id=r.example_id, model=r.model, repeat=0, status="success",
            attempts=1, latency_ms=float(n),
        )
        for n, r in enumerate(records)
    ]  # fmt: skip
    rows = read_page(run_page(records, measured=Measured(telemetry=lines))).rows
    assert [row["latency_ms"] for row in rows] == [float(row["id"][1:]) for row in rows]


def test_a_comparison_of_many_trials_lists_changes_first_and_says_of_how_many(monkeypatch):
    small_pages(monkeypatch, 20)
    before = [record(f"e{n:03}") for n in range(100)]
    after = [record(f"e{n:03}", passed=n not in {5, 70}) for n in range(98)] + [record("new")]
    page, comparison = diff_page(before, after)
    data = read_page(page)
    assert {"e005", "e070", "e098", "e099", "new"} <= {row["id"] for row in data.rows}
    assert len(data.rows) == 20
    assert "a sample of 20 of 101: 5 of the 5 that changed" in data.head["verdict"]["reasons"][-1]
    assert comparison.overall.classes["regressed"] == 2


def test_sealing_and_a_page_made_later_draw_the_same_trials(tmp_path, monkeypatch):
    small_pages(monkeypatch, 20)
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    rows = [json.dumps({"id": f"e{n:03}", "prompt": f"Is {n} prime?"}) for n in range(100)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    options = RunOptions(run_dir=tmp_path / "run")
    asyncio.run(arun(load_experiment(tmp_path / "e.yaml"), folder=tmp_path, options=options))
    run, out = SealedRun.open(tmp_path / "run"), io.BytesIO()
    write_sealed_page(out, run)
    assert out.getvalue() == (run.path / REPORT).read_bytes()
    assert "a sample of 20 of 100" in out.getvalue().decode()
    assert read_page(out.getvalue()).head["manifest"]["trials"] == 100
