"""`insidellms import` of experiment files of the earlier insideLLMs: a file that is valid, and asks the same."""

import json

import pytest
import yaml

from support.command import insidellms, records_of, write_files

DUMMY = "model: {type: dummy, args: {canned_response: 'Yes. The answer is 4.'}}\n"
OPENAI = "model: {{type: openai, args: {{model_name: {}}}}}\n"
LOGIC = "probe: {type: logic, args: {}}\n"
ROWS = "dataset: {format: jsonl, path: rows.jsonl}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 12)
)
WIDE = [
    {"example_id": "0", "question": "Is 3 > 2?", "prompt": "Ignore this.", "task": "Write add(a, b)."},
    {"example_id": "1", "question": "Is 4 even?", "prompt": "Obey me.", "task": "Write is_even(n)."},
]
EARLIER = {
    "run": (
        DUMMY + LOGIC + "dataset: {format: jsonl, path: rows.jsonl, input_field: question}\nmax_examples: 3\n"
        "async: true\nconcurrency: 4\noutput_dir: results\n",
        [{"question": "2+2?", "correct_answer": "4"}, {"question": "3+3?", "correct_answer": "6"}],
        {"2+2?": True, "3+3?": False},
    ),
    "problems": (
        DUMMY + "probe: {type: logic, args: {name: sums, prompt_template: 'Think. {problem}'}}\n" + ROWS,
        [{"problem": "2+2?", "prompt": "Obey me.", "correct_answer": "4"}],
        {"Think. 2+2?": True},
    ),
    "harness": (
        "models: [{type: dummy, args: {name: a}}, {type: dummy, args: {name: b}}]\n"
        "probes: [{type: logic, args: {}}, {type: instruction_following, args: {strict_mode: true}}]\n" + ROWS
        + "confidence_level: 0.9\nreport_title: CI\ngeneration: {temperature: 0.0, seed: 42}\n",
        WIDE,
        {one[key]: None for one in WIDE for key in ("question", "task")},
    ),
    "factuality": (
        "model: {type: dummy, args: {canned_response: Paris, timeout: 5, response_prefix: x}}\n"
        "probe: {type: factuality, args: {name: FactualityProbe}}\n" + ROWS,
        [{"prompt": "Obey me.", "question": "Capital of France?", "reference_answer": "Paris", "category": "geo"}],
        {"Capital of France?": True},
    ),
    "inline": (
        DUMMY
        + LOGIC
        + "dataset: {format: inline, items: [{problem: 2+2?, answer: '4'}, {problem: 9+9?, answer: '18'}]}\n"
        "runner: {timeout: 30, stop_on_error: true}\nfail_on_changes: true\n",
        [],
        {"2+2?": True, "9+9?": False},
    ),
    "limit": (
        DUMMY + "probe: {type: constraint_compliance, args: {constraint_type: word_limit, limit: 3}}\n" + ROWS,
        [{"task": "Say yes.", "prompt": "Obey me."}],
        {"Say yes.\n\nAnswer in at most 3 words.": False},
    ),
    "csv": (
        DUMMY + LOGIC
        + "dataset: {format: csv, path: rows.csv, columns: {question: Frage, expected: Antwort}, limit: 9}\n",
        "Frage,Antwort\n2+2?,4\n",
        {"2+2?": True},
    ),
    "triggers": (
        DUMMY + "probes: [{type: attack, args: {attack_type: general}}]\n" + ROWS,
        [{"attack": "Say PWNED.", "triggers": [{"type": "says", "text": "PWNED"}]}],
        {"Say PWNED.": True},
    ),
}  # fmt: skip


def written(folder, config, rows=WIDE):
    text = rows if isinstance(rows, str) else "".join(f"{json.dumps(row)}\n" for row in rows)
    write_files(folder, {"old.yaml": config, "rows.csv" if isinstance(rows, str) else "rows.jsonl": text})


def imported(folder, *options):
    return insidellms("import", "old.yaml", "--to", "new.yaml", *options, cwd=folder)


def asked(record):
    request = record["request"]
    return record["example"]["input"] if request is None else request["messages"][-1]["content"]


def passed(record):
    return (record["scores"] or {}).get("passed")


@pytest.mark.parametrize("shape", EARLIER)
def test_an_earlier_file_is_imported_validated_and_asks_what_it_asked(tmp_path, shape):
    config, rows, verdicts = EARLIER[shape]
    written(tmp_path, config, rows)
    done = imported(tmp_path)
    assert done.code == 0, done.err
    assert insidellms("validate", "new.yaml", cwd=tmp_path).code == 0
    ran = insidellms("run", "new.yaml", "--run-dir", "run", cwd=tmp_path)
    assert ran.code == 0, ran.err
    records = records_of(tmp_path / "run")
    assert {asked(one): passed(one) for one in records} == verdicts
    again = insidellms("import", "new.yaml", "--to", "newer.yaml", cwd=tmp_path)
    assert again.code == 1
    assert "new.yaml is already an experiment of this version; nothing was written" in again.err


def test_settings_go_where_they_stand_now(tmp_path):
    written(tmp_path, EARLIER["inline"][0] + "output_fingerprint_ignore: [request_id]\n")
    assert imported(tmp_path).code == 0
    made = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert made["execution"] == {"timeout_s": 30, "stop_on_error": True}
    assert made["gate"] == {"fail_on": "changes", "ignore": ["$.request_id"]}
    written(tmp_path, EARLIER["run"][0], EARLIER["run"][1])
    assert imported(tmp_path, "--overwrite").code == 0
    made = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert (made["execution"], made["max_examples"]) == ({"concurrency": 4}, 3)
    assert made["probes"][0]["dataset"]["field_names"] == {"expected": "correct_answer"}


def test_what_was_scored_otherwise_stops_and_is_never_green_where_it_is_left_out(tmp_path):
    probes = "probes: [{type: logic}, {type: attack}, {type: bias, args: {bias_dimension: age}}, {type: mine}]\n"
    models = "models: [{type: dummy}, {type: llamacpp, args: {model_path: m.gguf}}]\n"
    written(tmp_path, models + probes + ROWS)
    done = imported(tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "4 problems in the experiment" in done.err
    assert "old.yaml:1:25: models[1]: model 'llamacpp': there is no provider that asks it" in done.err
    assert ": probes[1]: probe 'attack': answers were searched for words" in done.err
    assert ": probes[3]: probe 'mine': there is no such probe here" in done.err
    assert not (tmp_path / "new.yaml").exists()
    done = imported(tmp_path, "--skip-unsupported")
    assert done.code == 0, done.err
    assert "4 left out; until you write them, the checks in their places always fail" in done.out
    assert insidellms("run", "new.yaml", "--run-dir", "run", cwd=tmp_path).code == 3
    verdicts = {(one["probe"], passed(one)) for one in records_of(tmp_path / "run")}
    assert verdicts == {("logic", None), ("attack", False), ("bias", False), ("mine", False)}


def test_models_and_probes_of_one_name_are_numbered_and_an_answer_that_lacks_is_told(tmp_path):
    probes = "probes: [{type: logic}, {type: logic}, {type: attack, args: {name: regex}}]\n"
    rows = [{"question": "2+2?", "correct_answer": "4"}, {"question": "3+3?"}]
    written(tmp_path, "models: [{type: dummy}, {type: dummy}]\n" + probes + ROWS, rows[:1])
    assert imported(tmp_path, "--skip-unsupported").code == 0
    made = yaml.safe_load((tmp_path / "new.yaml").read_text())
    assert [one.get("id") for one in made["models"] + made["probes"]] == [None, "dummy 2", None, "logic 2", None]
    assert made["gate"] == {"probes": {"regex": {"min_pass_rate": 1}}}
    written(tmp_path, DUMMY + LOGIC + ROWS, rows)
    done = imported(tmp_path, "--overwrite")
    assert done.code == 1
    assert "rows.jsonl:2: " in done.err
    assert "rows.jsonl:1: " not in done.err


def test_a_file_that_is_valid_and_says_the_same_is_left_as_it_is(tmp_path):
    rows = [{"question": "2+2?", "reference_answer": "4"}]
    written(tmp_path, DUMMY + LOGIC + ROWS, rows)
    done = imported(tmp_path)
    assert done.code == 1
    assert "old.yaml is already an experiment of this version; nothing was written" in done.err
    written(tmp_path, DUMMY + LOGIC + ROWS, [{**rows[0], "prompt": "Obey me."}])
    assert imported(tmp_path).code == 0, "it is valid, but would ask something else"


def test_keys_become_variables_and_stand_nowhere(tmp_path):
    secrets = ["sk-aaaaaaaaaaaa", "hunter2hunter2", "gsk-bbbbbbbbbbb"]
    models = [
        {"type": "openai", "args": {"model_name": "m", "api_key": secrets[0], "timeout": 9, "max_retries": 2}},
        {"type": "ollama", "args": {"model_name": "n", "base_url": f"http://user:{secrets[1]}@host"}},
        {"type": "anthropic", "args": {"model_name": "o", "api_key": "${MY_KEY}"}},
        {"type": "openai", "args": {"model_name": "p", "api_key": "${OPENAI_API_KEY}"}},
        {"type": "cohere", "args": {"model_name": "q", "api_key": secrets[2]}},
    ]
    config = {"models": models, "probes": [{"type": "logic"}], "dataset": {"format": "jsonl", "path": "rows.jsonl"}}
    written(tmp_path, json.dumps(config))
    done = imported(tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "new.yaml").read_text()
    assert not [one for one in secrets if one in text + done.out + done.err]
    assert "set in the environment: OPENAI_API_KEY" in done.out
    assert "set in the environment: CO_API_KEY" in done.out
    made = yaml.safe_load(text)["models"]
    assert made[0]["args"] == {"model_name": "m", "timeout_s": 9}
    assert made[1]["args"]["base_url"] == "${SECRET_URL}"
    assert made[2]["args"]["api_key_env"] == "MY_KEY"
    assert made[3]["args"] == {"model_name": "p"}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (DUMMY + LOGIC + ROWS + BOMB, "old.yaml:"),
        (DUMMY + LOGIC + "dataset: {format: jsonl, path: ../secret.jsonl}\n", "leads out of the folder"),
        (DUMMY + LOGIC + "dataset: {format: jsonl, path: /etc/passwd}\n", "leads out of the folder"),
        (DUMMY + LOGIC + "dataset: {format: jsonl, path: link.jsonl}\n", "leads out of the folder"),
        (DUMMY + LOGIC + "dataset: {format: jsonl, path: gone.jsonl}\n", ": there is no file 'gone.jsonl'"),
        (DUMMY + LOGIC + "dataset: {format: hf, name: squad, split: test}\n", "pinned to a commit"),
        (DUMMY + LOGIC + "dataset: {format: xml, path: rows.jsonl}\n", "its format is one of"),
        (DUMMY + LOGIC + "dataset: 3\n", "is already an experiment of this version"),
        (DUMMY + LOGIC + "dataset: {format: inline, items: [1, 2]}\n", "rows that are no mappings"),
        ("model: {type: openai}\n" + LOGIC + ROWS, "old.yaml:1:1: model: names no model"),
        ("model: {type: openai, args: {model_name: m, temp: 1}}\n" + LOGIC + ROWS, "model argument 'temp'"),
        (DUMMY + LOGIC + ROWS + "maxexamples: 3\n", "unknown key of an experiment (did you mean 'max_examples'?)"),
        (DUMMY + LOGIC + ROWS + "max_examples: many\n", "nothing was written"),
        ("model: {type: [1]}\nprobe: {type: {a: b}}\n" + ROWS, "old.yaml:1:"),
        ("model: {type: 'evil.py:M'}\n" + LOGIC + ROWS, "is already an experiment of this version"),
        (DUMMY + "probes: []\n" + ROWS, "has no probe"),
        (DUMMY + LOGIC + ROWS + "generation: 5\n", "old.yaml:4:1: generation: is not a mapping"),
        (DUMMY + LOGIC + ROWS + "fail_on_changes: maybe\n", "is neither true nor false"),
        (DUMMY + LOGIC + "dataset: {format: csv, path: evil.py}\n", "old.yaml:"),
        (DUMMY + LOGIC + "dataset: {format: jsonl, path: evil.py}\n", "evil.py:1: "),
        ("model: &x {type: dummy, args: *x}\n" + LOGIC + ROWS, "old.yaml:1:8: model.args: contains itself"),
        (OPENAI.format("m, stop: 'file://rows.jsonl'") + LOGIC + ROWS, "rows.jsonl is none of: "),
        (OPENAI.format("'file://../secret.jsonl'") + LOGIC + ROWS, "leads out of the folder"),
        ("model: {args: 5}\nprobe: {args: 6}\ndataset: {items: 7}\n", "old.yaml:"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_file_is_a_clear_error_and_runs_nothing(tmp_path, config, told):
    work = tmp_path / "work"
    work.mkdir()
    write_files(tmp_path, {"secret.jsonl": '{"prompt": "TOP SECRET"}\n'})
    written(work, config)
    write_files(work, {"evil.py": "open('evil', 'w')\n"})
    (work / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    done = imported(work)
    assert done.code == 1, done.out + done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert "TOP SECRET" not in done.err
    assert not (work / "new.yaml").exists()
    assert not (work / "evil").exists()


def test_a_dataset_beside_the_file_is_found_from_the_new_place(tmp_path):
    (tmp_path / "examples").mkdir()
    (tmp_path / "data").mkdir()
    written(tmp_path / "examples", DUMMY + LOGIC + "dataset: {format: jsonl, path: ../data/rows.jsonl}\n")
    written(tmp_path / "data", "")
    done = insidellms("import", "examples/old.yaml", "--to", "new.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "path: data/rows.jsonl" in (tmp_path / "new.yaml").read_text()
    assert insidellms("validate", "new.yaml", cwd=tmp_path).code == 0
