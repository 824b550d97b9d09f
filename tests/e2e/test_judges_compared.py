"""Comparing runs whose scores come from models: other judges, and judges that err."""

import json

import pytest

from insideLLMs.store.labels import append_label
from support.command import insidellms, write_files
from support.people import answers, label_of, label_run

RUBRIC = "Is the answer polite?"
EXPERIMENT = {
    "model": {"type": "dummy", "id": "m", "args": {"responses": {"q": "GOOD"}}},
    "dataset": {"format": "jsonl", "path": "data.jsonl"},
    "gate": {"fail_on": "significant"},
}


def judge(name="first", rubric=RUBRIC, **responses):
    answers = responses or {"GOOD": '{"score": 5}', "BAD": '{"score": 1}', "FAIR": '{"score": 5}'}
    judges = {"type": "dummy", "args": {"name": name, "responses": answers}}
    return {"type": "judge", "id": "tone", "args": {"judges": judges, "rubric": rubric}}


def run(folder, name, probe, *, answers=(), labels=None, count=60):
    """Run over `count` questions; the answers take turns, and so do the labels that people gave."""
    rows = [{"id": f"e{n:03}", "question": f"q{n:03}?"} for n in range(count)]
    for n, row in enumerate(rows):
        if labels:
            row["label"] = labels[n % len(labels)]
    responses = {f"q{n:03}?": answers[n % len(answers)] for n in range(count)} if answers else {"q": "GOOD"}
    experiment = {**EXPERIMENT, "probe": probe, "model": {**EXPERIMENT["model"], "args": {"responses": responses}}}
    write_files(folder, {f"{name}.json": json.dumps(experiment), "data.jsonl": rows})
    done = insidellms("run", f"{name}.json", "--run-dir", name, cwd=folder)
    assert done.code == 0, done.err
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    run(folder, "one", judge())
    run(folder, "same", judge(), answers=("GOOD", "FAIR"))
    run(folder, "other", judge("second"), answers=("GOOD", "BAD"))
    run(folder, "reworded", judge(rubric="Is the answer polite, and does it say so in a whole sentence?"))
    return folder


def diff(folder, *arguments):
    return insidellms("diff", *arguments, "--json", "--limit", 0, cwd=folder)


@pytest.mark.parametrize("policy", ["significant", "non-inferior", "confirmed"])
def test_another_judge_makes_the_comparison_inconclusive_and_is_named(folder, policy):
    done = diff(folder, "one", "other", "--fail-on", policy)
    assert done.code == 4
    told = done.json["verdict"]["reasons"]
    assert "probe 'tone'" in told[0]
    assert "args.judges.args.name 'first' -> 'second'" in told[0]
    assert "--accept-judge-change" in told[1]


def test_another_rubric_is_told_by_its_words(folder):
    (finding,) = diff(folder, "one", "reworded").json["verdict"]["judges"]
    assert "args.rubric 'Is the answer polite{+, and does" in finding["differs"][0]


def test_it_can_be_accepted_on_the_command_line_and_in_the_experiment(folder):
    done = diff(folder, "one", "other", "--accept-judge-change", "--fail-on", "significant")
    assert done.code == 3
    assert "another judge, accepted" in " ".join(
        insidellms("diff", "one", "other", "--accept-judge-change", cwd=folder).out.split()
    )
    assert done.json["verdict"]["judges"][0]["accepted"] is True


def test_policies_that_count_are_not_held_up(folder):
    assert diff(folder, "one", "other", "--fail-on", "regressions").code == 3
    assert diff(folder, "one", "other", "--fail-on", "never").code == 0


def test_the_same_judge_is_compared_as_ever(folder):
    done = diff(folder, "one", "same", "--fail-on", "significant")
    assert done.code == 0
    assert done.json["verdict"]["judges"][0]["differs"] == []


def test_labelled_answers_correct_the_rates_and_the_smallest_visible_drop(folder):
    run(
        folder,
        "labelled",
        judge(),
        answers=("GOOD", "GOOD", "BAD", "FAIR"),
        labels=(True, True, False, False),
        count=80,
    )
    plain = diff(folder, "one", "same").json["verdict"]
    (found,) = diff(folder, "one", "same", "--labelled", "labelled").json["verdict"]["judges"]
    assert found["quality"] == {"n": 80, "sensitivity": 1.0, "specificity": 0.5, "kappa": 0.5}
    assert found["is_advisory"] is True
    run(
        folder, "better", judge(), answers=(*("GOOD",) * 5, *("BAD",) * 4, "FAIR"), labels=(*(True,) * 5, *(False,) * 5)
    )
    found = diff(folder, "one", "same", "--labelled", "better").json["verdict"]["judges"][0]
    assert (found["quality"]["specificity"], found["is_advisory"]) == (0.8, False)
    assert found["candidate_rate"] == pytest.approx(1.0)
    seen = plain["assessment"]["overall"]["detectable"]
    assert found["detectable"] == pytest.approx(seen / 0.8)
    shown = insidellms("diff", "one", "same", "--labelled", "better", cwd=folder).out
    assert "kappa 0.80" in " ".join(shown.split())


def test_what_people_said_of_a_run_measures_its_judge_as_labels_of_its_dataset_do(folder):
    answers = (*("GOOD",) * 5, *("BAD",) * 4, "FAIR")
    run(folder, "from-dataset", judge(), answers=answers, labels=(*(True,) * 5, *(False,) * 5))
    people = run(folder, "by-people", judge(), answers=answers)
    label_run(people, "ann", lambda name: int(name[1:]) % 10 < 5)
    figures = [diff(folder, "one", "same", "--labelled", name).json["verdict"]["judges"] for name in
               ("from-dataset", "by-people")]  # fmt: skip
    assert figures[0] == figures[1]
    assert figures[0][0]["quality"]["n"] == 60


def test_labels_that_measure_no_judge_are_counted(folder):
    people = run(folder, "mixed", judge(), answers=("GOOD", "BAD"))
    label_run(people, "ann", lambda name: int(name[1:]) % 2 == 0, count=50)
    for record in answers(people):
        append_label(people, label_of(record, "bob", passed=True, drawn="failed"))
    done = diff(folder, "one", "same", "--labelled", "mixed")
    assert done.json["comparison"]["warnings"][0] == (
        "labels not used: 10 of answers that were not drawn at random; 26 without a majority"
    )
    assert done.json["verdict"]["judges"][0]["quality"]["n"] == 24


def test_labels_of_answers_that_failed_measure_no_judge(folder):
    people = run(folder, "chosen", judge())
    label_run(people, "ann", lambda _: True, drawn="failed")
    done = insidellms("diff", "one", "same", "--labelled", "chosen", cwd=folder)
    assert done.code == 1
    assert "labelled a random sample" in " ".join(done.err.split())


def test_a_judge_that_hardly_agrees_with_people_does_not_gate(folder):
    run(folder, "worse", judge(), answers=("BAD",))
    assert diff(folder, "one", "worse").code == 3
    run(folder, "poor", judge(), answers=("GOOD", "GOOD", "BAD", "BAD"), labels=(True, False, True, False))
    done = diff(folder, "one", "worse", "--labelled", "poor")
    assert (done.code, done.json["verdict"]["state"]) == (4, "inconclusive")  # as no other probe gates either
    assert "nothing may fail this gate" in done.json["verdict"]["reasons"][0]
    assert "this probe is information only" in done.json["verdict"]["judges"][0]["message"]


def test_few_labels_correct_nothing(folder):
    run(folder, "few", judge(), answers=("GOOD", "BAD"), labels=(True, False), count=20)
    (found,) = diff(folder, "one", "same", "--labelled", "few").json["verdict"]["judges"]
    assert found["message"] == "only 20 labelled answers; 50 tell how far the judge can be trusted"
    assert found["candidate_rate"] is None


@pytest.mark.parametrize(("labelled", "words"), [("one", "scored labelled answers"), ("other", "another judge scored")])
def test_labels_that_do_not_fit_are_refused(folder, labelled, words):
    if labelled == "other":
        labelled = run(folder, "labelled-other", judge("second"), labels=(True, False)).name
    done = diff(folder, "one", "same", "--labelled", labelled)
    assert done.code == 1
    assert words in done.err
