"""What an application returns beside its text: kept, checked, and refused in words where it cannot be."""

import csv
import io
import json
import sys

from support.command import insidellms, records_of, write_files

APP = """
from dataclasses import dataclass

@dataclass
class Found:
    title: str
    score: float

def answer(prompt):
    found = [Found("Returns", float("nan")), Found('Say "yes"', 2.0)]
    return {"reply": "Within 14 days.", "found": found, "route": "x"}

def kept(prompt):
    return {"text": "Within 14 days.", "kept": {"sources": ["a", "b"], "cost": 0.25, "nothing": None}}

async def later(prompt):
    return {"reply": "Within 14 days.", "found": {"one": {"title": "Returns"}}}

def odd(prompt):
    return RETURNED[prompt]

RETURNED = {
    "no text": {"sources": []}, "unknown": {"text": "x", "sources": []}, "nameless": {"text": "x", "kept": {"": 1}},
    "object": {"text": "x", "kept": {"s": object()}}, "null": {"text": None}, "large": {"text": "x", "kept": {
        "s": "x" * 17_000_000}}, "half": {"text": "x", "kept": {"s": "\\ud800\\0", "usage": 2**60, "text": 2}},
}
"""
ROWS = [{"id": "q", "question": "When?"}]


def experiment(*checks, function="answer", rows=ROWS, **args):
    return {
        "name": "e", "model": {"type": "callable", "id": "app", "args": {"function": f"app.py:{function}", **args}},
        "probe": {"type": "checks", "args": {"checks": list(checks)}}, "dataset": {"examples": rows},
    }  # fmt: skip


PATHS = {"answer": "$.reply", "keep": {"found": "$.found", "route": "$.route", "absent": "$.nowhere"}}


def run(folder, spec, **files):
    write_files(folder, {"app.py": APP, "e.json": json.dumps(spec), **{f"{name}.py": it for name, it in files.items()}})
    done = insidellms("run", "e.json", "--run-dir", "run", "--overwrite", cwd=folder)
    return done.err if done.code else records_of(folder / "run")


def checked(folder, *checks):
    (record,) = run(folder, experiment(*checks, **PATHS))
    return record["scores"]["details"]["checks"]


def test_a_function_is_read_by_paths_and_its_parts_are_stored_as_json(tmp_path):
    (record,) = run(tmp_path, experiment({"type": "contains", "any": ["14"]}, **PATHS))
    assert record["response"]["text"] == "Within 14 days."
    assert record["response"]["kept"] == {
        "found": [{"score": None, "title": "Returns"}, {"score": 2.0, "title": 'Say "yes"'}], "route": "x",
    }  # fmt: skip


CHECKS = [
    {"type": "contains", "of": "found", "all": ["Returns", 'Say "yes"'], "none": ["14", "title"]},
    {"type": "contains", "of": "found[1].title", "all": ['Say "yes"']},
    {"type": "contains", "of": "$.found[*].title", "all": ["Returns"]},
    {"type": "equals", "of": "found[0].title", "expected": "returns"},
    {"type": "equals", "of": "found[0]", "normalise": "none", "expected": {"title": "Returns", "score": None}},
    {"type": "regex", "of": "found[*].title", "pattern": "^Say"},
    {"type": "numeric", "of": "found[1].score", "expected": 2},
    {"type": "json_path", "of": "found", "values": {"$[1].score": 2}},
    {"type": "json_schema", "of": "found", "schema": {"type": "array", "minItems": 2}},
    {"type": "f1", "of": "found[0].title", "expected": "Returns"},
    {"type": "usage", "of": "route", "max_characters": 1},
]


def test_every_kind_of_check_reads_a_part(tmp_path):
    shown = checked(tmp_path, *CHECKS)
    assert [one["check"] for one in shown if not one["passed"]] == [], shown
    assert len(shown) == len(CHECKS)


MISSING = {
    "absent": "the answer has no part 'absent'; it has 'found', 'route'",
    "found[2].title": "the answer has no part 'found[2].title'",
    "found[0].score": "the part 'found[0].score' of the answer is null",
}


def test_a_missing_part_passes_nothing_and_says_so(tmp_path):
    checks = [
        {"type": "contains", "of": of, "none": ["x"], "not": negated} for of in MISSING for negated in (True, False)
    ]
    shown = checked(tmp_path, *checks)
    assert [one["passed"] for one in shown] == [False] * 6
    assert all(
        why in one["why"] for one, why in zip(shown, [why for why in MISSING.values() for _ in "ab"], strict=True)
    )


def test_a_missing_part_is_a_failed_check_also_where_no_score_is_the_worst(tmp_path):
    (shown,) = checked(tmp_path, {"type": "usage", "of": "absent", "max_characters": 9})
    assert (shown["passed"], shown["scores"]) == (False, {"correct": 0})


def test_a_probe_reads_a_part_and_a_function_is_given_it_as_it_is(tmp_path):
    spec = experiment(function="later", **PATHS)
    spec["probes"] = [
        {"type": "contains", "args": {"of": "found.one.title", "any": ["Returns"]}},
        {"type": "function", "args": {"function": "own.py:check", "of": "found"}},
    ]
    del spec["probe"]
    own = "def check(found, example, response):\n    return found['one'] == response.kept['found']['one'] != {}"
    assert [one["scores"]["passed"] for one in run(tmp_path, spec, own=own)] == [True, True]


def test_validate_names_the_part_that_no_model_keeps(tmp_path):
    inner = {"type": "checks", "checks": [{"type": "contains", "of": "fuond[0]", "any": ["x"]}]}
    told = run(tmp_path, experiment(inner, **PATHS))
    assert "the part 'fuond[0]' of the answer is read, but model 'app' keeps absent, found, route" in told
    assert "did you mean 'found'?" in told
    assert "e.json:" in told


def test_an_example_may_name_no_other_part_either(tmp_path):
    rows = [{**ROWS[0], "checks": [{"type": "contains", "of": "sauces", "any": ["x"]}]}]
    told = run(tmp_path, experiment({"type": "contains", "any": ["14"]}, rows=rows, **PATHS))
    assert "the part 'sauces' of the answer is read" in told


def test_what_is_no_part_is_refused_before_anything_is_asked(tmp_path):
    told = run(
        tmp_path, experiment(*({"type": "contains", "of": of, "any": ["x"]} for of in ("", 3, "a[", None)), **PATHS)
    )
    for of in ("''", "3", "'a['", "None"):
        assert f"of is {of}; it must be" in told


def test_what_a_function_returns_without_paths_is_read_as_the_fields_of_a_response(tmp_path):
    check = {"type": "contains", "of": "sources", "all": ["a", "b"]}
    (record,) = run(tmp_path, experiment(check, function="kept"))
    assert record["scores"]["passed"]
    assert record["response"] == {
        "kept": {"cost": 0.25, "nothing": None, "sources": ["a", "b"]}, "text": "Within 14 days."
    }  # fmt: skip


def test_what_is_no_answer_is_an_error_that_says_how_to_write_one(tmp_path):
    names = ("no text", "unknown", "nameless", "object", "null", "large", "half")
    rows = [{"id": name.replace(" ", "-"), "question": name} for name in names]
    spec = experiment({"type": "contains", "any": ["x"]}, function="odd", rows=rows)
    failed = {one["example_id"]: (one["failure"] or {"message": ""})["message"] for one in run(tmp_path, spec)}
    assert "a mapping without text; it has 'sources'" in failed["no-text"]
    assert "unknown field `sources`" in failed["unknown"]
    assert "a part is called ''" in failed["nameless"]
    assert "not a JSON value: a value of type object" in failed["object"]
    assert "$.text" in failed["null"]
    assert "at most 16,777,216 are kept" in failed["large"]
    assert failed["half"] == ""
    half = next(one for one in run(tmp_path, spec) if one["example_id"] == "half")
    assert half["response"]["kept"] == {"s": "\ufffd\0", "text": 2, "usage": str(2**60)}


TWO = """
import json, sys
found = [{"title": "Returns", "text": sys.argv[1]}, {"title": "Shipping", "text": "3 days"}]
print(json.dumps({"reply": "Within 14 days.", "found": found, "ms": int(sys.argv[2]), "paid": 0.5, "in": 3}))
"""
BESIDE = {"answer": "$.reply", "keep": {"sources": "$.found", "ms": "$.ms"}}


def two_runs(folder, *, gate=None, reads=None, **more):
    for name, text, ms in (("a", "14 days", "1"), ("b", "21 days", "2")):
        command = [sys.executable, "app.py", text, ms, "{{ question }}"]
        spec = experiment({"type": "contains", "any": ["14"]}, rows=ROWS)
        spec["model"] = {"type": "exec", "id": "app", "args": {"command": command, **BESIDE, "reads": reads or {}}}
        write_files(folder, {"app.py": TWO, "e.json": json.dumps({**spec, "gate": gate or {}, **more})})
        assert insidellms("run", "e.json", "--run-dir", name, cwd=folder).code == 0


def test_a_diff_says_which_part_changed_where_the_text_is_the_same(tmp_path):
    two_runs(tmp_path)
    diff = insidellms("diff", "a", "b", "--fail-on", "changes", "--json", "--html", "diff.html", cwd=tmp_path)
    (change,) = json.loads(diff.out)["comparison"]["changes"]["listed"]
    assert (change["kind"], change["level"]) == ("changed", "structured")
    assert change["note"] == "ms changed; sources changed; the text is the same"
    assert change["paths"] == ["$.kept.ms", "$.kept.sources[0].text"]
    assert change["candidate"]["parts"]["sources"].startswith("text: 21 days\ntitle: Returns")
    assert diff.code == 3
    told = insidellms("diff", "a", "b", "--fail-on", "changes", cwd=tmp_path).out
    assert "sources: text: [-14-]{+21+} days" in told


def test_a_part_that_varies_by_itself_can_be_ignored(tmp_path):
    two_runs(tmp_path, gate={"fail_on": "changes", "ignore": ["$.kept.ms", "$.kept.sources[*].text"]})
    diff = insidellms("diff", "a", "b", cwd=tmp_path)
    assert diff.code == 0, diff.out
    assert "ignored $.kept.ms: found in 1 of 1 answers of the baseline" in diff.out


def test_tables_have_a_column_for_each_part(tmp_path):
    two_runs(tmp_path)
    rows = list(csv.DictReader(io.StringIO(insidellms("export", "a", "--format", "csv", cwd=tmp_path).out)))
    assert rows[0]["part_ms"] == "1"
    assert json.loads(rows[0]["part_sources"])[0] == {"text": "14 days", "title": "Returns"}
    both = insidellms("export", "a", "b", "--format", "csv", cwd=tmp_path).out
    assert next(csv.DictReader(io.StringIO(both)))["part_ms_candidate"] == "2"


def test_what_an_application_says_that_it_costs_counts(tmp_path):
    two_runs(tmp_path, reads={"cost_usd": "$.paid", "input_tokens": "$.in"})
    (line,) = (json.loads(one) for one in (tmp_path / "a" / "telemetry.jsonl").read_text().splitlines())
    assert (line["cost_usd"], line["input_tokens"]) == (0.5, 3)
    spec = json.loads((tmp_path / "e.json").read_text())
    spec |= {"execution": {"max_cost_usd": 0.75, "concurrency": 1}, "repeats": 4}
    (tmp_path / "e.json").write_text(json.dumps(spec))
    stopped = insidellms("run", "e.json", "--run-dir", "c", cwd=tmp_path)
    assert stopped.code == 1
    assert "the budget of $0.75 is spent ($1.00)" in stopped.err


LEAKS = """
def leak(prompt, *, api_key, mode):
    if prompt == "raise":
        raise ValueError(f"wrong key {api_key}")
    return {"reply": f"{mode}: {api_key}", "found": [api_key], "route": "x"} if prompt == "parts" else api_key
"""


def test_a_key_that_a_function_gets_as_an_option_is_written_nowhere(tmp_path):
    key = "sk-canary-0123456789abcdef"
    for name, more in (("parts", PATHS), ("raise", PATHS), ("text", {})):
        spec = experiment({"type": "contains", "any": ["x"]}, function="leak", rows=[{"id": name, "question": name}])
        spec["model"]["args"] |= {"options": {"api_key": "${APP_KEY}", "mode": "fast"}, **more}
        write_files(tmp_path, {"app.py": LEAKS, "e.json": json.dumps(spec)})
        done = insidellms("run", "e.json", "--run-dir", name, "--verbose", cwd=tmp_path, env={"APP_KEY": key})
        assert done.code == (1 if name == "raise" else 0), done.err
        assert key not in done.out + done.err
        assert not any(key in path.read_text() for path in (tmp_path / name).iterdir())
    kept = records_of(tmp_path / "parts")[0]["response"]
    assert (kept["text"], kept["kept"]["found"]) == ("fast: [redacted]", ["[redacted]"])
    assert records_of(tmp_path / "raise")[0]["failure"]["message"].endswith("raised ValueError: wrong key [redacted]")
