"""`insidellms init`: a small experiment that runs as it is, and the files that gate it in CI."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.core.shell_words import as_typed

if TYPE_CHECKING:
    from insideLLMs.cli.ci_files import CiFiles

_EXPERIMENT = """\
# yaml-language-server: $schema=./experiment.schema.json
# Run it:      insidellms run {name}
# Change something (the prompt, say), run it again, then:  insidellms diff RUN1 RUN2 --fail-on regressions
name: {stem}
models:
  - type: {provider}
{args}probes:
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
    "exec": (
        "    args:  # your command; app.py beside it is a stand-in that shows what one may answer\n"
        "      command: [python3, app.py]\n"
        '      stdin: {question: "{{ question }}"}\n'
        "      answer: $.reply\n"
        "      keep: {sources: $.sources}  # a check reads it as `of: sources`\n"
    ),
    "http": (
        "    args:  # your endpoint\n"
        "      base_url: http://127.0.0.1:8000/ask\n"
        '      body: {question: "{{ question }}"}\n'
        "      answer: $.reply\n"
        "      keep: {sources: $.sources}  # a check reads it as `of: sources`\n"
    ),
}
_APPLICATIONS = ("exec", "http")
"""They have their own prompts."""
_SYSTEM = "    system: Answer briefly and correctly.\n"
_STAND_IN = """\
import json
import sys

ANSWERS = {"rectangle": "Yes, it is.", "whale": "No, it is a mammal.", "17": "That makes 42.", "France": "It is B."}
question = json.load(sys.stdin)["question"]
found = next((word for word in ANSWERS if word in question), None)
print(json.dumps({"reply": ANSWERS.get(found, "I do not know."), "sources": [found] if found else []}))
"""
_QUESTIONS = """\
{"id": "square", "question": "Is a square a rectangle? Answer yes or no.", "answer": "yes"}
{"id": "whale", "question": "Is a whale a fish? Answer yes or no.", "answer": "no"}
{"id": "sum", "question": "What is 17 plus 25? Answer with a number.", "answer": 42}
{"id": "capital", "question": "Capital of France? A) Lyon B) Paris C) Nice. Answer with a letter.", "answer": "B"}
"""
_IGNORED = """\
# Runs are made again from the experiment; what is accepted is in baselines/.
runs/
*.partial
"""
FILE = "experiment.yaml"


@click.command("init")
@click.argument("folder", type=LOCAL, default=Path())
@click.option(
    "--provider",
    type=click.Choice(list(_PROVIDERS)),
    default="dummy",
    show_default=True,
    help="The kind of model to ask.",
)
@click.option(
    "--ci", type=click.Choice(["github", "gitlab"]), help="Also write the CI files that gate pull requests there."
)
@click.option(
    "--experiment",
    type=LOCAL,
    help="With --ci: gate this experiment in FOLDER instead of a new one.  [default: experiment.yaml, if it is there]",
)
@click.option(
    "--install",
    metavar="REQUIREMENT",
    help="With --ci: what pip installs there, e.g. git+https://HOST/insideLLMs@COMMIT.  [default: what runs here]",
)
@console.common_options
def command(folder: Path, *, provider: str, ci: str | None, experiment: Path | None, install: str | None) -> int:
    """Write experiment.yaml, its dataset and its schema into FOLDER; nothing that exists is overwritten.

    With --ci, write the CI files for it, or for an experiment that is there, into the git repository around FOLDER.
    """
    if ci is None and (experiment or install) is not None:
        given = "--install" if experiment is None else "--experiment"
        raise InsideLLMsError(f"{given} goes with --ci", fix="add --ci github or --ci gitlab")
    gated = experiment or Path(FILE)
    is_there = experiment is not None or (ci is not None and (folder / FILE).exists())
    files = {} if is_there else _experiment_files(folder, provider)
    ci_files = None
    if ci is not None:
        from insideLLMs.cli.ci_files import make_ci_files  # noqa: PLC0415 - slow

        ci_files = make_ci_files(ci, folder, gated, is_there=is_there, provider=provider, install=install)
        files |= ci_files.files
    ignored = folder / ".gitignore"
    if not ignored.exists():
        files[ignored] = _IGNORED.encode()
    write_new(files)
    _say_what_next(folder, gated, ci_files)
    return ExitCode.OK


def _experiment_files(folder: Path, provider: str) -> dict[Path, bytes]:
    from insideLLMs.report.json_documents import schema_bytes  # noqa: PLC0415 - slow

    text = _EXPERIMENT.format(
        name=FILE,
        stem=folder.resolve().name or "experiment",
        provider=provider,
        args=_PROVIDERS[provider] + ("" if provider in _APPLICATIONS else _SYSTEM),
    )
    stand_in = {folder / "app.py": _STAND_IN.encode()} if provider == "exec" else {}
    return {
        folder / FILE: text.encode(),
        **stand_in,
        folder / "questions.jsonl": _QUESTIONS.encode(),
        folder / "experiment.schema.json": schema_bytes("experiment"),
    }


def write_new(files: Mapping[Path, bytes]) -> None:
    """Write files, of which none may exist: all, or none where one cannot be. Raises InsideLLMsError."""
    taken = [path for path in files if path.exists()]
    if taken:
        raise InsideLLMsError(
            f"{taken[0]} exists already; nothing was written", fix="choose another folder, or move it away"
        )
    with contextlib.ExitStack() as on_error:
        for path, data in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    on_error.callback(path.unlink)
                    file.write(data)
            except OSError as error:
                fix = "check the disk's free space and the folder's permissions"
                raise InsideLLMsError(f"cannot write {path}: {error.strerror}", fix=fix) from error
        on_error.pop_all()
    for path in files:
        console.out(f"wrote {path}")


def _say_what_next(folder: Path, experiment: Path, ci_files: "CiFiles | None") -> None:
    if ci_files is None:
        console.out(f"next: insidellms run {as_typed(folder / experiment)}")
        return
    if ci_files.fault is not None:
        console.warn(f"CI may not find insideLLMs: {ci_files.fault}; say what to install: --install REQUIREMENT")
    for line in ci_files.to_add:
        console.out(line)
    console.out(f"next, in {folder}: record the answers, accept the first baseline, and commit all of it:")
    for step in ci_files.next_steps:
        console.out(f"  {step}")
