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
