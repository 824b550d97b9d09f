"""SARIF: valid by its schema, bounded, harmless, and the same finding for the same behaviour."""

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.datasets.dataset import find_lines
from insideLLMs.report.ci.sarif import Place, Places, diff_sarif
from support.compared_runs import decided, record, view
from support.hostile_texts import HOSTILE
from support.tools import missing

SCHEMA = Path(__file__).parents[4] / "viewer/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
PLACES = Places(otherwise=Place("runs/cand/records.jsonl"), known={("d", "e0"): Place("data/my questions.jsonl", 7)})


@pytest.fixture(scope="module")
def schema():
    if not SCHEMA.is_file():
        missing("the SARIF schema is missing: npm ci in viewer/")
    return json.loads(SCHEMA.read_text())


def sarif(before, after, spec="regressions", *, options=None):
    found = decided(view(before, "base"), view(after, "cand"), GateSpec(fail_on=spec), options)
    return diff_sarif(*found, PLACES, version="1")


def run_of(document):
    return json.loads(document)["runs"][0]


def results(*args, **given):
    run = run_of(sarif(*args, **given))
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    return {result.get("properties", {}).get("example", "gate"): result for result in run["results"]}


BEFORE = [record(f"e{n}") for n in range(6)]
AFTER = [record("e0", passed=False), record("e1", text="other"), record("e2", status="timeout"), *BEFORE[3:]]


def hostile():
    before = [record(f"e{n} {text[:30]}", prompt=text) for n, text in enumerate(HOSTILE)]
    after = [record(f"e{n} {text[:30]}", prompt=text, text=text, passed=False) for n, text in enumerate(HOSTILE)]
    return before, after


def test_every_document_is_valid_by_the_schema(schema):
    for document in (sarif(BEFORE, AFTER), sarif(BEFORE, BEFORE), sarif(*hostile()), sarif(BEFORE, AFTER, "changes")):
        jsonschema.Draft4Validator(schema).validate(json.loads(document))


def test_what_the_gate_counts_is_an_error_and_the_rest_is_less():
    found = results(BEFORE, AFTER)
    assert {name: (result["ruleId"], result["level"]) for name, result in found.items()} == {
        "gate": ("gate", "error"),
        "e0": ("regressed", "error"),
        "e1": ("changed", "note"),
        "e2": ("newly_failing", "error"),
    }
    assert results(BEFORE, AFTER, "changes")["e1"]["level"] == "error"
    assert "Candidate: other" in found["e1"]["message"]["text"]


def test_what_is_no_worse_is_no_result():
    assert results(BEFORE, BEFORE) == {}
    assert results([AFTER[0], *BEFORE[1:]], BEFORE) == {}


def test_a_result_points_to_the_line_of_its_example():
    found = results(BEFORE, AFTER)
    where = {name: result["locations"][0]["physicalLocation"] for name, result in found.items()}
    assert where["e0"] == {"artifactLocation": {"uri": "data/my%20questions.jsonl"}, "region": {"startLine": 7}}
    assert where["e1"]["artifactLocation"]["uri"] == "runs/cand/records.jsonl"


def test_a_finding_keeps_its_fingerprint_whatever_else_changes():
    one = results(BEFORE, AFTER)["e0"]["partialFingerprints"]
    other = results(BEFORE[:1], [record("e0", passed=False, text="something else", prompt="question e0")])["e0"]
    assert other["partialFingerprints"] == one
    everyone = results(BEFORE, [record(f"e{n}", passed=False) for n in range(6)])
    assert len({json.dumps(result["partialFingerprints"]) for result in everyone.values()}) == len(everyone) == 7


def test_repeats_of_an_example_are_one_result_that_counts_them():
    before = [record("e0", repeat=n) for n in range(3)]
    after = [record("e0", repeat=0, passed=False), record("e0", repeat=1, passed=False), record("e0", repeat=2)]
    assert results(before, after)["e0"]["occurrenceCount"] == 2


def test_a_waived_example_is_suppressed():
    options = CompareOptions(waived=frozenset({(None, "e0")}))
    found = results(BEFORE, AFTER, options=options)
    assert found["e0"]["suppressions"][0]["kind"] == "external"
    assert "suppressions" not in found["e2"]


def test_hostile_texts_make_no_link_no_placeholder_and_no_control_character():
    texts = [result["message"]["text"] for result in results(*hostile()).values()]
    assert len(texts) == len(HOSTILE) + 1
    for text in texts:
        assert "](" not in text
        assert all(character.isprintable() or character in "\n\t\u200b\u200c\u200d\u3000" for character in text)
        assert "{" not in text.replace("{{", "")


def test_a_document_is_bounded_and_says_what_it_leaves_out():
    before = [record(f"e{n:05}", text="yes " * 3_000) for n in range(1_500)]
    after = [record(f"e{n:05}", text="no " * 3_000, passed=False) for n in range(1_500)]
    document = sarif(before, after)
    run = run_of(document)
    assert len(run["results"]) == 1_001
    assert len(gzip.compress(document)) < 10 * 1024 * 1024
    assert (
        run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "500 more changes are not listed"
    )
    assert document == sarif(before, after)


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("d.jsonl", '{"id": "a", "prompt": "x"}\n\nnot json\n{"id": "b", "prompt": "y"}\n', {"a": 1, "b": 4}),
        ("d.csv", 'id,prompt\na,"one\ntwo"\nb,y\n', {"a": 2, "b": 4}),
        ("d.yaml", "# two\n- id: a\n  prompt: x\n- id: b\n  prompt: y\n", {"a": 2, "b": 4}),
        ("d.json", '[\n {"id": "a", "prompt": "x"},\n\n {"id": "b", "prompt": "y"}]', {"a": 2, "b": 4}),
    ],
)
def test_examples_are_found_on_their_lines(tmp_path, name, text, lines):
    (tmp_path / name).write_text(text)
    spec = DatasetSpec(name="d", format=name.partition(".")[2], path=str(tmp_path / name))
    assert find_lines(spec, {"a", "b", "nowhere"}) == lines


def test_a_compressed_dataset_has_no_lines_to_point_to(tmp_path):
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"id": "a", "prompt": "x"}\n'))
    assert find_lines(DatasetSpec(name="d", format="jsonl", path=str(tmp_path / "d.jsonl.gz")), {"a"}) == {}
