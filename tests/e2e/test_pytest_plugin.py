"""Tests of models with pytest: real pytest runs of small projects, against a real server that counts its calls."""

import json
import re
import subprocess
import sys

import pytest

from insideLLMs import checks
from insideLLMs.plugins import PROBES, probe_registry
from insideLLMs.pytest_plugin.marks import LlmMark
from insideLLMs.pytest_plugin.repeats import Repeat, verdict
from support.command import environment
from support.documents import ROOT
from support.pytest_project import FACTS, PLUGIN_OPTIONS, Project

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester, openai_server, monkeypatch):
    return Project(pytester, openai_server, monkeypatch)


def test_a_test_asks_and_checks(project):
    project.write("""
def test_refund(llm):
    answer = llm("how many days?", system="Be brief.", max_tokens=50)
    assert answer.passes(contains(any=["14 days"])) and answer.output_tokens < 200
    assert answer.passes(equals(), expected=["Within 14 days.", "14"])
    assert str(answer) == answer.text == "Within 14 days."
""")
    project.run().assert_outcomes(passed=1)
    (body,) = project.server.bodies
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert body["max_tokens"] == 50


def test_a_failure_shows_question_answer_and_reason(project):
    project.write("def test_it(llm):\n    assert llm('how many days?').passes(contains(any=['30 days']))\n")
    found = project.run()
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(
        [
            "*assert <ProbeResult * failed: contains none of '30 days' | 'how many days?' -> 'Within 14 days.'>*",
            "*questions and answers*",
            "question: how many days?",
            "answer: Within 14 days.",
            "contains: failed: contains none of '30 days'",
            "--llm=missing: 1 asked (0 failed, 0 retries), 0 from cassettes, * tokens in, * out, *",
        ]
    )


def test_what_a_model_says_cannot_command_the_terminal(project):
    project.server.answers = {"days": "\x1b[2Jgone\u202e"}
    project.write("def test_it(llm):\n    assert llm('how many days?').passes(contains(any=['30']))\n")
    found = project.run()
    found.assert_outcomes(failed=1)
    assert not {"\x1b[2J", "\u202e"} & {
        word for line in found.outlines for word in ("\x1b[2J", "\u202e") if word in line
    }


def test_repeats_are_asked_together_and_judged_together(project):
    project.server.latency_s = 0.02
    project.write("""
calls = []
@pytest.mark.llm(repeats=5, at_least=0.6)
def test_it(llm):
    answer = llm("how many days?")
    calls.append(answer.repeat)
    assert answer.passes(contains(any=["14 days"])) and answer.repeat < 3

def test_each_repeat_ran():
    assert calls == [0, 1, 2, 3, 4]
""")
    project.run().assert_outcomes(passed=2)
    assert project.server.requests == 5
    assert project.server.most_in_flight == 5


def test_too_few_repeats_that_pass_fail_with_the_answers(project):
    project.write("""
@pytest.mark.llm(repeats=5, at_least=0.8)
def test_it(llm):
    answer = llm("how many days?")
    assert answer.repeat < 3, "too late"
""")
    found = project.run()
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["3 of 5 passed (23-88 %), 80 % wanted", "  1: passed: 'Within 14 days.'"])
    found.stdout.fnmatch_lines(["  5: failed: 'Within 14 days.'", "     line *: too late*"])


@pytest.mark.parametrize(
    ("passes", "wanted", "is_told"), [(4, 0.8, False), (3, 0.8, True), (5, 1.0, False), (1, 0.2, False)]
)
def test_a_share_of_repeats_is_compared_exactly(passes, wanted, is_told):
    found = [Repeat(None, "x")] * passes + [Repeat("no", "y")] * (5 - passes)
    assert (verdict(LlmMark(repeats=5, at_least=wanted), found) is not None) == is_told


def test_a_dataset_is_a_test_for_each_example_asked_together(project):
    project.server.latency_s = 0.05
    project.write(FACTS)
    found = project.run("-v")
    found.assert_outcomes(passed=3)
    found.stdout.fnmatch_lines(["*::test_facts[[]a] PASSED*", "*::test_facts[[]b] PASSED*"])
    assert (project.server.requests, project.server.most_in_flight) == (3, 3)


def test_only_what_is_selected_and_will_run_is_asked(project):
    project.write("""
@pytest.mark.llm_dataset("cases.csv")
class TestFacts:
    def test_facts(self, case, answer):
        assert answer.passes(contains(any=case.expected))

    @pytest.mark.skip
    def test_later(self, case, answer): ...

    @pytest.mark.skipif(True, reason="no")
    def test_elsewhere(self, answer): ...

@pytest.mark.llm_dataset("cases.csv")
@pytest.mark.parametrize("word", ["x", "y"])
def test_without_an_answer(case, word):
    assert case.fields == {}
""")
    project.run("--collect-only").assert_outcomes()
    assert project.server.prompts == []
    project.run("-k", "b", "--llm=live").assert_outcomes(passed=3, skipped=2, deselected=12 - 2)
    assert project.server.prompts == ["capital of Spain?"]
    project.run("test_it.py::TestFacts::test_facts[a]").assert_outcomes(passed=1)
    assert project.server.prompts[1:] == ["capital of France?"]


def test_an_expected_failure_stays_one(project):
    project.write("""
@pytest.mark.xfail
@pytest.mark.llm(repeats=2)
def test_it(llm):
    assert llm("how many days?").passes(contains(any=["30"]))

@pytest.mark.llm(repeats=2)
def test_skips(llm):
    pytest.skip("not here")
""")
    project.run().assert_outcomes(xfailed=1, skipped=1)


FAIL_CLOSED = {
    "nothing asked": ("@pytest.mark.llm(repeats=3)\ndef test_it(llm): pass", "it asked nothing"),
    "nothing asked once": ("@pytest.mark.llm\ndef test_it(llm): pass", "it asked nothing"),
    "one repeat asks nothing": (
        "done = []\n@pytest.mark.llm(repeats=2, at_least=0.5)\ndef test_it(llm):\n    done.append(done or llm('x'))",
        "1 of 2 passed",
    ),
    "no fixture at all": ("@pytest.mark.llm\nclass TestIt:\n    def test_it(self): pass", "it asked nothing"),
    "unittest": (
        "import unittest\n@pytest.mark.llm(repeats=3)\nclass TestIt(unittest.TestCase):\n    def test_it(self): pass",
        "it asked nothing",
    ),
    "asked by a fixture": (
        "@pytest.fixture\ndef said(llm): return llm('x')\n@pytest.mark.llm(repeats=2)\ndef test_it(said): pass",
        "a fixture calls",
    ),
    "answer by a fixture": (
        """
@pytest.fixture
def said(answer): return answer.text
@pytest.mark.llm(repeats=2)
@pytest.mark.llm_dataset('cases.csv')
def test_it(said): pass
""",
        "a fixture takes",
    ),
    "misspelt": ("@pytest.mark.llm(repeat=3)\ndef test_it(llm): llm('x')", "did you mean 'repeats'"),
    "no share": ("@pytest.mark.llm(at_least=0)\ndef test_it(llm): llm('x')", "at_least is 0"),
    "percent": ("@pytest.mark.llm(repeats=2, at_least=80)\ndef test_it(llm): llm('x')", "at_least is 80"),
    "no repeats": ("@pytest.mark.llm(repeats=0)\ndef test_it(llm): llm('x')", "repeats is 0"),
    "async": ("@pytest.mark.llm(repeats=2)\nasync def test_it(llm): llm('x')", "async test cannot repeat"),
    "no such file": ("@pytest.mark.llm_dataset('case.csv')\ndef test_it(answer): pass", "there is no file 'case.csv'"),
    "no path": ("@pytest.mark.llm_dataset\ndef test_it(answer): pass", "names no file"),
    "misspelt dataset": (
        "@pytest.mark.llm_dataset('cases.csv', sytem='x')\ndef test_it(answer): pass",
        "did you mean 'system'",
    ),
    "no argument": ("@pytest.mark.llm_dataset('cases.csv')\ndef test_it(): pass", "neither `case` nor `answer`"),
    "no mark": ("def test_it(answer): pass", "need @pytest.mark.llm_dataset"),
    "empty": ("@pytest.mark.llm_dataset('empty.csv')\ndef test_it(answer): pass", "no examples"),
    "broken": ("@pytest.mark.llm_dataset('broken.csv')\ndef test_it(answer): pass", "broken.csv:2"),
    "misspelt question": ("def test_it(llm): llm('x', sytem='y')", "did you mean 'system'"),
    "empty question": ("def test_it(llm): llm('')", "the prompt is empty"),
    "no question": ("def test_it(llm): llm(None)", "the prompt is of type NoneType"),
    "no JSON": ("def test_it(llm): llm('x', user=object())", "options.user"),
    "no model": ("@pytest.mark.llm(model=5)\ndef test_it(llm): llm('x')", "int is not a model"),
    "no check": ("def test_it(llm): llm('x').passes('14 days')", "scores no answers"),
    "nothing expected": ("def test_it(llm): assert llm('x').passes(equals())", "nothing is expected"),
    "negated failure": (
        """
from insideLLMs.checks import function
def bad(text, example): raise ValueError('no')
def test_it(llm): assert not llm('x').passes(function(function=bad))
""",
        "could not score",
    ),
}


@pytest.mark.parametrize("name", FAIL_CLOSED)
def test_a_promise_that_is_not_kept_is_never_green(project, name):
    code, told = FAIL_CLOSED[name]
    (project.path / "empty.csv").write_text("id,question,answer\n")
    (project.path / "broken.csv").write_text("id,question,answer\n1,,\n")
    project.write(code)
    found = project.run()
    assert found.ret != 0
    outcomes = found.parseoutcomes()
    assert not {"passed", "skipped", "xfailed"} & set(outcomes), outcomes
    assert told in found.stdout.str()


def test_without_a_model_the_fixture_says_where_to_name_one(project):
    (project.path / "pyproject.toml").write_text("")
    project.write("def test_it(llm): llm('x')")
    found = project.run()
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*[[]tool.insidellms.pytest[]] model = *--llm-model FILE*"])
    (project.path / "model.yaml").write_text("{type: openia, args: {model_name: m}}")
    assert "did you mean 'openai'" in project.run("--llm-model", "model.yaml").stdout.str()
    (project.path / "model.yaml").write_text("{model: {type: dummy}, probe: record, dataset: x.csv}")
    project.run("--llm-model", "model.yaml").assert_outcomes(passed=1)
    for more, told in {"modle = 3": "did you mean 'model'", "execution = 3": "execution: must be a table"}.items():
        project.settings(more)
        assert told in project.run().stdout.str()
    (project.path / "pyproject.toml").write_text("[tool.insidellms.pytest]\nmodel = 5\n")
    assert "must name one model" in project.run().stdout.str()


def test_a_mark_or_an_object_can_name_the_model(project):
    project.write("""
from insideLLMs import DummyModel
@pytest.mark.llm(model={"type": "dummy", "args": {"canned_response": "one"}})
def test_mapping(llm):
    assert llm("x").text == "one"

@pytest.mark.llm(model=DummyModel(canned_response="two"))
def test_object(llm):
    assert llm("x").text == "two"

@pytest.mark.llm(model=lambda prompt: prompt.upper())
def test_function(llm):
    assert llm("x").text == "X"
""")
    project.run().assert_outcomes(passed=3)
    project.run("--llm=replay").assert_outcomes(passed=3)
    assert project.server.requests == 0


def test_the_first_failure_can_end_the_session_and_be_run_alone(project):
    project.server.answers["Spain"] = "Lisbon."
    project.write(FACTS)
    options = ("-p", "cacheprovider", "--llm=live")
    project.pytester.runpytest_inprocess(*PLUGIN_OPTIONS, *options, "-x").assert_outcomes(passed=1, failed=1)
    project.server.prompts.clear()
    project.pytester.runpytest_inprocess(*PLUGIN_OPTIONS, *options, "--lf").assert_outcomes(failed=1)
    assert project.server.prompts == ["capital of Spain?"]


def test_the_plug_in_loads_no_engine():
    program = (
        "import sys, insideLLMs.pytest_plugin.hooks; print([n for n in sys.modules if n.startswith('insideLLMs.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout.replace("'", '"')) == ["insideLLMs.pytest_plugin", "insideLLMs.pytest_plugin.hooks"]
    assert (
        '[project.entry-points.pytest11]\ninsidellms = "insideLLMs.pytest_plugin.hooks"'
        in (ROOT / "pyproject.toml").read_text()
    )


def test_a_session_without_such_tests_says_nothing(project):
    project.write("def test_it(): pass")
    assert "language models" not in project.run().stdout.str()


def test_the_checks_are_those_of_the_registry():
    stub = (ROOT / "src" / "insideLLMs" / "checks.pyi").read_text()
    typed = dict(re.findall(r"(?m)^(\w+) = (?:_reads\()?(\w+Probe)\)?$", stub))
    assert typed == {name: target.partition(":")[2] for name, target in PROBES.items()}
    assert set(dir(checks)) >= set(PROBES)
    assert isinstance(checks.contains(any=["x"]), probe_registry.get_factory("contains"))
    with pytest.raises(AttributeError, match="did you mean 'contains'"):
        checks.contain  # noqa: B018 - the access is the test
