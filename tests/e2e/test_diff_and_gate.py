"""diff and its gate: empty against an equal run, red on a regression, mirrored both ways round."""

import pytest

from support.command import insidellms, write_files

EXPERIMENT = """
name: gate
model: {type: dummy, id: MODEL, args: {responses: {one: "yes", two: "ANSWER"}}}
probe: {type: logic}
dataset: {format: jsonl, path: DATA}
gate: {fail_on: regressions}
"""
ROWS = [{"id": f"e{i:02}", "question": f"{'two' if i % 5 == 0 else 'one'} {i}?", "answer": "yes"} for i in range(20)]


def make_run(folder, name, *, answer="yes", model="m", rows=ROWS, data=None):
    data = data or name
    text = EXPERIMENT.replace("ANSWER", answer).replace("MODEL", model).replace("DATA", f"{data}.jsonl")
    write_files(folder, {f"{name}.yaml": text, f"{data}.jsonl": rows})
    done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=folder)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder, "base")
    make_run(folder, "worse", answer="no")
    make_run(folder, "garbage", answer="%$&!")
    return folder


def test_two_runs_that_answer_alike_show_no_change_and_pass(runs):
    make_run(runs, "same", data="base")
    assert (runs / "same/manifest.json").read_bytes() == (runs / "base/manifest.json").read_bytes()
    done = insidellms("diff", "base", "same", "--json", cwd=runs)
    assert done.code == 0
    classes = done.json["comparison"]["overall"]["classes"]
    assert classes == {**dict.fromkeys(classes, 0), "unchanged": 20}
    assert done.json["comparison"]["changes"]["total"] == 0


@pytest.mark.parametrize("candidate", ["worse", "garbage"])
def test_a_regression_fails_the_gate_and_names_the_examples(runs, candidate):
    done = insidellms("diff", "base", candidate, cwd=runs)
    assert done.code == 3
    for name in ("e00", "e05", "e10", "e15"):
        assert name in done.out
    assert "FAILED" in done.out.upper()


def test_quiet_prints_the_verdict_and_nothing_else(runs):
    done = insidellms("diff", "base", "worse", "--quiet", cwd=runs)
    assert done.code == 3
    assert done.out.splitlines()[0] == "FAILED  gate: regressions (exit code 3)"
    assert "look first at: logic / e00" in done.out
    assert "evidence" not in done.out


def test_both_ways_round_mirror_each_other(runs):
    there = insidellms("diff", "base", "worse", "--json", cwd=runs).json["comparison"]["overall"]
    back = insidellms("diff", "worse", "base", "--json", "--fail-on", "regressions", cwd=runs)
    assert back.code == 0
    classes = back.json["comparison"]["overall"]["classes"]
    assert there["classes"]["regressed"] == classes["fixed"] == 4
    assert there["classes"]["unchanged"] == classes["unchanged"] == 16
    assert back.json["comparison"]["overall"]["baseline"] == there["candidate"]


def test_another_model_and_a_grown_reordered_moved_dataset_still_align(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grown")
    grown = [{"id": "new", "question": "one more?", "answer": "yes"}, *reversed(ROWS)]
    make_run(folder, "grown", model="another", rows=grown)
    done = insidellms("diff", runs / "base", folder / "grown", "--json", cwd=runs)
    classes = done.json["comparison"]["overall"]["classes"]
    assert (classes["unchanged"], classes["new"], classes["removed"]) == (20, 1, 0)
    assert done.code == 0


def test_nothing_in_common_is_inconclusive_never_green(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    make_run(folder, "other", rows=[{"id": "elsewhere", "question": "one?", "answer": "yes"}])
    done = insidellms("diff", runs / "base", folder / "other", cwd=runs)
    assert done.code == 4


def test_the_policy_of_the_command_line_overrides_that_of_the_experiment(runs):
    assert insidellms("diff", "base", "worse", "--fail-on", "never", cwd=runs).code == 0
    assert insidellms("diff", "base", "worse", "--tolerance", "4", cwd=runs).code == 0
    assert insidellms("diff", "base", "worse", "--tolerance", "3", cwd=runs).code == 3


def test_reports_for_machines_are_written(runs, tmp_path):
    done = insidellms("diff", "base", "worse", "--junit", tmp_path / "j.xml", "--markdown", tmp_path / "c.md", cwd=runs)
    assert done.code == 3
    assert "<failure" in (tmp_path / "j.xml").read_text()
    assert "e05" in (tmp_path / "c.md").read_text()


def test_a_gate_that_was_loosened_is_named_among_what_changed(tmp_path):
    make_run(tmp_path, "before")
    make_run(tmp_path, "after", answer="no", data="before")
    text = (tmp_path / "after.yaml").read_text()
    loose = "{fail_on: never, tolerance: 5, probes: {logic: {min_pass_rate: 0.1}}}"
    (tmp_path / "after.yaml").write_text(text.replace("{fail_on: regressions}", loose))
    assert insidellms("run", "after.yaml", "--run-dir", "after", "--overwrite", cwd=tmp_path).code == 0
    done = insidellms("diff", "before", "after", "--markdown", "o.md", cwd=tmp_path)
    assert done.code == 0
    told = " ".join(done.out.split())
    for moved in ("fail_on 'regressions' -> 'never'", "tolerance 0 -> 5", "probes.logic.min_pass_rate not set -> 0.1"):
        assert f"gate: {moved}" in told
    assert "gate: probes {}" not in told
    assert (tmp_path / "o.md").read_text().count("changed: gate: ") == 3
