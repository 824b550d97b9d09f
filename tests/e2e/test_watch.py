"""`watch`: runs that follow a pool, one after another."""

import random

import pytest

from support.command import insidellms
from support.tables import imported, row


def drawn(seed, chance, n=60):
    source = random.Random(seed)
    return [row(f"e{i:03}", int(source.random() < chance)) for i in range(n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    for number in range(4):
        imported(folder, f"base{number}", drawn(number, 0.9))
        done = insidellms("baseline", "accept", f"base{number}", "--pool", "pool", "--why", "release", cwd=folder)
        assert done.code == 0, done.err
    for number in range(6):
        imported(folder, f"calm{number}", drawn(10 + number, 0.9))
    for number in range(4):
        imported(folder, f"worse{number}", drawn(30 + number, 0.7))
    imported(folder, "thin", drawn(50, 0.9)[:20])
    return folder


CALM = [f"calm{number}" for number in range(6)]
WORSE = [f"worse{number}" for number in range(4)]


def test_unchanged_runs_do_not_alarm(folder):
    done = insidellms("watch", "--pool", "pool", *CALM, cwd=folder)
    assert (done.code, "NO ALARM  after 6 runs" in done.out) == (0, True), done.out + done.err


def test_runs_that_got_worse_alarm_and_name_the_first(folder):
    done = insidellms("watch", "--pool", "pool", *CALM, *WORSE, cwd=folder)
    assert done.code == 3, done.out + done.err
    assert "ALARM  since the run worse" in done.out
    found = insidellms("watch", "--pool", "pool", *CALM, *WORSE, "--json", cwd=folder).json
    assert 6 <= found["alarm"] <= 9
    assert found["looks"][found["alarm"]]["capital"] >= found["threshold"] == 20.0
    assert found["format"] == "insidellms/watch/1"


def test_the_state_is_rebuilt_from_the_runs_alone(folder):
    first, second = (insidellms("watch", "--pool", "pool", *CALM, "--json", cwd=folder) for _ in range(2))
    assert first.out == second.out
    shorter = insidellms("watch", "--pool", "pool", *CALM[:-1], "--json", cwd=folder).json
    assert [look["p"] for look in shorter["looks"]] == pytest.approx([look["p"] for look in first.json["looks"][:-1]])


def test_a_newest_run_that_lacks_most_examples_is_inconclusive(folder):
    done = insidellms("watch", "--pool", "pool", *CALM, "thin", cwd=folder)
    assert done.code == 4, done.out + done.err
    assert "40 of 60 trials of the pool have no unedited answer, or no score, in the newest run" in " ".join(
        done.out.split()
    )


def test_the_page_shows_the_capital_and_its_threshold(folder, tmp_path):
    page = tmp_path / "watch.html"
    done = insidellms("watch", "--pool", "pool", *CALM, *WORSE, "--html", page, cwd=folder)
    assert done.code == 3
    text = page.read_text()
    assert "alarm at 20" in text
    assert "ALARM  since the run worse" in text


def test_watching_needs_a_pool(folder):
    done = insidellms("watch", *CALM, cwd=folder)
    assert (done.code, "--pool" in done.err) == (2, True)
    done = insidellms("watch", "--pool", "nopool", *CALM, cwd=folder)
    assert (done.code, "baseline accept" in done.err) == (4, True)


def test_a_trend_shows_the_watch_beside_its_measures(folder, tmp_path):
    plain = insidellms("trend", *CALM, *WORSE, "--json", cwd=folder)
    assert (plain.code, "watched" in plain.json) == (0, False)
    page = tmp_path / "trend.html"
    done = insidellms("trend", *CALM, *WORSE, "--pool", "pool", "--html", page, cwd=folder)
    watch = insidellms("watch", *CALM, *WORSE, "--pool", "pool", "--json", cwd=folder)
    assert done.code == 3, done.out + done.err
    assert "ALARM  since the run worse" in done.out
    assert "Capital over 10 runs, alarm at 20" in page.read_text()
    found = insidellms("trend", *CALM, *WORSE, "--pool", "pool", "--json", cwd=folder).json
    assert found["watched"] == watch.json


def test_a_trend_of_unchanged_runs_does_not_alarm_and_a_thin_one_is_inconclusive(folder):
    assert insidellms("trend", *CALM, "--pool", "pool", cwd=folder).code == 0
    assert insidellms("trend", *CALM, "thin", "--pool", "pool", cwd=folder).code == 4


def accepted(folder, **rows):
    for name, given in rows.items():
        imported(folder, name, given)
        if name.startswith("base"):
            assert insidellms("baseline", "accept", name, "--pool", "pool", "--why", "w", cwd=folder).code == 0


def test_a_pool_that_passes_nothing_can_raise_no_alarm(tmp_path):
    failing = [row(f"e{i:03}", 0) for i in range(60)]
    accepted(tmp_path, base0=failing, base1=failing[:50] + [row(f"e{i:03}", 0, output="x") for i in range(50, 60)])
    accepted(tmp_path, new=drawn(1, 0.0), better=drawn(1, 0.9))
    for run in ("new", "better"):
        done = insidellms("watch", "--pool", "pool", run, cwd=tmp_path)
        assert done.code == 4, done.out + done.err
        assert "Nothing could get worse" in done.out
    assert insidellms("watch", "--pool", "pool", "better", "new", cwd=tmp_path).code in {0, 3}


def test_a_probe_that_lost_its_verdicts_is_missing_in_the_newest_run(tmp_path):
    def both(verdict):
        return [*drawn(1, 0.9), *(row(f"e{i:03}", verdict, probe="second", output="said") for i in range(60))]

    accepted(tmp_path, base=both(1), new=both(None))
    done = insidellms("watch", "--pool", "pool", "new", cwd=tmp_path)
    assert done.code == 4, done.out + done.err
    assert "60 of 120 trials of the pool have no unedited answer, or no score" in done.out
