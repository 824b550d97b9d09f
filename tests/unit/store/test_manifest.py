"""What the manifest says of probes: the range of each score as the probe declares it, written as plain JSON."""

import json
import math

import pytest

from insideLLMs.core.errors import ConfigError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Scores
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.runner import run_probe
from insideLLMs.store.sealed_run import SealedRun


class Ranged(PromptProbe):
    name = "ranged"

    def score(self, example, response):
        return Scores(values={"distance": 3.0})


def run_with(ranges, path):
    probe = Ranged()
    probe.score_ranges = ranges
    run_probe(DummyModel(), probe, ["a"], run_dir=path)
    return path


@pytest.mark.parametrize("declared", [(0, 100), (100, 0), (0, math.inf), (-math.inf, math.inf)])
def test_a_declared_score_range_reaches_the_manifest_as_it_was_declared(declared, tmp_path):
    (probe,) = SealedRun.open(run_with({"distance": declared}, tmp_path / "run")).manifest.probes
    assert probe.ranges() == {"distance": declared}


def test_an_open_end_is_written_as_text_because_json_has_no_infinity(tmp_path):
    run = run_with({"distance": (math.inf, 0)}, tmp_path / "run")
    written = json.loads((run / "manifest.json").read_bytes())
    assert written["probes"][0]["score_ranges"] == {"distance": ["inf", 0.0]}


@pytest.mark.parametrize("broken", [{"distance": 5}, {"distance": (0, math.nan)}, {"distance": ("low", 1)}, 7])
def test_a_score_range_that_is_none_is_refused_before_anything_is_asked(broken, tmp_path):
    with pytest.raises(ConfigError, match="score_ranges is"):
        run_with(broken, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_manifest_from_before_score_ranges_is_still_read(tmp_path):
    run = run_with({"distance": (0, 9)}, tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_bytes())
    for member in [*manifest["probes"], *manifest["models"]]:
        del member["score_ranges"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert SealedRun.open(run).manifest.probes[0].ranges() == {}
