"""A command as a model: what it is given, and what is read of it."""

import asyncio
import json

import pytest

from insideLLMs.core.errors import (
    ArgumentError,
    BadAnswerError,
    CommandFailedError,
    RequestRefusedError,
    ServerError,
    TemplateError,
)
from insideLLMs.core.types import Message, Request
from insideLLMs.providers.commands.exec_model import ExecModel
from support.exec_commands import answer, folder_of, model, shell, told
from support.processes import PYTHON


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path)


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
        (["docker", "run", "image", "sh", "-c", "app {{ prompt }}"], "is code with a field in it"),
        (["find", ".", "-exec", "sh", "-c", "app {{ prompt }}"], "is code with a field in it"),
        (["ssh", "host", "app '{{ prompt }}'"], "is code with a field in it"),
        (["awk", "-v", "a=1", 'BEGIN {print "{{ prompt }}"}'], "is code with a field in it"),
        (["sed", "-n", "-e", "s/a/{{ prompt }}/"], "is code with a field in it"),
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
        ["./app", "--lang", "python", "-e", "{{ prompt }}"],
        ["docker", "run", "image", "{{ prompt }}"],
        ["awk", "-v", "asked={{ prompt }}", "BEGIN {print asked}"],
        ["awk", "-f", "app.awk", "{{ prompt }}"],
        ["sed", "s/a/b/", "{{ prompt }}"],
    ],
)
def test_options_of_the_users_own_program_are_no_code(folder, command):
    ExecModel(command, experiment_folder=folder)


@pytest.mark.parametrize("command", [["sh"], ["bash", "-s"], ["python3", "-"], ["python3", "-u"], ["node"]])
@pytest.mark.parametrize("stdin", ["{{ prompt }}", {"question": "{{ prompt }}"}])
def test_an_interpreter_that_would_run_what_is_asked_is_refused(folder, command, stdin):
    with pytest.raises(ArgumentError, match="runs its standard input: what an example holds would be run"):
        ExecModel(command, stdin=stdin, experiment_folder=folder)


@pytest.mark.parametrize("command", [["sh", "-c", "cat"], ["python3", "-m", "app"], ["node", "app"], ["cat"]])
def test_a_script_may_read_what_is_asked(folder, command):
    ExecModel(command, stdin="{{ prompt }}", experiment_folder=folder)


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


def test_what_an_agent_did_is_read_from_what_it_writes(folder):
    script = """echo '{"steps": [{"type": "function_call", "call_id": "1", "name": "ls", "arguments": "{}"}]}'"""
    response = answer(shell(folder, script, trajectory="$.steps"))
    assert (response.text, [call.name for call in response.calls]) == ("", ["ls"])


def test_json_lines_are_a_trajectory_as_coding_agents_write_them(folder):
    call = '{"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "ls", "input": {}}]}'
    said = '{"type": "assistant", "message": {"role": "assistant", "content": "Done."}}'
    response = answer(shell(folder, f"echo '{call}'; echo; echo '{said}'", trajectory="$"))
    assert (response.text, [call.name for call in response.calls]) == ("Done.", ["ls"])


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
        (
            "echo '{\"a\": 1}'",
            {"trajectory": "$.a"},
            BadAnswerError,
            "wrote no trajectory at $.a: the trajectory is a n",
        ),
        ("echo '{\"a\": 1}'", {"trajectory": "$.b"}, BadAnswerError, "nothing at $.b; it sent the fields a"),
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
    ("args", "said"),
    [
        ({"env": "OWN"}, "a list of names"),
        ({"env": ["OWN=sk-secret-1234"]}, "item 1 of env is no name of a variable"),
        ({"env": ["OWN", "a b"]}, "item 2 of env is no name"),
        ({"env": {"N": 3}}, "env.N is of type int"),
        ({"env": {"N": "{name}"}}, "write {{ name }}"),
        ({"reads": {"output_tokens": "$.n"}}, "add answer: $.text"),
        ({"keep": {"x": "$.n"}}, "add answer: $.text"),
        ({"answer": "text.[x"}, "is not a path"),
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


def test_thoughts_are_split_off(folder):
    response = answer(shell(folder, "echo '<think>hm</think>4'"))
    assert (response.text, response.reasoning) == ("4", "hm")
