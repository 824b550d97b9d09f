"""Texts of an experiment: from files, and never the name of one or a placeholder in what is sent."""

import asyncio

import pytest

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.config.load import parse_experiment, read_experiment
from insideLLMs.config.resolved import read_resolved, resolved_yaml
from insideLLMs.core.errors import ConfigError
from support.command import write_files

ROWS = [{"id": "a", "question": "2+2?", "answer": "4", "customer": "Ada", "rubric": "Is it 4?"}]
E = """\
model: {type: dummy, system: SYSTEM}
probe:
  type: contains
  args:
    template: TEMPLATE
dataset: q.jsonl
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, {"q.jsonl": ROWS})
    return tmp_path


def sent(folder, text, **files):
    """Return the messages that the first trial of an experiment sends."""
    write_files(folder, {"e.yaml": text, **files})
    loaded = read_experiment(folder / "e.yaml")
    with loaded.placing_errors():
        prepared = prepare(loaded.experiment, folder=folder, asks=False)
    (group,) = prepared.plan.groups
    _, example = next(iter(prepared.datasets[group.dataset].examples()))
    request = prepared.models["dummy"].sent(prepared.probes[group.probe].request(example), example)
    asyncio.run(prepared.aclose())
    return [(message.role, message.text) for message in request.messages]


def told(folder, text, **files):
    with pytest.raises(ConfigError) as caught:
        sent(folder, text, **files)
    return [str(problem) for problem in caught.value.problems]


def experiment(template="'{{ question }}'", system="null"):
    return E.replace("TEMPLATE", template).replace("SYSTEM", system)


def test_a_template_and_a_system_prompt_may_stand_in_files(folder):
    files = {"p.txt": "Q: {{ question }}\n", "s.md": "You help {{ customer }}.\n"}
    assert sent(folder, experiment("{file: p.txt}", "{file: s.md}"), **files) == [
        ("system", "You help Ada."),
        ("user", "Q: 2+2?"),
    ]


def test_line_ends_and_a_byte_order_mark_are_no_part_of_a_text(folder):
    assert sent(folder, experiment("{file: p.j2}"), **{"p.j2": "\ufeffone\r\n{{ question }}\r\n"}) == [
        ("user", "one\n2+2?")
    ]


def test_markdown_may_begin_with_a_system_prompt(folder):
    text = "---\nsystem: You help {{ customer }}.\n---\n\n# Question\n\n{{ question }}\n"
    assert sent(folder, experiment("{file: p.md}"), **{"p.md": text}) == [
        ("system", "You help Ada."),
        ("user", "# Question\n\n2+2?"),
    ]


CHAT = '- {role: user, content: "1+1?"}\n- {role: assistant, content: "2"}\n- {role: user, content: "{{ question }}"}\n'
TURNS = [("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")]


@pytest.mark.parametrize(
    ("name", "text", "turns"),
    [
        ("c.yaml", CHAT, TURNS),
        ("c.yml", f"system: Be {{{{ customer }}}}.\nmessages:\n{CHAT}", [("system", "Be Ada."), *TURNS]),
        ("c.json", '[{"role": "user", "content": "{{ question }}"}]', TURNS[-1:]),
    ],
)
def test_a_chat_may_stand_in_a_file(folder, name, text, turns):
    assert sent(folder, experiment(f"{{file: {name}}}"), **{name: text}) == turns


def test_a_message_of_a_chat_may_stand_in_a_file(folder):
    template = "[{role: system, content: {file: s.txt}}, {role: user, content: '{{ question }}'}]"
    assert sent(folder, experiment(template), **{"s.txt": "S"}) == [("system", "S"), ("user", "2+2?")]


@pytest.mark.parametrize(
    "template", ["{file: p.txt, constant: true}", "{file: p.md}", "Say hello.\n    constant: true"]
)
def test_a_text_that_is_the_same_for_every_example_is_said_to_be_so(folder, template):
    files = {"p.txt": "Say hello.", "p.md": "---\nconstant: true\n---\nSay hello."}
    assert sent(folder, experiment(template), **files) == [("user", "Say hello.")]


def test_the_experiment_holds_the_text_and_not_the_path(folder):
    write_files(
        folder, {"e.yaml": experiment("{file: p.txt}", "{file: s.txt}"), "p.txt": "{{ question }}", "s.txt": "S"}
    )
    loaded = read_experiment(folder / "e.yaml")
    assert loaded.text_files == ("s.txt", "p.txt")
    assert loaded.experiment.probes[0].args == {"template": "{{ question }}"}
    assert loaded.experiment.models[0].system == "S"
    resolved = resolved_yaml(loaded.experiment, {})
    assert b"p.txt" not in resolved
    assert read_resolved(resolved).probes[0].args == {"template": "{{ question }}"}
    (folder / "p.txt").write_text("Please: {{ question }}")
    assert read_experiment(folder / "e.yaml").experiment != loaded.experiment


@pytest.mark.parametrize(
    ("template", "system", "said"),
    [
        ("'{{question}'", "null", "e.yaml:5:5: probe.args.template: the template is not well formed"),
        ("'Q: {question}'", "null", "e.yaml:5:5: probe.args.template: the template holds '{question}'"),
        ("'Q: ${question}'", "null", "write {{ question }}"),
        ("|\n      Q:\n      {{ question }\n", "null", "e.yaml:7: probe.args.template: "),
        ("|\n      Q: {{ question }}\n      {{ custmer }}\n", "null", "e.yaml:7: probe.args.template: "),
        ("'{{ custmer }}'", "null", "did you mean {{ customer }}?"),
        ("Always the same", "null", "names no field"),
        ("file://p.txt", "null", "write {file: p.txt}"),
        ("'file: p.txt'", "null", "write {file: p.txt}"),
        ("prompts/v1.txt", "null", "prompts/v1.txt"),
        ("prompts/v1.md", "null", "there is no such file"),
        ("q.jsonl", "null", "write {file: q.jsonl}"),
        ("'{{ question }}'", "file://s.txt", "e.yaml:1:22: model.system: 'file://s.txt' is the name of a file"),
        ("'{{ question }}'", "s.md", "write {file: s.md}"),
        ("'{{ question }}'", "'You help {customer}.'", "e.yaml:1:22: model.system: the template holds '{customer}'"),
        ("'{{ question }}'", "'You help {{ custmer }}.'", "e.yaml:1:22: model.system: dataset 'q', example 'a'"),
        ("[{role: user, content: file://p.txt}]", "null", "write {file: p.txt}"),
        ("[{role: user, content: '{question}'}]", "null", "the template holds '{question}'"),
        ("[{role: bot, content: '{{ question }}'}]", "null", "e.yaml:5:5: probe.args.template"),
        ("{file: none.md}", "null", "e.yaml:5:16: probe.args.template.file: there is no file 'none.md'"),
        ("{file: q.jsonl}", "null", "texts end in"),
        ("{file: .}", "null", "is a folder"),
        ("{file: ''}", "null", "must be the path"),
        ("{file: 5}", "null", "must be the path"),
        ("{file: p.txt, fiel: x}", "null", "unknown key"),
        ("{file: '${HOME}/p.txt'}", "null", "may not refer to the environment"),
        ("'{{ question }}'", "{file: chat.yaml}", "is a chat, and one text is needed here"),
    ],
)
def test_what_would_be_sent_as_it_stands_is_an_error_with_its_place(folder, template, system, said):
    problems = told(folder, experiment(template, system), **{"p.txt": "{{ question }}", "chat.yaml": CHAT})
    assert said in " ".join(problems)
    assert all(problem.startswith(("e.yaml:", "chat.yaml:")) for problem in problems)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("p.txt", "one\n{question}\n", "p.txt:2: probe.args.template: the template holds '{question}'"),
        ("p.txt", "one\n{{ custmer }}{{ question }}\n", "p.txt:2: probe.args.template: dataset 'q', example 'a'"),
        ("p.md", "---\nconstant: false\n---\n\n{{ question\n", "p.md:5: probe.args.template"),
        ("p.md", "---\nsytem: x\n---\n{{ question }}\n", "p.md:1: front matter has 'sytem'"),
        ("p.md", "---\nsystem: x\n{{ question }}\n", "p.md:1: begins with front matter that has no end"),
        ("p.md", "---\nsystem: [\n---\n{{ question }}\n", "p.md:"),
        ("p.md", "---\nsystem: '{x}'\n---\n{{ question }}\n", "p.md:1: probe.args.template: the template holds '{x}'"),
        ("p.yaml", "- {role: usr, content: '{{ question }}'}\n", "p.yaml:1:4: role is 'usr' (did you mean 'user'?)"),
        ("p.yaml", "- {role: user, contents: '{{ question }}'}\n", "p.yaml:1:"),
        ("p.yaml", "text\n", "p.yaml:1: is not a list of messages"),
        ("p.json", "[{]", "p.json:1:"),
        ("p.txt", b"a\nb\xff", "p.txt:2: is not valid UTF-8"),
        ("p.txt", b"a\nb\0", "p.txt:2: is not text"),
        ("p.txt", "\n", "p.txt:1: is empty"),
        ("p.txt", b"x" * 10_000_001, "e.yaml:5:16: probe.args.template.file: 'p.txt' has more than 10,000,000 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(folder, name, data, said):
    if isinstance(data, bytes):
        (folder / name).write_bytes(data)
    else:
        write_files(folder, {name: data})
    assert said in " ".join(told(folder, experiment(f"{{file: {name}}}")))


def test_everything_that_cannot_be_made_is_told_at_once_with_its_line(folder):
    text = """\
models:
  - {type: openai, args: {model_name: m, max_tokens: "100"}}
  - {type: http, args: {base_url: "http://localhost:1", body: {q: "{customer}"}, answer: $}}
probes:
  - {type: logic, args: {tolerance: -1}}
  - type: contains
    args: {template: "{question}"}
dataset: q.jsonl
"""
    problems = told(folder, text)
    assert [problem.partition(": ")[0] for problem in problems] == [
        "e.yaml:2:42", "e.yaml:3:57", "e.yaml:5:26", "e.yaml:7:12",
    ]  # fmt: skip


def test_a_mapping_without_a_file_has_no_lines_and_the_same_checks(folder):
    mapping = {"model": "dummy", "probe": {"type": "contains", "args": {"template": "p/v1.md"}}, "dataset": "q.jsonl"}
    with pytest.raises(ConfigError, match=r"write \{file: p/v1.md\}"):
        parse_experiment(mapping, folder=folder)


def test_a_problem_of_a_mapping_says_its_line_in_words(folder):
    mapping = {"model": {"type": "dummy", "system": "one\n{x}"}, "probe": "contains", "dataset": "q.jsonl"}
    with pytest.raises(ConfigError, match=r"line 2: models\[0\].system: the template holds"):
        prepare(parse_experiment(mapping, folder=folder), folder=folder, asks=False)


def test_an_http_body_may_hold_texts_of_files(folder):
    text = """\
model:
  type: http
  id: dummy
  args:
    base_url: http://localhost:1
    answer: $
    body: {q: {file: q.txt}, note: NOTE}
probe: contains
dataset: q.jsonl
"""
    write_files(folder, {"e.yaml": text.replace("NOTE", "x"), "q.txt": "Hello {{ customer }}: {{ prompt }}"})
    body = read_experiment(folder / "e.yaml").experiment.models[0].args["body"]
    assert body == {"q": "Hello {{ customer }}: {{ prompt }}", "note": "x"}
    assert "write {file: q.txt}" in " ".join(told(folder, text.replace("NOTE", "file://q.txt")))
