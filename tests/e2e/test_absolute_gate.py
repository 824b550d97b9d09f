"""A run held against the conditions of its own gate: red before there is a baseline, never green on nothing."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
import yaml

from insideLLMs import run_experiment_from_config
from insideLLMs.compare.one_run.decide import decide_run
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.store.sealed_run import SealedRun
from support.command import equal_run, insidellms, write_files
from support.hostile_texts import HOSTILE

EXPERIMENT = """
name: gated
model:
  type: dummy
  id: m
  args: {responses: {one: "yes", two: "no, never"}, failures: {down: error}}
probes: [{type: contains, args: {any: ["yes"]}}, {type: usage, args: {max_characters: 100}}]
dataset: {path: d.jsonl}
execution: {max_attempts: 1}
"""
ROWS = [{"id": f"e{n}", "question": f"{'two' if n < 2 else 'one'} {n}?", "answer": "yes"} for n in range(10)]
DOWN = [*ROWS, {"id": "e10", "question": "down?", "answer": "yes"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("gated")
    write_files(root, {"e.yaml": EXPERIMENT, "d.jsonl": ROWS})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=root).code == 0
    return root


def run(folder, *args, **files):
    """Run the experiment afresh with these options of the gate."""
    if files:
        write_files(
            folder, {"d.jsonl": ROWS, "e.yaml": EXPERIMENT, **{name.replace("_", "."): files[name] for name in files}}
        )
    return insidellms("run", "e.yaml", "--run-dir", "new", "--overwrite", *args, cwd=folder)


def report(folder, *args):
    return insidellms("report", "run", *args, cwd=folder)


def test_a_run_below_its_pass_rate_is_red_and_names_the_examples_with_answer_and_reason(folder):
    done = run(folder, "--min-pass-rate", "0.9")
    assert done.code == 3
    assert "the pass rate 80.0% is below the 90.0% wanted (8 of 10 trials passed" in " ".join(done.out.split())
    for text in ("contains / e0", "contains / e1", "no, never", "contains none of 'yes'"):
        assert text in done.out
    assert "contains / e2" not in done.out


def test_a_run_that_meets_its_conditions_is_green_and_says_so(folder):
    done = run(folder, "--min-pass-rate", "0.8")
    assert (done.code, "PASSED  gate: 2 conditions met" in done.out) == (0, True)


def test_the_verdict_of_the_run_is_in_its_json(folder):
    verdict = run(folder, "--min-pass-rate", "0.9", "--json").json["verdict"]
    assert (verdict["state"], verdict["exit_code"]) == ("failed", 3)
    assert [one["example_id"] for one in verdict["look_first"]] == ["e0", "e1"]
    by_probe = {one["probe"]: one for one in verdict["conditions"]}
    assert (by_probe["contains"]["value"], by_probe["usage"]["state"]) == (0.8, "passed")


def test_without_a_gate_a_failing_run_is_green_and_says_how_it_could_have_been_red(folder):
    done = run(folder, "--json")
    assert (done.code, done.json["verdict"]) == (0, None)
    assert "2 of 20 trials did not pass, and nothing was gated" in done.err
    assert "--min-pass-rate" in done.err
    assert "insidellms baseline accept new --pool" in done.err


def test_the_command_that_accepts_a_run_names_its_whole_path(folder):
    done = run(folder, "--run-dir", "runs/of today")
    assert "insidellms baseline accept 'runs/of today' --pool" in done.err
    report = insidellms("report", "runs/of today", cwd=folder)
    assert "insidellms baseline accept 'runs/of today' --pool" in report.err


def test_a_run_without_conditions_counts_its_failures_from_the_summary_alone(tmp_path):
    assert run(tmp_path, d_jsonl=DOWN).code == 0
    sealed = SealedRun.open(tmp_path / "new")
    listed = decide_run(sealed, GateSpec())
    (tmp_path / "new" / "records.jsonl").write_bytes(b"x" * (tmp_path / "new" / "records.jsonl").stat().st_size)
    counted = decide_run(SealedRun.open(tmp_path / "new"), GateSpec(), lists_failing=False)
    assert (listed.failing, len(listed.worst), len(counted.worst)) == (4, 4, 0)
    assert (counted.failing, counted.verdict) == (listed.failing, listed.verdict)


def test_a_trial_without_an_answer_counts_as_failed(tmp_path):
    done = run(tmp_path, "--min-pass-rate", "0.8", d_jsonl=DOWN)
    told = " ".join(done.out.split())
    assert done.code == 3
    assert "72.7% is below the 80.0% wanted (8 of 11 trials passed" in told
    assert "1 without a scored answer count as failed" in told
    assert "contains / e10: error" in done.out


def test_a_run_without_any_answer_has_failed_its_gate(tmp_path):
    done = run(tmp_path, "--min-pass-rate", "0.1", d_jsonl=DOWN[-1:])
    assert done.code == 3
    assert run(tmp_path, "--max", "characters.mean=5").code == 1
    assert run(tmp_path).code == 1


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("characters.max=9", 0),
        ("characters.max=8", 3),
        ("characters.mean=4.2", 0),
        ("characters.mean=4.1", 3),
        ("characters.p50=3", 0),
        ("characters.p90=8", 3),
        ("characters.total=42", 0),
        ("characters.total=41", 3),
        ("cost_usd.total=0", 0),
        ("latency_ms.p95=100000", 0),
        ("latency_ms.max=0", 3),
    ],
)
def test_a_quantity_is_held_to_its_limit(folder, option, code):
    assert report(folder, "--max", option).code == code


@pytest.mark.parametrize("option", ["output_tokens.mean=5", "input_tokens.max=5"])
def test_what_was_not_measured_is_inconclusive_and_said(folder, option):
    done = report(folder, "--max", option)
    assert done.code == 4
    assert "was not measured: the provider counted no tokens" in " ".join(done.out.split())


def test_a_run_without_telemetry_has_no_latency(folder):
    done = run(folder, "--no-telemetry", "--max", "latency_ms.p95=2000")
    assert (done.code, "was not measured" in done.out) == (4, True)


def test_a_price_that_nobody_knows_is_inconclusive(tmp_path):
    write_files(tmp_path, {"r.csv": "id,passed\na,1\nb,1\n"})
    assert insidellms("import", "r.csv", "--to", "imported", cwd=tmp_path).code == 0
    done = insidellms("report", "imported", "--max", "cost_usd.mean=0.01", cwd=tmp_path)
    assert done.code == 4
    assert "price" in done.out


def test_a_score_that_is_better_when_lower_is_held_to_at_most_its_limit(folder):
    assert report(folder, "--min-score", "characters=4.2").code == 0
    done = report(folder, "--min-score", "characters=4")
    assert done.code == 3
    assert "lower is better" in " ".join(done.out.split())
    assert "characters 9" in done.out  # the longest answers are to be looked at


def test_a_score_is_held_to_at_least_its_limit(folder):
    assert report(folder, "--min-score", "held=0.8").code == 0
    assert report(folder, "--min-score", "held=0.81").code == 3


def test_certain_holds_the_bound_of_the_interval_against_the_limit(folder):
    assert report(folder, "--min-pass-rate", "0.7").code == 0
    done = report(folder, "--min-pass-rate", "0.7", "--certain")
    assert done.code == 3
    assert "the lower bound of the pass rate, 49.0%" in " ".join(done.out.split())
    assert report(folder, "--max", "characters.mean=4.3", "--certain").code == 3
    assert report(folder, "--max", "characters.p95=1000", "--certain").code == 4  # of too few values


@pytest.mark.parametrize("options", [("--min-pass-rate", 0), ("--min-score", "correct=0"), ("--min-score", "held=0")])
def test_conditions_that_every_run_meets_are_no_gate(folder, options):
    done = run(folder, *options)
    assert done.code == 4, done.out
    assert "every run meets this, as each limit is the worst there is" in " ".join(done.out.split())
    assert run(folder, *options, "--max", "characters.max=100").code == 0


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("option", ["--min-score=correct", "--max=characters.max", "--max-growth=characters"])
def test_a_limit_that_is_no_number_is_refused(folder, option, number):
    done = insidellms("diff", "run", "run", f"{option}={number}", cwd=folder)
    assert done.code == 1
    assert f"{number}' is not " in done.err


@pytest.mark.parametrize(("limit", "told"), [("0.99", "it takes 381 that all pass"), ("1", "no number of them could")])
def test_a_bound_that_so_few_examples_cannot_reach_is_inconclusive_and_says_how_many_would_do(tmp_path, limit, told):
    made = EXPERIMENT.replace('probes: [{type: contains, args: {any: ["yes"]}}, ', "probes: [")
    write_files(tmp_path, {"e.yaml": made, "d.jsonl": ROWS})
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--min-pass-rate", limit, "--certain", cwd=tmp_path)
    assert done.code == 4
    assert told in " ".join(done.out.split())


def test_a_rate_that_is_below_the_limit_itself_fails_whatever_the_bound_could_reach(folder):
    assert report(folder, "--min-pass-rate", "0.99", "--certain").code == 3


def test_an_advisory_condition_is_reported_and_changes_nothing(folder):
    done = report(folder, "--min-pass-rate", "0.9", "--severity", "advisory")
    assert done.code == 0
    assert "advisory, not counted: contains" in done.out


def test_a_probe_has_conditions_of_its_own(folder):
    settings = ("--set", "gate.min_pass_rate=0.9", "--set", "gate.probes.contains.min_pass_rate=0.5")
    assert run(folder, *settings).code == 0
    assert run(folder, "--set", "gate.probes.contains.min_pass_rate=0.9").code == 3
    assert run(folder, "--set", "gate.probes.contains.severity=advisory", "--min-pass-rate", "0.9").code == 0
    assert run(folder, "--set", 'gate.probes.usage.max={"characters.max": 8}').code == 3


def test_a_verdict_that_nothing_gives_is_inconclusive(tmp_path):
    own = 'class Own:\n    def run(self, model, data, **options):\n        return model.generate(data["question"])\n'
    text = EXPERIMENT[: EXPERIMENT.index("probes:")] + "probe: {type: own.py:Own}\ndataset: {path: d.jsonl}\n"
    done = run(tmp_path, "--min-pass-rate", "0", e_yaml=text, own_py=own)
    assert (done.code, "no probe of the run gives a verdict" in done.out) == (4, True), done.err
    done = run(tmp_path, "--min-score", "tone=0.5")
    assert (done.code, "no trial has the score 'tone'" in done.out) == (4, True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--min-score", "corect=1"), "there is no score 'corect' (did you mean 'correct'?)"),
        (("--min-score", "held=90"), "is 90, but the score goes"),
        (("--max", "latency.p95=1"), "did you mean 'latency_ms.p95'?"),
        (("--max", "latency_ms.p96=1"), "did you mean 'latency_ms."),
        (("--set", "gate.probes.contain.min_pass_rate=1"), "did you mean 'contains'?"),
        (("--set", "gate.min_pas_rate=1"), "did you mean 'min_pass_rate'?"),
    ],
)
def test_a_misspelt_name_is_an_error_before_anything_is_asked(folder, wrong, told):
    done = insidellms("run", "e.yaml", "--run-dir", "never", *wrong, cwd=folder)
    assert (done.code, told in done.err) == (1, True), done.err
    assert not (folder / "never").exists()


def test_a_sealed_run_is_gated_again_by_resume_report_and_diff(tmp_path):
    text = EXPERIMENT + "gate: {min_pass_rate: 0.9, fail_on: regressions}\n"
    assert run(tmp_path, e_yaml=text).code == 3
    assert insidellms("run", "e.yaml", "--run-dir", "new", "--resume", cwd=tmp_path).code == 3
    resumed = ("run", "e.yaml", "--run-dir", "new", "--resume", "--min-pass-rate")
    assert [insidellms(*resumed, limit, cwd=tmp_path).code for limit in ("0.8", "0.9")] == [0, 3]
    assert insidellms("report", "new", cwd=tmp_path).code == 3
    assert insidellms("report", "new", "--no-gate", cwd=tmp_path).code == 0
    assert insidellms("run", "e.yaml", "--run-dir", "new", "--overwrite", "--no-gate", cwd=tmp_path).code == 0
    equal_run(tmp_path / "new", "old")
    done = insidellms("diff", "old", "new", cwd=tmp_path)
    told = " ".join(done.out.split())
    assert done.code == 3
    assert "the candidate by itself, failed: contains" in told
    assert "against the baseline, passed: 0 of 20" in told
    found = insidellms("diff", "old", "new", "--json", cwd=tmp_path).json["verdict"]
    assert (found["state"], found["by_itself"]["state"], found["rules"][0]["state"]) == ("failed", "failed", "passed")
    assert insidellms("diff", "old", "new", "--fail-on", "never", cwd=tmp_path).code == 0
    assert insidellms("diff", "old", "new", "--min-pass-rate", "0.8", cwd=tmp_path).code == 0


def test_reports_of_one_run_are_written_as_those_of_a_comparison(folder):
    files = ("--junit", "j.xml", "--markdown", "m.md", "--sarif", "s.json", "--html", "p.html", "--github")
    done = run(folder, "--min-pass-rate", "0.9", *files)
    assert done.code == 3
    suites = ET.parse(folder / "j.xml").getroot()
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("21", "3", "0")
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == ["d / e0", "d / e1", "conditions"]
    assert "| contains | m | 8/10 (80.0%) |" in (folder / "m.md").read_text()
    results = json.loads((folder / "s.json").read_text())["runs"][0]["results"]
    places = [one["locations"][0]["physicalLocation"] for one in results]
    assert [(one["ruleId"], one["level"]) for one in results] == [("gate", "error"), *[("failed", "error")] * 2]
    assert {place["artifactLocation"]["uri"] for place in places} == {"e.yaml", "d.jsonl"}
    assert [place["region"]["startLine"] for place in places[1:]] == [1, 2]
    page = (folder / "p.html").read_text()
    assert "the pass rate 80.0% is below the 90.0% wanted" in page
    assert "the pass rate" not in (folder / "new" / "report.html").read_text()  # canonical: the same under any gate
    assert "::error title=insideLLMs%3A failed::" in done.err
    assert "::warning title=did not pass%3A contains / e0::contains none of 'yes'" in done.err


def test_what_the_gate_tolerates_is_not_red_in_junit(folder):
    assert report(folder, "--min-pass-rate", "0.8", "--junit", "t.xml").code == 0
    assert ET.parse(folder / "t.xml").getroot().get("failures") == "0"
    assert report(folder, "--junit", "t.xml").code == 0
    assert ET.parse(folder / "t.xml").getroot().get("failures") == "2"


def test_hostile_answers_are_harmless_in_every_report_of_a_run(tmp_path):
    rows = [{"id": f"h{n}", "question": f"<{n:02}>", "answer": "yes"} for n in range(len(HOSTILE))]
    said = {f"<{n:02}>": text for n, text in enumerate((*HOSTILE[:-1], "::error::x\n##vso[task.x]"))}
    model = {"type": "dummy", "id": "m", "args": {"responses": said}}
    experiment = {
        "model": model,
        "probe": {"type": "contains", "args": {"any": ["!!"]}},
        "dataset": {"path": "d.jsonl"},
    }
    write_files(tmp_path, {"e.json": json.dumps(experiment), "d.jsonl": rows})
    files = ("--junit", "j.xml", "--markdown", "m.md", "--sarif", "s.json", "--github")
    done = insidellms(
        "run",
        "e.json",
        "--min-pass-rate",
        "1",
        *files,
        cwd=tmp_path,
        env={"GITHUB_STEP_SUMMARY": str(tmp_path / "sum.md")},
    )
    assert done.code == 3, done.err
    ET.parse(tmp_path / "j.xml")
    json.loads((tmp_path / "s.json").read_text())
    markdown = (tmp_path / "m.md").read_text()
    assert f"<!-- insidellms:e -->\n{(tmp_path / 'sum.md').read_text()}" == markdown
    assert len(markdown) < 60_000
    outside = re.sub(r"(?s)(`{3,})text\n.*?\n\1\n", "", markdown)
    assert "<script" not in outside
    assert "](http" not in outside
    for text in (done.out, done.err, markdown):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert not any(line.startswith("::error::") or "##vso[" in line for line in (done.out + done.err).splitlines())


@pytest.mark.parametrize("keywords", [{}, {"run_dir": "stored"}])
def test_a_run_from_python_has_the_verdict(tmp_path, monkeypatch, keywords):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "d.jsonl": ROWS})
    gated = {**yaml.safe_load(EXPERIMENT), "gate": {"min_pass_rate": 0.9, "max": {"characters.max": 100}}}
    results = run_experiment_from_config(gated, return_experiment=True, **keywords)
    verdicts = {result.verdict.state for result in results}
    assert verdicts == {"failed"}
    assert [one.example_id for one in results[0].verdict.look_first] == ["e0", "e1"]
    assert run_experiment_from_config("e.yaml", return_experiment=True)[0].verdict is None


def test_a_part_of_an_experiment_passes_for_no_whole_run(folder):
    part = ("run", "e.yaml", "--run-dir", "part", "--overwrite", "--only", "e[2-5]", "--min-pass-rate", "0.9")
    done = insidellms(*part, cwd=folder)
    assert done.code == 4
    assert "which cannot pass for the whole" in " ".join(done.out.split())
    assert insidellms(*part, "--set", "gate.accept_missing=true", cwd=folder).code == 0
    assert insidellms(*part[:-1], "1", "--only", "e0", cwd=folder).code == 3  # what failed in a part has failed


def test_a_run_in_which_nothing_passed_is_not_offered_as_a_baseline(tmp_path):
    strict = EXPERIMENT.replace('any: ["yes"]', 'any: ["nobody says this"]').replace("100", "1")
    done = run(tmp_path, e_yaml=strict)
    assert "20 of 20 trials did not pass, and nothing was gated" in done.err
    assert "baseline accept" not in done.err
