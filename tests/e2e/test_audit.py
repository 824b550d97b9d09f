"""`insidellms audit`: what a gate would miss, found without a call, and what would close the hole."""

import json
import shutil

import pytest
import yaml

from support.command import insidellms, write_files

ANSWERS = {
    "How long may I return it?": "You can return it within 14 days. Keep the receipt.",
    "What does delivery cost?": "Delivery costs 4.90 EUR. It is free from 50 EUR on.",
    "When do you open?": "We open at 09:30 on weekdays. Please ring the bell.",
    "How do I reach you?": "You can call us on 030 901820. We answer in a day.",
}
CHECKS = [["14 days", "receipt"], ["4.90", "free"], ["09:30", "bell"], ["901820", "a day"]]
EXPERIMENT = """
model: {type: dummy, args: {responses: ANSWERS}}
probe: {type: PROBE}
dataset: {format: jsonl, path: data.jsonl}
"""


def rows(checks=CHECKS, kind="all"):
    return [
        {"id": f"q{number}", "question": question, "checks": [{"type": "contains", kind: words}]}
        for number, (question, words) in enumerate(zip(ANSWERS, checks, strict=True), start=1)
    ]


def experiment(probe="checks", more=""):
    return EXPERIMENT.replace("ANSWERS", json.dumps(ANSWERS)).replace("PROBE", probe) + more


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit")
    write_files(path, {"e.yaml": experiment(), "data.jsonl": rows()})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=path).code == 0
    return path


def audit(folder, *args, run="run"):
    done = insidellms("audit", run, *args, "--json", cwd=folder)
    assert done.code in {0, 3, 4}, done.err
    return {probe["probe"]: {each["damage"]: each for each in probe["findings"]} for probe in done.json["probes"]}


def made(folder, name, files):
    path = folder / name
    write_files(path, files)
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=path)
    assert done.code == 0, done.err
    return path


def test_what_checks_cover_is_caught_and_what_they_do_not_is_missed_with_its_examples(folder):
    found = audit(folder)["checks"]
    states = {name: each["state"] for name, each in found.items()}
    for name in ("number", "truncated", "shortened", "refused", "swapped", "language"):
        assert states[name] == "caught", name
        assert found[name]["noticed"] == 4
    for name in ("negated", "hedged", "padded"):
        assert states[name] == "missed", name
        assert [each["example_id"] for each in found[name]["unnoticed"]] == ["q1", "q2", "q3", "q4"]
    assert {states[name] for name in ("json", "tool-dropped", "tool-argument")} == {"does not apply"}


def test_a_check_taken_away_is_found_as_a_hole_and_the_suggestion_closes_it(folder):
    weaker = rows([["14 days"], ["4.90", "free"], ["09:30", "bell"], ["901820", "a day"]])
    path = made(folder, "weaker", {"e.yaml": experiment(), "data.jsonl": weaker})
    found = audit(path)["checks"]["shortened"]
    assert [each["example_id"] for each in found["unnoticed"]] == ["q1"]
    (suggestion,) = found["suggestions"]
    assert suggestion["examples"] == ["q1"]
    weaker[0]["checks"] += suggestion["checks"]
    closed = made(folder, "closed", {"e.yaml": experiment(), "data.jsonl": weaker})
    assert audit(closed)["checks"]["shortened"]["unnoticed"] == []


def test_what_is_shown_to_add_is_an_experiment_that_catches_it(folder):
    shown = insidellms("audit", "run", "--damage", "hedged", cwd=folder).out
    (line,) = [line for line in shown.splitlines() if "under `probes`" in line]
    probes = yaml.safe_load(line)
    path = made(
        folder,
        "added",
        {
            "e.yaml": experiment(more=f"probes: {json.dumps([{'type': 'checks', 'id': 'first'}, *probes])}").replace(
                "probe: {type: checks}", ""
            ),
            "data.jsonl": rows(),
        },
    )
    found = audit(path, "--damage", "hedged")
    assert found["not-hedged"]["hedged"]["state"] == found["first"]["hedged"]["state"] == "caught"
    assert found["first"]["hedged"]["elsewhere"] == 4


def test_only_what_is_copied_is_wider_than_the_screen(folder):
    out = insidellms("audit", "run", cwd=folder).out
    wide = [line.strip() for line in out.splitlines() if len(line) > 80]
    assert all(line.startswith(("- {type: ", "checks: [")) for line in wide), wide
    assert "q1 passes as" in out


def test_the_numbers_are_right_with_a_gate_of_its_own(folder):
    gate = "gate: {fail_on: significant}\n"
    path = made(folder, "significant", {"e.yaml": experiment(more=gate), "data.jsonl": rows()})
    found = audit(path, "--damage", "number", "--share", "1")["checks"]["number"]
    assert found["rates"][-1]["caught"] == (found["state"] == "caught")
    assert audit(path, "--damage", "number")["checks"]["number"]["needed"] > 4


def test_an_absolute_gate_decides_too(folder):
    path = made(
        folder,
        "absolute",
        {"e.yaml": experiment(more="gate: {fail_on: never, min_pass_rate: 0.7}\n"), "data.jsonl": rows()},
    )
    rates = {each["share"]: each["caught"] for each in audit(path, "--damage", "number")["checks"]["number"]["rates"]}
    assert (rates[0.25], rates[0.5], rates[1.0]) == (0.0, 1.0, 1.0)


def test_a_missed_damage_fails_only_where_that_is_asked_for(folder):
    assert insidellms("audit", "run", cwd=folder).code == 0
    assert insidellms("audit", "run", "--fail-on-missed", cwd=folder).code == 3
    assert insidellms("audit", "run", "--damage", "number", "--fail-on-missed", cwd=folder).code == 0


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--damage", "numbr"), 1, "did you mean 'number'?"),
        (("--probe", "check"), 1, "did you mean 'checks'?"),
        (("--share", "0"), 2, "0"),
        (("--damage", "json"), 1, "nothing of run could be audited"),
    ],
)
def test_what_cannot_be_audited_is_an_error(folder, args, code, says):
    done = insidellms("audit", "run", *args, cwd=folder)
    assert done.code == code
    assert says in done.err


def test_answers_that_failed_already_are_never_green(folder):
    wrong = rows([["zzz"]] * 4)
    path = made(folder, "failing", {"e.yaml": experiment(), "data.jsonl": wrong})
    done = insidellms("audit", "run", "--fail-on-missed", cwd=path)
    assert done.code == 4
    assert "failed before" in done.out


def test_a_judge_is_not_asked_and_its_probe_not_audited(folder):
    judge = {"type": "dummy", "args": {"canned_response": '{"grade": 5}'}}
    probes = [{"type": "checks"}, {"type": "judge", "args": {"rubric": "Good?", "judges": judge}}]
    path = made(
        folder,
        "judged",
        {
            "e.yaml": experiment().replace("probe: {type: checks}", f"probes: {json.dumps(probes)}"),
            "data.jsonl": rows(),
        },
    )
    done = insidellms("audit", "run", "--damage", "number", "--fail-on-missed", cwd=path)
    assert done.code == 4
    assert "Not audited: judge" in " ".join(done.out.split())


def test_a_run_that_reuses_answers_is_audited_like_the_run_that_asked_for_them(folder):
    done = insidellms("run", "e.yaml", "--since", "run", "--canary", "0", "--run-dir", "reused", cwd=folder)
    assert done.code == 0, done.err
    assert audit(folder, run="reused") == audit(folder)


def test_an_imported_run_is_audited_by_what_scores_it_here(folder):
    (folder / "log.csv").write_text("id,input,output,score\na,2+2?,4,1\nb,3+3?,It is 6.,1\n")
    assert insidellms("import", "log.csv", "--to", "imported", cwd=folder).code == 0
    done = insidellms("audit", "imported", cwd=folder)
    assert done.code == 1
    assert "imported was imported" in done.err
    assert "insidellms rescore" in done.err
    probe = json.dumps({"type": "regex", "args": {"pattern": "[46]"}})
    assert insidellms("rescore", "imported", "--probe", probe, "--to", "scored", cwd=folder).code == 0
    assert audit(folder, run="scored")["regex"]["refused"]["noticed"] == 2


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("fail_on: never", "the gate's policy is never: no damage can fail it"),
        ("probes: {checks: {fail_on: never}}", "the gate's policy is never: no damage can fail it"),
        ("tolerance: 3", "tolerance 3 lets 1 of 4 damaged examples pass"),
        ("{fail_on: significant, min_effect: 0.5}", "min_effect 0.5 lets a drop of 25% pass"),
    ],
)
def test_where_the_gate_itself_is_the_hole_no_check_is_advised(folder, gate, says):
    text = experiment(more=f"gate: {gate if gate.startswith('{') else f'{{{gate}}}'}\n")
    path = made(folder, "".join(filter(str.isalnum, gate)), {"e.yaml": text, "data.jsonl": rows()})
    done = insidellms("audit", "run", "--damage", "negated", "--damage", "number", cwd=path)
    assert f"checks · dummy: {says} (negated answers, swapped numbers)" in " ".join(done.out.split())
    assert "checks: [" not in done.out
    assert "the gate needs" not in done.out


@pytest.mark.parametrize("policy", ["confirmed", "churn"])
def test_a_policy_that_an_audit_cannot_decide_is_named_with_a_way_that_works(folder, policy):
    path = made(folder, policy, {"e.yaml": experiment(more=f"gate: {{fail_on: {policy}}}\n"), "data.jsonl": rows()})
    done = insidellms("audit", "run", "--fail-on-missed", cwd=path)
    assert done.code == 4
    told = " ".join(done.out.split())
    assert f"an audit cannot decide the policy {policy}" in told
    assert "--confirm" not in told
    (path / "e.yaml").write_text(experiment(more="gate: {fail_on: regressions}\n"))
    again = insidellms("run", "e.yaml", "--since", "run", "--canary", "0", "--run-dir", "new", cwd=path)
    assert again.code == 0, again.err
    assert audit(path, "--damage", "number", run="new")["checks"]["number"]["state"] == "caught"


def test_checks_of_one_example_are_one_list_and_one_example_is_one(folder):
    weak = [{"id": "q1", "question": next(iter(ANSWERS)), "checks": [{"type": "contains", "any": ["You"]}]}]
    path = made(folder, "one", {"e.yaml": experiment(), "data.jsonl": weak})
    shown = insidellms("audit", "run", "--damage", "number", "--damage", "shortened", cwd=path).out
    (line,) = [line for line in shown.splitlines() if "# in example q1" in line]
    assert len(yaml.safe_load(line)["checks"]) == 2
    assert "in 1 of 1 example:" in shown
    assert "where the experiment says `probe: X`, write `probes:`" in shown


FUNCTION = "def keeps(text, example):\n    return 'days' in text or 'EUR' in text or 'We' in text\n"


def test_code_runs_only_where_the_user_names_it(folder):
    text = experiment("function, args: {function: 'own.py:keeps'}")
    path = made(folder, "own", {"e.yaml": text, "data.jsonl": rows(), "own.py": FUNCTION})
    refused = insidellms("audit", "run", cwd=path)
    assert refused.code == 1
    assert "own.py:keeps" in refused.err
    for way in (("--experiment", "e.yaml"), ("--trust-run",)):
        done = insidellms("audit", "run", *way, "--json", cwd=path)
        assert done.code == 0, done.err
        assert {each["state"] for probe in done.json["probes"] for each in probe["findings"]} >= {"missed", "caught"}
    (path / "own.py").write_text("def keeps(text, example):\n    return False\n")
    changed = insidellms("audit", "run", "--trust-run", cwd=path)
    assert changed.code == 1
    assert "otherwise now" in changed.err
    (path / "own.py").unlink()
    gone = insidellms("audit", "run", "--trust-run", cwd=path)
    assert gone.code == 1
    assert "own.py" in gone.err


def test_a_damaged_run_directory_is_refused(folder):
    shutil.copytree(folder / "run", folder / "broken")
    with (folder / "broken" / "records.jsonl").open("r+b") as file:
        file.seek(50)
        file.write(b"x")
    done = insidellms("audit", "broken", cwd=folder)
    assert done.code == 1
    assert "sealed" in done.err


def test_an_audit_is_the_same_again_and_changes_nothing(folder):
    before = {path.name: path.read_bytes() for path in (folder / "run").iterdir()}
    first, second = (insidellms("audit", "run", "--json", "--markdown", "audit.md", cwd=folder).out for _ in range(2))
    assert first == second
    assert {path.name: path.read_bytes() for path in (folder / "run").iterdir()} == before
    assert "| negated | 0/4 (0.0%)" in (folder / "audit.md").read_text()


MODEL = """
from insideLLMs.core.types import Response, ToolCall


class Odd:
    def identity(self):
        return {}

    async def respond(self, request, *, repeat=0):
        call = ToolCall(name="f", arguments={"x": {"y": [1, 2]}, "z": None})
        return {
            "empty": Response(text=""),
            "long": Response(text="word 12, " * 20_000),
            "json": Response(text='{"a": [1, {"b": "c"}], "d": 1e5}'),
            "tool": Response(tool_calls=(call,)),
            "said": Response(text="Sí, son 14 días. No hay problema con el recibo."),
        }[request.messages[-1].text.split()[0]]

    async def aclose(self):
        pass
"""
ODD = """
model: {type: "own.py:Odd", id: odd}
probes:
  - {type: regex, args: {pattern: "."}}
  - {type: usage, args: {max_characters: 1000000}}
  - {type: record}
gate: {fail_on: regressions}
dataset:
  format: inline
  examples:
    - {id: empty, question: empty}
    - {id: long, question: long}
    - {id: json, question: json}
    - {id: tool, question: tool}
    - {id: spanish, question: said}
    - id: image
      messages:
        - {role: user, content: [{type: text, text: said}, {type: image, url: "data:image/png;base64,AAAA"}]}
"""


def test_long_json_foreign_and_empty_answers_tool_calls_and_images_are_audited(folder):
    path = made(folder, "odd", {"e.yaml": ODD, "own.py": MODEL})
    done = insidellms("audit", "run", cwd=path)
    assert done.code == 0, done.err
    assert "Not audited: record" in " ".join(done.out.split())
    found = audit(path)
    assert found["usage"]["tool-dropped"]["state"] == "caught"
    assert {each["example_id"] for each in found["regex"]["json"]["unnoticed"]} == {"json"}
    assert found["regex"]["number"]["applies"] == 4
    assert found["regex"]["hedged"]["state"] == "does not apply"
