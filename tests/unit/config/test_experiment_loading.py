"""Experiment files: what they become, and everything that is said of bad ones."""

import json

import msgspec
import pytest

from insideLLMs.config.file import experiment_schema
from insideLLMs.config.load import load_experiment, parse_experiment
from insideLLMs.core.errors import ConfigError
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.plugins import model_registry, probe_registry

GOOD = """\
model: {type: scripted, args: {seed: 3}}
probe: asked
dataset: {path: q.jsonl}
"""


class Scripted:
    """A model to be named in files."""

    def __init__(self, model_name="m", *, seed=0, api_key_env="SCRIPTED_KEY", headers=None, base_url=None, path=None):
        pass


class Demanding:
    """A model that must be told its name."""

    def __init__(self, model_name, **options):
        pass


class Asked:
    """A probe to be named in files."""

    def __init__(self, name=None, *, template=None, secret=None):
        pass


@pytest.fixture(autouse=True)
def plugins():
    model_registry.register("scripted", Scripted)
    model_registry.register("demanding", Demanding)
    probe_registry.register("asked", Asked)
    yield
    model_registry.unregister("scripted")
    model_registry.unregister("demanding")
    probe_registry.unregister("asked")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text('{"prompt": "x"}\n')
    return tmp_path


def load(folder, text, name="e.yaml", **options):
    path = folder / name
    path.write_text(text)
    return load_experiment(path, **{"environ": {}, **options})


def problems(folder, text, name="e.yaml", **options):
    with pytest.raises(ConfigError) as caught:
        load(folder, text, name, **options)
    return [str(problem) for problem in caught.value.problems]


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


MODEL = "model: scripted\n"
PROBE = "probe: asked\n"
DATA = "dataset: q.jsonl\n"
BAD = [
    (GOOD + "repeats: 0\n", "e.yaml:4:1: repeats: must be at least 1, but is 0"),
    (GOOD + "repeats: 1.5\n", "e.yaml:4:1: repeats: must be a whole number, but is 1.5"),
    (GOOD + "repeats: true\n", "e.yaml:4:1: repeats: must be a whole number, but is True"),
    (GOOD + "repeats:\n", "e.yaml:4:1: repeats: must be a whole number, but is empty"),
    (GOOD + "max_examples: 0\n", "e.yaml:4:1: max_examples: must be at least 1, but is 0"),
    (GOOD + "confidence_level: 1\n", "e.yaml:4:1: confidence_level: must be less than 1, but is 1"),
    (GOOD + "confidence_level: .nan\n", "e.yaml:4:1: confidence_level: must be finite, but is nan"),
    (GOOD + "execution: {timeout_s: .inf}\n", "e.yaml:4:13: execution.timeout_s: must be finite, but is inf"),
    (GOOD + "gate: {score_range: [0]}\n", "e.yaml:4:8: gate.score_range: must have 2 items"),
    (GOOD + "gate: {score_range: [1, 1]}\n", "e.yaml:4:8: gate.score_range: the worst and the best score must differ"),
    (
        GOOD + "gate: {probes: {asked: {score_range: [1, 1.0]}}}\n",
        "e.yaml:4:25: gate.probes.asked.score_range: the wor",
    ),
    (GOOD + "gate: {score_range: [0, x]}\n", "e.yaml:4:25: gate.score_range[1]: must be a number, but is 'x'"),
    (
        GOOD + "gate: {max_growth: {latency: 1}}\n",
        "gate.max_growth.latency: is not a known key here (did you mean 'latency_ms'?)",
    ),
    (
        GOOD + "gate: {max: {latency.p95: 1}}\n",
        "gate.max.latency.p95: is nothing that can be bounded (did you mean 'latency_ms.p95'?)",
    ),
    (GOOD + "gate: {max: {money: 1}}\n", "gate.max.money: is nothing that can be bounded (write QUANTITY.STATISTIC"),
    (GOOD + "gate: {min_pass_rate: 90}\n", "gate.min_pass_rate: must be at most 1, but is 90"),
    (GOOD + "execution: {concurrency: 0}\n", "e.yaml:4:13: execution.concurrency: must be at least 1, but is 0"),
    (GOOD + "execution:\n  timeout_s: 0\n", "e.yaml:5:3: execution.timeout_s: must be more than 0, but is 0"),
    (GOOD + "execution: {timeout_s: '9'}\n", "e.yaml:4:13: execution.timeout_s: must be a number, but is '9'"),
    (GOOD + "execution: 3\n", "e.yaml:4:1: execution: must be a mapping, 'key: value', but is 3"),
    (GOOD + "gate: {fail_on: regresions}\n", "e.yaml:4:8: gate.fail_on: must be 'auto', 'never', "),
    (GOOD + "gate: {tolerance: -1}\n", "e.yaml:4:8: gate.tolerance: must be at least 0, but is -1"),
    (
        GOOD + "gate: {probes: {askd: {tolerance: 1}}}\n",
        "e.yaml:4:17: gate.probes.askd: there is no probe 'askd' (did you mean 'asked'?)",
    ),
    (
        GOOD + "gate: {probes: {asked: {tolerence: 1}}}\n",
        "e.yaml:4:25: gate.probes.asked.tolerence: unknown key (did you mean 'tolerance'?)",
    ),
    (GOOD + "repeat: 3\n", "e.yaml:4:1: repeat: unknown key (did you mean 'repeats'?)"),
    (GOOD + "repeats: 1\nrepeats: 2\n", "e.yaml:5:1: repeats: is given twice; first at line 4 (keep one of them)"),
    (
        GOOD + "models: [scripted]\n",
        "e.yaml:1:1: model: stands beside 'models' (write all of them as one list under the",
    ),
    (PROBE + DATA, "e.yaml:1:1: has no model (add 'models:' with at least one entry)"),
    (MODEL + DATA, "e.yaml:1:1: has no probe (add 'probes:' with at least one entry)"),
    ("models: []\n" + PROBE + DATA, "e.yaml:1:1: models: must not be empty"),
    ("models: scripted\n" + PROBE + DATA, "e.yaml:1:1: models: must be a list, but is 'scripted'"),
    ("model: 3\n" + PROBE + DATA, "e.yaml:1:1: model: must be a mapping, 'key: value', but is 3"),
    ('model: {type: scripted, id: "a\\n"}\n' + PROBE + DATA, "e.yaml:1:25: model.id: must match ^[^"),
    ("model: {type: scripted, id: " + "x" * 201 + "}\n" + PROBE + DATA, "model.id: must have at most 200 characters"),
    ("model: {id: x}\n" + PROBE + DATA, "e.yaml:1:1: model.type: is missing"),
    ("model: {type: ''}\n" + PROBE + DATA, "e.yaml:1:9: model.type: must not be empty"),
    (
        "model: scriptd\n" + PROBE + DATA,
        "e.yaml:1:1: model.type: there is no provider 'scriptd' (did you mean 'scripted'?)",
    ),
    (
        MODEL + "probe: {type: askd}\n" + DATA,
        "e.yaml:2:9: probe.type: there is no probe 'askd' (did you mean 'asked'?)",
    ),
    ("model: missing.py:Mine\n" + PROBE + DATA, "cannot read 'missing.py': No such file or directory"),
    ("model: ${WHICH}\n" + PROBE + DATA, "model.type: may not come from the environment (write the name of"),
    (
        "models: [scripted, {type: scripted}]\n" + PROBE + DATA,
        "e.yaml:1:20: models[1]: is a second model 'scripted' (the other is at line 1) (give one of them an 'id'",
    ),
    (
        MODEL + "probes: [asked, asked]\n" + DATA,
        "e.yaml:2:17: probes[1]: is a second probe 'asked' (the other is at line 2) (give one of them an 'id'",
    ),
    (
        "model: {type: scripted, args: {sed: 3}}\n" + PROBE + DATA,
        "e.yaml:1:32: model.args.sed: 'scripted' takes no argument 'sed' (did you mean 'seed'?)",
    ),
    (
        "model: {type: scripted, temperature: 3}\n" + PROBE + DATA,
        "e.yaml:1:25: model.temperature: unknown key (arguments of the plug-in belong under 'args'; known: type, id, ",
    ),
    (
        "model: demanding\n" + PROBE + DATA,
        "e.yaml:1:1: model: lacks the argument 'model_name' (add 'args: {model_name:",
    ),
    (
        "model: {type: scripted, args: {seed: .inf}}\n" + PROBE + DATA,
        "e.yaml:1:32: model.args.seed: it is inf; numbers must be finite",
    ),
    (
        "model: {type: scripted, args: {seed: 9007199254740993}}\n" + PROBE + DATA,
        "e.yaml:1:32: model.args.seed: it is 9007199254740993; integers must lie within 2^53-1 either side of zero",
    ),
    (
        "model: {type: scripted, args: {base_url: 'http://${HOST}/v1'}}\n" + PROBE + DATA,
        "e.yaml:1:32: model.args.base_url: the environment variable HOST is not defined (export HOST=...)",
    ),
    (
        "model: {type: scripted, args: {model_name: '${NAME}'}}\n" + PROBE + DATA,
        "e.yaml:1:32: model.args.model_name: may not refer to the environment (${NAME}) (only headers, addresses",
    ),
    (MODEL + PROBE, "e.yaml:2:1: probe: has no dataset (add 'dataset: {path: ...}' here or beside the probes)"),
    (MODEL + PROBE + "dataset: r.jsonl\n", "e.yaml:3:1: dataset: there is no file 'r.jsonl' (did you mean q.jsonl?)"),
    (MODEL + PROBE + "dataset: {path: .}\n", "e.yaml:3:11: dataset.path: the suffix of '.' is not a known format"),
    (MODEL + PROBE + "dataset: {path: ., format: csv}\n", "e.yaml:3:11: dataset.path: '.' is a folder"),
    (
        MODEL + PROBE + "dataset: {path: q.txt}\n",
        "e.yaml:3:11: dataset.path: the suffix of 'q.txt' is not a known format",
    ),
    (MODEL + PROBE + "dataset: {path: '${D}/q.csv'}\n", "e.yaml:3:11: dataset.path: may not refer to the environment"),
    (
        MODEL + PROBE + "dataset: {path: q.jsonl, format: jsnl}\n",
        "e.yaml:3:26: dataset.format: there is no dataset format 'jsnl' (did you mean 'jsonl'?)",
    ),
    (MODEL + PROBE + "dataset: {format: jsonl}\n", "e.yaml:3:1: dataset: has no path, which format jsonl needs"),
    (MODEL + PROBE + "dataset: {name: x}\n", "e.yaml:3:1: dataset: has neither a path nor examples"),
    (MODEL + PROBE + "dataset: {examples: []}\n", "e.yaml:3:1: dataset: has no examples"),
    (MODEL + PROBE + "dataset: {path: q.jsonl, examples: [{prompt: x}]}\n", "dataset: has both a path and examples"),
    (MODEL + PROBE + "dataset: {path: q.jsonl, sha256: abc}\n", "e.yaml:3:26: dataset.sha256: must match"),
    (
        MODEL + PROBE + "dataset: {path: q.jsonl, field_names: {imput: x}}\n",
        "dataset.field_names.imput: is not a known key",
    ),
    (MODEL + PROBE + "dataset: {path: q.jsonl, args: {delimiter: x}}\n", "'jsonl' takes no argument 'delimiter'"),
    (
        MODEL + PROBE + "datasets: [q.jsonl, {path: q.jsonl, on_error: skip}]\n",
        "e.yaml:3:21: datasets[1]: is a second dataset 'q' (the other is at line 3) (give one of them a 'name')",
    ),
    (MODEL + PROBE + DATA + "datasets: [q.jsonl]\n", "e.yaml:3:1: dataset: stands beside 'datasets'"),
    (
        MODEL + "probe: {type: asked, dataset: {name: i, examples: [{prompt: x}]}}\n" + DATA,
        "e.yaml:3:1: dataset: dataset 'q' is used by no probe (remove it, or name it in a probe)",
    ),
    ("", "e.yaml: is empty (see 'insidellms init' for one to start from)"),
    ("- a\n", "must be a mapping"),
    ("a: [\n", "e.yaml:2:1: is not valid YAML: "),
    ("a: \x07\n", "e.yaml:1: is not valid YAML: the character"),
    ("a: !!python/object:os.system x\n", "e.yaml:1:4: a: has the tag"),
    ("a: &a [*a]\n", "e.yaml:1:4: a[0]: contains itself"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_file_is_refused_with_place_and_remedy(folder, text, message):
    found = problems(folder, text)
    assert any(message in problem for problem in found), found


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(folder):
    text = "model: scriptd\nprobe: {type: asked, args: {tmplate: x}}\ndataset: r.jsonl\nrepeats: 0\nnmae: x\n"
    found = problems(folder, text)
    assert [problem.split(":")[1] for problem in found] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ("{api_key: CANARY}", "api_key"),
        ("{headers: {Authorization: Bearer CANARY}}", "headers.Authorization"),
        ("{headers: {X-Api-Key: CANARY}}", "headers.X-Api-Key"),
        ("{headers: {X-Api-Key: 'CANARY${HOME}'}}", "headers.X-Api-Key"),
        ("{base_url: 'https://user:CANARY@host/v1'}", "base_url"),
        ("{auth: {token: CANARY}}", "auth.token"),
    ],
)
def test_a_secret_in_a_file_is_refused_and_never_shown(folder, args, field):
    found = problems(folder, f"model: {{type: scripted, args: {args}}}\n" + PROBE + DATA, environ={"HOME": "x"})
    assert any(f"model.args.{field}: holds a secret, which no file may (remove it" in problem for problem in found)
    assert "CANARY" not in "\n".join(found)


def test_a_secret_in_the_wrong_place_is_not_shown_either(folder):
    for text in ("model: {type: scripted, api_key: CANARY}\n", "model: {type: scripted, args: {api_key: 5}}\n"):
        found = problems(folder, text + PROBE + DATA + "api_key: [CANARY]\npassword: CANARY\n")
        assert "CANARY" not in "\n".join(found)
        assert any("keys belong in the environment" in problem or "holds a secret" in problem for problem in found)


def test_names_that_only_sound_secret_are_fine(folder):
    text = "model: {type: demanding, args: {model_name: x, max_tokens: 5, api_key_env: MY_KEY}}\n"
    assert load(folder, text + "probe: {type: asked, args: {secret: swordfish}}\n" + DATA)


def test_references_are_kept_as_they_are(folder):
    text = "model: {type: demanding, args: {model_name: x, headers: {X-Team: '${TEAM}'}, api_key: '${KEY}'}}\n"
    experiment = load(folder, text + PROBE + DATA, environ={"TEAM": "t", "KEY": "k"})
    assert experiment.models[0].args["headers"] == {"X-Team": "${TEAM}"}
    assert experiment.models[0].args["api_key"] == "${KEY}"


def test_json_and_toml_problems_have_lines(folder):
    text = '{\n "model": "scripted",\n "probe": "asked",\n "dataset": "q.jsonl",\n "repeats": 0\n}'
    assert problems(folder, text, "e.json") == ["e.json:5:2: repeats: must be at least 1, but is 0"]
    assert "e.json:2:1: is not valid JSON" in problems(folder, '{"a": 1\n"b": 2}', "e.json")[0]
    assert problems(folder, '{"repeats": 1,\n "repeats": 2}', "e.json")[-1].startswith(
        "e.json:2:2: repeats: is given twice"
    )
    toml = 'model = "scripted"\nprobe = "asked"\ndataset = "q.jsonl"\n[execution]\nconcurrency = 0\n'
    assert problems(folder, toml, "e.toml") == ["e.toml:5:1: execution.concurrency: must be at least 1, but is 0"]
    assert "e.toml:2:6: is not valid TOML" in problems(folder, "a = 1\na = 2\n", "e.toml")[0]
    dated = toml.replace("concurrency = 0", "") + "[execution.x]\n"
    assert any("unknown key" in problem for problem in problems(folder, dated, "e.toml"))


def test_a_missing_file_a_folder_and_bytes_that_are_no_text_are_named(folder):
    (folder / "e.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"ee.yaml: there is no such file \(did you mean e.yaml\?\)"):
        load_experiment(folder / "ee.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_experiment(folder)
    (folder / "e.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"e\.yaml:2: is not valid UTF-8"):
        load_experiment(folder / "e.yaml")


def test_python_users_get_the_same_problems_without_lines(folder):
    with pytest.raises(ConfigError) as caught:
        parse_experiment(
            {"model": "scriptd", "probe": "asked", "dataset": "q.jsonl", "wholly": object()}, folder=folder
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "wholly: unknown key (known: " + ", ".join(experiment_keys()) + ")",
        "wholly: it is of type object; only JSON values can be stored (write it as text)",
        "model.type: there is no provider 'scriptd' (did you mean 'scripted'?)",
    ]


def experiment_keys():
    schema = experiment_schema()
    return [key for key, value in schema["properties"].items() if not value.get("deprecated")]


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
