"""Everything that is said of bad experiment files, at once and with its place."""

import pytest

from insideLLMs.config.file import experiment_schema
from insideLLMs.config.load import load_experiment, parse_experiment
from insideLLMs.core.errors import ConfigError
from support.experiment_files import DATA, GOOD, MODEL, PROBE, problems

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
    (
        'model: {type: scripted, id: "a\\n"}\n' + PROBE + DATA,
        "e.yaml:1:25: model.id: must be one line without control characters",
    ),
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
    (
        MODEL + PROBE + "dataset: {path: q.jsonl, sha256: abc}\n",
        "e.yaml:3:26: dataset.sha256: must be the 64 hexadecimal digits",
    ),
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
