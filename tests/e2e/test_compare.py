"""`insidellms compare`: the models and prompts of one run in a table, and the gate between two of them."""

import json

import pytest

from support.command import insidellms, write_files

ROWS = [{"id": f"e{i:02}", "question": f"item {i}?"} for i in range(40)]
MODEL = '''
import zlib

class Scripted:
    """Answers well as often as its prompt's first word says, so that items are hard for every prompt alike."""

    def __init__(self, skill=0):
        self.name, self.skill = "scripted", skill

    def generate(self, prompt, **options):
        luck = zlib.crc32(prompt.partition(" ")[2].encode()) % 100
        return "yes" if luck < int(prompt.partition(" ")[0]) + self.skill else "no"
'''
EXPERIMENT = """
models:
  - {type: "model.py:Scripted", id: big}
  - {type: "model.py:Scripted", id: small, args: {skill: -30}}
prompts:
  - {id: v1, template: "80 {{ question }}"}
  - {id: v2, template: "90 {{ question }}"}
  - {id: worse, template: "35 {{ question }}"}
probes:
  - {type: contains, args: {any: ["yes"]}}
  - {type: f1, id: words}
dataset: {path: q.jsonl}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    rows = [{**row, "answer": "yes"} for row in ROWS]
    write_files(folder, {"e.yaml": EXPERIMENT, "model.py": MODEL, "q.jsonl": rows})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=folder)
    assert done.code == 0, done.err
    return folder


def compare(folder, *args):
    return insidellms("compare", "run", *args, cwd=folder)


def rows_of(folder, *args):
    found = compare(folder, *args, "--json")
    assert found.code == 0, found.err
    return found.json, {(row["result"]["probe"], row["subject"]): row["difference"] for row in found.json["rows"]}


def test_every_subject_is_compared_with_the_best_on_every_probe(folder):
    found, rows = rows_of(folder)
    assert (found["baseline"], found["chosen"]) == ("big · v2", "best")
    assert found["comparisons"] == 2 * 15  # of each subject with each other, as any could have been the best
    assert rows["contains", "big · v2"] is None
    worst = rows["contains", "small · worse"]
    assert worst["delta"] < -0.5
    assert worst["low"] < worst["delta"] < worst["high"] < 0
    assert worst["p"] < worst["p_holm"] < 0.001
    close = rows["contains", "big · v1"]
    assert (close["n"], close["better"], close["p_holm"]) == (40, 0, 1.0)


def test_a_prompt_is_compared_for_each_model_and_a_model_for_each_prompt(folder):
    found, rows = rows_of(folder, "--baseline", "v1")
    assert (found["baseline"], found["chosen"], found["comparisons"]) == ("v1", "given", 8)
    assert rows["contains", "small · v2"]["against"] == "small · v1"
    assert rows["contains", "small · v1"] is None
    _, rows = rows_of(folder, "--baseline", "big")
    assert rows["words", "small · v2"]["against"] == "big · v2"
    _, rows = rows_of(folder, "--baseline", "big,v1")
    assert rows["words", "small · v2"]["against"] == "big · v1"


def test_the_table_shows_rates_with_denominators_differences_and_what_p_is(folder):
    done = compare(folder, "--baseline", "v1", "--markdown", "table.md")
    assert "corrected by Holm over 8 comparisons" in " ".join(done.out.split())
    assert "baseline" in done.out
    text = (folder / "table.md").read_text()
    assert "### contains" in text
    assert "| big · worse |" in text
    assert "/40 (" in text


def test_a_worse_prompt_fails_the_gate_and_an_equal_one_passes(folder):
    done = compare(folder, "--baseline", "v1", "--candidate", "worse")
    assert done.code == 3, done.out
    assert "prompt 'v1' -> 'worse'" in done.out
    done = compare(folder, "--baseline", "v1", "--candidate", "v2", "--markdown", "gate.md")
    assert done.code == 0, done.out
    assert "insideLLMs: passed" in (folder / "gate.md").read_text()


def test_only_the_subjects_named_count(folder):
    found = compare(folder, "--baseline", "v1", "--candidate", "worse", "--json").json["comparison"]
    assert found["overall"]["trials"] == 2 * 2 * 40
    assert [pair["candidate"] for pair in found["models"]] == ["big · worse", "small · worse"]
    found = compare(folder, "--baseline", "big,v1", "--candidate", "worse", "--json").json["comparison"]
    assert [pair["candidate"] for pair in found["models"]] == ["big · worse"]
    done = compare(folder, "--baseline", "small", "--candidate", "big", "--json")
    assert done.code == 0
    assert [pair["candidate"] for pair in done.json["comparison"]["models"]] == ["big · v1", "big · v2", "big · worse"]
    assert compare(folder, "--baseline", "big", "--candidate", "small").code == 3


def test_the_policy_can_be_given(folder):
    assert compare(folder, "--baseline", "v1", "--candidate", "worse", "--fail-on", "never").code == 0
    done = compare(folder, "--baseline", "v2", "--candidate", "v1", "--fail-on", "regressions")
    assert done.code == 3


WRONG = {
    "a name that is none": (["--baseline", "v1", "--candidate", "wors"], "did you mean 'worse'?", 1),
    "a baseline that is none": (["--baseline", "bigg"], "did you mean 'big'?", 1),
    "one side twice": (["--baseline", "v1", "--candidate", "v1"], "do not name two sides", 1),
    "sides that are no sides": (["--baseline", "v1", "--candidate", "big"], "do not name two sides", 1),
    "no baseline": (["--candidate", "v1"], "--candidate needs --baseline", 2),
    "a policy without sides": (["--fail-on", "never"], "a table alone gates nothing", 2),
}


@pytest.mark.parametrize("wrong", WRONG, ids=WRONG.keys())
def test_sides_that_cannot_be_found_are_an_error(folder, wrong):
    args, expected, code = WRONG[wrong]
    done = compare(folder, *args)
    assert (done.code, done.out) == (code, "")
    assert expected in done.err
    assert "Traceback" not in done.err


def test_a_run_with_one_subject_has_nothing_to_compare(folder):
    text = json.dumps({"model": "dummy", "probe": "f1", "dataset": {"path": "q.jsonl"}})
    write_files(folder, {"one.json": text})
    assert insidellms("run", "one.json", "--run-dir", "one", cwd=folder).code == 0
    done = insidellms("compare", "one", cwd=folder)
    assert (done.code, "one subject only" in done.err) == (1, True)


def test_an_edited_run_is_refused(folder):
    write_files(folder, {"copy/.insidellms-run": ""})
    for path in (folder / "run").iterdir():
        (folder / "copy" / path.name).write_bytes(path.read_bytes())
    records = folder / "copy" / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b'"passed":false', b'"passed":true ', 1))
    for args in ((), ("--baseline", "v1", "--candidate", "worse")):
        done = insidellms("compare", "copy", *args, cwd=folder)
        assert (done.code, "is not the file that was sealed" in done.err) == (1, True)


def test_what_to_look_at_first_names_the_subject_and_each_trial_once(tmp_path):
    gated = EXPERIMENT + "gate: {min_pass_rate: 0.9}\n"
    rows = [{**row, "answer": "yes"} for row in ROWS]
    write_files(tmp_path, {"e.yaml": gated, "model.py": MODEL, "q.jsonl": rows})
    insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    done = insidellms("compare", "run", "--baseline", "v2", "--candidate", "worse", "--json", cwd=tmp_path)
    assert done.code == 3
    found = done.json["verdict"]["look_first"]
    trials = [(name["probe"], name["example_id"], name["models"]["candidate"]) for name in found]
    assert len(trials) == len(set(trials)) > 0
    assert {subject for _, _, subject in trials} <= {"big · worse", "small · worse"}
