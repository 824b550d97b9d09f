"""A run that is answered by files: begun by `batch export`, gone on with by `batch import`."""

import json

from support.batch_answers import answer_lines
from support.command import insidellms, write_files

ROWS = [{"id": f"e{i}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(6)]
EXPERIMENT = """
name: batched
model: {type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}}
probes: [{type: equals}, {type: contains, args: {any: ["3"]}}]
dataset: {format: jsonl, path: data.jsonl}
repeats: 2
"""
PROVIDERS = {
    "openai": "/v1",
    "openai_responses": "/v1",
    "anthropic": "",
    "gemini": "/v1beta",
}
NOWHERE = "http://127.0.0.1:9/v1"


def experiment(folder, *, model="openai", url=NOWHERE, text=EXPERIMENT, **more):
    written = text.replace("TYPE", model).replace("URL", url) + "".join(
        f"{k}: {json.dumps(v)}\n" for k, v in more.items()
    )
    write_files(folder, {"e.yaml": written, "data.jsonl": ROWS})


def export(folder, *args, **env):
    return insidellms("batch", "export", *args, "-o", "requests.jsonl", cwd=folder, env=env)


def take(folder, *files, run="batch", **env):
    return insidellms("batch", "import", *files, "--run-dir", run, "--json", cwd=folder, env=env)


def begun(folder, **experiment_args):
    """Begin a run, and return the answers to its requests."""
    experiment(folder, **experiment_args)
    done = export(folder, "e.yaml", "--run-dir", "batch")
    assert done.code == 0, done.err
    return answer_lines(folder / "requests.jsonl")
