"""Trajectories whose verdicts a careful person gave, in the forms of five frameworks: the probe agrees with all."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from insideLLMs.core.types import Response, Usage
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.probes.agent import AgentProbe
from insideLLMs.trajectories import last_text, read_trajectory

FILE = Path(__file__).parents[2] / "fixtures" / "trajectories.jsonl"
KNOWN = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def judged(known, **changes):
    example = ExampleReader({}).example({"id": known["id"], "prompt": "Refund order 7.", **known["example"]})
    trajectory = read_trajectory(known["trajectory"])
    usage = msgspec.convert(known.get("usage"), Usage | None)
    response = Response(text=last_text(trajectory), trajectory=trajectory, usage=usage)
    probe = AgentProbe(**known["args"])
    assert probe.check_example(example) is None
    return probe.score(example, msgspec.structs.replace(response, **changes))


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["id"])
def test_a_trajectory_is_judged_as_a_careful_person_would(known):
    scores = judged(known)
    assert scores.passed is known["passes"], scores.explanation
    assert known["why"] in scores.explanation
    assert scores.values["correct"] == float(known["passes"])


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["id"])
def test_without_a_trajectory_nothing_passes_whatever_is_said(known):
    scores = judged(known, trajectory=(), text="It is refunded, and we are open until six.")
    assert not scores.passed
    assert "no trajectory" in scores.explanation


def test_the_known_trajectories_cover_what_goes_wrong_and_what_goes_right():
    kinds = Counter(known["id"].partition("-")[0] for known in KNOWN)
    assert len(KNOWN) >= 60
    assert {"order", "extra", "argument", "loop", "missing", "ways"} <= {kind for kind, n in kinds.items() if n > 5}
    assert min(Counter(known["passes"] for known in KNOWN).values()) >= 25
