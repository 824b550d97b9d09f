"""Baselines: pools, waivers, noise floors, and the policies that read several runs."""

import json
import random
import shutil

import pytest

from support.command import equal_run, insidellms, write_files
from support.tables import flips, imported, row


def noisy(seed, n=120, *, drop=0):
    """Return a run whose every tenth item flips from run to run; the first `drop` others have fallen."""
    return [
        row(f"e{i:03}", 0 if i < drop and i % 10 else int(i % 10 != seed % 10), output=f"{seed if i % 3 == 0 else 0}")
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3, 4):
        imported(folder, f"run{seed}", noisy(seed))
    imported(folder, "worse", noisy(5, drop=50))
    return folder


def test_several_baselines_pass_an_unchanged_candidate_and_fail_a_worse_one(runs):
    calm = insidellms("diff", "run1", "run2", "run3", "--candidate", "run4", cwd=runs)
    assert calm.code == 0, calm.out
    assert "3 baseline to 1" in " ".join(calm.out.split())
    worse = insidellms("diff", "run1", "run2", "run3", "--candidate", "worse", cwd=runs)
    assert worse.code == 3
    assert "would have been caught" in calm.out
    assert "would have been caught" not in worse.out
    assert "noise between 3 unchanged runs" in worse.out


def test_the_newest_baseline_is_shown_trial_by_trial_and_the_others_are_named(runs):
    comparison = insidellms("diff", "run1", "run2", "run3", "--candidate", "run4", "--json", cwd=runs).json[
        "comparison"
    ]
    assert comparison["baseline"]["label"] == "run3"
    assert [run["label"] for run in comparison["pool"]] == ["run1", "run2"]


def test_which_of_several_runs_is_the_candidate_must_be_said(runs):
    done = insidellms("diff", "run1", "run2", "run3", cwd=runs)
    assert (done.code, "--candidate" in done.err) == (2, True)


def test_a_run_counts_once(runs):
    done = insidellms("diff", "run1", "run1", "--candidate", "run2", cwd=runs)
    assert (done.code, "twice" in done.err) == (1, True)


def test_a_run_given_twice_is_no_noise_floor_and_no_two_looks(runs, tmp_path):
    done = insidellms("noise", "run1", "run1", cwd=runs)
    assert (done.code, "run1 is given twice" in done.err) == (1, True)
    pool = tmp_path / "pool"
    assert insidellms("baseline", "accept", "run1", "--pool", pool, "--why", "first", cwd=runs).code == 0
    done = insidellms("watch", "--pool", pool, "run2", "run2", cwd=runs)
    assert (done.code, "run2 is given twice" in done.err) == (1, True)


def test_a_run_is_accepted_once_also_as_a_copy(tmp_path):
    rows = [{"id": "a", "prompt": "Q", "expected": "A"}]
    text = "model: {type: dummy}\nprobe: {type: equals}\ndataset: {path: q.jsonl}\n"
    write_files(tmp_path, {"e.yaml": text, "q.jsonl": rows})
    for name in ("one", "two"):  # with equal answers, at other times
        assert insidellms("run", "e.yaml", "--run-dir", name, cwd=tmp_path).code == 0
    accept = ("baseline", "accept", "--pool", "pool", "--why", "known")
    assert insidellms(*accept, "one", cwd=tmp_path).code == 0
    shutil.copytree(tmp_path / "one", tmp_path / "downloaded")
    for again in ("one", "downloaded"):
        done = insidellms(*accept, again, cwd=tmp_path)
        assert (done.code, "already in the pool, as one" in done.err) == (1, True)
    assert insidellms(*accept, "two", cwd=tmp_path).code == 0


def test_a_noise_floor_is_printed_and_stored_and_read_back(runs, tmp_path):
    floor = tmp_path / "floor.json"
    done = insidellms("noise", "run1", "run2", "run3", "--save", floor, "--json", cwd=runs)
    assert done.code == 0, done.err
    assert done.json == json.loads(floor.read_text())
    assert done.json["levels"]["verdict"]["across"] == pytest.approx(0.2)
    diff = insidellms("diff", "run3", "run4", "--noise", floor, "--json", cwd=runs).json["verdict"]
    assert diff["noise"] == done.json
    assert diff["assessment"]["overall"]["detectable_is_upper"] is False


def test_a_noise_floor_takes_two_runs(runs):
    done = insidellms("noise", "run1", cwd=runs)
    assert (done.code, "two runs" in done.err) == (1, True)


def test_repeats_that_never_differ_are_called_out(tmp_path):
    for seed in (1, 2):
        rows = [row(f"e{i}", (i + seed) % 2, repeat=k, output=f"{seed}") for i in range(20) for k in range(3)]
        imported(tmp_path, f"run{seed}", rows)
    assert "cache or a fixed seed" in insidellms("noise", "run1", "run2", cwd=tmp_path).err
    diff = insidellms("diff", "run1", "run2", cwd=tmp_path)
    assert "byte-identical" in " ".join(diff.out.split())


def test_a_pool_is_filled_listed_used_and_pruned(runs, tmp_path):
    pool = tmp_path / "pool"
    for seed in (1, 2, 3):
        done = insidellms("baseline", "accept", runs / f"run{seed}", "--pool", pool, "--by", "ann", "--why", "release",
                          cwd=runs)  # fmt: skip
        assert done.code == 0, done.err
    assert insidellms("noise", "--pool", pool, cwd=runs).code == 0
    listed = insidellms("baseline", "list", "--pool", pool, cwd=runs).out
    assert [line.split()[0] for line in listed.splitlines()] == ["run1", "run2", "run3"]
    assert "ann: release" in listed
    diff = insidellms("diff", "--pool", pool, "run4", "--json", cwd=runs)
    assert diff.code == 0, diff.err
    assert diff.json["verdict"]["assessment"]["overall"]["baseline_runs"] == 3
    assert diff.json["verdict"]["noise"]["levels"]["verdict"]["n"] == 120
    assert insidellms("baseline", "prune", "--keep", 1, "--pool", pool, cwd=runs).code == 0
    assert json.loads(insidellms("baseline", "list", "--json", "--pool", pool, cwd=runs).out)["runs"] == [
        str(pool / "run3")
    ]


def test_a_damaged_run_is_not_accepted(tmp_path):
    run = imported(tmp_path, "run", noisy(1))
    (run / "records.jsonl").write_bytes((run / "records.jsonl").read_bytes().replace(b"right", b"wrong", 1) + b"\n")
    done = insidellms("baseline", "accept", "run", "--why", "x", "--pool", "pool", cwd=tmp_path)
    assert (done.code, "not intact" in done.err) == (1, True)


def test_a_waived_example_is_shown_and_not_counted_until_the_waiver_ends(tmp_path):
    before, after = flips("p", 1, 0, 30)
    imported(tmp_path, "before", before)
    imported(tmp_path, "after", after)
    accept = ("baseline", "accept", "--pool", "pool", "--why", "known")
    assert insidellms(*accept, "before", cwd=tmp_path).code == 0
    gate = ("diff", "--pool", "pool", "after", "--fail-on", "regressions")
    assert insidellms(*gate, cwd=tmp_path).code == 3
    over = insidellms(*accept, "after", "--example", "e0000", "--until", "2020-01-31", cwd=tmp_path)
    assert (over.code, over.out) == (0, "e0000 counts: its waiver ended on 2020-01-31\n")
    assert insidellms(*gate, cwd=tmp_path).code == 3
    assert insidellms(*accept, "after", "--example", "e0000", "--until", "9999-12-31", cwd=tmp_path).code == 0
    done = insidellms(*gate, cwd=tmp_path)
    assert done.code == 0
    assert "1 waived" in done.out
    assert "e0000" in done.out
    wrong = insidellms(*accept, "after", "--example", "nonesuch", cwd=tmp_path)
    assert (wrong.code, "nonesuch" in wrong.err) == (1, True)


def test_too_much_missing_is_inconclusive_unless_it_counts_as_failing(tmp_path):
    before = [row(f"e{n:02}", 1) for n in range(40)]
    after = [row(f"e{n:02}", 1 if n > 8 else None) for n in range(40)]
    imported(tmp_path, "before", before)
    imported(tmp_path, "after", after)
    assert insidellms("diff", "before", "after", cwd=tmp_path).code == 4
    assert insidellms("diff", "before", "after", "--errors-as", "fail", cwd=tmp_path).code == 3


def test_a_comparison_without_the_power_that_is_required_is_inconclusive(tmp_path):
    before, after = flips("p", 1, 1, 10)
    imported(tmp_path, "before", before)
    imported(tmp_path, "after", after)
    done = insidellms("diff", "before", "after", "--require-power", cwd=tmp_path)
    assert done.code == 4
    assert "Too few examples to detect a drop of 5.0 points" in done.out


def test_policies_that_lack_what_they_read_are_inconclusive(runs):
    assert insidellms("diff", "run1", "run2", "--fail-on", "churn", cwd=runs).code == 4
    assert insidellms("diff", "run1", "run2", "--fail-on", "confirmed", cwd=runs).code == 4


EXPERIMENT = """
name: scripted
model: {type: dummy, args: {responses: {one: "yes", two: "ANSWER"}}}
probe: {type: logic}
dataset: {format: jsonl, path: data.jsonl}
"""


def test_auto_holds_a_scripted_model_to_every_regression(tmp_path):
    rows = [{"id": f"e{i:02}", "question": f"{'two' if i == 3 else 'one'} {i}?", "answer": "yes"} for i in range(20)]
    for name, answer in {"good": "yes", "bad": "no"}.items():
        write_files(tmp_path, {f"{name}.yaml": EXPERIMENT.replace("ANSWER", answer), "data.jsonl": rows})
        done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path)
        assert done.code == 0, done.err
    fallen = insidellms("diff", "good", "bad", cwd=tmp_path)
    assert (fallen.code, "auto = regressions" in fallen.out) == (3, True)
    assert insidellms("diff", "bad", "good", cwd=tmp_path).code == 0
    equal_run(tmp_path / "good", "same")
    same = insidellms("diff", "good", "same", cwd=tmp_path)
    assert (same.code, "auto = changes" in same.out) == (0, True)


def test_growth_beyond_what_is_allowed_fails_the_gate_with_its_interval(tmp_path):
    imported(tmp_path, "short", [row(f"e{n:02}", 1, output="word " * (10 + n % 3)) for n in range(60)])
    imported(tmp_path, "long", [row(f"e{n:02}", 1, output="word " * (14 + n % 4)) for n in range(60)])
    done = insidellms("diff", "short", "long", "--max-growth", "characters=0.1", "--json", cwd=tmp_path)
    found = done.json["verdict"]["growth"][0]
    assert (done.code, found["quantity"], found["state"]) == (3, "characters", "failed")
    assert 1.1 < found["low"] < found["ratio"] < found["high"]
    assert insidellms("diff", "short", "long", "--max-growth", "characters=1", cwd=tmp_path).code == 0
    assert insidellms("diff", "short", "long", "--max-growth", "latency_ms=1", cwd=tmp_path).code == 4
    assert insidellms("diff", "short", "long", "--max-growth", "weight=1", cwd=tmp_path).code == 1


def release(folder, name, good, *, seed=None, system="", flaky=0):
    """Run an experiment whose model answers the first `good` of 60 questions well."""
    answers = ", ".join(f'"item i{n:02}?": {"good" if n < good else "bad"}' for n in range(60))
    sampling = f", seed: {seed}, flaky: {flaky}" if seed is not None else ""
    text = f"""\
name: pooled
model: {{type: dummy, id: m, {f"system: {system}, " if system else ""}args: {{responses: {{{answers}}}{sampling}}}}}
probe: {{type: contains}}
dataset: {{path: q.jsonl}}
gate: {{fail_on: significant}}
"""
    rows = [{"id": f"i{n:02}", "question": f"item i{n:02}?", "answer": "good"} for n in range(60)]
    write_files(folder, {f"{name}.yaml": text, "q.jsonl": rows})
    done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=folder)
    assert done.code == 0, done.err


def accept(folder, *names):
    return [insidellms("baseline", "accept", name, "--pool", "pool", "--why", name, cwd=folder) for name in names]


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    for name, good in (("v1", 36), ("v2", 57), ("cand", 45)):
        release(folder, name, good)
    folder.joinpath("accepted").write_text("".join(done.out for done in accept(folder, "v1", "v2")))
    return folder


def test_only_runs_of_the_newest_release_in_a_pool_are_repeats(releases):
    alone = insidellms("diff", "v2", "cand", "--json", cwd=releases)
    pooled = insidellms("diff", "--pool", "pool", "cand", "--json", cwd=releases)
    assert (alone.code, pooled.code) == (3, 3)
    assert pooled.json["comparison"]["pool"] == []
    assert "left out of the pool: v1, of another system: model 'm'" in pooled.json["comparison"]["warnings"][0]


def test_accepting_another_system_begins_a_new_generation(releases):
    first, second = (releases / "accepted").read_text().split("accepted v2")
    assert "generation" not in first
    assert "a new generation begins" in second
    assert "parameters.responses" in second


def test_the_list_of_a_pool_names_older_generations(releases):
    lines = insidellms("baseline", "list", "--pool", "pool", cwd=releases).out.splitlines()
    assert ["older generation" in line for line in lines] == [True, False]
    listed = insidellms("baseline", "list", "--json", "--pool", "pool", cwd=releases).json
    assert listed["older_generations"] == ["pool/v1"]


def test_two_releases_are_no_noise_floor_and_no_repeats(releases):
    for args in (("noise", "--pool", "pool"), ("noise", "v1", "v2"), ("diff", "v1", "v2", "--candidate", "cand")):
        done = insidellms(*args, cwd=releases)
        assert done.code == 1, args
        assert "model 'm': parameters.responses" in done.err, args


def test_a_changed_prompt_is_another_system_and_a_changed_seed_is_not(tmp_path):
    for seed in (1, 2):
        release(tmp_path, f"old{seed}", 60, seed=seed, flaky=0.1)
        release(tmp_path, f"new{seed}", 60, seed=seed, flaky=0.1, system="Be brief.")
    accepted = accept(tmp_path, "old1", "old2", "new1", "new2")
    assert ["generation" in done.out for done in accepted] == [False, False, True, False]
    assert "system not set -> 'Be brief.'" in accepted[2].out
    noise = insidellms("noise", "--pool", "pool", "--json", cwd=tmp_path)
    assert len(noise.json["runs"]) == 2
    release(tmp_path, "new3", 60, seed=3, flaky=0.1, system="Be brief.")
    diff = insidellms("diff", "--pool", "pool", "new3", "--json", cwd=tmp_path).json
    assert [run["label"] for run in diff["comparison"]["pool"]] == ["new1"]


def test_a_noise_floor_of_an_older_generation_is_not_used(tmp_path):
    for seed in (1, 2):
        release(tmp_path, f"old{seed}", 60, seed=seed, flaky=0.1)
    accept(tmp_path, "old1", "old2")
    assert insidellms("noise", "--pool", "pool", cwd=tmp_path).code == 0
    for name in ("new", "next"):
        release(tmp_path, name, 57)
    accept(tmp_path, "new")
    diff = insidellms("diff", "--pool", "pool", "next", "--json", cwd=tmp_path).json
    assert diff["verdict"]["noise"] is None
    assert "noise floor" in diff["comparison"]["warnings"][2]


def test_every_report_begins_with_what_was_changed_in_the_experiment(releases, tmp_path):
    reports = [f"--{name}={tmp_path / name}" for name in ("junit", "markdown", "sarif", "html")]
    done = insidellms("diff", "v2", "cand", *reports, cwd=releases)
    told = "changed    model 'm': parameters.responses.item i45? 'good' -> 'bad'"
    assert done.out.splitlines()[2].startswith(told), done.out
    for name in ("junit", "markdown", "sarif", "html"):
        assert "parameters" in (tmp_path / name).read_text(), name
    equal_run(releases / "v2", "same")
    same = insidellms("diff", "v2", "same", "--json", cwd=releases)
    assert same.json["comparison"]["experiment_changes"] == []
    assert "changed    nothing in the experiment" in insidellms("diff", "v2", "same", cwd=releases).out


def test_a_table_without_outputs_says_nothing_of_copied_repeats(tmp_path):
    for name, failing in (("before", ()), ("after", (1,))):
        rows = [f"e{n},{k},{int(k not in failing)}\n" for n in range(20) for k in range(3)]
        write_files(tmp_path, {f"{name}.csv": "".join(("id,repeat,passed\n", *rows))})
        assert insidellms("import", f"{name}.csv", "--to", name, cwd=tmp_path).code == 0
    remarks = insidellms("diff", "before", "after", "--json", cwd=tmp_path).json["verdict"]["remarks"]
    assert not any("byte-identical" in remark for remark in remarks)


def test_repeats_that_only_one_run_has_are_said_not_to_count(tmp_path):
    for name, repeats in (("one", 1), ("five", 5)):
        rows = [row(f"e{n}", int(k == 0), repeat=k, output=f"{k}") for n in range(44) for k in range(repeats)]
        imported(tmp_path, name, rows)
    done = insidellms("diff", "one", "five", "--fail-on", "significant", "--json", cwd=tmp_path)
    notes = [note["text"] for note in done.json["verdict"]["assessment"]["notes"]]
    assert "Runs have different numbers of repeats: 176 trials beyond the least are not read." in notes


def test_one_large_baseline_is_told_of_drift_and_of_the_retest(tmp_path):
    for name, first in (("before", 0), ("after", 4)):
        imported(tmp_path, name, [row(f"e{n:03}", int(n >= 10 or n < first)) for n in range(300)])
    notes = insidellms("diff", "before", "after", "--fail-on", "significant", "--json", cwd=tmp_path).json
    (told,) = (note["text"] for note in notes["verdict"]["assessment"]["notes"] if note["code"] == "single_baseline")
    assert "300 examples" in told
    assert "`--retest`" in told


def shifting(folder, *, by):
    """Import six runs of 400 examples whose pass rates go up and down `by` with the hour, and two more."""
    rates = [0.8 + by * sign for sign in (1, -1, 0.5, -1, 1, -0.5, 1, -1)]
    for number, rate in enumerate(rates):
        source = random.Random(f"hour {number}")
        imported(folder, f"run{number}", [row(f"e{n:03}", int(source.random() < rate)) for n in range(400)])
    done = insidellms("noise", *(f"run{number}" for number in range(6)), "--save", "floor.json", cwd=folder)
    assert done.code == 0, done.err
    return done


def test_a_noise_floor_knows_how_far_whole_runs_move_together(tmp_path):
    measured = shifting(tmp_path, by=0.06)
    assert "Whole runs move together" in measured.out
    alone = insidellms("diff", "run6", "run7", cwd=tmp_path)
    assert alone.code == 3, alone.out
    known = insidellms("diff", "run6", "run7", "--noise", "floor.json", "--json", cwd=tmp_path)
    assert known.code == 0, known.out
    overall = known.json["verdict"]["assessment"]["overall"]
    assert overall["p_worse"] < 0.05 < overall["p_run"] == overall["p_mean"]


def test_a_noise_floor_of_steady_runs_leaves_the_test_of_examples_alone(tmp_path):
    assert "move together" not in shifting(tmp_path, by=0.0).out
    worse = [row(f"e{n:03}", int(n % 5 > 0 and n > 60)) for n in range(400)]
    imported(tmp_path, "worse", worse)
    done = insidellms("diff", "run6", "worse", "--noise", "floor.json", "--json", cwd=tmp_path)
    assert done.code == 3, done.out
    overall = done.json["verdict"]["assessment"]["overall"]
    assert overall["p_mean"] == overall["p_worse"]


def test_a_noise_floor_without_the_shift_of_runs_can_still_be_read(runs, tmp_path):
    insidellms("noise", "run1", "run2", "--save", tmp_path / "floor.json", cwd=runs)
    floor = json.loads((tmp_path / "floor.json").read_text())
    del floor["run_shift"]
    (tmp_path / "old.json").write_text(json.dumps(floor))
    assert insidellms("diff", "run1", "run2", "--noise", tmp_path / "old.json", cwd=runs).code == 0


def test_a_pool_that_waives_every_example_compares_nothing_and_is_inconclusive(tmp_path):
    for name, answer in {"good": "yes", "same": "yes", "bad": "no"}.items():
        rows = [{"id": f"e{i}", "question": f"two {i}?", "answer": "yes"} for i in range(3)]
        write_files(tmp_path, {f"{name}.yaml": EXPERIMENT.replace("ANSWER", answer), "data.jsonl": rows})
        assert insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path).code == 0
    accept(tmp_path, "good")
    diff, waive = ("diff", "--pool", "pool"), ("baseline", "accept", "good", "--pool", "pool", "--why", "x")
    assert insidellms(*waive, "--example", "e0", "--example", "e1", cwd=tmp_path).code == 0
    assert [insidellms(*diff, name, cwd=tmp_path).code for name in ("same", "bad")] == [0, 3]
    assert insidellms(*waive, "--example", "e2", cwd=tmp_path).code == 0
    for name in ("same", "bad"):
        for policy in ("changes", "regressions", "significant", "auto"):
            done = insidellms(*diff, name, "--fail-on", policy, cwd=tmp_path)
            assert (done.code, "every trial that the two runs share is waived" in " ".join(done.out.split())) == (
                4,
                True,
            )
    assert insidellms(*diff, "bad", "--fail-on", "never", cwd=tmp_path).code == 0
