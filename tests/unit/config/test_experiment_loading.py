"""Experiment files: what they become."""

import json

import msgspec
import pytest

from insideLLMs.config.file import experiment_schema
from insideLLMs.config.load import load_experiment, parse_experiment
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec
from support.experiment_files import DATA, GOOD, PROBE, load, problems


def test_a_small_file_gets_every_default(folder):
    assert load(folder, GOOD) == Experiment(
        name="e",
        models=(ModelSpec(type="scripted", id="scripted", args={"seed": 3}),),
        probes=(ProbeSpec(type="asked", id="asked", datasets=("q",)),),
        datasets=(DatasetSpec(name="q", format="jsonl", path=str(folder / "q.jsonl")),),
    )


FULL = {
    "name": "full",
    "title": "All of it",
    "models": [
        {"type": "scripted", "id": "prod", "args": {"model_name": "a"}, "system": "Be brief."},
        {"type": "scripted", "args": {"model_name": "b"}},
        "demanding.py:Mine",
    ],
    "probes": [
        "asked",
        {"type": "asked", "id": "own", "dataset": {"name": "inl", "examples": [{"prompt": "hi"}]}},
        {"type": "asked", "id": "both", "datasets": ["q", "more/r.csv"]},
    ],
    "datasets": [{"path": "q.jsonl", "field_names": {"input": "frage"}, "on_error": "skip", "sha256": "a" * 64}],
    "max_examples": 5,
    "repeats": 3,
    "execution": {"concurrency": 64, "timeout_s": None, "attempt_timeout_s": 5, "stop_on_error": True},
    "gate": {"fail_on": "regressions", "tolerance": 1, "probes": {"own": {"fail_on": "changes"}}},
    "confidence_level": 0.9,
}
FULL_TOML = """\
name = "full"
title = "All of it"
max_examples = 5
repeats = 3
confidence_level = 0.9
[[models]]
type = "scripted"
id = "prod"
system = "Be brief."
args = {model_name = "a"}
[[models]]
type = "scripted"
[models.args]
model_name = "b"
[[models]]
type = "demanding.py:Mine"
[[probes]]
type = "asked"
[[probes]]
type = "asked"
id = "own"
dataset = {name = "inl", examples = [{prompt = "hi"}]}
[[probes]]
type = "asked"
id = "both"
datasets = ["q", "more/r.csv"]
[[datasets]]
path = "q.jsonl"
field_names = {input = "frage"}
on_error = "skip"
sha256 = "%s"
[execution]
concurrency = 64
attempt_timeout_s = 5
stop_on_error = true
[gate]
fail_on = "regressions"
tolerance = 1
[gate.probes.own]
fail_on = "changes"
"""


@pytest.fixture
def full_folder(folder):
    (folder / "more").mkdir()
    (folder / "more" / "r.csv").write_text("prompt\nx\n")
    (folder / "demanding.py").write_text("class Mine:\n    def __init__(self, name='mine'):\n        pass\n")
    return folder


def test_every_key_is_read_alike_from_python_json_and_yaml(full_folder):
    experiment = parse_experiment(FULL, folder=full_folder)
    assert load(full_folder, json.dumps(FULL), "e.json") == experiment
    assert load(full_folder, json.dumps(FULL), "e.yaml") == experiment
    assert [model.id for model in experiment.models] == ["prod", "scripted/b", "Mine"]
    assert [(probe.id, probe.datasets) for probe in experiment.probes] == [
        ("asked", ("q",)),
        ("own", ("inl",)),
        ("both", ("q", "r")),
    ]
    assert [(each.name, each.format) for each in experiment.datasets] == [
        ("q", "jsonl"),
        ("inl", "inline"),
        ("r", "csv"),
    ]
    assert experiment.datasets[0].field_names == {"input": "frage"}
    assert experiment.execution.timeout_s is None
    assert experiment.execution.attempt_timeout_s == 5.0
    assert experiment.gate.probes["own"].fail_on == "changes"
    assert (experiment.max_examples, experiment.repeats, experiment.confidence_level) == (5, 3, 0.9)


def test_toml_says_the_same(full_folder):
    experiment = load(full_folder, FULL_TOML % ("a" * 64), "e.toml")
    expected = parse_experiment(FULL, folder=full_folder)
    assert msgspec.structs.replace(experiment, execution=expected.execution) == expected
    assert experiment.execution.concurrency == 64


def test_keys_of_the_earlier_system_are_read(folder):
    text = (
        "model: scripted\nprobe: asked\nreport_title: T\nconfidence_level: 0.9\noutput_dir: out\n"
        "async: true\nuse_async: true\nconcurrency: 7\n"
        "dataset: {format: inline, input_field: question, items: [{question: q}]}\n"
    )
    experiment = load(folder, text)
    assert (experiment.title, experiment.execution.concurrency, experiment.confidence_level) == ("T", 7, 0.9)
    assert experiment.datasets[0].examples == ({"question": "q"},)
    assert experiment.datasets[0].field_names == {"input": "question"}


def test_overrides_replace_values_by_dotted_key(folder):
    changes = {"execution.concurrency": 8, "model.args.seed": 9, "gate.fail_on": "changes", "repeats": 2}
    experiment = load(folder, GOOD, overrides=changes)
    assert (experiment.execution.concurrency, experiment.models[0].args, experiment.repeats) == (8, {"seed": 9}, 2)
    assert load(folder, GOOD, overrides={"probe.args.template": "x"}).probes[0].args == {"template": "x"}


def test_a_bad_override_is_named_without_a_line(folder):
    overrides = {"repeats": 0, "models.7.id": "x", "execution.concurency": 3}
    assert problems(folder, GOOD, overrides=overrides) == [
        "models[7].id: there is no such setting (name list items by number from 0: models.0.args.seed)",
        "repeats: must be at least 1, but is 0",
        "execution.concurency: unknown key (did you mean 'concurrency'?)",
    ]


def test_the_format_follows_the_suffix(folder):
    for name, kind in [("a.ndjson", "jsonl"), ("b.json.gz", "json"), ("c.tsv", "csv"), ("d.yml.zst", "yaml")]:
        (folder / name).write_text("")
        [spec] = load(folder, f"model: scripted\nprobe: asked\ndataset: {name}\n").datasets
        assert (spec.name, spec.format) == (name[0], kind)
        assert spec.args == ({"delimiter": "\t"} if name == "c.tsv" else {})


def test_yaml_is_read_by_the_rules_of_yaml_1_2(folder):
    text = GOOD.replace("{seed: 3}", "{headers: {a: no, b: 1:30, c: 2020-01-01, d: 017, e: 1e3}}")
    assert load(folder, text).models[0].args["headers"] == {
        "a": "no",
        "b": "1:30",
        "c": "2020-01-01",
        "d": 17,
        "e": 1e3,
    }


def test_anchors_and_merge_keys_work(folder):
    models = "models:\n  - &base {type: scripted, id: a, args: {seed: 1}}\n  - {<<: *base, id: b}\n"
    text = models + PROBE + DATA
    assert load(folder, text).models[1] == ModelSpec(type="scripted", id="b", args={"seed": 1})


def test_two_probes_may_name_one_file(folder):
    text = "model: scripted\nprobes: [{type: asked, id: a, dataset: q.jsonl}, {type: asked, id: b, dataset: q.jsonl}]\n"
    experiment = load(folder, text)
    assert [probe.datasets for probe in experiment.probes] == [("q",), ("q",)]
    assert len(experiment.datasets) == 1


def test_a_probe_may_come_with_a_dataset(folder):
    (folder / "shipped.py").write_text("class Mine:\n    default_dataset = 'own.jsonl'\n")
    (folder / "own.jsonl").write_text('{"prompt": "x"}\n')
    experiment = load(folder, "model: scripted\nprobe: shipped.py:Mine\n")
    assert experiment.probes[0].datasets == ("own",)
    assert experiment.datasets[0].path == str(folder / "own.jsonl")


def test_every_key_of_the_schema_is_described():
    schema = experiment_schema()
    for name, entry in {"ExperimentFile": schema, **schema["$defs"]}.items():
        mapping = entry["anyOf"][1] if "anyOf" in entry else entry
        for key, value in mapping["properties"].items():
            assert value.get("description"), f"{name}.{key} has no description"


@pytest.mark.parametrize(
    ("execution", "limit_s"),
    [
        ("{}", 60.0),
        ("{timeout_s: 300}", 60.0),
        ("{timeout_s: 30}", 15.0),
        ("{timeout_s: 30, attempt_timeout_s: 40}", 40.0),
        ("{timeout_s: null}", 60.0),
    ],
)
def test_a_call_has_at_most_half_of_a_trials_time_unless_its_own_is_given(tmp_path, execution, limit_s):
    (tmp_path / "e.yaml").write_text(
        "model: dummy\nprobe: contains\ndataset: {examples: [{prompt: a, expected: b}]}\n" + f"execution: {execution}\n"
    )
    assert load_experiment(tmp_path / "e.yaml").execution.attempt_timeout_s == limit_s
