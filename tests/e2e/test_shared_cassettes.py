"""--record through the command: an outage, another experiment and several runs leave every recorded answer."""

import pytest

from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Scores
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.runner import run_probe
from support.command import insidellms, write_files

ROWS = [{"id": f"i{n:02}", "question": f"item i{n:02}?", "answer": "good"} for n in range(12)]
OTHER = [{"id": f"o{n:02}", "question": f"other o{n:02}?", "answer": "good"} for n in range(5)]
GOOD = """
name: good
model: {type: dummy, id: m, args: {canned_response: good}}
probe: {type: contains}
dataset: {path: q.jsonl}
"""
NOBODY = "{type: openai, id: m, args: {model_name: m, base_url: 'http://127.0.0.1:9/v1'}}"


@pytest.fixture
def folder(tmp_path):
    files = {"q.jsonl": ROWS, "o.jsonl": OTHER, "good.yaml": GOOD, "other.yaml": GOOD.replace("q.jsonl", "o.jsonl")}
    outage = GOOD.replace("{type: dummy, id: m, args: {canned_response: good}}", NOBODY)
    files["outage.yaml"] = outage + "execution: {max_attempts: 1}\n"
    write_files(tmp_path, files)
    assert insidellms("run", "good.yaml", "--record", "t.jsonl", cwd=tmp_path).code == 0
    return tmp_path


def replays(folder, experiment):
    done = insidellms("run", experiment, "--replay", "t.jsonl", cwd=folder)
    return done.code == 0


def test_an_outage_leaves_the_cassette_as_it_is(folder):
    before = (folder / "t.jsonl").read_bytes()
    done = insidellms("run", "outage.yaml", "--record", "t.jsonl", cwd=folder, env={"OPENAI_API_KEY": "k"})
    assert done.code == 1
    assert (folder / "t.jsonl").read_bytes() == before
    assert sorted(each.name for each in folder.glob("t.jsonl*")) == ["t.jsonl"]


def test_calls_that_fail_leave_the_answers_that_were_there(folder):
    failing = GOOD.replace("{canned_response: good}", "{canned_response: good, failures: {i03: error}}")
    write_files(folder, {"good.yaml": failing + "execution: {max_attempts: 1}\n"})
    assert insidellms("run", "good.yaml", "--record", "t.jsonl", cwd=folder).code == 0
    write_files(folder, {"good.yaml": GOOD})
    assert replays(folder, "good.yaml")


def test_another_experiment_adds_its_answers(folder):
    assert insidellms("run", "other.yaml", "--record", "t.jsonl", cwd=folder).code == 0
    assert replays(folder, "good.yaml")
    assert replays(folder, "other.yaml")


def test_a_run_without_resume_takes_over_what_an_interrupted_recording_left(folder):
    stops = GOOD.replace("{canned_response: good}", "{canned_response: fine, failures: {i09: auth}}")
    write_files(folder, {"stops.yaml": stops + "execution: {concurrency: 1}\n"})
    done = insidellms("run", "stops.yaml", "--record", "u.jsonl", "--stop-on-error", cwd=folder)
    assert done.code == 1
    left = (folder / "u.jsonl.partial").read_bytes().splitlines()
    assert len(left) >= 5
    assert insidellms("run", "other.yaml", "--record", "u.jsonl", cwd=folder).code == 0
    assert set(left) < set((folder / "u.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize("name", ["good.yaml", "q.jsonl"])
def test_the_experiment_and_its_data_are_never_taken_for_a_cassette(folder, name):
    before = (folder / name).read_bytes()
    done = insidellms("run", "good.yaml", "--record", name, "--run-dir", "r", cwd=folder)
    assert (done.code, f"{name}, line 1 is not a recorded answer" in done.err) == (1, True)
    assert "answers are kept" not in done.err  # nothing was asked
    assert (folder / name).read_bytes() == before
    assert not (folder / "r").exists()


class Good(PromptProbe):
    def score(self, example, response):
        return Scores.of(response.text == "good")


def test_several_runs_that_share_a_file_all_replay(tmp_path):
    tape, model = tmp_path / "t.jsonl", DummyModel(canned_response="good")
    for number in range(12):
        run_probe(model, Good(), [f"case {number}"], record=tape)
    for number in range(12):
        (result,) = run_probe(model, Good(), [f"case {number}"], replay=tape)
        assert result["output"] == "good"
