"""Hosted models at temperature 0: equal answers so far do not make a changed one a failure."""

from support.command import insidellms, write_files
from support.openai_server import OpenAIServer

EXPERIMENT = """
model: {type: openai, id: m, args: {model_name: good, base_url: URL, temperature: 0}}
probe: {type: contains, id: says, args: {any: ["yes"]}}
dataset: {format: jsonl, path: data.jsonl}
"""
ROWS = [{"id": f"q{n:02}", "question": f"item q{n:02}?", "answer": "yes"} for n in range(44)]
KEY = {"OPENAI_API_KEY": "k"}


def run(folder, name, url):
    write_files(folder, {"data.jsonl": ROWS, "greedy.yaml": EXPERIMENT.replace("URL", url)})
    done = insidellms("run", "greedy.yaml", "--run-dir", name, cwd=folder, env=KEY)
    assert done.code == 0, done.err


def test_a_second_identical_baseline_does_not_turn_a_harmless_change_red(tmp_path):
    with OpenAIServer(answers={"item": "yes"}) as server:
        run(tmp_path, "first", server.base_url)
        run(tmp_path, "second", server.base_url)
        server.answers = {"q07": "yes, certainly", "item": "yes"}
        run(tmp_path, "candidate", server.base_url)
    for baselines in (("first",), ("first", "second")):
        done = insidellms("diff", *baselines, "--candidate", "candidate", "--json", cwd=tmp_path)
        assert (done.code, done.json["verdict"]["resolved"]) == (0, "significant")
        assert done.json["comparison"]["changes"]["total"] == 1
