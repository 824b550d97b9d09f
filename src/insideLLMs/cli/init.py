"""`insidellms init`: a small experiment that runs as it is."""

from collections.abc import Mapping
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError

_EXPERIMENT = """\
# yaml-language-server: $schema=./experiment.schema.json
# Run it:      insidellms run {name}
# Change something (the system prompt, say), run it again, then:  insidellms diff RUN1 RUN2 --fail-on regressions
name: {stem}
models:
  - type: {provider}
{args}    system: {system}
probes:
  - {{type: logic}}
dataset: {{format: jsonl, path: questions.jsonl}}
repeats: 1
execution: {{concurrency: 4, timeout_s: 60}}
gate: {{fail_on: regressions}}
"""
_PROVIDERS = {
    "dummy": (
        "    args:  # an instant stand-in that answers from this script; try `insidellms init --provider embedded`\n"
        "      responses:\n"
        "        rectangle: Yes, it is.\n"
        "        whale: No, it is a mammal.\n"
        "        17 plus 25: That makes 42.\n"
        "        France: The answer is B.\n"
    ),
    "embedded": "    args: {model_name: smollm2, temperature: 0}\n",
    "openai": "    args: {model_name: gpt-4o-mini, temperature: 0, max_tokens: 64}  # key from OPENAI_API_KEY\n",
}
_QUESTIONS = """\
{"id": "square", "question": "Is a square a rectangle? Answer yes or no.", "answer": "yes"}
{"id": "whale", "question": "Is a whale a fish? Answer yes or no.", "answer": "no"}
{"id": "sum", "question": "What is 17 plus 25? Answer with a number.", "answer": 42}
{"id": "capital", "question": "Capital of France? A) Lyon B) Paris C) Nice. Answer with a letter.", "answer": "B"}
"""


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--provider", type=click.Choice(list(_PROVIDERS)), default="dummy", show_default=True, help="The model to ask."
)
@console.common_options
def command(folder: Path, *, provider: str) -> int:
    """Write experiment.yaml, its dataset and its schema into FOLDER; nothing that exists is overwritten."""
    from insideLLMs.report.json_documents import schema_bytes  # noqa: PLC0415 - slow

    text = _EXPERIMENT.format(
        name="experiment.yaml",
        stem=folder.resolve().name or "experiment",
        provider=provider,
        args=_PROVIDERS[provider],
        system="Answer briefly and correctly.",
    )
    files = {
        "experiment.yaml": text.encode(),
        "questions.jsonl": _QUESTIONS.encode(),
        "experiment.schema.json": schema_bytes("experiment"),
    }
    write_new(folder, files, experiment="experiment.yaml")
    return ExitCode.OK


def write_new(folder: Path, files: Mapping[str, bytes], *, experiment: str) -> None:
    """Write files, of which none may exist, and say how to go on. Raises InsideLLMsError."""
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise InsideLLMsError(
            f"{folder / taken[0]} exists already; nothing was written", fix="choose another folder, or move it away"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise InsideLLMsError(f"cannot write in {folder}: {error.strerror}", fix="check its permissions") from error
    for name in files:
        console.out(f"wrote {folder / name}")
    console.out(f"next: insidellms run {folder / experiment}")
