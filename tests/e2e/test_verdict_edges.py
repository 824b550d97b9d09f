"""Verdicts at their edges, through the command line: never green on nothing, never red where nothing fired."""

import json

import pytest

from support.command import insidellms, write_files
from support.tables import flips, imported, row


def diff(folder, *options, code=None):
    done = insidellms("diff", "before", "after", "--limit", 0, *options, cwd=folder)
    assert code is None or done.code == code, done.out + done.err
    return done.out.replace("\n", " ")


def passing(count, **given):
    return [row(f"e{n:03}", 1, **given) for n in range(count)]


def compared(folder, before, after, *options, code):
    imported(folder, "before", before)
    imported(folder, "after", after)
    return " ".join(diff(folder, *options, code=code).split())


def test_lost_examples_are_inconclusive_and_named(tmp_path):
    said = compared(tmp_path, passing(44), passing(4), code=4)
    assert "40 of 44 trials of the baseline have no counterpart (40 removed): e004, e005" in said
    assert "--accept-missing" in said
    assert "PASSED" in diff(tmp_path, "--accept-missing", code=0)


def test_edited_examples_are_inconclusive(tmp_path):
    for name, edited in (("before", 0), ("after", 40)):
        lines = [f"q{n},{'new' if n < edited else 'old'} question {n},{int(n >= edited)}" for n in range(44)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,input,passed", *lines]) + "\n")
        assert insidellms("import", f"{name}.csv", "--to", name, cwd=tmp_path).code == 0
    assert "40 edited" in diff(tmp_path, code=4)


def test_a_probe_that_is_gone_is_inconclusive(tmp_path):
    said = compared(tmp_path, [*passing(44), *passing(44, probe="safety")], passing(44), code=4)
    assert "probe 'safety': 44 of 44 trials of the baseline have no counterpart" in said


def test_a_new_probe_and_new_examples_are_no_gap(tmp_path):
    compared(tmp_path, passing(44), [*passing(60), *passing(44, probe="new")], code=0)


def test_a_probe_of_which_nothing_was_answered_is_inconclusive(tmp_path):
    silent = [row(f"s{n}", None, probe="safety") for n in range(5)]
    answered = [row(f"s{n}", 1, probe="safety") for n in range(5)]
    said = compared(tmp_path, [*passing(100), *answered], [*passing(100), *silent], code=4)
    assert "safety: no example has a score on both sides" in said


def test_max_missing_allows_a_few_lost_examples(tmp_path):
    compared(tmp_path, passing(100), passing(95), code=0)
    diff(tmp_path, "--max-missing", "0.01", code=4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_gate_that_cannot_fail_is_inconclusive_and_says_how_many_examples_would_do(count, tmp_path):
    said = compared(tmp_path, *flips("p", count, 0), code=4)
    assert "No candidate could have failed the test" in said
    assert "at least 4 examples" in said


def test_four_examples_that_all_break_fail(tmp_path):
    compared(tmp_path, *flips("p", 4, 0), code=3)


def test_a_baseline_that_hardly_passes_anything_cannot_get_worse(tmp_path):
    failing = [row(f"e{n:03}", int(n < 3)) for n in range(44)]
    assert "No candidate could have failed" in compared(tmp_path, failing, failing, code=4)


@pytest.mark.parametrize(("down", "up", "same", "code"), [(26, 0, 18, 3), (0, 100, 400, 0)])
def test_power_matters_only_where_nothing_fired(down, up, same, code, tmp_path):
    compared(tmp_path, *flips("p", down, up, same), code=code)
    diff(tmp_path, "--require-power", "--wanted-drop", "0.05", code=code)


def test_missing_answers_matter_only_where_nothing_fired(tmp_path):
    after = [row(f"e{n:03}", None if n < 7 else 0 if n < 60 else 1) for n in range(100)]
    assert "got worse" in compared(tmp_path, passing(100), after, code=3)


def test_unanswered_trials_that_would_have_failed_the_gate_make_it_inconclusive(tmp_path):
    after = [row(f"e{n:03}", None if n < 5 else 1) for n in range(100)]
    said = compared(tmp_path, passing(100), after, code=4)
    assert "if they had failed, so would the gate" in said
    diff(tmp_path, "--accept-missing", code=0)
    diff(tmp_path, "--errors-as", "fail", code=3)


def test_errors_on_both_sides_alike_are_no_obstacle(tmp_path):
    before = [row(f"e{n:03}", None if n < 3 else 1) for n in range(44)]
    after = [row(f"e{n:03}", None if n >= 41 else 1) for n in range(44)]
    compared(tmp_path, before, after, code=0)


def test_the_smallest_detectable_drop_does_not_grow_with_the_drop_itself(tmp_path):
    compared(tmp_path, *flips("p", 0, 26, 18), code=0)
    found = json.loads(insidellms("diff", "before", "after", "--json", cwd=tmp_path).out)
    assert found["verdict"]["assessment"]["overall"]["detectable"] == pytest.approx(0.154, abs=0.001)
    said = " ".join(diff(tmp_path).split())
    assert "A drop of 15.4 points would have been caught 4 times out of 5" in said
    assert "smaller ones pass" not in said


def test_after_a_failure_nothing_is_said_of_what_could_have_been_detected(tmp_path):
    assert "would have been caught" not in compared(tmp_path, *flips("p", 26, 0, 18), code=3)


def scored(folder, name, values, probe="p"):
    lines = [f"e{n:03},{probe},{value}" for n, value in enumerate(values)]
    (folder / f"{name}.csv").write_text("\n".join(["id,probe,score", *lines]) + "\n")
    assert insidellms("import", f"{name}.csv", "--to", name, cwd=folder).code == 0


def test_the_interval_of_graded_scores_agrees_with_their_test(tmp_path):
    scored(tmp_path, "before", [0.5] * 44)
    scored(tmp_path, "after", [0.49] * 44)
    found = json.loads(insidellms("diff", "before", "after", "--json", cwd=tmp_path).out)
    overall = found["verdict"]["assessment"]["overall"]
    assert (found["verdict"]["state"], overall["p_worse"] < 1e-10) == ("failed", True)
    assert -0.02 < overall["low"] < -0.01 < overall["high"] < 0.0


def test_equal_graded_scores_are_not_inferior(tmp_path):
    for name in ("before", "after"):
        scored(tmp_path, name, [0.73] * 44)
    assert "is ruled out" in diff(tmp_path, "--fail-on", "non-inferior", code=0)


def test_non_inferiority_holds_for_every_probe(tmp_path):
    big = [row(f"b{n:03}", 1, probe="big") for n in range(900)]
    small = [[row(f"s{n:03}", passed, probe="small") for n in range(20)] for passed in (1, 0)]
    said = compared(tmp_path, [*big, *small[0]], [*big, *small[1]], "--fail-on", "non-inferior", code=3)
    assert "Probe small: a drop of 5.0 points is not ruled out" in said


def test_non_inferiority_uses_the_gates_alpha(tmp_path):
    said = compared(tmp_path, *flips("p", 6, 4, 190), "--fail-on", "non-inferior", code=0)
    assert "90% interval" in said
    assert "99.8% interval" in diff(tmp_path, "--fail-on", "non-inferior", "--alpha", "0.001", code=3)


def test_repeats_that_are_not_read_are_said(tmp_path):
    after = [row(f"e{n:03}", int(repeat == 0), repeat=repeat) for n in range(44) for repeat in range(5)]
    said = compared(tmp_path, passing(44), after, code=0)
    assert "Runs have different numbers of repeats: 176 trials beyond the least are not read" in said


def test_an_import_without_outputs_is_not_told_that_its_repeats_are_copies(tmp_path):
    for name, broken in (("before", False), ("after", True)):
        lines = [f"e{n:03},{k},{int(not (broken and k == 1))}" for n in range(44) for k in range(3)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,repeat,passed", *lines]) + "\n")
        assert insidellms("import", f"{name}.csv", "--to", name, cwd=tmp_path).code == 0
    assert "byte-identical" not in diff(tmp_path)


def test_nothing_in_common_names_no_runs_and_no_test(tmp_path):
    before = [row(f"a{n}", 1) for n in range(9)]
    said = compared(tmp_path, before, [row(f"b{n}", 1) for n in range(9)], code=4)
    assert "0 baseline" not in said


def test_counts_of_one_are_singular(tmp_path):
    assert "Only 1 example:" in compared(tmp_path, *flips("p", 1, 0), code=4)


SCRIPTED = """
model: {type: dummy, id: m, args: {responses: {q: ANSWER}}}
probes: [{type: contains, id: scored, args: {any: ["yes"]}}, {type: TYPE, id: second}]
dataset: {examples: [{id: "1", prompt: q}, {id: "2", prompt: q}, {id: "3", prompt: q}]}
"""


def ran(folder, name, answer, second="record"):
    args = "" if second == "record" else ', args: {any: ["yes"]}'
    text = SCRIPTED.replace("ANSWER", f'"{answer}"').replace("TYPE, id: second", f"{second}, id: second{args}")
    write_files(folder, {f"{name}.yaml": text})
    done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=folder)
    assert done.code == 0, done.err


@pytest.mark.parametrize(("answer", "code"), [(" ", 4), ("\\u200b", 4), ("no", 0)])
@pytest.mark.parametrize("options", [(), ("--fail-on", "changes")], ids=["auto", "changes"])
def test_blank_answers_on_both_sides_are_nothing_to_compare(answer, code, options, tmp_path):
    ran(tmp_path, "before", answer)
    ran(tmp_path, "after", answer)
    assert ("shows anything" in diff(tmp_path, *options, code=code)) == (code == 4)


@pytest.mark.parametrize("policy", ["auto", "regressions", "significant", "confirmed"])
@pytest.mark.parametrize(("first", "second"), [("contains", "record"), ("record", "contains")])
def test_a_probe_that_no_longer_scores_is_lost_evidence(policy, first, second, tmp_path):
    ran(tmp_path, "before", "yes", first)
    ran(tmp_path, "after", "yes", second)
    assert "second" in diff(tmp_path, "--fail-on", policy, code=4)
