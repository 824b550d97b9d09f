"""`insidellms new`: a plug-in to start from, with a test that passes."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.commands.init import write_new
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.core.shell_words import as_typed

_PROBE = '''\
"""The probe {name}: replace this line: say what it tests."""

from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, Request, Response, Scores


class {cls}(PromptProbe):
    """Check that an answer names what is expected, in few words."""

    version = "1"  # raise it whenever old scores stop being comparable
    score_ranges = {{"correct": (0, 1), "words": (10_000, 0)}}  # (worst, best) of each score

    def __init__(self, max_words: int = 20) -> None:
        super().__init__("{name}")
        self.max_words = max_words

    def request(self, example: Example) -> Request:
        return Request.of(f"{{example.text}} Answer in at most {{self.max_words}} words.")

    def score(self, example: Example, response: Response) -> Scores:
        words = len(response.text.split())
        named = any(str(value).lower() in response.text.lower() for value in example.expected)
        return Scores.of(named and words <= self.max_words, words=words)
'''
_TEST = '''\
"""Tests of the probe {name}; run them with pytest."""

from {name} import {cls}
from insideLLMs.core.types import Example, Response

EXAMPLE = Example(id="1", input="What is the capital of France?", expected=("Paris",))


def test_a_short_right_answer_passes():
    assert {cls}().score(EXAMPLE, Response(text="It is Paris.")).passed


def test_a_wrong_or_long_or_empty_answer_fails():
    for answer in ("Lyon", "Paris " * 30, ""):
        assert not {cls}().score(EXAMPLE, Response(text=answer)).passed


def test_the_limit_is_part_of_the_prompt():
    assert "at most 5 words" in {cls}(max_words=5).request(EXAMPLE).messages[0].content
'''
_EXPERIMENT = """\
models: [{{type: dummy, args: {{responses: {{France: Paris}}}}}}]
probes: [{{type: "{name}.py:{cls}", args: {{max_words: 10}}}}]
dataset:
  examples:
    - {{id: france, prompt: "What is the capital of France?", expected: Paris}}
"""


@click.group("new")
def command() -> None:
    """Write a plug-in to start from."""


@command.command("probe")
@click.argument("name")
@click.option("--folder", type=LOCAL, default=Path(), help="The folder to write into.  [default: here]")
@console.common_options
def probe(name: str, *, folder: Path) -> int:
    """Write NAME.py, a test of it and an experiment that uses it; nothing that exists is overwritten."""
    if not name.isidentifier() or not name.islower():
        raise InsideLLMsError(f"{name!r} cannot name a Python file", fix="use lower case letters, digits and _")
    names = {"name": name, "cls": "".join(part.capitalize() for part in name.split("_")) + "Probe"}
    files = {
        f"{name}.py": _PROBE.format(**names).encode(),
        f"test_{name}.py": _TEST.format(**names).encode(),
        f"{name}.yaml": _EXPERIMENT.format(**names).encode(),
    }
    write_new({folder / file: data for file, data in files.items()})
    console.out(f"next: insidellms run {as_typed(folder / f'{name}.yaml')}")
    return ExitCode.OK
