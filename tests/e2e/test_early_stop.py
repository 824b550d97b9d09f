"""run --early-stop: a clear verdict costs fewer calls, and the run can be completed afterwards."""

from collections import Counter

import pytest

from support.command import insidellms, records_of, write_files

EXPERIMENT = """
name: early
model: {type: dummy, id: m, args: {responses: {good: "yes", hard: "ANSWER"}, flaky: FLAKY, seed: SEED}}
probe: {type: logic}
dataset: {format: jsonl, path: data.jsonl}
"""
WORLDS = {"base": ("yes", 0.05, 1), "better": ("yes", 0.001, 2), "worse": ("no", 0.05, 3)}
ROWS = [{"id": f"e{i:03}", "question": f"{'hard' if i % 3 == 0 else 'good'} {i}?", "answer": "yes"} for i in range(400)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("early")
    files = {"data.jsonl": ROWS}
    for name, (answer, flaky, seed) in WORLDS.items():
        files[f"{name}.yaml"] = (
            EXPERIMENT.replace("ANSWER", answer).replace("SEED", str(seed)).replace("FLAKY", str(flaky))
        )
    write_files(folder, files)
    assert insidellms("run", "base.yaml", "--run-dir", "base", cwd=folder).code == 0
    return folder


def test_a_clear_drop_stops_at_a_quarter_with_the_gates_exit_code(folder):
    done = insidellms("run", "worse.yaml", "--run-dir", "worse", "--early-stop", "--baseline", "base", cwd=folder)
    assert done.code == 3, done.err
    assert "look at 25%: 100 items" in done.err
    assert "FAILED  worse, beyond doubt, at 25%; 300 trials were not asked" in done.out
    assert Counter(each["status"] for each in records_of(folder / "worse")) == {"success": 100, "skipped": 300}
    assert insidellms("verify", "worse", cwd=folder).code == 0


def test_a_stopped_run_can_be_completed(folder):
    insidellms("run", "worse.yaml", "--run-dir", "later", "--early-stop", "--baseline", "base", cwd=folder)
    stopped = insidellms("diff", "base", "later", cwd=folder)
    assert stopped.code == 3
    assert "stopped early" in stopped.out
    assert insidellms("run", "worse.yaml", "--run-dir", "later", "--resume", cwd=folder).code == 0
    assert {each["status"] for each in records_of(folder / "later")} == {"success"}
    assert insidellms("diff", "base", "later", cwd=folder).code == 3


def test_a_model_that_does_well_stops_for_futility_which_is_no_pass(folder):
    done = insidellms("run", "better.yaml", "--run-dir", "better", "--early-stop", "--baseline", "base", cwd=folder)
    assert done.code == 4, done.err
    assert "INCONCLUSIVE  stopped" in done.out


@pytest.mark.parametrize("options", [(), ("--errors-as", "fail")])
def test_trials_that_were_never_asked_are_neither_failed_nor_passed(options, folder):
    insidellms("run", "better.yaml", "--run-dir", "part", "--early-stop", "--baseline", "base", cwd=folder)
    done = insidellms("diff", "base", "part", *options, cwd=folder)
    assert done.code == 4, done.out
    assert "trials of the baseline have no counterpart" in done.out
    assert insidellms("diff", "base", "part", "--accept-missing", *options, cwd=folder).code == 0


def test_early_stop_needs_a_baseline(folder):
    done = insidellms("run", "better.yaml", "--run-dir", "x", "--early-stop", cwd=folder)
    assert (done.code, "go together" in done.err) == (1, True)


def stopping(folder, name, gate, *options, world="worse", baseline=("--baseline", "base")):
    """Run the world's experiment with this gate and --early-stop."""
    text = (folder / f"{world}.yaml").read_text() + f"gate: {gate}\n"
    write_files(folder, {f"{name}.yaml": text})
    return insidellms("run", f"{name}.yaml", "--run-dir", name, "--early-stop", *baseline, *options, cwd=folder)


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("{fail_on: never}", 0, "PASSED"),
        ("{probes: {logic: {fail_on: never}}}", 0, "PASSED"),
        ("{min_effect: 0.9}", 0, "smaller than the 90.0 points that are allowed"),
        ("{fail_on: non-inferior, margin: 0.05}", 3, "A drop of 5.0 points is not ruled out"),
        ("{fail_on: significant}", 3, "FAILED worse, beyond doubt, at 25%"),
    ],
)
def test_an_early_stop_keeps_the_gates_policy_and_settings(gate, code, said, folder):
    name = "kept-" + "".join(filter(str.isalpha, gate))
    done = stopping(folder, name, gate)
    assert done.code == code, done.out + done.err
    assert said in " ".join(done.out.split())
    assert insidellms("diff", "base", name, cwd=folder).code == code


def test_an_early_stop_against_a_pool_keeps_its_waivers(folder):
    accept = ("baseline", "accept", "base", "--pool", "pool", "--why", "known")
    broken = [row["id"] for row in ROWS if row["question"].startswith("hard")]
    assert insidellms(*accept, cwd=folder).code == 0
    pooled = ("--pool", "pool")
    assert stopping(folder, "unwaived", "{fail_on: significant}", baseline=pooled).code == 3
    assert insidellms(*accept, *(f"--example={name}" for name in broken), cwd=folder).code == 0
    done = stopping(folder, "waived", "{fail_on: significant}", baseline=pooled)
    assert done.code != 3, done.out + done.err
