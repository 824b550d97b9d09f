"""A command as a model: what it is given, what is read of it, and what of it is part of its identity."""

import asyncio
import json
import os
import stat

import pytest

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import (
    ArgumentError,
    AuthError,
    BadAnswerError,
    CommandFailedError,
    ModelUnavailableError,
    RequestRefusedError,
    ServerError,
    TemplateError,
)
from insideLLMs.core.types import Example, Message, Request
from insideLLMs.execute.adapt import with_variables
from insideLLMs.providers.exec_model import ExecModel
from support.processes import PYTHON

TELLS = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "env": dict(os.environ), "stdin": sys.stdin.read(), "cwd": os.getcwd()}))
"""
CASE = Example(
    id="1", input="What is asked", fields={"customer": {"id": 7}, "tags": ["x", 1], "lang": "de", "nul": "a\0b"}
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tells.py").write_text(TELLS)
    return tmp_path


def model(folder, *command, **args):
    return ExecModel(list(command) or [PYTHON, "tells.py", "{{ prompt }}"], experiment_folder=folder, **args)


def answer(asked, example=CASE, prompt=None):
    asked.check_example(example)
    request = with_variables(Request.of(prompt or example.input), asked.variables, example)
    return asked.ask(request)


def told(folder, *arguments, **args):
    return json.loads(answer(model(folder, PYTHON, "tells.py", *arguments, **args)).text)


def shell(folder, script, **args):
    return model(folder, "sh", "-c", script, "sh", "{{ prompt }}", **args)


HOSTILE = [
    "two words", "a\nb", "'\"`$(id)\\", "-rf", "--help", "", "*", "; rm -rf /", "é日本🎉", "{{ prompt }}", "a\tb\r",
    "$HOME",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_asked_stays_one_argument(folder, text):
    arguments = json.loads(answer(model(folder, PYTHON, "tells.py", "{{ prompt }}", "x={{ prompt }}"), prompt=[
        Message(role="user", content=text)
    ]).text)["arguments"]  # fmt: skip
    assert arguments == [text, f"x={text}"]


def test_fields_are_text_in_arguments_and_values_in_a_body(folder):
    body = {"id": "{{ customer.id }}", "tags": "{{ tags }}", "note": "{{ lang }}: {{ tags }}", "n": 3}
    seen = told(folder, "{{ customer.id }}", "{{ tags }}", stdin=body)
    assert seen["arguments"] == ["7", '["x",1]']
    assert json.loads(seen["stdin"]) == {"id": 7, "tags": ["x", 1], "note": 'de: ["x",1]', "n": 3}
    assert seen["stdin"].endswith("\n")


@pytest.mark.parametrize(
    ("stdin", "sent"),
    [
        ("{{ prompt }}\n", "What is asked\n"),
        ("{{ tags }}", '["x",1]'),
        ("only text", "only text"),
        (["{{ prompt }}", {"a": "{{ lang }}"}], '["What is asked",{"a":"de"}]\n'),
        (None, ""),
    ],
)
def test_input_is_text_as_it_is_and_anything_else_a_line_of_json(folder, stdin, sent):
    assert told(folder, "{{ prompt }}", stdin=stdin)["stdin"] == sent


def test_a_command_knows_the_whole_chat_and_its_seed(folder):
    asked = model(folder, PYTHON, "tells.py", "{{ system }}", "{{ seed }}", stdin="{{ messages }}", seed=5)
    chat = [Message(role="system", content="s"), Message(role="user", content="u")]
    seen = [json.loads(asyncio.run(once(asked, Request.of(chat), repeat)).text) for repeat in (0, 0, 1)]
    assert json.loads(seen[0]["stdin"]) == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert seen[0]["arguments"] == seen[1]["arguments"] != seen[2]["arguments"]


async def once(asked, request, repeat):
    try:
        return await asked.respond(request, repeat=repeat)
    finally:
        await asked.aclose()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("./app --ask 'a b' {{question}}", 'write a list: [./app, --ask, "a b", "{{question}}"]'),
        ("./app 'open", "there is no shell"),
        ("./app --ask={{ prompt }} {{ b | upper }}", 'write a list: [./app, "--ask={{ prompt }}", "{{ b | upper }}"]'),
        ([], "it must be a list of texts"),
        (None, "it must be a list of texts"),
        ([" ", "{{ prompt }}"], "it must be a list of texts"),
        (["./app", "-n", 3, "{{ prompt }}"], "command[2] is of type int"),
        (["./app", "{{ prompt }}", "|", "jq"], "there is no shell to read it"),
        (["./app", "{{ prompt }}", "$KEY"], "env: [KEY]"),
        (["./app", "--key=${KEY}", "{{ prompt }}"], "env: [KEY]"),
        (["{{ lang }}", "{{ prompt }}"], "the program has a field"),
        (["./app", "always"], "every example would be asked the same"),
        (["./app", "{question}"], "write {{ question }}"),
        (["./app", "{{ prompt"], "not well formed"),
        (["sh", "-c", "echo {{ prompt }}"], "is code with a field in it"),
        (["/bin/bash", "-o", "pipefail", "-ec", "echo {{ prompt }}"], "is code with a field in it"),
        (["env", "A=1", "python3", "-c", "print('{{ prompt }}')"], "is code with a field in it"),
        (["node", "--eval={{ prompt }}"], "is code with a field in it"),
        (["timeout", "5", "perl", "-e", "{{ prompt }}"], "is code with a field in it"),
    ],
)
def test_a_command_that_would_not_do_what_is_meant_is_refused(folder, command, said):
    with pytest.raises((ArgumentError, TemplateError)) as caught:
        ExecModel(command, experiment_folder=folder)
    assert said in str(caught.value)
    assert caught.value.argument == "command"


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "tells.py", "-c", "{{ prompt }}"],
        ["python3", "-m", "app", "-e", "{{ prompt }}"],
        ["claude", "-p", "{{ prompt }}"],
        ["sh", "-c", 'app "$1"', "sh", "{{ prompt }}"],
        ["node", "./cli.js", "-p", "{{ prompt }}"],
    ],
)
def test_options_of_the_users_own_program_are_no_code(folder, command):
    ExecModel(command, experiment_folder=folder)


def test_a_nul_is_named_before_any_call_where_a_field_has_it(folder):
    with pytest.raises(TemplateError, match=r"command\[2\] would hold a NUL"):
        answer(model(folder, PYTHON, "tells.py", "{{ nul }}"))
    with pytest.raises(RequestRefusedError, match="would hold a NUL"):
        answer(model(folder), prompt="a\0b")
    assert json.loads(answer(model(folder, PYTHON, "tells.py", stdin="{{ nul }}")).text)["stdin"] == "a\0b"


@pytest.mark.parametrize(
    ("script", "args", "text"),
    [
        ("printf 'It is 4.\\n\\n'", {}, "It is 4."),
        ("printf ' a\\r\\n'", {}, " a"),
        ("echo '{\"a\": 4}'", {}, '{"a": 4}'),
        ('echo \'{"a": {"b": [1, "x"]}}\'', {"answer": "$.a.b[1]"}, "x"),
        ("echo '{\"a\": [1]}'", {"answer": "$.a"}, "[1]"),
        ("echo plain", {"answer": "$"}, "plain"),
        ("echo '\"text\"'", {"answer": "$"}, "text"),
        ("printf 'caf\\351'", {}, "caf\ufffd"),
        ("printf '\\357\\273\\277x'", {}, "x"),
        ("printf '\\303'", {}, "\ufffd"),
        ('echo \'{"a": ""}\'', {"answer": "$.a"}, ""),
        ("echo out; echo err >&2", {}, "out"),
    ],
)
def test_the_answer_is_what_is_written_or_stands_at_a_path(folder, script, args, text):
    assert answer(shell(folder, script, **args)).text == text


def test_further_parts_are_read_as_those_of_http(folder):
    script = """echo '{"text": "hi", "tokens": {"in": 3, "out": 4}, "why": "max_tokens", "sources": ["a"]}'"""
    response = answer(
        shell(
            folder, script, answer="$.text", keep={"sources": "$.sources", "none": "$.x"},
            reads={"input_tokens": "$.tokens.in", "output_tokens": "$.tokens.out", "finish_reason": "$.why"},
        )
    )  # fmt: skip
    assert (response.text, response.finish_reason, response.kept) == ("hi", "length", {"sources": ["a"]})
    assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("script", "args", "error", "said"),
    [
        (
            "echo half; echo 'no such key' >&2; exit 2",
            {},
            CommandFailedError,
            "ended with exit status 2: no such key",
        ),
        ("exit 1", {}, CommandFailedError, "ended with exit status 1"),
        ("kill -s SEGV $$", {}, CommandFailedError, "was ended by signal SIGSEGV"),
        ("exit 75", {}, ServerError, "asks to be run again: ended with exit status 75"),
        ("exit 9", {"exit_status": {"again": [9, 10]}}, ServerError, "exit status 9"),
        ("kill -s KILL $$", {"exit_status": {"again": [137]}}, ServerError, "SIGKILL"),
        ("true", {}, BadAnswerError, "wrote nothing to its standard output"),
        ("echo; echo ' '", {}, BadAnswerError, "wrote nothing to its standard output"),
        ("echo Loading; echo '{}'", {"answer": "$.a"}, BadAnswerError, "wrote what is not JSON: 'Loading {}'"),
        ("echo '{\"b\": 1}'", {"answer": "$.a"}, BadAnswerError, "nothing at $.a; it sent the fields b"),
        ('echo \'{"error": {"message": "slow"}}\'', {"answer": "$.a"}, CommandFailedError, "with an error: slow"),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_why(folder, script, args, error, said):
    with pytest.raises(error) as caught:
        answer(shell(folder, script, **args))
    assert said in caught.value.message


def test_statuses_that_the_user_lists_are_answers_or_refusals(folder):
    statuses = {"answered": [1], "refused": 3}
    assert answer(shell(folder, "echo found; exit 1", exit_status=statuses)).text == "found"
    refused = answer(shell(folder, "echo 'I may not.'; exit 3", exit_status=statuses))
    assert (refused.text, refused.finish_reason) == ("I may not.", "refusal")


def test_of_long_errors_the_end_is_quoted_without_terminal_controls(folder):
    script = "yes filler | head -30000 >&2; printf '\\033[31mreal \\033]0;title\\007cause\\033[0m\\007\\n' >&2; exit 1"
    with pytest.raises(CommandFailedError) as caught:
        answer(shell(folder, script))
    assert caught.value.message.endswith("filler real cause")
    assert len(caught.value.message) < 600
    assert caught.value.message.isprintable()


def test_output_without_end_is_an_error(folder):
    with pytest.raises(CommandFailedError, match="wrote more than 16,777,216 bytes"):
        answer(shell(folder, "yes"))


def test_arguments_that_are_too_long_are_refused_with_a_way_out(folder):
    with pytest.raises(RequestRefusedError, match="send long texts on stdin"):
        answer(model(folder), prompt="x" * 200_000)


@pytest.mark.parametrize(
    ("env", "seen"),
    [
        (["OWN"], {"OWN": "value-of-own"}),
        ({"MODE": "fast", "LANG": "C", "ASKED": "{{ lang }}"}, {"MODE": "fast", "LANG": "C", "ASKED": "de"}),
        ({"TEAM": FromEnvironment.of("{{ x }}", "${OWN}")}, {"TEAM": "{{ x }}"}),
        (None, {}),
    ],
)
def test_only_variables_that_are_named_reach_it(folder, monkeypatch, env, seen):
    monkeypatch.setenv("OWN", "value-of-own")
    monkeypatch.setenv("OTHER", "value-of-other")
    told_of = model(
        folder, PYTHON, "-c", "import json, os; print(json.dumps(dict(os.environ)))", "{{ prompt }}", env=env
    )
    names = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "USER"}
    listed = json.loads(answer(told_of).text.replace("[redacted]", os.environ["OWN"]))
    assert {name: value for name, value in listed.items() if name in seen} == seen
    assert set(listed) <= names | set(seen)


def test_a_variable_that_has_no_value_is_missed_when_it_is_run_and_not_before(folder, monkeypatch):
    monkeypatch.delenv("OWN", raising=False)
    asked = model(folder, env=["OWN"])
    assert asked.identity()["env"] == {"OWN": "${OWN}"}
    with pytest.raises(AuthError, match="environment variable OWN, which is not set"):
        asked.check()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"env": "OWN"}, "a list of names"),
        ({"env": ["OWN=sk-secret-1234"]}, "item 1 of env is no name of a variable"),
        ({"env": ["OWN", "a b"]}, "item 2 of env is no name"),
        ({"env": {"N": 3}}, "env.N is of type int"),
        ({"env": {"N": "{name}"}}, "write {{ name }}"),
        ({"reads": {"output_tokens": "$.n"}}, "add answer: $.text"),
        ({"keep": {"x": "$.n"}}, "add answer: $.text"),
        ({"answer": "text..x"}, "is not a path"),
        ({"exit_status": {"agian": [3]}}, "did you mean 'again'"),
        ({"exit_status": {"again": [0]}}, "whole numbers from 1 to 255"),
        ({"exit_status": {"again": [3], "refused": [3]}}, "two meanings"),
        ({"fresh": True}, "beside cwd"),
        ({"fresh": "yes", "cwd": "."}, "true or false"),
        ({"cwd": ""}, "cwd is ''"),
        ({"files": [3]}, "files is [3]"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"model_name": 3}, "model_name is 3"),
    ],
)
def test_a_wrong_argument_is_named(folder, args, said):
    with pytest.raises((ArgumentError, TemplateError)) as caught:
        model(folder, **args)
    assert said in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_an_edit_of_the_program_or_of_its_files_is_another_identity(folder):
    (folder / "app").write_text("#!/bin/sh\necho 1\n")
    (folder / "app").chmod(0o755)
    (folder / "prompts").mkdir()
    (folder / "prompts" / "v1.md").write_text("one")
    seen = set()
    for path, text in (
        ("app", "#!/bin/sh\necho 2 \n"), ("settings.json", "{}"), ("prompts/v1.md", "other"), ("prompts/v2.md", "two"),
        ("tells.py", "print(1)"), ("unrelated", "x"),
    ):  # fmt: skip
        (folder / path).write_text(text)
        made = model(folder, "./app", "--config=settings.json", "tells.py", "{{ prompt }}", files=["prompts"])
        seen.add(json.dumps(made.identity(), sort_keys=True))
    assert len(seen) == 5
    assert sorted(made.identity()["files"]) == ["./app", "prompts", "settings.json", "tells.py"]
    assert str(folder) not in json.dumps(made.identity())


def test_a_recorded_identity_stands_in_for_what_is_not_here_and_never_for_an_edit(folder):
    recorded = model(folder, "python3", "tells.py", "{{ prompt }}").facts()
    elsewhere = {**recorded, "python3": "of another python"}
    here = model(folder, "python3", "tells.py", "{{ prompt }}")
    assert here.origin() == model(folder, "python3", "tells.py", "{{ prompt }}").origin()
    here.assume(elsewhere)
    assert here.facts() == elsewhere
    (folder / "tells.py").write_text("print(2)")
    assert here.facts() != elsewhere
    (folder / "tells.py").unlink()
    assert here.facts() == elsewhere


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        (["./tels.py", "{{ prompt }}"], {}, "did you mean 'tells.py'"),
        (["./tells.py", "{{ prompt }}"], {}, "may not be run"),
        (["./app --ask", "{{ prompt }}"], {}, "each argument as an item of its own"),
        (["no-such-program", "{{ prompt }}"], {}, "in the folders of PATH"),
        (["python3", "tells.py", "{{ prompt }}"], {"files": ["tels.py"]}, "did you mean 'tells.py'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": "none", "fresh": True}, "there is no folder 'none'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": "tels.py"}, "did you mean 'tells.py'"),
        (["python3", "tells.py", "{{ prompt }}"], {"cwd": ".", "fresh": True}, "holds the experiment itself"),
        (["python3", "tells.py", "{{ prompt }}"], {"files": [".."]}, "holds the experiment itself"),
    ],
)
def test_what_is_missing_is_named_with_what_is_near(folder, command, args, said):
    with pytest.raises(ArgumentError) as caught:
        model(folder, *command, **args).identity()
    assert said in str(caught.value)


def test_a_program_is_looked_for_where_it_runs_and_then_beside_the_experiment(folder):
    (folder / "in").mkdir()
    for path, text in (("app", "outer"), ("in/app", "inner"), ("only", "outer")):
        (folder / path).write_text(f"#!/bin/sh\necho {text} $1\npwd\n")
        (folder / path).chmod(0o755)
    assert answer(model(folder, "./app", "{{ lang }}", cwd="in")).text == f"inner de\n{folder}/in"
    assert answer(model(folder, "./only", "{{ lang }}", cwd="in")).text == f"outer de\n{folder}/in"


def test_a_fresh_folder_is_a_copy_for_each_call_and_is_gone_afterwards(folder):
    work = folder / "work"
    (work / "deep").mkdir(parents=True)
    (work / "deep" / "file").write_text("original")
    (work / "link").symlink_to("deep/file")
    (work / "run.sh").write_text('#!/bin/sh\ncat link; echo "$1" > deep/file; chmod 000 deep; pwd\n')
    (work / "run.sh").chmod(0o755)
    asked = model(folder, "./run.sh", "{{ prompt }}", cwd="work", fresh=True)
    for _ in range(2):
        text = answer(asked).text
        assert text.startswith("original")
        assert not os.path.exists(text.removeprefix("original"))
    assert (work / "deep" / "file").read_text() == "original"
    assert stat.S_IMODE((work / "deep").stat().st_mode) != 0
    before = asked.identity()
    (work / "deep" / "file").write_text("edited")
    assert asked.identity() != before


def test_a_fresh_folder_may_use_what_stands_beside_the_experiment(folder):
    (folder / "work").mkdir()
    script = "{{ experiment_folder }}/tells.py"
    asked = model(folder, "python3", script, "{{ prompt }}", cwd="work", fresh=True)
    seen = json.loads(answer(asked).text)
    assert seen["arguments"] == ["What is asked"]
    assert seen["cwd"] != str(folder / "work")
    assert script in asked.identity()["files"]


@pytest.mark.parametrize("link", ["/etc/passwd", "../secret", "here/../../secret", "here"])
def test_a_link_that_leads_out_of_a_fresh_folder_is_refused(folder, link):
    (folder / "work").mkdir()
    (folder / "secret").write_text("x")
    (folder / "work" / "here").symlink_to("." if link != "here" else "..")
    (folder / "work" / "link").symlink_to(link)
    with pytest.raises(ArgumentError, match="which leads out of it"):
        model(folder, cwd="work", fresh=True).identity()


def test_a_pipe_in_a_fresh_folder_is_refused(folder):
    (folder / "work").mkdir()
    os.mkfifo(folder / "work" / "pipe")
    with pytest.raises(ArgumentError, match="neither a file nor a folder"):
        model(folder, cwd="work", fresh=True).identity()


def test_a_program_that_is_taken_away_meanwhile_stops_the_run(folder):
    (folder / "app").write_text("#!/bin/none\n")
    (folder / "app").chmod(0o755)
    asked = model(folder, "./app", "{{ prompt }}")
    with pytest.raises(ModelUnavailableError, match="its first line names"):
        answer(asked)
    (folder / "app").write_text("echo no first line")
    with pytest.raises(ModelUnavailableError, match="#!/bin/sh"):
        answer(asked)
    (folder / "app").unlink()
    with pytest.raises(ModelUnavailableError, match="there is no program"):
        answer(asked)


def test_thoughts_are_split_off(folder):
    response = answer(shell(folder, "echo '<think>hm</think>4'"))
    assert (response.text, response.reasoning) == ("4", "hm")
