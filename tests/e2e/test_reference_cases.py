"""The published and independently computed cases, from tables through `import` and `diff --json`, to 1e-9."""

import msgspec
import pytest

from insideLLMs.core import canonical
from insideLLMs.report.json_documents import DiffDocument
from support.command import insidellms
from support.tables import flips, imported, row

PLACES = 1e-9
FLIPS = {"15-5": (15, 5), "5-15": (5, 15), "4-0": (4, 0), "3-0": (3, 0), "7-7": (7, 7), "60-40": (60, 40)}


def repeats(probe, passes, k):
    return [
        row(f"e{n:02}", int(repeat < count), probe=probe, repeat=repeat)
        for n, count in enumerate(passes)
        for repeat in range(k)
    ]


def diff(folder, *args, **options):
    done = insidellms("diff", *args, "--json", "--limit", 0, cwd=folder, **options)
    assert done.code in {0, 3, 4}, done.err
    return done.json


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """All cases of one baseline run, each a probe of its own."""
    folder = tmp_path_factory.mktemp("cases")
    before, after = [], []
    for name, (down, up) in FLIPS.items():
        first, second = flips(name, down, up)
        before, after = before + first, after + second
    for name, (down, up, same) in {"none": (0, 0, 12), "69 of 100": (5, 64, 31), "equal": (0, 0, 20)}.items():
        first, second = flips(name, down, up, same)
        before, after = before + first, after + second
    before += repeats("k3", (3, 3, 2, 3, 1, 0, 3, 2), 3)
    after += repeats("k3", (0, 2, 2, 3, 0, 0, 1, 3), 3)
    before += repeats("k5", (1, 3, 3, 3, 5, 3, 3, 3, 2, 3), 5)
    after += repeats("k5", (0, 3, 3, 4, 0, 3, 3, 3, 0, 3), 5)
    imported(folder, "before", before)
    imported(folder, "after", after)
    assessment = diff(folder, "before", "after")["verdict"]["assessment"]
    return {evidence["probe"]: evidence for evidence in assessment["probes"]}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("15-5", {"p_two": 0.0266036987, "p_worse": 0.0133018494, "p_exact": 0.0206947327}),
        ("5-15", {"p_worse": 0.9866981506, "p_better": 0.0133018494}),
        ("4-0", {"p_worse": 0.03125}),
        ("3-0", {"p_worse": 0.0625}),
        ("7-7", {"p_worse": 0.5, "p_two": 1.0}),
        ("none", {"p_worse": 1.0, "p_better": 1.0, "p_two": 1.0, "p_exact": 1.0}),
        ("60-40", {"p_worse": 0.0230220335, "p_two": 0.0460440669}),
        ("k3", {"delta": -0.25, "n_informative": 5, "p_worse": 0.078125, "p_exact": 0.125}),
        ("69 of 100", {"low": 0.4617505452, "high": 0.6951122000}),
        ("equal", {"low": -0.1259912568, "high": 0.1259912568}),
        ("k5", {"low": -0.3151427041, "high": 0.0818093708}),
    ],
)
def test_one_baseline_run(cases, case, expected):
    found = {name: cases[case][name] for name in expected}
    assert found == pytest.approx(expected, abs=PLACES)


def test_three_baseline_runs_against_one(tmp_path):
    runs = ("111", "110", "101", "000", "111", "111", "010", "001")
    for place in range(3):
        imported(tmp_path, f"base{place}", [row(f"e{n}", int(run[place])) for n, run in enumerate(runs)])
    imported(tmp_path, "cand", [row(f"e{n}", passed) for n, passed in enumerate((0, 0, 1, 0, 1, 0, 0, 1))])
    document = diff(tmp_path, "base0", "base1", "base2", "--candidate", "cand")
    found = document["verdict"]["assessment"]["overall"]
    assert (found["n_informative"], found["baseline_runs"]) == (6, 3)
    assert found["delta"] == pytest.approx(-0.25, abs=PLACES)
    assert found["p_worse"] == pytest.approx(0.1088867188, abs=PLACES)
    assert found["p_exact"] == pytest.approx(0.1816406250, abs=PLACES)
    assert document["verdict"]["exit_code"] == 0


def test_non_inferiority_by_the_lower_limit_of_the_90_percent_interval(tmp_path):
    before, after = flips("p", 6, 4, 190)
    imported(tmp_path, "before", before)
    imported(tmp_path, "after", after)
    wide = diff(tmp_path, "before", "after", "--fail-on", "non-inferior", "--margin", "0.05")
    narrow = insidellms("diff", "before", "after", "--fail-on", "non-inferior", "--margin", "0.03", cwd=tmp_path)
    assert wide["verdict"]["state"] == "passed"
    assert wide["verdict"]["assessment"]["non_inferiority"]["finding"] == "equivalent"
    assert narrow.code == 3
    assert "A drop of 3.0 points is not ruled out" in narrow.out


@pytest.mark.parametrize(("odd", "total", "p"), [(30, 60, 0.0040552389), (5, 6, 0.0096021948)])
def test_churn_of_texts_that_one_of_three_runs_tells_otherwise(tmp_path, odd, total, p):
    ids = [f"e{n:03}" for n in range(total)]
    imported(tmp_path, "one", [row(name, 1, output="a") for name in ids])
    imported(tmp_path, "two", [row(name, 1, output="a" if n < odd else "b") for n, name in enumerate(ids)])
    imported(tmp_path, "cand", [row(name, 1, output="b" if n < odd else "a") for n, name in enumerate(ids)])
    document = diff(tmp_path, "one", "two", "--candidate", "cand", "--fail-on", "churn")
    churn = document["verdict"]["rules"][0]["churn"]
    assert (churn["n_odd"], churn["candidate_odd"]) == (total, odd)
    assert churn["p"] == pytest.approx(p, abs=PLACES)
    assert document["verdict"]["exit_code"] == 3


def test_clusters_are_relabelled_as_one_and_widen_the_interval(tmp_path):
    moves = (0, -1, -1, 0, 0, 1, 0, -1, 0, 0, 0, -1)
    cells = [(f"e{n:02}", f"c{n // 3}", move) for n, move in enumerate(moves)]
    imported(tmp_path, "before", [row(name, int(move <= 0), cluster=group) for name, group, move in cells])
    imported(tmp_path, "after", [row(name, int(move >= 0), cluster=group) for name, group, move in cells])
    found = diff(tmp_path, "before", "after")["verdict"]["assessment"]["overall"]
    apart = diff(tmp_path, "before", "after", "--cluster", "none")["verdict"]["assessment"]["overall"]
    assert (found["n_clusters"], apart["n_clusters"]) == (4, None)
    assert found["delta"] == apart["delta"] == -0.25
    assert found["high"] - found["low"] > apart["high"] - apart["low"]
    # sums -2, 1, -1, -1: of the 16 ways to flip the clusters one is below -3 and three are at it
    assert found["p_worse"] == pytest.approx((1 + 3 / 2) / 16, abs=PLACES)


def test_the_document_is_what_its_schema_is_made_of(tmp_path):
    before, after = flips("p", 3, 1, 20)
    imported(tmp_path, "before", before)
    imported(tmp_path, "after", after)
    done = insidellms("diff", "before", "after", "--json", "--max-growth", "characters=1", cwd=tmp_path)
    decoded = msgspec.json.decode(done.out, type=DiffDocument)
    assert canonical.pretty(decoded) == done.out.encode()
