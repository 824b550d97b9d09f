"""What a newcomer types wrong is named with its line, and with what to write instead."""

import pytest

from insideLLMs.config.load import load_experiment
from insideLLMs.core.errors import ConfigError

GOOD = """\
name: e
model: {type: dummy}
probe:
  type: contains
  args:
    any: ["a"]
dataset: {path: q.jsonl}
repeats: 1
"""
MISTAKES = [
    ("  type: contains", "\ttype: contains", "e.yaml:4:1: ", "indent with blanks, not tabs"),
    ("  type: contains", "   type: contains", "e.yaml:5:3: ", "begin all keys of one mapping in the same column"),
    ('["a"]', '["a]', "e.yaml:6:11: ", "close the quotation mark that begins here"),
    ('["a"]', '["a"', "e.yaml:7:1: ", "close the bracket"),
    ("type: contains", "type:contains", "e.yaml:5:7: ", "a blank behind the colon"),
    ('any: ["a"]', "any: Note: a", "e.yaml:6:14: ", "a text that has ': ' in quotation marks"),
    ('["a"]', "@a", "e.yaml:6:10: ", "begins with @ or ` in quotation marks"),
    ('["a"]', "*a*", "e.yaml:6:", "begins with & or * in quotation marks"),
    ('any: ["a"]', r'regex: "\d"', "e.yaml:6:13: ", "backslashes in single quotation marks"),
    ("repeats: 1", "prompt: {template: {{ question }}}", "e.yaml:8:21: prompt.template: ", "'{{ name }}'"),
    ('\n  type: contains\n  args:\n    any: ["a"]', "", "e.yaml:3:1: probe: is empty", "write the probe under it"),
    ("model: {type: dummy}", "models:", "e.yaml:2:1: models: is empty", "write the models under it"),
    ("repeats: 1", "execution: {timeout_s: 30s}", "execution.timeout_s: ", "write it without its unit: 30"),
    ("repeats: 1", "execution: {timeout_s: 5min}", "execution.timeout_s: ", "times are in seconds"),
    ("repeats: 1", "repeats: '3'", "e.yaml:8:1: repeats: ", "write it without quotation marks: 3"),
    ("repeats: 1", "gate: {min_pass_rate: 90}", "gate.min_pass_rate: ", "it is a share: 0.9 is 90 %"),
    ("repeats: 1", "gate: {min_pass_rate: 90%}", "gate.min_pass_rate: ", "write it as a share: 0.9"),
    ("repeats: 1", "gate: {fail_on: regression}", "gate.fail_on: ", "did you mean 'regressions'?"),
    ("name: e", r'name: "a\nb"', "e.yaml:1:1: name: must be one line without control characters", ""),
]


def complaint(folder, text, name="e.yaml"):
    (folder / "q.jsonl").write_text('{"question": "a"}\n')
    (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_experiment(folder / name)
    return str(caught.value)


def test_without_a_mistake_there_is_no_complaint(tmp_path):
    (tmp_path / "q.jsonl").write_text('{"question": "a"}\n')
    (tmp_path / "e.yaml").write_text(GOOD)
    assert load_experiment(tmp_path / "e.yaml").name == "e"


@pytest.mark.parametrize(("right", "wrong", "place", "hint"), MISTAKES, ids=[wrong for _, wrong, _, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place_and_what_to_write(tmp_path, right, wrong, place, hint):
    assert right in GOOD
    said = complaint(tmp_path, GOOD.replace(right, wrong))
    assert place in said
    assert hint in said


@pytest.mark.parametrize("text", ['{"name": "e",}', '{"name": "e" // x\n}'])
def test_json_is_not_yaml(tmp_path, text):
    assert "JSON has no comments, and no comma behind the last value" in complaint(tmp_path, text, "e.json")


def test_a_file_of_another_encoding_is_to_be_saved_again(tmp_path):
    (tmp_path / "e.yaml").write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(ConfigError, match="save the file as UTF-8"):
        load_experiment(tmp_path / "e.yaml")


def test_a_dataset_is_no_experiment(tmp_path):
    assert "q.jsonl: is a dataset, by its suffix" in complaint(tmp_path, '{"question": "a"}\n', "q.jsonl")


def test_a_folder_names_its_experiment(tmp_path):
    (tmp_path / "experiment.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"is a folder \(name the experiment file in it: .*experiment\.yaml\)"):
        load_experiment(tmp_path)
