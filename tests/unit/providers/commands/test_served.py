"""A model whose server is started for it: at a port of its own, never by two, and never left behind."""

import asyncio
import contextlib
import sys

import pytest

from insideLLMs import ServedModel
from insideLLMs.core.errors import ArgumentError, AuthError, ConnectionFailedError, ModelUnavailableError
from insideLLMs.core.types import Request
from support.command import write_files
from support.own_server import __file__ as program
from support.processes import is_there, wait_until_gone

COMMAND = [sys.executable, program, "--port", "{{ port }}", "--folder"]


def served(tmp_path, *words, **args):
    return ServedModel("m", command=[*COMMAND, str(tmp_path), *words], **args)


def starts(tmp_path):
    """Return the numbers of the processes that were started, the servers and their children."""
    log = tmp_path / "starts"
    lines = log.read_text().splitlines() if log.exists() else []
    return [[int(number) for number in line.split()[:2]] for line in lines]


def ask(model, *prompts):
    """Ask all prompts at once, twice each, and close the model."""

    async def asking():
        try:
            requests = [model.respond(Request.of(prompt)) for prompt in 2 * prompts]
            return [answer.text for answer in await asyncio.gather(*requests)]
        finally:
            await model.aclose()

    return asyncio.run(asking())


def test_one_server_is_started_for_all_calls_and_nothing_of_it_is_left(tmp_path):
    assert ask(served(tmp_path, "--loading", "3"), "one", "two") == ["one", "two", "one", "two"]
    (processes,) = starts(tmp_path)
    wait_until_gone(*processes)


def test_a_closed_model_starts_its_server_again(tmp_path):
    model = served(tmp_path)
    assert [ask(model, "one"), ask(model, "two")] == [["one", "one"], ["two", "two"]]
    assert len(starts(tmp_path)) == 2


def test_a_server_that_ends_is_started_again_but_not_for_ever(tmp_path, caplog):
    async def asking():
        model = served(tmp_path, "--answers", "1")
        try:
            while True:
                with contextlib.suppress(ConnectionFailedError):
                    await model.respond(Request.of("hello"))
        finally:
            await model.aclose()

    with pytest.raises(ModelUnavailableError, match=r"the server '.*' ended with status 9"):
        asyncio.run(asking())
    assert len(starts(tmp_path)) == 3
    assert sum("it is started again" in record.message for record in caplog.records) == 2


def test_what_a_server_says_before_it_ends_is_the_error_without_the_keys_that_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", "sk-canary-0123456789")
    model = served(tmp_path, "--broken", "no memory\nkey sk-canary-0123456789", env=["SERVER_KEY"])
    with pytest.raises(ModelUnavailableError) as raised:
        ask(model, "hello")
    assert "ended with status 3: no memory / key [redacted]" in raised.value.message
    assert "--broken" in raised.value.fix


def test_a_server_that_is_never_ready_is_ended_and_named(tmp_path):
    model = served(tmp_path, "--loading", "1000000", start_timeout_s=2)
    with pytest.raises(ModelUnavailableError, match="did not answer at /health within 2 s"):
        ask(model, "hello")
    wait_until_gone(*(number for processes in starts(tmp_path) for number in processes))


def test_a_program_that_is_not_there_is_named_when_it_is_asked():
    model = ServedModel("m", command=["no-such-server", "--port", "{{ port }}"])
    model.check()
    with pytest.raises(ModelUnavailableError, match="there is no program 'no-such-server'"):
        ask(model, "hello")


def test_variables_reach_the_server_and_the_port_may_be_in_one(tmp_path):
    model = served(tmp_path, env={"GREETING": "port {{ port }}: "})
    port = ask(model, "hello")[0].removeprefix("port ").removesuffix(": hello")
    assert int(port) > 1023


def test_the_gpus_that_were_given_to_this_process_are_those_of_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    show = 'import os; open("seen", "w").write(os.environ["CUDA_VISIBLE_DEVICES"]); raise SystemExit(3) # {{ port }}'
    with pytest.raises(ModelUnavailableError, match="ended with status 3"):
        ask(ServedModel("m", command=[sys.executable, "-c", show], experiment_folder=tmp_path), "hello")
    assert (tmp_path / "seen").read_text() == "7"


def test_identity_is_the_command_with_its_files_and_no_port(tmp_path):
    write_files(tmp_path, {"chat.jinja": "{{ messages }}"})
    command = ["vllm", "serve", "--port", "{{port}}", "--chat-template", "chat.jinja"]
    made = lambda **args: ServedModel("m", command=command, experiment_folder=tmp_path, **args).identity()  # noqa: E731
    before = made()
    assert before["command"] == command
    assert "base_url" not in before
    assert made(temperature=0.5) != before
    assert made(env={"MODE": "fast"}) != before
    assert made(start_timeout_s=9, ready="/v1/models") == before
    write_files(tmp_path, {"chat.jinja": "other"})
    assert made() != before


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"command": "vllm serve"}, "command is 'vllm serve'; it must be a list"),
        ({"command": []}, "command is .*a list"),
        ({"command": ["vllm", 8000]}, "command is .*a list"),
        ({"command": ["vllm", "serve"]}, "where the server takes its port"),
        ({"ready": "health"}, "a path of the server, such as /health"),
        ({"start_timeout_s": 0}, "start_timeout_s is 0"),
        ({"base_url": "http://elsewhere"}, "base_url is that of the server that is started"),
        ({"temperature": 9}, "temperature is 9"),
        ({"env": ["NO SUCH"]}, "item 1 of env is no name"),
    ],
)
def test_arguments_that_no_server_can_have_are_refused(args, says):
    with pytest.raises(ArgumentError, match=says):
        ServedModel("m", **{"command": ["s", "{{ port }}"], **args})


def test_a_variable_that_is_missing_is_named_before_anything_is_started(monkeypatch):
    monkeypatch.delenv("SERVER_KEY", raising=False)
    with pytest.raises(AuthError, match="SERVER_KEY"):
        ServedModel("m", command=["s", "{{ port }}"], env=["SERVER_KEY"]).check()


def test_a_call_that_is_given_up_while_the_server_starts_leaves_it_to_the_others(tmp_path):
    async def asking():
        model = served(tmp_path, "--loading", "5")
        first, second = (asyncio.create_task(model.respond(Request.of(text))) for text in ("one", "two"))
        await asyncio.sleep(0)
        first.cancel()
        answer = (await second).text
        alive = [is_there(number) for number in starts(tmp_path)[0]]
        await model.aclose()
        return answer, alive

    assert asyncio.run(asking()) == ("two", [True, True])
    assert len(starts(tmp_path)) == 1
    wait_until_gone(*starts(tmp_path)[0])
