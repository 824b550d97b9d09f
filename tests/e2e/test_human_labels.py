"""People's labels of answers of both runs decide where a judge's own taste would."""

import csv
import random

import pytest

from insideLLMs.store.labels import append_label
from support.command import insidellms
from support.people import answers, label_of
from support.tables import imported, row

N = 300


def judged(folder, *, rates, sensitivity, specificity):
    """Import two runs as a judge sees them, with what people say of 80 answers of each in a table and in the runs."""
    source = random.Random("labels")
    labels = []
    for name, side, rate, finds, spots in zip(
        ("before", "after"), ("baseline", "candidate"), rates, sensitivity, specificity, strict=True
    ):
        person = [source.random() < rate for _ in range(N)]
        judge = [source.random() < (finds if said else 1 - spots) for said in person]
        imported(folder, name, [row(f"e{n:03}", int(said), output=f"{name} {n}") for n, said in enumerate(judge)])
        chosen = source.sample(range(N), 80)
        labels += [(side, f"e{n:03}", str(person[n]).lower()) for n in chosen]
        said = {f"e{n:03}": person[n] for n in chosen}
        for record in answers(folder / name):
            if record.example_id in said:
                append_label(folder / name, label_of(record, "ann", passed=said[record.example_id]))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("run", "id", "label"), *labels])
    return folder


def diff(folder, *options):
    return insidellms("diff", "before", "after", "--limit", 0, *options, cwd=folder)


@pytest.fixture(scope="module")
def flattered(tmp_path_factory):
    """A real drop of 30 points that the judge does not see: it passes nearly all in the new style."""
    folder = tmp_path_factory.mktemp("flattered")
    return judged(folder, rates=(0.9, 0.6), sensitivity=(0.95, 0.99), specificity=(0.9, 0.2))


@pytest.fixture(scope="module")
def disliked(tmp_path_factory):
    """No drop, but a judge that fails a third of the good answers in the new style."""
    folder = tmp_path_factory.mktemp("disliked")
    return judged(folder, rates=(0.9, 0.9), sensitivity=(0.97, 0.65), specificity=(0.9, 0.9))


def test_a_drop_that_the_judge_does_not_see_fails(flattered):
    assert diff(flattered).code == 0
    done = diff(flattered, "--labels", "labels.csv")
    assert done.code == 3, done.out
    assert "80 and 80 labelled answers show a true drop: the true change is -3" in " ".join(done.out.split())


def test_the_estimate_stands_in_the_json_and_the_page(flattered, tmp_path):
    (found,) = diff(flattered, "--labels", "labels.csv", "--json").json["verdict"]["labelled"]
    assert (found["finding"], found["n"], found["n_baseline"]) == ("dropped", N, 80)
    assert found["low"] < -0.3 < found["high"] < 0.0
    diff(flattered, "--labels", "labels.csv", "--html", tmp_path / "page.html")
    assert "labelled answers show a true drop" in (tmp_path / "page.html").read_text()


IN_THE_RUNS = ("--labels", "before", "--labels", "after")


def test_labels_in_the_runs_say_what_a_table_of_them_says(flattered):
    (table,) = diff(flattered, "--labels", "labels.csv", "--json").json["verdict"]["labelled"]
    done = diff(flattered, *IN_THE_RUNS, "--json")
    assert (done.code, done.json["verdict"]["labelled"]) == (3, [table])
    assert "not used" not in diff(flattered, *IN_THE_RUNS).out


def test_a_drop_that_only_the_judge_sees_is_inconclusive(disliked):
    assert diff(disliked).code == 3
    done = diff(disliked, "--labels", "labels.csv")
    assert done.code == 4, done.out
    assert "do not show the drop that the judge sees" in " ".join(done.out.split())


@pytest.mark.parametrize(("after", "code"), [(0.6, 3), (0.9, 0)])
def test_labels_that_agree_with_the_judge_change_no_verdict(after, code, tmp_path):
    judged(tmp_path, rates=(0.9, after), sensitivity=(0.95, 0.95), specificity=(0.95, 0.95))
    done = diff(tmp_path, "--labels", "labels.csv")
    assert done.code == code, done.out
    assert "labelled answers" in done.out


def test_where_nothing_may_fail_labels_only_inform(flattered):
    done = diff(flattered, "--labels", "labels.csv", "--fail-on", "never")
    assert done.code == 0
    assert "show a true drop" in " ".join(done.out.split())


def test_few_labels_say_how_many_would_do(flattered):
    lines = (flattered / "labels.csv").read_text().splitlines()
    (flattered / "few.csv").write_text("\n".join(lines[:60]) + "\n")
    done = diff(flattered, "--labels", "few.csv")
    assert done.code == 0
    assert "50 of each show the true change" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run,id,label\nbefore,e001,true\n", "labels.csv:2: `run` is 'before', neither baseline nor candidate"),
        ("run,id,label\nbaseline,e001,perhaps\n", "labels.csv:2: column 'label' is 'perhaps'"),
        ("run,id,label\nbaseline,e001,0.5\n", "labels.csv:2: `label` is '0.5', neither true nor false"),
        ("run,id,label\nbaseline,e1,true\nbaseline,e1,false\n", "labels.csv:3: labels 'e1' of the baseline a second"),
        ("run,label\nbaseline,true\n", "labels.csv:2: has no id"),
        ("run,id,label\n", "has no labels"),
        ("run,id,label\nbaseline,unknown,true\n", "no label is of a judged answer of these runs"),
    ],
)
def test_a_table_of_labels_that_cannot_be_read_is_an_error_that_says_why(text, said, flattered, tmp_path):
    (tmp_path / "labels.csv").write_text(text)
    done = diff(flattered, "--labels", tmp_path / "labels.csv")
    assert done.code == 1
    assert said in " ".join(done.err.split())


def test_labels_of_runs_with_several_probes_must_name_one(tmp_path):
    for name in ("before", "after"):
        imported(tmp_path, name, [row(f"e{n}", 1, probe=probe) for probe in "pq" for n in range(5)])
    (tmp_path / "labels.csv").write_text("run,id,label\nbaseline,e1,true\n")
    assert "add a column `probe`: p, q" in diff(tmp_path, "--labels", "labels.csv").err
    (tmp_path / "labels.csv").write_text("run,id,label,probe\nbaseline,e1,true,q\n")
    (found,) = diff(tmp_path, "--labels", "labels.csv", "--json").json["verdict"]["labelled"]
    assert (found["probe"], found["n_baseline"], found["n_candidate"]) == ("q", 1, 0)
