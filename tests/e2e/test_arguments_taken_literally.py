"""Arguments that are no templates, and keys in the wrong place: nothing is compared with what nobody filled."""

import json

import pytest

from support.command import insidellms, records_of, write_files

ROW = {"id": "a", "question": "One?", "answer": "1", "pattern_of": "x"}


def experiment(folder, row=ROW, **keys):
    made = {"model": {"type": "dummy", "args": {"responses": {"One": "One is 1."}}}, "dataset": "q.jsonl", **keys}
    write_files(folder, {"e.yaml": json.dumps(made), "q.jsonl": [row]})


@pytest.mark.parametrize(
    ("probe", "at"),
    [
        ({"type": "contains", "args": {"any": ["{{ answer }}"]}}, "probe.args.any[0]"),
        ({"type": "contains", "args": {"none": "not {{answer | upper}}"}}, "probe.args.none"),
        ({"type": "regex", "args": {"pattern": "^{{- answer -}}$"}}, "probe.args.pattern"),
        ({"type": "json_path", "args": {"values": {"$.a": "{{ answer }}"}}}, "probe.args.values.$.a"),
        ({"type": "checks", "args": {"checks": [{"type": "equals", "expected": "{{ a.b }}"}]}},
         "probe.args.checks[0].expected"),
        ({"type": "contains", "args": {"any": ["file://words.txt"]}}, "probe.args.any[0]"),
    ],
)  # fmt: skip
def test_a_field_in_an_argument_that_is_no_template_is_an_error(tmp_path, probe, at):
    experiment(tmp_path, probe=probe)
    for command in (("validate", "e.yaml"), ("run", "e.yaml", "--run-dir", "run")):
        done = insidellms(*command, cwd=tmp_path)
        assert done.code == 1
        assert "e.yaml:1:" in done.err
        assert at in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["{", "}}"], ["{{"], ["{}"], ["file: notes"]])
def test_braces_that_are_no_field_may_be_looked_for(tmp_path, words):
    experiment(tmp_path, probe={"type": "contains", "args": {"none": words}})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0


def test_the_pattern_given_to_a_regex_counts_before_what_is_expected(tmp_path):
    pattern = {"pattern": "^no$"}
    probes = [
        {"id": "given", "type": "regex", "args": pattern},
        {"id": "expected", "type": "regex"},
        {"id": "check", "type": "checks", "args": {"checks": [{"type": "regex", **pattern}]}},
    ]
    experiment(tmp_path, probes=probes)
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    passed = {record["probe"]: record["scores"]["passed"] for record in records_of(tmp_path / "run")}
    assert passed == {"given": False, "expected": True, "check": False}


def test_an_examples_own_pattern_counts_before_the_probes(tmp_path):
    experiment(tmp_path, row={**ROW, "pattern": "One"}, probe={"type": "regex", "args": {"pattern": "^no$"}})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    assert records_of(tmp_path / "run")[0]["scores"]["passed"] is True


@pytest.mark.parametrize("pattern", ["(", 5, ["a", None], ""])
def test_an_examples_own_pattern_that_is_none_stops_before_any_call(tmp_path, pattern):
    experiment(tmp_path, row={**ROW, "pattern": pattern}, probe="regex")
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 1
    assert "q.jsonl:1" in done.err


@pytest.mark.parametrize(
    ("key", "hint"),
    [("system", "system: ..."), ("temperature", "generation: {temperature: ...}"), ("tests", "dataset: FILE"),
     ("assert", "type: checks"), ("providers", "models")],
)  # fmt: skip
def test_a_key_in_the_wrong_place_is_told_its_place(tmp_path, key, hint):
    experiment(tmp_path, probe="contains", **{key: "x"})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert hint in done.err


def test_an_unknown_argument_of_a_check_is_told_those_there_are(tmp_path):
    experiment(tmp_path, probe={"type": "checks", "args": {"checks": [{"type": "equals", "zzz": 1}]}})
    assert "known: normalise, reading" in insidellms("validate", "e.yaml", cwd=tmp_path).err.replace("name, ", "")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"probe": ["contains", "regex"]}, "several stand under 'probes'"),
        ({"probes": "contains", "probe": None}, "write [contains]"),
        ({"prompts": {"v1": "{{ input }}"}, "probe": "contains"}, "- {id: NAME, ...}"),
        ({"dataset": ["a.jsonl"], "probe": "contains"}, "several stand under 'datasets'"),
        ({"model": "openai/gpt-4o", "probe": "contains"}, "{type: openai, args: {model_name: gpt-4o}}"),
        ({"model": "openai:chat:gpt-4o", "probe": "contains"}, "{type: openai, args: {model_name: gpt-4o}}"),
    ],
)  # fmt: skip
def test_one_fault_of_form_is_one_problem_with_the_right_form(tmp_path, changed, told):
    experiment(tmp_path, **{key: value for key, value in changed.items() if value is not None})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "1 problem" in done.err
    assert told in done.err


@pytest.mark.parametrize("name", ["answer", "expected", "reference"])
def test_a_template_that_would_tell_the_model_what_is_expected_is_told_so(tmp_path, name):
    experiment(tmp_path, probe={"type": "contains", "args": {"template": f"{{{{ question }}}} {{{{ {name} }}}}"}})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "what an example expects is not for the model" in done.err
