"""Items that had always passed break: seen by the gate from a pool of runs, without asking anything again."""

import pytest
from scipy import stats

from support.command import insidellms
from support.tables import imported, row

STABLE = [*["111110"] * 9, *["011111", "110111", "111011"] * 2, *["111111"] * 100]
FLAKY = ["101010", "010101"] * 40
BASELINES = ("run1", "run2", "run3", "run4", "run5")
SAID = "9 items failed for the first time, with the candidate; by chance about 2.5 would (p = "


def runs_of(folder, items):
    """Import each column of the items' marks as a run; the last is the candidate."""
    for place, name in enumerate((*BASELINES, "candidate")):
        imported(folder, name, [row(f"e{n:03}", int(marks[place])) for n, marks in enumerate(items)])
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    return runs_of(tmp_path_factory.mktemp("broken"), [*STABLE, *FLAKY])


def diff(folder, *options, runs=BASELINES):
    return insidellms("diff", *runs, "--candidate", "candidate", "--limit", 0, *options, cwd=folder)


def test_items_that_broke_among_flaky_ones_fail_the_default_gate_and_are_explained(broken):
    done = diff(broken)
    assert done.code == 3, done.out
    assert SAID in " ".join(done.out.split())


def test_one_baseline_run_cannot_tell_them_from_flaky_items(broken):
    done = diff(broken, runs=("run5",))
    assert done.code == 0, done.out
    assert "for the first time" not in done.out


def test_the_figures_are_in_the_json_and_the_words_on_the_page(broken, tmp_path):
    overall = diff(broken, "--json").json["verdict"]["assessment"]["overall"]
    p = stats.binomtest(9, 15, 1 / 6, alternative="greater").pvalue - stats.binom.pmf(9, 15, 1 / 6) / 2
    assert overall["stable"] == {"n": 15, "broken": 9, "expected": pytest.approx(2.5), "p": pytest.approx(p)}
    assert overall["p_used"] < 0.05 < overall["p_mean"] == overall["p_worse"]
    diff(broken, "--html", tmp_path / "page.html", "--markdown", tmp_path / "note.md")
    for name in ("page.html", "note.md"):
        assert "9 items failed for the first time" in " ".join((tmp_path / name).read_text().split())


def test_breaking_the_same_items_in_every_run_is_no_news(tmp_path):
    runs_of(tmp_path, [*["000000"] * 9, *["111111"] * 100, *FLAKY])
    assert diff(tmp_path).code == 0


def test_items_that_broke_while_as_many_were_fixed_pass_and_are_named(tmp_path):
    runs_of(tmp_path, [*["111110"] * 9, *["000001"] * 12, *["111111"] * 100])
    done = diff(tmp_path)
    assert done.code == 0, done.out
    assert "Items broke that had always passed" in " ".join(done.out.split())
