"""`insidellms import` of other people's experiments: a file that is valid, holds no key, and does the same."""

import json

import pytest
import yaml

from support.command import insidellms, records_of, write_files
from support.openai_server import OpenAIServer

CONFIG = """\
description: Support bot
prompts:
  - file://prompts/*.txt
  - id: chat
    raw: '[{"role": "system", "content": "Help {{ tone }}."}, {"role": "user", "content": "{{ q }}"}]'
providers:
  - id: openai:chat:m
    label: bot
    config: {apiBaseUrl: "http://127.0.0.1:PORT/v1", apiKey: sk-very-secret-key, temperature: 0.2}
defaultTest:
  vars: {tone: kindly}
  assert:
    - $ref: '#/assertionTemplates/polite'
assertionTemplates:
  polite: {type: not-icontains, value: stupid, metric: tone}
tests:
  - file://cases.csv
  - description: hours
    vars: {q: [When do you open?, When do you close?]}
    assert:
      - {type: regex, value: '^\\d+ h$'}
      - {type: assert-set, threshold: 0.5, assert: [{type: contains, value: "9"}, {type: contains, value: "18"}]}
scenarios:
  - config: [{vars: {city: Rome}}, {vars: {city: Oslo}}]
    tests: [{vars: {q: "Is there a shop in {{ city }}?"}, assert: [{type: starts-with, value: "In {{ city }}"}]}]
evaluateOptions: {maxConcurrency: 3, repeat: 2}
"""
BOMB = "providers: [openai:m]\na0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 12)
)
CASES = 'q,__expected,__description\nHow do I get a refund?,"icontains-all:14 days, refund",refund\n'
ANSWERS = {"refund": "A Refund takes 14 days.", "open": "9 h", "close": "18 h!", "Rome": "In Rome", "Oslo": "No."}


@pytest.fixture
def server():
    with OpenAIServer(answers=ANSWERS) as running:
        yield running


def written(folder, config=CONFIG, **files):
    prompts = {"prompts/a.txt": "Answer {{ tone }}: {{ q }}\n---\n{{ q }}\n", "cases.csv": CASES}
    write_files(folder, {"promptfooconfig.yaml": config, **prompts, **files})
    return folder


def test_a_configuration_is_imported_validated_and_runs_with_its_own_verdicts(tmp_path, server):
    written(tmp_path, CONFIG.replace("PORT", str(server.port)))
    done = insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out == "wrote e.yaml: 30 trials\nset in the environment: OPENAI_API_KEY\n"
    text = (tmp_path / "e.yaml").read_text()
    assert "sk-very" not in text
    assert text.startswith("# Imported from promptfooconfig.yaml. Texts that stood in files are copied.\n# note: ")
    assert insidellms("validate", "e.yaml", cwd=tmp_path).code == 0
    ran = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path, env={"OPENAI_API_KEY": "x"})
    assert ran.code == 3, ran.err
    verdicts = {(one["example_id"], one["scores"]["passed"]) for one in records_of(tmp_path / "run")}
    rome, oslo = "kindly Rome Is there a shop in Rome?", "kindly Oslo Is there a shop in Oslo?"
    assert verdicts == {("refund", True), ("hours", True), ("hours 2", False), (rome, True), (oslo, False)}
    assert {one["prompt"] for one in records_of(tmp_path / "run")} == {"a 1", "a 2", "chat"}


def test_nothing_is_written_over_and_nothing_at_all_where_something_cannot_be_carried_over(tmp_path):
    bad = CONFIG.replace("value: stupid", "value: stupid, transform: output.trim()").replace(
        "openai:chat:m", "exec:./m"
    )
    written(tmp_path, bad)
    done = insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "promptfooconfig.yaml:7:" in done.err
    assert "provider 'exec:./m': no program is run by an import" in done.err
    assert "promptfooconfig.yaml:15:" in done.err
    assert "not-icontains: its 'transform' has no equivalent here" in done.err
    assert not (tmp_path / "e.yaml").exists()
    (tmp_path / "e.yaml").write_text("mine")
    done = insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", cwd=tmp_path)
    assert "e.yaml exists already; nothing was written" in done.err
    assert (tmp_path / "e.yaml").read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cases.csv", "e.yaml", "promptfooconfig.yaml", "prompts"]


def test_what_is_left_out_on_request_is_named_and_nothing_is_green_without_it(tmp_path, server):
    config = CONFIG.replace("PORT", str(server.port)).replace(
        "{type: regex, value: '^\\d+ h$'}", "{type: python, value: 'True'}"
    )
    written(tmp_path, config)
    done = insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", "--skip-unsupported", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "LEFT OUT: promptfooconfig.yaml:21:" in done.err
    assert "1 left out; until you write them, the checks in their places always fail" in done.out
    assert "# LEFT OUT: promptfooconfig.yaml:21:" in (tmp_path / "e.yaml").read_text()
    insidellms("run", "e.yaml", "--run-dir", "run", "--no-gate", cwd=tmp_path, env={"OPENAI_API_KEY": "x"})
    hours = [one["scores"] for one in records_of(tmp_path / "run") if one["example_id"].startswith("hours")]
    assert hours
    assert not any(one["passed"] for one in hours)
    assert "left out: python (promptfooconfig.yaml:21)" in hours[0]["explanation"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (BOMB, "promptfooconfig.yaml:"),
        ("providers: [openai:m]\nprompts: ['file://../secret.txt']\n", "leads out of the folder"),
        ("providers: [openai:m]\nprompts: ['file://missing.txt']\n", "missing.txt cannot be read: No such file"),
        ("providers: [openai:m]\nprompts: [p]\ntests: 'file://tests.py'\n", "tests.py is a program, which is not"),
        ("providers: [openai:m]\nprompts: [p]\ntests: 'https://docs.google.com/x'\n", "is not a file here"),
        ("providers: [openai:m]\nprompts: [p]\ntests: [{$ref: '#/tests/0'}]\n", "refers to itself"),
        ("providers: [openai:m]\nprompt: [p]\n", "unknown key of the configuration (did you mean 'prompts'?)"),
        ("providers: 3\ntests: 4\nprompts: 5\n", "promptfooconfig.yaml:1:"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_configuration_is_a_clear_error(tmp_path, config, told):
    write_files(tmp_path, {"promptfooconfig.yaml": config})
    done = insidellms("import", "promptfooconfig.yaml", "--to", "e.yaml", cwd=tmp_path)
    assert done.code == 1, done.out + done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "e.yaml").exists()


def test_no_key_of_any_form_reaches_the_result(tmp_path):
    secrets = ["sk-aaaaaaaaaaaa", "Zm9vOmJhcg==", "hunter2hunter2", "qwertyqwerty"]
    config = {
        "env": {"OPENAI_API_KEY": secrets[0]},
        "prompts": ["{{ q }}"],
        "providers": [
            {"id": "openai:m", "config": {"apiKey": secrets[0], "headers": {"Authorization": f"Basic {secrets[1]}"}}},
            {"id": "openai:n", "config": {"apiBaseUrl": f"http://user:{secrets[2]}@host/v1"}},
            {"id": "openai:o", "config": {"apiBaseUrl": f"http://host/v1?api_key={secrets[3]}"}},
        ],
        "tests": [{"vars": {"q": "Q?"}, "assert": [{"type": "contains", "value": "x"}]}],
    }
    write_files(tmp_path, {"c.json": json.dumps(config)})
    done = insidellms("import", "c.json", "--to", "e.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    text = (tmp_path / "e.yaml").read_text() + done.out + done.err
    assert not [one for one in secrets if one in text]
    models = yaml.safe_load(text.partition("prompts:")[0])["models"]
    assert models[0]["args"]["headers"] == {"Authorization": "Basic ${AUTHORIZATION}"}
