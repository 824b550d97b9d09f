"""Prompts beside models: every model answers with every prompt, and whatever names a model names its prompt."""

import csv
import io
import json
import subprocess

import pytest

from insideLLMs.core import canonical
from support.command import canonical_bytes, command_line, environment, insidellms, records_of, write_files
from support.openai_server import OpenAIServer

ROWS = [{"id": f"e{i}", "question": f"What is {i} plus 1?", "answer": str(i + 1), "name": f"Ann {i}"} for i in range(4)]
EXPERIMENT = """
name: ab
models:
  - {type: dummy, id: big, args: {responses: {"Kindly": "1 2 3 4"}, canned_response: "no"}}
  - {type: dummy, id: small}
prompts:
  - "Kindly answer, {{ name }}: {{ question }}"
  - id: few
    messages:
      - {role: system, content: "You help {{ name }}."}
      - {role: user, content: "What is 0 plus 0?"}
      - {role: assistant, content: "0"}
      - {role: user, content: "{{ input }}"}
probe: {type: contains, args: {any: ["1"]}}
dataset: {path: q.jsonl}
"""


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, {"e.yaml": EXPERIMENT, "q.jsonl": ROWS})
    return tmp_path


def run(folder, text=EXPERIMENT, name="run", file="e.yaml"):
    write_files(folder, {file: text})
    return insidellms("run", file, "--run-dir", name, cwd=folder)


def test_every_model_answers_every_example_with_every_prompt(folder):
    done = run(folder)
    assert done.code == 0, done.err
    records = records_of(folder / "run")
    assert [(each["example_id"], each["model"], each["prompt"]) for each in records] == [
        (f"e{i}", model, prompt) for i in range(4) for model in ("big", "small") for prompt in ("few", "p1")
    ]
    assert records[1]["request"]["messages"] == [{"role": "user", "content": "Kindly answer, Ann 0: What is 0 plus 1?"}]
    assert [(turn["role"], turn["content"]) for turn in records[0]["request"]["messages"]] == [
        ("system", "You help Ann 0."),
        ("user", "What is 0 plus 0?"),
        ("assistant", "0"),
        ("user", "What is 0 plus 1?"),
    ]
    assert insidellms("verify", "run", cwd=folder).code == 0


def test_what_names_a_model_names_its_prompt(folder):
    done = run(folder)
    assert "big · p1" in done.out
    assert "big · p1: " in done.err  # the times
    summary = json.loads((folder / "run" / "summary.json").read_bytes())
    assert {(each["model"], each["prompt"], each["passed"]) for each in summary["results"]} >= {
        ("big", "few", 0), ("big", "p1", 4),
    }  # fmt: skip
    manifest = json.loads((folder / "run" / "manifest.json").read_bytes())
    assert [prompt["id"] for prompt in manifest["prompts"]] == ["few", "p1"]
    assert manifest["prompts"][0]["system"] == "You help {{ name }}."
    table = list(csv.DictReader(io.StringIO(insidellms("export", "run", cwd=folder).out)))
    assert [row["prompt"] for row in table[:2]] == ["few", "p1"]
    assert "(2 models, 2 prompts, 1 probe, 1 repeat)" in insidellms("validate", "e.yaml", cwd=folder).out


def test_a_run_without_prompts_mentions_none(folder):
    text = EXPERIMENT[: EXPERIMENT.index("prompts:")] + EXPERIMENT[EXPERIMENT.index("probe:") :]
    assert run(folder, text).code == 0
    for name in ("records.jsonl", "telemetry.jsonl", "summary.json", "config.resolved.yaml"):
        assert b"prompt" not in (folder / "run" / name).read_bytes().replace(b'prompts": []', b""), name
    assert "prompt" not in insidellms("export", "run", cwd=folder).out.partition("\n")[0]


def test_the_resolved_experiment_is_the_same_experiment(folder):
    run(folder)
    (folder / "again.yaml").write_bytes((folder / "run" / "config.resolved.yaml").read_bytes())
    assert insidellms("run", "again.yaml", "--run-dir", "again", cwd=folder).code == 0
    assert canonical_bytes(folder / "again") == canonical_bytes(folder / "run")


WRONG = {
    "two of one id": ('prompts: [{id: a, template: "{{ input }}"}, {id: a, system: "x"}]', "is a second prompt 'a'"),
    "the old spelling of a field": ('prompt: "Answer: {question}"', "{{ question }}"),
    "no field": ('prompt: "Say hello."', "names no field"),
    "an unknown field": ('prompt: "{{ qestion }}"', "did you mean {{ question }}?"),
    "an unknown field of the system text": ('prompt: {system: "{{ nme }}"}', "did you mean {{ name }}?"),
    "nothing to send": ("prompt: {id: a}", "sends nothing"),
    "both spellings": ('prompt: {template: "{{ input }}", messages: [{role: user, content: "x"}]}', "keep one"),
    "an unknown key": ('prompt: {templat: "{{ input }}"}', "did you mean 'template'?"),
    "an unknown role": ('prompt: {messages: [{role: bot, content: "{{ input }}"}]}', "must be 'system', 'user' or"),
    "one and several": ('prompt: "{{ input }}"\nprompts: ["{{ input }}"]', "stands beside 'prompts'"),
    "none": ("prompts: []", "must not be empty"),
    "nothing": ("prompts:", "is empty"),
    "the id of a model": ('prompt: {id: big, template: "{{ input }}"}', "is called 'big', as a model is"),
    "an id that reads as a subject": ('prompt: {id: "a · b", template: "{{ input }}"}', "may not contain '·'"),
    "a template that is none": ('prompt: "{{ input"', "not well formed"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=WRONG.keys())
def test_what_no_prompt_can_be_made_of_is_an_error_before_anything_is_asked(folder, wrong):
    text, expected = WRONG[wrong]
    head, rest = EXPERIMENT[: EXPERIMENT.index("prompts:")], EXPERIMENT[EXPERIMENT.index("probe:") :]
    done = run(folder, head + text + "\n" + rest)
    assert (done.code, (folder / "run").exists()) == (1, False)
    assert expected in done.err
    assert "Traceback" not in done.err


def test_a_text_that_is_the_same_for_every_example_must_say_so(folder):
    head, rest = EXPERIMENT[: EXPERIMENT.index("prompts:")], EXPERIMENT[EXPERIMENT.index("probe:") :]
    done = run(folder, head + 'prompt: {template: "Say hello.", constant: true}\n' + rest)
    assert done.code == 0, done.err
    assert len({json.dumps(each["request"]) for each in records_of(folder / "run")}) == 1


FILES = {
    "prompts/short.md": "---\nsystem: You help {{ name }}.\n---\nBriefly: {{ question }}\n",
    "prompts/shots.yaml": """
- {role: user, content: "1?"}
- {role: assistant, content: "1"}
- {role: user, content: "{{ input }}"}
""",
    "prompts/kind.txt": "Be kind to {{ name }}.\n",
}
OF_FILES = """prompts:
  - {file: prompts/short.md}
  - {id: few, file: prompts/shots.yaml}
  - {id: mixed, system: {file: prompts/kind.txt}, template: "{{ input }}"}
"""


def of_files(text=OF_FILES):
    return EXPERIMENT[: EXPERIMENT.index("prompts:")] + text + EXPERIMENT[EXPERIMENT.index("probe:") :]


def test_prompts_may_stand_in_files_whose_names_they_take_and_the_run_holds_their_text(folder):
    write_files(folder, FILES)
    done = run(folder, of_files())
    assert done.code == 0, done.err
    sent = {each["prompt"]: each["request"]["messages"] for each in records_of(folder / "run")[:3]}
    assert [turn["content"] for turn in sent["short"]] == ["You help Ann 0.", "Briefly: What is 0 plus 1?"]
    assert [turn["content"] for turn in sent["few"]] == ["1?", "1", "What is 0 plus 1?"]
    assert [turn["content"] for turn in sent["mixed"]] == ["Be kind to Ann 0.", "What is 0 plus 1?"]
    assert b"prompts/" not in b"".join(canonical_bytes(folder / "run").values())
    first = json.loads((folder / "run" / "manifest.json").read_bytes())["run_id"]
    write_files(folder, {"prompts/kind.txt": "Be very kind to {{ name }}.\n"})
    run(folder, of_files(), "other")
    assert json.loads((folder / "other" / "manifest.json").read_bytes())["run_id"] != first


WRONG_FILES = {
    "a file that is not there": ("prompt: {file: prompts/shrt.md}\n", "there is no file 'prompts/shrt.md'"),
    "a path in the place of a text": ("prompt: prompts/short.md\n", "write {file: prompts/short.md}"),
    "a path in the place of a system text": ("prompt: {system: prompts/kind.txt}\n", "write {file: prompts/kind.txt}"),
    "a file beside a text": ('prompt: {file: prompts/short.md, template: "{{ input }}"}\n', "stands beside 'file'"),
    "an unknown word in front of the text": ("prompt: {file: bad.md}\n", "front matter has 'sytem'"),
    "an old placeholder in a file": ("prompt: {file: old.txt}\n", "{{ question }}"),
}


@pytest.mark.parametrize("wrong", WRONG_FILES, ids=WRONG_FILES.keys())
def test_what_no_prompt_can_be_read_from_is_an_error(folder, wrong):
    text, expected = WRONG_FILES[wrong]
    write_files(folder, {**FILES, "bad.md": "---\nsytem: x\n---\n{{ input }}\n", "old.txt": "Answer {question}\n"})
    done = run(folder, of_files(text))
    assert (done.code, (folder / "run").exists()) == (1, False)
    assert expected in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [("chat.yaml", "\n- role: system\n  content: You help {{ nmae }}\n- role: user\n  content: x {{ input }}\n",
      "chat.yaml:3:"),
     ("chat.md", "---\nsystem: You help {{ nmae }}\n---\n{{ input }}\n", "chat.md:")],
)  # fmt: skip
def test_a_fault_in_the_system_text_of_a_file_is_placed_in_that_file(folder, file, text, place):
    write_files(folder, {**FILES, file: text})
    done = run(folder, of_files(f"prompt: {{file: {file}}}\n"))
    assert done.code == 1
    assert place in done.err
    assert "did you mean {{ name }}" in done.err


def test_a_run_with_prompts_that_is_killed_resumes_to_the_same_bytes(folder):
    rows = [{"id": f"e{i:03}", "question": f"What is {i}?", "name": "Ann"} for i in range(60)]
    with OpenAIServer(latency_s=0.01) as server:
        model = f"{{type: openai, id: big, args: {{model_name: stub, base_url: 'http://127.0.0.1:{server.port}/v1'}}}}"
        head, rest = EXPERIMENT.index("models:"), EXPERIMENT.index("prompts:")
        write_files(
            folder,
            {"e.yaml": f"models: [{model}]\n" + EXPERIMENT[rest:] + "execution: {concurrency: 4}\n", "q.jsonl": rows},
        )
        assert head < rest
        assert insidellms("run", "e.yaml", "--run-dir", "whole", cwd=folder).code == 0
        whole, asked = canonical_bytes(folder / "whole"), len(server.prompts)
        process = subprocess.Popen(
            command_line("run", "e.yaml", "--run-dir", "run"),
            cwd=folder,
            env=environment(),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while len(server.prompts) < asked + 40 and process.poll() is None:
            pass
        process.kill()
        process.wait()
        done = insidellms("run", "e.yaml", "--run-dir", "run", "--resume", cwd=folder)
        assert done.code == 0, done.err
        assert canonical_bytes(folder / "run") == whole
        assert asked == 120 <= len(server.prompts) - asked <= 124


def other(folder, old, new, name):
    done = run(folder, EXPERIMENT.replace(old, new), name, f"{name}.yaml")
    assert done.code == 0, done.err
    return name


def test_a_diff_pairs_prompts_by_id_and_shows_the_words_that_changed(folder):
    run(folder)
    other(folder, "Kindly answer, {{ name }}:", "Briefly answer, {{ name }}:", "new")
    done = insidellms("diff", "run", "new", cwd=folder)
    assert done.code == 3
    assert "prompt 'p1': template '[-Kindly-]{+Briefly+} answer, {{ name }}: {{ question }}'" in " ".join(
        done.out.split()
    )
    probes = insidellms("diff", "run", "new", "--json", cwd=folder).json["comparison"]["probes"]
    assert {probe["models"]["candidate"]: probe["tally"]["classes"]["regressed"] for probe in probes} == {
        "big · few": 0, "big · p1": 4, "small · few": 0, "small · p1": 0,
    }  # fmt: skip


def test_all_texts_of_a_changed_chat_are_shown_its_system_text_among_them(folder):
    run(folder)
    changed = EXPERIMENT.replace("You help {{ name }}.", "You hinder {{ name }}.").replace("0 plus 0?", "9 plus 0?")
    run(
        folder,
        changed.replace('content: "0"', 'content: "9"').replace('"{{ input }}"', '"{{ input }} Now."'),
        "new",
        "n.yaml",
    )
    told = " ".join(insidellms("diff", "run", "new", cwd=folder).out.split())
    for words in (
        "'What is 0 plus 0?' -> 'What is 9 plus 0?'",
        "'You [-help-]{+hinder+} {{ name }}.'",
        "'{{ input }}' -> '{{ input }} Now.'",
    ):
        assert words in told
    assert "more" not in told.partition("probe")[0]


def test_the_only_prompt_of_each_side_pairs_by_itself_and_others_need_a_name(folder):
    cut = EXPERIMENT[: EXPERIMENT.index("  - id: few")] + EXPERIMENT[EXPERIMENT.index("probe:") :]
    run(folder, cut, "one")
    named = cut.replace(
        '- "Kindly answer, {{ name }}: {{ question }}"', '- {id: v2, template: "Kindly! {{ question }}"}'
    )
    run(folder, named, "two", "two.yaml")
    done = insidellms("diff", "one", "two", "--fail-on", "regressions", cwd=folder)
    assert done.code == 0, done.out + done.err
    assert "prompt 'p1' -> 'v2': template" in " ".join(done.out.split())
    run(folder, name="both")
    done = insidellms("diff", "two", "both", cwd=folder)
    assert done.code == 1
    assert "--pair v2=few" in done.err
    done = insidellms("diff", "two", "both", "--pair", "v2=p1", "--fail-on", "regressions", cwd=folder)
    assert done.code == 0, done.out + done.err
    done = insidellms("diff", "two", "both", "--pair", "v2=feww", cwd=folder)
    assert (done.code, "did you mean 'few'?" in done.err) == (1, True)


def test_prompts_can_be_compared_with_a_run_that_has_none(folder):
    plain = EXPERIMENT[: EXPERIMENT.index("prompts:")] + EXPERIMENT[EXPERIMENT.index("probe:") :]
    run(folder, plain, "plain")
    cut = EXPERIMENT[: EXPERIMENT.index("  - id: few")] + EXPERIMENT[EXPERIMENT.index("probe:") :]
    run(folder, cut, "one", "one.yaml")
    done = insidellms("diff", "plain", "one", "--fail-on", "regressions", cwd=folder)
    assert done.code == 0, done.out + done.err
    assert "prompt 'p1' is new" in done.out


def test_a_run_of_the_format_before_prompts_is_still_read(folder):
    plain = EXPERIMENT[: EXPERIMENT.index("prompts:")] + EXPERIMENT[EXPERIMENT.index("probe:") :]
    run(folder, plain, "old")
    manifest = json.loads((folder / "old" / "manifest.json").read_bytes())
    del manifest["prompts"]
    manifest["library"]["format"] = "2"
    (folder / "old" / "manifest.json").write_bytes(canonical.pretty(manifest))
    (folder / "old" / "leaves.jsonl").unlink()
    run(folder, plain, "new")
    for args in (("verify", "old"), ("report", "old"), ("diff", "old", "new"), ("export", "old")):
        assert insidellms(*args, cwd=folder).code == 0, args


def test_answers_of_prompts_can_be_scored_again(folder):
    run(folder)
    probe = json.dumps({"type": "contains", "args": {"any": ["1"]}})
    done = insidellms("rescore", "run", "--probe", probe, "--to", "again", cwd=folder)
    assert done.code == 0, done.err
    assert [each["prompt"] for each in records_of(folder / "again")] == ["few", "p1"] * 8


PYTHON = """
from insideLLMs import run_experiment_from_config
results = run_experiment_from_config({
    "model": {"type": "dummy", "id": "m"},
    "prompts": ["Kindly: {{ input }}", {"id": "b", "template": "Now: {{ input }}"}],
    "probe": {"type": "contains", "args": {"any": ["x"]}},
    "dataset": {"examples": [{"id": "1", "prompt": "x"}, {"id": "0", "prompt": "y"}]},
})
print([(result.metadata["prompt"], result.metadata["example_id"]) for result in results])
"""


def test_python_callers_get_results_by_prompt_in_the_order_given(folder):
    write_files(folder, {"go.py": PYTHON})
    done = subprocess.run(
        [command_line()[0], "go.py"], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[('p1', '1'), ('p1', '0'), ('b', '1'), ('b', '0')]", done.stderr
