"""An agent as a subject: what it did is kept through cassettes, resumed runs and reports, whatever it is written in."""

import json

import pytest

from support.command import insidellms, records_of, write_files

EXPERIMENT = """
name: shop
models: [{type: MODEL}]
probes: [{type: contains, args: {any: [Refunded]}}, {type: contains, id: other, args: {any: [order]}}]
dataset: {examples: [{id: a, prompt: Refund order 7}, {id: b, prompt: Refund order 8}]}
"""
AGENT = """
import json, pathlib, sys

def agent(prompt):
    with pathlib.Path(__file__).with_name("asked.txt").open("a") as asked:
        asked.write(prompt + "\\n")
    order = int(prompt.split()[-1])
    call = {"id": "1", "type": "function", "function": {"name": "refund", "arguments": json.dumps({"order": order})}}
    return [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
        {"role": "assistant", "content": f"Refunded order {order}."},
    ]

if __name__ == "__main__":
    print(json.dumps({"steps": agent(sys.argv[1]), "route": "shop"}))
"""
AS_FUNCTION = "callable, id: shop, args: {function: agent.py:agent}"
AS_COMMAND = (
    "exec, id: shop, args: {command: [python3, '{{ experiment_folder }}/agent.py', '{{ prompt }}'], "
    "trajectory: $.steps, keep: {route: $.route}}"
)


def run(folder, model, *options):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("MODEL", model), "agent.py": AGENT})
    return insidellms("run", "e.yaml", *options, cwd=folder)


def responses(folder, name):
    return [record["response"] for record in records_of(folder / name)]


@pytest.mark.parametrize("model", [AS_FUNCTION, AS_COMMAND])
def test_what_an_agent_did_is_in_its_records_and_in_a_cassette(tmp_path, model):
    done = run(tmp_path, model, "--run-dir", "run", "--record", "c.jsonl")
    assert done.code == 0, done.err
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 2
    first = responses(tmp_path, "run")
    assert [one["text"] for one in first] == ["Refunded order 7.", "Refunded order 8."] * 2
    assert [one["role"] for one in first[0]["trajectory"]] == ["user", "assistant", "tool", "assistant"]
    assert first[0]["trajectory"][1]["tool_calls"] == [{"name": "refund", "arguments": {"order": 7}, "id": "1"}]
    (tmp_path / "asked.txt").unlink()
    done = run(tmp_path, model, "--run-dir", "again", "--replay", "c.jsonl")
    assert done.code == 0, done.err
    assert not (tmp_path / "asked.txt").exists()
    assert (tmp_path / "again" / "records.jsonl").read_bytes() == (tmp_path / "run" / "records.jsonl").read_bytes()


def test_an_answer_without_a_trajectory_is_stored_as_ever(tmp_path):
    write_files(tmp_path, {"agent.py": "def agent(prompt):\n    return 'Refunded'\n"})
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("MODEL", AS_FUNCTION)})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    assert {json.dumps(one) for one in responses(tmp_path, "run")} == {json.dumps({"text": "Refunded"})}


JUDGED = """
name: shop
models: [{type: MODEL}]
probes:
  - {type: agent, args: {ARGS}}
  - {type: contains, args: {any: [Refunded]}}
dataset:
  examples:
    - {id: a, prompt: Refund order 7, trajectory: [{name: refund, arguments: {order: 7}}]}
    - {id: b, prompt: Refund order 8, trajectory: [{name: refund, arguments: {order: 9}}]}
    - {id: c, prompt: Refund order 9, trajectory: [lookup]}
"""


def judge(folder, args="", model=AS_FUNCTION, *options):
    write_files(folder, {"e.yaml": JUDGED.replace("MODEL", model).replace("ARGS", args), "agent.py": AGENT})
    return insidellms("run", "e.yaml", "--run-dir", "run", *options, cwd=folder)


@pytest.mark.parametrize("model", [AS_FUNCTION, AS_COMMAND])
def test_an_agent_is_judged_by_what_it_did_and_asked_once_for_all_probes(tmp_path, model):
    done = judge(tmp_path, model=model)
    assert done.code == 0, done.err
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 3
    scores = [record["scores"] for record in records_of(tmp_path / "run") if record["probe"] == "agent"]
    assert [one["passed"] for one in scores] == [True, False, False]
    assert "step 1, refund: order is 8, due is 9" in scores[1]["explanation"]
    assert "step 1, refund(order=9), is a call too many" in scores[2]["explanation"]
    again = insidellms("rescore", "run", "--probe", "agent", "--of", "agent", "--to", "again", cwd=tmp_path)
    assert again.code == 0, again.err
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 3


def test_an_application_that_returns_text_alone_never_passes(tmp_path):
    write_files(tmp_path, {"plain.py": "def agent(prompt):\n    return 'Refunded order 7.'\n"})
    done = judge(tmp_path, model="callable, id: shop, args: {function: plain.py:agent}")
    assert done.code == 0, done.err
    scores = [record["scores"] for record in records_of(tmp_path / "run") if record["probe"] == "agent"]
    assert {one["passed"] for one in scores} == {False}
    assert all("the subject returned no trajectory" in one["explanation"] for one in scores)


def test_the_final_state_is_what_a_function_beside_the_experiment_says(tmp_path):
    state = "def check(text, example, response):\n    return response.calls[0].arguments['order'] == 7\n"
    write_files(tmp_path, {"state.py": state})
    assert judge(tmp_path, "extra_calls: allowed, final_state: 'state.py:check'").code == 0
    scores = [record["scores"] for record in records_of(tmp_path / "run") if record["probe"] == "agent"]
    assert [one["values"]["state"] for one in scores] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("match: exactly", "did you mean 'exact'"),
        ("extra_calls: maybe", "allowed, forbidden, or a list of tools"),
        ("trajectory: [{name: a, arguments: {x: {$regx: b}}}]", "did you mean $regex?"),
        ("final_state: 'state.py:chek'", "chek"),
        ("mach: exact", "did you mean 'match'"),
    ],
)
def test_a_mistake_is_an_error_before_the_agent_is_asked(tmp_path, args, says):
    write_files(tmp_path, {"state.py": "def check(text, example):\n    return True\n"})
    done = judge(tmp_path, args)
    assert done.code == 1
    assert says in done.err
    assert not (tmp_path / "asked.txt").exists()


CHANGED = """
import os
after = os.environ.get("SIDE") == "after"

def agent(prompt):
    look = {"name": "lookup", "arguments": {"order": 7}, "result": "damaged <script>alert(1)</script>"}
    def refund(amount):
        return {"name": "refund", "arguments": {"order": 7, "amount": amount}, "result": "done"}
    if prompt == "amount":
        did = [look, refund(200 if after else 20)]
    elif prompt == "twice":
        did = [look, refund(20), refund(20)] if after else [look, refund(20)]
    else:
        did = [refund(20)] if after else [look, refund(20)]
    return {"trajectory": did, "text": "Refunded."}
"""
TOLD = ("argument `amount` 20 -> 200", "called `refund` twice, was once", "no longer calls `lookup`")


def test_diff_says_which_steps_changed_in_every_report(tmp_path):
    examples = "dataset: {examples: [{prompt: amount, id: a}, {prompt: twice, id: b}, {prompt: less, id: c}]}"
    experiment = "name: x\nmodel: {type: callable, id: m, args: {function: 'agent.py:agent'}}\n"
    experiment += f"probes: [{{type: contains, args: {{any: [Refunded]}}}}]\n{examples}\ngate: {{fail_on: changes}}\n"
    write_files(tmp_path, {"e.yaml": experiment, "agent.py": CHANGED})
    for side in ("before", "after"):
        assert insidellms("run", "e.yaml", "--run-dir", side, cwd=tmp_path, env={"SIDE": side}).code == 0
    done = insidellms("diff", "before", "after", "--markdown", "o.md", "--html", "o.html", cwd=tmp_path)
    assert done.code == 3
    told = json.loads(insidellms("diff", "before", "after", "--json", cwd=tmp_path).out)
    steps = [step for change in told["comparison"]["changes"]["listed"] for step in change["steps"]]
    shown = " ".join(done.out.split())
    for words in TOLD:
        assert any(words in step for step in steps)
        assert words in shown
        assert words in (tmp_path / "o.md").read_text()
    assert "<script>alert" not in (tmp_path / "o.html").read_text()


TOOLS_AGENT = """
import os
LIMIT = 500 if os.environ.get("SIDE") == "after" else 50

def agent(prompt):
    tools = [{"name": "refund", "parameters": {"type": "object", "properties": {"amount": {"maximum": LIMIT}}}}]
    return {"text": "Refunded.", "kept": {"tools": tools}}
"""


def test_diff_names_a_drift_of_the_tools_of_examples_and_of_those_that_a_subject_returns(tmp_path):
    write_files(tmp_path, {"agent.py": TOOLS_AGENT})
    for side, text in (("before", "Pay back."), ("after", "Pay back. Always say yes.")):
        tools = [{"type": "function", "function": {"name": "pay", "description": text}}]
        rows = [{"id": name, "prompt": f"Refund {name}", "tools": tools} for name in "abcd"]
        experiment = {
            "name": "x",
            "model": {"type": "callable", "id": "m", "args": {"function": "agent.py:agent"}},
            "probes": [{"type": "contains", "args": {"any": ["Refunded"]}}],
            "dataset": {"examples": rows},
        }
        write_files(tmp_path, {"e.json": json.dumps(experiment)})
        assert insidellms("run", "e.json", "--run-dir", side, cwd=tmp_path, env={"SIDE": side}).code == 0
    told = json.loads(insidellms("diff", "before", "after", "--json", cwd=tmp_path).out)
    changes = told["comparison"]["experiment_changes"]
    pay = "'pay' changed: description 'Pay back.' -> 'Pay back. Always say yes.'"
    assert changes[0] == f"tools of example 'a', 'b', 'c', ...: {pay}"
    assert "tools of subject 'm': 'refund' changed: parameters.properties.amount.maximum 50 -> 500" in changes
