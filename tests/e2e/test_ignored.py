"""What is volatile in answers is left out of a comparison, and the reports say what and how often."""

import json

import pytest

from support.command import insidellms, records_of, write_files

EXPERIMENT = """
name: volatile
model: {type: m.py:Model}
probes:
  - {type: contains, id: yes, args: {any: ["yes"]}}
  - {type: contains, id: other, args: {any: ["yes"]}}
dataset: {examples: [{id: json, prompt: json}, {id: text, prompt: text}, {id: plain, prompt: plain}]}
gate: {fail_on: changes, RULES}
"""
MODEL = """
import json, os
class Model:
    def __init__(self, name="m"):
        self.name = name
    def generate(self, prompt, **options):
        run = os.environ["RUN"]
        if prompt == "json":
            return json.dumps({"answer": "yes", "request_id": run, "meta": [{"at": f"12:0{run}"}]}, indent=int(run))
        return f"yes, see req-{run}{run}" if prompt == "text" else "yes"
"""
BOTH = "ignore: ['$.request_id', '$..at', '/req-[0-9]+/']"


def compared(folder, rules, *options):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("RULES", rules), "m.py": MODEL})
    for run in ("1", "2"):
        done = insidellms("run", "e.yaml", "--run-dir", run, "--overwrite", cwd=folder, env={"RUN": run})
        assert done.code == 0, done.err
    return insidellms("diff", "1", "2", *options, cwd=folder)


def test_without_rules_what_is_volatile_is_a_change(tmp_path):
    done = compared(tmp_path, "tolerance: 0")
    assert done.code == 3
    assert "4 of 6 trials count as changes" in done.out


def test_what_is_ignored_is_no_change_and_every_report_says_so(tmp_path):
    reports = ("--html", "o.html", "--markdown", "o.md")
    done = compared(tmp_path, BOTH, *reports)
    assert done.code == 0, done.out
    shown = " ".join(done.out.split())
    assert "ignored $.request_id: found in 2 of 6 answers of the baseline and 2 of 6 answers of the candidate" in shown
    for name in reports[1::2]:
        page = (tmp_path / name).read_text()
        assert "found in 2 of 6 answers" in page
        assert "req-11" not in page
    assert "ignored /req-[0-9]+/" in insidellms("diff", "1", "2", "--json", cwd=tmp_path).out


def test_scores_and_records_stay_as_they_are(tmp_path):
    compared(tmp_path, "ignore: ['/yes/', '$']")
    records = records_of(tmp_path / "1")
    assert all(record["scores"]["passed"] for record in records)
    assert any("request_id" in record["response"]["text"] for record in records)


def test_what_is_left_is_still_compared(tmp_path):
    done = compared(tmp_path, "ignore: ['$.request_id']", "--json")
    assert done.code == 3
    [change] = [one for one in done.json["comparison"]["changes"]["listed"] if one["trial"]["example_id"] == "json"][:1]
    assert change["paths"] == ["$.meta[0].at"]
    assert "request_id" not in change["baseline"]["text"]


def test_a_rule_that_finds_nothing_is_told(tmp_path):
    done = compared(tmp_path, "ignore: ['$.request_ids']")
    assert "gate.ignore: $.request_ids was found in no answer" in " ".join(done.out.split())


def test_a_probe_may_have_rules_of_its_own(tmp_path):
    done = compared(tmp_path, "probes: {other: {" + BOTH + "}}", "--json")
    assert done.code == 3
    changed = {
        one["trial"]["probe"] for one in done.json["comparison"]["changes"]["listed"] if one["kind"] == "changed"
    }
    assert changed == {"yes"}


def test_the_command_line_names_what_to_ignore_too(tmp_path):
    rules = [word for rule in ("$.request_id", "$..at", "/req-\\d+/") for word in ("--ignore", rule)]
    assert compared(tmp_path, "tolerance: 0", *rules).code == 0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("request_id", "e.json:1:"),
        ("$.a[", "JSON path '$.a[' is malformed"),
        ("/(a+)+/", "repeats a repetition"),
        ("/(a/", "is not valid"),
        ("//", "says nothing to ignore"),
    ],
)
def test_a_rule_that_cannot_be_read_is_an_error_with_its_place(tmp_path, rule, said):
    experiment = {
        "model": {"type": "dummy"},
        "probe": {"type": "contains", "args": {"any": ["x"]}},
        "dataset": {"examples": [{"prompt": "a"}]},
        "gate": {"ignore": [rule]},
    }
    write_files(tmp_path, {"e.json": json.dumps(experiment)})
    done = insidellms("validate", "e.json", cwd=tmp_path)
    assert done.code == 1
    assert "gate.ignore[0]" in done.err
    assert said in done.err


def test_a_pattern_that_runs_away_on_an_answer_is_ended(tmp_path):
    rows = [{"id": "a", "prompt": "x"}]
    model = "class Model:\n    def __init__(self, name='m'): self.name = name\n"
    model += "    def generate(self, prompt, **options): return 'a' * 40 + '!'\n"
    write_files(tmp_path, {"m.py": model, "d.jsonl": rows})
    experiment = "model: {type: m.py:Model}\nprobe: {type: contains, args: {any: [a]}}\ndataset: {path: d.jsonl}\n"
    write_files(tmp_path, {"e.yaml": experiment + "gate: {ignore: ['/^(a|a)+$/']}\n"})
    for name in ("1", "2"):
        insidellms("run", "e.yaml", "--run-dir", name, cwd=tmp_path)
    done = insidellms("diff", "1", "2", cwd=tmp_path, timeout=60)
    assert done.code == 1
    assert "regex '^(a|a)+$'" in done.err


@pytest.mark.parametrize("rules", ["'/.*/'", "'/[a-z_]/', '/\\W|\\d/'", "'$.*', '/.+/'"])
@pytest.mark.parametrize("policy", ["changes", "never", "regressions"])
def test_a_gate_that_ignores_all_of_the_answers_compares_nothing(tmp_path, rules, policy):
    done = compared(tmp_path, f"ignore: [{rules}]", "--fail-on", policy)
    assert done.code == (4 if policy == "changes" else 0), done.out
    assert ("`ignore` leaves nothing of the answers to other, yes" in " ".join(done.out.split())) == (done.code == 4)


def test_a_probe_whose_answers_are_ignored_is_named(tmp_path):
    done = compared(tmp_path, f"{BOTH}, probes: {{other: {{ignore: ['/[^~]/']}}}}")
    assert done.code == 4
    assert "`ignore` leaves nothing of the answers to other" in " ".join(done.out.split())
