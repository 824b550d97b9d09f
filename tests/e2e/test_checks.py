"""Several checks of one answer, named in the experiment or in the example, and answers that are only recorded."""

import pytest

from support.command import insidellms, records_of, write_files
from support.documents import ROOT, UPDATE, blocks, fences, replace_block
from support.openai_server import OpenAIServer

EXPERIMENT = """
model: {type: dummy, id: m, args: {responses: {refund: "Yes, within 14 days.", bye: "Go away!", silent: ""}}}
probe:
  type: checks
  args:
    checks:
      - {type: contains, any: ["14 days"], name: facts}
      - {type: contains, any: ["away"], not: true, name: tone, weight: 2}
      - {type: usage, max_characters: 100}
dataset: {path: d.jsonl}
"""
ROWS = [
    {"id": "good", "question": "A refund?", "checks": [{"type": "regex", "pattern": "^Yes"}]},
    {"id": "rude", "question": "bye", "checks": [{"type": "equals", "expected": "Goodbye!", "weight": 0}]},
    {"id": "plain", "question": "A refund, please?"},
]


def run(folder, text=EXPERIMENT, rows=ROWS, *, code=0, **files):
    write_files(folder, {"e.yaml": text, "d.jsonl": rows, **{f"{name}.py": given for name, given in files.items()}})
    done = insidellms("run", "e.yaml", "--run-dir", "run", "--overwrite", cwd=folder)
    assert done.code == code, done.err
    return {record["example_id"]: record["scores"] for record in records_of(folder / "run")} if not code else done.err


def test_the_checks_of_the_experiment_and_of_the_example_score_one_answer(tmp_path):
    scores = run(tmp_path)
    assert scores["good"]["values"] == {"correct": 1.0, "score": 1.0, "facts": 1.0, "tone": 1.0}
    assert [one["check"] for one in scores["good"]["details"]["checks"]] == ["facts", "tone", "usage", "regex"]
    assert scores["plain"]["explanation"] == "3 of 3 checks passed"


def test_a_failed_check_is_named_with_its_reason_and_weighs_what_it_should(tmp_path):
    rude = run(tmp_path)["rude"]
    assert (rude["passed"], rude["values"]["score"]) == (False, 0.25)
    assert rude["explanation"].startswith(
        "1 of 3 checks passed; failed: facts: contains none of '14 days'; tone: it must not hold:"
    )
    shown = rude["details"]["checks"][-1]
    assert (shown["check"], shown["passed"], shown["weight"]) == ("equals", False, 0.0)  # of no weight: only shown


@pytest.mark.parametrize(("require", "passed"), [("all", False), ("any", True), ("1", True), ("2", False)])
def test_require_says_how_many_must_pass(tmp_path, require, passed):
    text = EXPERIMENT.replace("    checks:", f"    require: {require}\n    checks:")
    assert run(tmp_path, text)["rude"]["passed"] is passed


@pytest.mark.parametrize(("threshold", "passed"), [(0.25, True), (0.26, False)])
def test_a_threshold_says_which_share_of_the_weight_must_pass(tmp_path, threshold, passed):
    rude = run(tmp_path, EXPERIMENT.replace("    checks:", f"    threshold: {threshold}\n    checks:"))["rude"]
    assert (rude["passed"], rude["values"]["score"]) == (passed, 0.25)
    assert f"a score of 0.25 where {threshold} is wanted" in rude["explanation"]


def test_checks_in_a_group_count_as_one(tmp_path):
    either = {"type": "checks", "require": "any", "name": "either", "checks": [
        {"type": "contains", "any": ["away"]}, {"type": "regex", "pattern": "^Yes"}]}  # fmt: skip
    rows = [{"id": "e", "question": "bye", "checks": [either, {**either, "name": "none", "not": True}]}]
    found = run(tmp_path, rows=rows)["e"]["details"]["checks"][-2:]
    assert [(one["check"], one["passed"]) for one in found] == [("either", True), ("none", False)]
    assert found[0]["why"].startswith("1 of 2 checks passed; failed: regex:")
    own = {"type": "checks", "checks": [{"type": "function", "function": "own.py:short"}]}
    told = run(tmp_path, rows=[{**rows[0], "checks": [own]}], code=1, own="def short(text, example): return True\n")
    assert "probe function: function is 'own.py:short'" in told


def test_an_empty_answer_passes_no_negated_check(tmp_path):
    rows = [{"id": "e", "question": "silent", "checks": []}]
    assert run(tmp_path, rows=rows)["e"]["values"]["tone"] == 0.0


JUDGED = """
model: {type: dummy, id: m, args: {canned_response: "Yes, within 14 days."}}
probe:
  type: checks
  args:
    judges: {type: dummy, id: strict, args: {responses: {polite: '{"score": 5}', short: '{"score": 1}'}}}
    checks: [{type: contains, any: ["14 days"]}]
dataset: {path: d.jsonl}
"""


def test_a_judge_is_a_check_and_a_model_of_the_run(tmp_path):
    rows = [
        {"id": name, "question": "A refund?", "checks": [{"type": "judge", "rubric": f"Is it {name}?", "name": "tone"}]}
        for name in ("polite", "short")
    ]
    scores = run(tmp_path, JUDGED, rows)
    assert {name: one["values"]["tone"] for name, one in scores.items()} == {"polite": 1.0, "short": 0.0}
    shown = insidellms("report", "run", "--telemetry", cwd=tmp_path).out
    assert "checks/strict" in shown
    wrong = run(tmp_path, JUDGED.replace("judges:", "require: all #"), rows, code=1)
    assert "d.jsonl:1: " in wrong
    assert "a judge needs models to ask: give the probe `judges`" in wrong


def test_a_function_is_a_check_of_the_experiment_and_never_of_a_dataset(tmp_path):
    own = "def short(text, example):\n    return len(text) < 9\n"
    text = EXPERIMENT.replace("{type: usage, max_characters: 100}", "{type: function, function: own.py:short}")
    scores = run(tmp_path, text, own=own)
    assert [scores[name]["details"]["checks"][2]["passed"] for name in ("good", "rude")] == [False, True]
    rows = [{"id": "e", "question": "bye", "checks": [{"type": "function", "function": "own.py:short"}]}]
    assert "only the experiment may name a function" in run(tmp_path, rows=rows, code=1, own=own)


@pytest.mark.parametrize(
    ("written", "wrong", "told"),
    [
        ("type: usage, max_c", "type: usag, max_c", "e.yaml:9:10: probe.args.checks[2].type: 'usag' is no"),
        ("max_characters: 100", "max_characers: 1", "checks[2].max_characers: is not an argument of this check (did"),
        ("max_characters: 100", "max_characters: x", "e.yaml:9:"),
        ("weight: 2", "weight: -2", "checks[1].weight: is -2; it must be a number from 0 on"),
        ("name: tone", "name: facts", "checks[1].name: there are two checks called 'facts'"),
        ("name: tone", "name: score", "checks[1].name: is 'score'"),
        ("type: contains, any: [\"14", "type: contains-any, any: [\"14", "here it is {type: contains, any: [...]}"),
        ("type: contains, any: [\"away", "type: not-contains, any: [\"away", "write {type: contains, not: true}"),
        ("type: contains, any: [\"away", "any: [\"away", "checks[1].type: is missing"),
        ("type: contains, any: [\"away", "type: bias, any: [\"away", "asks the model more than once"),
        ("    checks:", "    require: most\n    checks:", "require is 'most'; it must be all, any, or how many"),
        ("    checks:", "    requires: any\n    checks:", "e.yaml:6:5: probe.args.requires: 'checks' takes no"),
        ("    checks:", "    threshold: 2\n    checks:", "threshold is 2; it must be a share above 0"),
        ("    checks:", "    require: any\n    threshold: 1\n    checks:", "threshold is 1; it must be left out"),
    ],
)  # fmt: skip
def test_a_wrong_check_of_the_experiment_is_an_error_with_its_place(tmp_path, written, wrong, told):
    assert written in EXPERIMENT
    assert told in run(tmp_path, EXPERIMENT.replace(written, wrong), code=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([{"type": "equal"}], "d.jsonl:2: dataset 'd', example 'e': probe 'checks': checks[0].type: 'equal'"),
        ([{"type": "equals"}], "check 'equals': nothing is expected"),
        ([{"type": "f1", "treshold": 1}], "checks[0].treshold: is not an argument of this check (did you"),
        ({"type": "equals"}, "checks: must be a list of checks"),
        (["equals"], "checks[0]: a check is a mapping"),
        ([{"type": "regex", "pattern": "("}], "d.jsonl:2: "),
    ],
)  # fmt: skip
def test_a_wrong_check_of_an_example_is_an_error_with_its_line(tmp_path, checks, told):
    rows = [{"id": "a", "question": "bye"}, {"id": "e", "question": "bye", "checks": checks}]
    assert told in run(tmp_path, rows=rows, code=1)
    assert not (tmp_path / "run").exists()


def test_a_gate_that_names_no_check_is_an_error_and_one_that_names_an_examples_is_none(tmp_path):
    rows = [{**ROWS[0], "checks": [{"type": "regex", "pattern": "^Yes", "name": "agrees to it"}]}]
    gated = EXPERIMENT + "gate: {min_score: {facts: 0.5, agrees to it: 0.5, NAME: 0.5}}\n"
    run(tmp_path, gated.replace("NAME", "score"), rows)
    told = run(tmp_path, gated.replace("NAME", "fact"), rows, code=1)
    assert "gate.min_score.fact: there is no score 'fact' (did you mean 'facts'?)" in told


def test_an_example_without_checks_is_an_error(tmp_path):
    text = "model: dummy\nprobe: checks\ndataset: {path: d.jsonl}\n"
    assert "example 'plain': probe 'checks': nothing to check" in run(tmp_path, text, code=1)
    both = text.replace("probe: checks", "probe: {type: checks, args: {require: 2}}")
    assert "2 checks are required to pass, but it has 1" in run(tmp_path, both, ROWS[:1], code=1)


RECORDED = """
model: {type: dummy, id: m, args: {responses: {refund: "ANSWER"}}}
probes: [record, {type: usage, args: {max_characters: 100}}]
dataset: {path: d.jsonl}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    write_files(folder, {"d.jsonl": ROWS[:1]})
    for name, answer in (("one", "Yes."), ("two", "No.")):
        text = RECORDED.replace("ANSWER", answer)
        write_files(
            folder, {f"{name}.yaml": text, f"only_{name}.yaml": text.replace(RECORDED.splitlines()[2], "probe: record")}
        )
        for stem in (name, f"only_{name}"):
            assert insidellms("run", f"{stem}.yaml", "--run-dir", stem, cwd=folder).code == 0
    return folder


def test_recorded_answers_have_no_verdict_and_no_pass_rate(recorded):
    assert "recorded, not scored, 1" in insidellms("report", "only_one", cwd=recorded).out
    assert insidellms("report", "one", "--min-pass-rate", "1", cwd=recorded).code == 0
    assert insidellms("report", "only_one", "--min-pass-rate", "0", cwd=recorded).code == 4  # never green on nothing


@pytest.mark.parametrize(
    ("names", "policy", "code"),
    [("", "changes", 3), ("", "regressions", 0), ("only_", "changes", 3), ("only_", "regressions", 4),
     ("only_", "never", 0)],
)  # fmt: skip
def test_only_policies_that_compare_texts_decide_on_recorded_answers(recorded, names, policy, code):
    done = insidellms("diff", f"{names}one", f"{names}two", "--fail-on", policy, cwd=recorded)
    assert done.code == code, done.out


def test_the_example_of_the_documentation_prints_what_it_shows(tmp_path):
    page = ROOT / "docs" / "checks.md"
    write_files(tmp_path, {code.splitlines()[0].removeprefix("# "): code for code in blocks(page, "yaml")})
    done = insidellms("run", "support.yaml", cwd=tmp_path)
    (shown,) = (fence.code for fence in fences(page) if fence.language == "text" and "this experiment" in fence.reason)
    now = done.out[done.out.index("FAILED") :]
    if UPDATE:
        replace_block(page, shown, now)
    assert (done.code, now) == (3, shown) or UPDATE


def test_the_first_experiment_of_another_tool_is_no_longer_here_and_does_the_same(tmp_path):
    theirs, ours = blocks(ROOT / "docs" / "checks.md", "yaml")[-2:]
    assert len(ours.splitlines()) <= len(theirs.splitlines())
    write_files(tmp_path, {"translate.yaml": ours})
    said = {"Good morning": "buenos Días", "See you tomorrow": "À demain"}
    with OpenAIServer(answers=said) as server:
        env = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
        done = insidellms("run", "translate.yaml", "--run-dir", "right", cwd=tmp_path, env=env)
        assert (done.code, server.requests) == (0, 8), done.err  # two prompts, two models, two examples
        assert {body["model"] for body in server.bodies} == {"gpt-4.1", "gpt-4.1-mini"}
        assert "How does one say Good morning in Spanish?" in server.prompts
        server.answers["Good morning"] = "Hola"
        done = insidellms("run", "translate.yaml", "--run-dir", "wrong", cwd=tmp_path, env=env)
    assert done.code == 3
    assert "contains none of 'Buenos días'" in " ".join(done.out.split())
