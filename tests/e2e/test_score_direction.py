"""A score has a direction: from its worst to its best, as the probe declares it or the gate sets it."""

import pytest

from support.command import insidellms, write_files

PROBE = """\
from insideLLMs import PromptProbe, Scores

class Distance(PromptProbe):
    score_ranges = {"distance": %s}

    def score(self, example, response):
        return Scores(values={"distance": float(response.text)})
"""
RUN = """\
model: {type: dummy, args: {canned_response: "%s"}}
probe: {type: "%s.py:Distance", id: dist}
dataset: {examples: [%s]}
"""
GATE = "gate: {%sprobes: {dist: {score_range: %s}}}\n"


class Folder:
    """Runs of one probe by the range that it declares."""

    def __init__(self, path):
        self.path = path

    def run(self, name, answer, declared, gate="", examples=8):
        probe = f"range_{name}"
        rows = ", ".join(f"{{id: e{n}, prompt: q{n}}}" for n in range(examples))
        write_files(self.path, {f"{probe}.py": PROBE % declared, f"{name}.yaml": RUN % (answer, probe, rows) + gate})
        done = insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=self.path)
        assert done.code == 0, done.err
        return name

    def diff(self, *args):
        return insidellms("diff", *args, cwd=self.path)


@pytest.fixture
def runs(tmp_path):
    return Folder(tmp_path)


def test_a_distance_that_grows_is_a_regression(runs):
    done = runs.diff(runs.run("near", 3, "(100, 0)"), runs.run("far", 50, "(100, 0)"))
    assert done.code == 3, done.out
    assert "8 regressed" in done.out
    assert "improved" not in done.out


def test_a_distance_that_shrinks_is_an_improvement(runs):
    done = runs.diff(runs.run("far", 50, "(100, 0)"), runs.run("near", 3, "(100, 0)"))
    assert done.code == 0, done.out
    assert "8 improved" in done.out


@pytest.mark.parametrize("policy", ["regressions", "significant"])
def test_the_gate_s_range_turns_classes_and_statistics_alike(runs, policy):
    near, far = runs.run("near", 3, "(0, 100)"), runs.run("far", 50, "(0, 100)", GATE % ("", "[100, 0]"))
    done = runs.diff(near, far, "--fail-on", policy, "--json")
    assert done.code == 3, done.out
    assert done.json["comparison"]["overall"]["classes"]["regressed"] == 8
    assert done.json["verdict"]["assessment"]["overall"]["delta"] == pytest.approx(-0.47)


@pytest.mark.parametrize("declared", ["(0, 10)", "(0, float('inf'))", "(float('-inf'), float('inf'))"])
def test_a_probe_that_declares_its_range_is_judged_without_further_settings(runs, declared):
    done = runs.diff(runs.run("five", 5, declared), runs.run("seven", 7, declared), "--fail-on", "significant")
    assert done.code == 0, done.err
    assert "8 improved" in done.out


def test_runs_that_declare_different_ranges_are_inconclusive_until_the_gate_sets_one(runs):
    near, far = runs.run("near", 3, "(0, 100)"), runs.run("far", 50, "(100, 0)")
    done = runs.diff(near, far, "--fail-on", "regressions")
    assert done.code == 4, done.out
    assert "gate.probes.dist.score_range" in done.out
    assert "'distance' goes from 0 (worst) to 100 (best) and from 100 (worst) to 0 (best)" in " ".join(done.out.split())
    settled = runs.run("settled", 50, "(100, 0)", GATE % ("fail_on: regressions, ", "[100, 0]"))
    assert runs.diff(near, settled).code == 3


def test_a_score_outside_its_range_names_the_key_that_sets_the_range(tmp_path):
    write_files(tmp_path, {f"{name}.jsonl": [{"id": "a", "score": score}] for name, score in (("a", 7), ("b", 8))})
    for name in ("a", "b"):
        assert insidellms("import", f"{name}.jsonl", "--to", name, cwd=tmp_path).code == 0
    done = insidellms("diff", "a", "b", "--fail-on", "significant", cwd=tmp_path)
    assert done.code == 1
    assert "gate.probes.imported.score_range" in done.err, done.err
