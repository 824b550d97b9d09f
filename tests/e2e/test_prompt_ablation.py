"""`insidellms audit --prompt-ablation`: which sentences of a prompt no check notices the loss of."""

import json

import pytest

from support.command import insidellms, write_files

MODEL = '''
from insideLLMs import Model


class Clerk(Model):
    """Does what its instructions say, and counts how often it is asked."""

    def __init__(self):
        super().__init__("clerk")

    def generate(self, prompt, **options):
        return self.chat([{"role": "user", "content": prompt}])

    def chat(self, messages, **options):
        with open("calls.txt", "a") as file:
            file.write("x")
        rules = messages[0]["content"] if messages[0]["role"] == "system" else ""
        said = "You can return it"
        if "days" in rules:
            said += " within 14 days"
        if "thank" in rules:
            said += ", thank you"
        return said + "."
'''
EXPERIMENT = """
model: {type: "own.py:Clerk", id: clerk}
prompt:
  id: v1
  system: |
    You are the clerk of a shop.
    - Always name the days. Always thank the customer.
  template: |
    Answer in one sentence.
    {{ question }}
probe: {type: contains, args: {any: [14 days]}}
gate: {fail_on: regressions}
dataset:
  format: inline
  examples:
    - {id: a, question: Return?}
    - {id: b, question: Refund?}
    - {id: c, question: Send back?}
"""


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "own.py": MODEL})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    return tmp_path


def ablate(folder, *args):
    return insidellms("audit", "run", "--prompt-ablation", "--experiment", "e.yaml", *args, cwd=folder)


def calls(folder):
    return len((folder / "calls.txt").read_text())


def test_a_sentence_whose_loss_no_check_notices_has_no_sensor_and_nothing_is_asked_twice(folder):
    before = calls(folder)
    done = ablate(folder, "--json", "--fail-on-missed")
    assert done.code == 3, done.err
    states = {each["sentence"]: each["state"] for each in done.json["sentences"]}
    assert states == {
        "You are the clerk of a shop.": "not noticed",
        "- Always name the days.": "noticed",
        "Always thank the customer.": "not noticed",
        "Answer in one sentence.": "not noticed",
        "{{ question }}": "kept",
    }
    assert done.json["calls"] == done.json["planned"] == calls(folder) - before == 15
    again = ablate(folder, "--json").json
    assert (again["calls"], again["sentences"]) == (0, done.json["sentences"])
    assert calls(folder) == before + 15


def test_a_dry_run_asks_nothing_and_a_budget_chooses_examples(folder):
    before = calls(folder)
    dry = ablate(folder, "--dry-run", "--max-calls", "10")
    assert dry.code == 0
    assert "at most 10 calls over 2 examples" in dry.out
    few = ablate(folder, "--max-calls", "4")
    assert few.code == 1
    assert "5 calls" in few.err
    assert calls(folder) == before


def test_a_gate_that_needs_more_examples_cannot_tell(folder):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("regressions", "significant")})
    assert insidellms("run", "e.yaml", "--run-dir", "run", "--overwrite", cwd=folder).code == 0
    done = ablate(folder, "--fail-on-missed")
    assert done.code == 4
    assert "cannot tell: " in done.out


def test_nobody_is_asked_because_a_run_says_so(folder):
    before = calls(folder)
    done = insidellms("audit", "run", "--prompt-ablation", cwd=folder)
    assert done.code == 1
    assert "--experiment FILE" in done.err
    assert calls(folder) == before


def test_a_prompt_without_sentences_is_an_error(folder):
    bare = json.dumps({"id": "v1", "template": "{{ question }}"})
    text = EXPERIMENT[: EXPERIMENT.index("prompt:")] + f"prompt: {bare}\n" + EXPERIMENT[EXPERIMENT.index("probe:") :]
    write_files(folder, {"e.yaml": text})
    assert insidellms("run", "e.yaml", "--run-dir", "run", "--overwrite", cwd=folder).code == 0
    done = ablate(folder)
    assert done.code == 1
    assert "no sentence" in done.err


def test_calls_of_judges_count_against_the_budget(tmp_path):
    judge = """{type: judge, args: {judges: [{type: dummy, args: {canned_response: '{"score": 5}'}}]}}"""
    judged = EXPERIMENT.replace("{type: contains, args: {any: [14 days]}}", judge)
    write_files(tmp_path, {"e.yaml": judged, "own.py": MODEL})
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    done = ablate(tmp_path, "--json", "--max-calls", "10")
    assert done.json["calls"] == done.json["planned"] == 10
    assert calls(tmp_path) == 3 + 5
