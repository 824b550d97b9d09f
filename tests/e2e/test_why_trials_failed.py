"""What a user sees of a failed trial: its kind and what to do, where it was raised, and each attempt in the log."""

import json

import pytest

from insideLLMs import ProbeExecutionError, ProbeRunner, PromptProbe
from support.command import insidellms, write_files
from support.users_code import Echo

CODE = """
from insideLLMs import PromptProbe, Scores

def lookup(settings):
    return settings["missing"]

class Policy(PromptProbe):
    def score(self, example, response):
        if example.text == "b":
            return Scores.of(lookup({}))
        return Scores(values={"stars": 7.0}) if example.text == "c" else Scores.of(True)
"""
EXPERIMENT = """
model: {type: dummy, id: m, args: {failures: {d: error}}}
probe: {type: "m.py:Policy", id: policy}
dataset: {examples: [{id: e1, prompt: a}, {id: e2, prompt: b}, {id: e3, prompt: c}, {id: e4, prompt: d}]}
execution: {max_attempts: 2}
"""


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, {"m.py": CODE, "e.yaml": EXPERIMENT})
    return tmp_path


def test_the_kinds_of_failures_are_listed_with_what_to_do(folder):
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=folder)
    assert done.code == 0, done.err
    report = insidellms("report", "run", cwd=folder)
    for said in (done.err, report.out):
        assert "3 trials failed:" in said
        assert "1 x KeyError: Policy.score() raised KeyError: 'missing'" in said
        assert "fix: declare score_ranges = {'stars': (worst, best)} in Policy" in said
        assert "first: example e4, model m, probe policy" in said


def test_verbose_shows_where_a_plug_in_raised(folder):
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--verbose", cwd=folder)
    assert 'm.py", line 5, in lookup' in done.err
    assert "Traceback" not in insidellms("run", "e.yaml", "--run-dir", "other", cwd=folder).err


def test_each_retry_and_each_failed_trial_is_a_log_line_with_its_facts(folder):
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--log-level", "info", "--log-format", "json", cwd=folder)
    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    (retry,) = [line for line in lines if "wait_s" in line]
    assert (retry["example_id"], retry["model"], retry["attempt"], retry["error_type"]) == ("e4", "m", 1, "ServerError")
    failed = {line["example_id"]: line for line in lines if "stage" in line}
    assert set(failed) == {"e2", "e3", "e4"}
    assert (failed["e2"]["stage"], failed["e2"]["error_type"]) == ("score", "KeyError")
    assert (failed["e4"]["status"], failed["e4"]["attempts"]) == ("error", 2)


def test_the_error_of_a_run_that_stops_names_the_trial_and_holds_what_was_raised():
    class Broken(PromptProbe):
        def score(self, example, response):
            raise LookupError("no such policy")

    with pytest.raises(ProbeExecutionError) as caught:
        ProbeRunner(Echo(), Broken()).run(["a"], stop_on_error=True)
    error = caught.value
    assert (error.model, error.probe) == ("echo", "Broken")
    assert error.example_id
    assert isinstance(error.original_error, LookupError)
    assert error.__cause__ is error.original_error
