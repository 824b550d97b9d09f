"""Tests of models with pytest: cassettes, and runs that are held against accepted ones."""

import pytest

from support.openai_server import Fault
from support.pytest_project import CASES, FACTS, Project

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester, openai_server, monkeypatch):
    return Project(pytester, openai_server, monkeypatch)


def test_answers_are_recorded_once_and_replayed_without_a_server(project, monkeypatch):
    project.write(FACTS + "\ndef test_own(llm):\n    assert llm('how many days?').text == llm('how many days?').text\n")
    project.run().assert_outcomes(passed=4)
    assert project.server.requests == 3  # equal questions of a module are asked once
    assert len(project.cassette()) == 3
    project.run().assert_outcomes(passed=4)
    assert project.server.requests == 3
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("CI", "true")
    found = project.run()
    found.assert_outcomes(passed=4)
    found.stdout.fnmatch_lines(["--llm=replay: 0 asked *3 from cassettes*"])
    assert project.server.requests == 3
    assert "sk-canary" not in (project.path / "__llm__" / "test_it.jsonl").read_text()


def test_record_asks_again_and_live_records_nothing(project):
    project.write(FACTS)
    project.run("--llm=live").assert_outcomes(passed=3)
    assert not (project.path / "__llm__").exists()
    project.run("--llm=record").assert_outcomes(passed=3)
    project.run("--llm=record").assert_outcomes(passed=3)
    assert project.server.requests == 9
    assert len(project.cassette()) == 3


def test_what_a_cassette_lacks_fails_its_own_test_and_says_how_to_record_it(project):
    project.write(FACTS)
    found = project.run("--llm=replay")
    found.assert_outcomes(errors=3)
    found.stdout.fnmatch_lines(
        ["there is no cassette __llm__/test_it.jsonl to replay", "*pytest test_it.py --llm=missing"]
    )
    project.run().assert_outcomes(passed=3)
    (project.path / "cases.csv").write_text(CASES + "d,capital of France again?,Paris\n")
    found = project.run("--llm=replay")
    found.assert_outcomes(passed=3, errors=1)
    found.stdout.fnmatch_lines(
        [
            "the cassette __llm__/test_it.jsonl has no answer to 'capital of France again?'",
            "cassettes lack 1 answer; to record them: pytest --llm=missing test_it.py",
        ]
    )
    project.run().assert_outcomes(passed=4)
    assert project.server.requests == 4


def test_a_miss_says_what_changed(project):
    project.write(FACTS)
    project.run().assert_outcomes(passed=3)
    project.settings(model_name="other")
    found = project.run("--llm=replay")
    found.assert_outcomes(errors=3)
    found.stdout.fnmatch_lines(
        ["  changed: model 'openai/other': model_name 'm' -> 'other'", "cassettes lack 3 answers; to record them: *"]
    )


def test_an_unanswered_question_is_an_error_and_not_recorded(project):
    project.server.faults = [Fault(kind="500", times=99, match="Spain")]
    project.settings("execution = {max_attempts = 1}")
    project.write(FACTS)
    found = project.run()
    found.assert_outcomes(passed=2, errors=1)
    assert "no answer to 'capital of Spain?': ServerError" in found.stdout.str()
    assert len(project.cassette()) == 2


def test_workers_ask_each_question_once_and_lose_no_answer(project):
    project.write(FACTS)
    for number in range(6):
        project.write(
            f"def test_a(llm): assert llm('days {number}?')\ndef test_b(llm): assert llm('b {number}')", "test_b.py"
        )
    project.write("".join(f"def test_{n}(llm): assert llm('days {n}?').text\n" for n in range(12)), "test_many.py")
    project.write(
        "@pytest.mark.llm(repeats=3)\n@pytest.mark.llm_dataset('cases.csv', system='Be brief.')\n"
        "def test_it(answer): assert answer.text\n",
        "test_repeated.py",
    )
    found = project.run_apart("-n", "4")
    found.assert_outcomes(passed=3 + 2 + 12 + 3)
    assert project.server.requests == 3 + 2 + 12 + 9
    assert [len(project.cassette(name)) for name in ("test_it", "test_b", "test_many", "test_repeated")] == [
        3,
        2,
        12,
        9,
    ]
    found.stdout.fnmatch_lines(["--llm=missing: 26 asked (0 failed, 0 retries), 0 from cassettes, *"])
    found = project.run_apart("-n", "4", "--llm=replay")
    found.assert_outcomes(passed=20)
    assert project.server.requests == 26
    assert not list((project.path / "__llm__").glob("*.partial*"))


EXPERIMENT = """
model: {type: dummy, args: {responses: {France: %s, Spain: Madrid, days: 14 days}}}
probe: contains
dataset: cases.csv
gate: {fail_on: regressions}
"""
REGRESSION = "def test_it(llm_run): llm_run('e.yaml').assert_no_regression('baselines'%s)"


def test_a_run_is_held_against_accepted_runs(project):
    (project.path / "e.yaml").write_text(EXPERIMENT % "Paris")
    (project.path / "cases.csv").write_text(CASES)
    project.write(REGRESSION % "")
    found = project.run("--llm=live")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*there is no baseline*", "*accept this run as the first: pytest --llm-accept*"])
    found = project.run("--llm=live", "--llm-accept")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["accepted as a baseline: *baselines*"])
    project.run("--llm=live").assert_outcomes(passed=1)
    (project.path / "e.yaml").write_text(EXPERIMENT % "Lyon")
    found = project.run("--llm=live")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*regressed*", "*FAILED*gate*"])


@pytest.mark.parametrize(("option", "outcome"), [((), "failed"), (("--llm-inconclusive=skip",), "skipped")])
def test_an_inconclusive_gate_fails_or_skips(project, option, outcome):
    (project.path / "e.yaml").write_text(EXPERIMENT % "Paris")
    project.write(REGRESSION % "")
    project.run("--llm=live", "--llm-accept").assert_outcomes(passed=1)
    (project.path / "e.yaml").write_text(
        (EXPERIMENT % "Paris").replace("regressions", "significant, wanted_drop: 0.01, require_power: true")
    )
    project.run("--llm=live", *option).assert_outcomes(**{outcome: 1})


def test_a_run_is_recorded_in_the_cassette_of_its_test(project):
    args = f"{{model_name: m, base_url: '{project.server.base_url}'}}"
    (project.path / "e.yaml").write_text(
        f"{{model: {{type: openai, args: {args}}}, probe: contains, dataset: cases.csv}}"
    )
    project.write("def test_it(llm_run): assert len(llm_run('e.yaml').run) == 3")
    project.run().assert_outcomes(passed=1)
    found = project.run("--llm=replay")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["--llm=replay: 0 asked *3 from cassettes*"])
    assert project.server.requests == len(project.cassette()) == 3
    (project.path / "cases.csv").write_text(CASES + "d,again?,x\n")
    found = project.run("--llm=replay")
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*it lacks 1 of the 4 answers*", "*pytest test_it.py --llm=missing*"])


def test_a_judge_checks_an_answer_and_is_counted_and_replayed(project):
    project.server.answers = {"You grade": '{"reason": "clear", "score": 4}', **project.server.answers}
    project.write(f"""
from insideLLMs.checks import judge
JUDGE = {{"type": "openai", "args": {{"model_name": "grader", "base_url": "{project.server.base_url}"}}}}
def test_it(llm):
    result = llm("how many days?").passes(judge(judges=JUDGE, rubric="Is it clear?"))
    assert result and result.scores["score"] == 0.75
""")
    found = project.run()
    found.stdout.fnmatch_lines(["--llm=missing: 2 asked *"])
    found.assert_outcomes(passed=1)
    found = project.run("--llm=replay")
    found.assert_outcomes(passed=1)
    assert project.server.requests == 2
