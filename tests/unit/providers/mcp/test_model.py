"""An MCP server as a model: how it is started, reached, asked and ended, and what is read of it."""

import asyncio
import gc
import threading

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import (
    ArgumentError,
    AuthError,
    CommandFailedError,
    ModelError,
    ModelUnavailableError,
    RequestRefusedError,
    ToolTimeoutError,
)
from insideLLMs.core.types import Example, Message, Request
from insideLLMs.probes.contains import ContainsProbe
from insideLLMs.probes.exact import EqualsProbe
from insideLLMs.providers.mcp.model import McpModel
from support.mcp_servers import CITY, FORECAST, SAYS, HttpServer, ask, call, server_model, starts
from support.processes import PYTHON, is_there


def test_one_server_answers_all_calls_of_a_run(tmp_path):
    model = server_model(tmp_path, SAYS % "return text('warm in ' + arguments['city'])")
    answers = ask(model, *(call(city=f"city {number}") for number in range(20)))
    assert [answer.text for answer in answers] == [f"warm in city {number}" for number in range(20)]
    assert starts(tmp_path) == 1


def test_the_server_that_says_its_tools_answers_the_calls(tmp_path):
    model = server_model(tmp_path, SAYS % "return text(str(os.getpid()))")
    assert [tool["name"] for tool in model.facts()["tools"]] == ["forecast"]
    [answer] = ask(model, call())
    assert starts(tmp_path) == 1
    assert not is_there(int(answer.text))


def test_a_server_that_nobody_closes_ends_with_its_model(tmp_path):
    before = set(threading.enumerate())
    model = server_model(tmp_path, SAYS % "return text(str(os.getpid()))")
    model.facts()
    pid = int(asyncio.run(model.respond(call())).text)
    loops = [thread for thread in set(threading.enumerate()) - before if thread.name == "insidellms-loop"]
    del model
    gc.collect()
    for thread in loops:
        thread.join()
    assert not is_there(pid)


def test_with_fresh_each_call_has_a_server_of_its_own(tmp_path):
    code = "COUNT = []\n" + SAYS % "COUNT.append(1); return text(str(len(COUNT)))"
    assert [answer.text for answer in ask(server_model(tmp_path, code, fresh=True), call(), call())] == ["1", "1"]
    assert starts(tmp_path) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("return text('20 degrees', isError=True)", {"message": "20 degrees", "in": "result"}),
        ("raise Refused(-32602, 'no city')", {"message": "no city", "in": "protocol", "code": -32602}),
        ("raise Refused(-32000, 'busy')", {"message": "busy", "in": "protocol", "code": -32000}),
    ],
)
def test_the_text_of_a_failed_call_passes_for_no_answer(tmp_path, code, error):
    [answer] = ask(server_model(tmp_path, SAYS % code), call(city="Rome"))
    assert (answer.text, answer.finish_reason, answer.kept) == ("", "error", {"error": error})


WARM = {"type": "object", "properties": {"celsius": {"type": "integer"}}, "required": ["celsius"]}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("{'celsius': 20}", None),
        ("{'celsius': 'warm'}", "the structured content breaks the output schema: $.celsius: 'warm' is not of type"),
        ("{}", "the structured content breaks the output schema: $: 'celsius' is a required property"),
        ("None", "the structured content breaks the output schema: $: None is not of type 'object'"),
    ],
)
def test_an_answer_against_the_output_schema_is_an_error(tmp_path, given, complaint):
    code = SAYS % f"return text('20', structuredContent={given})"
    [answer] = ask(server_model(tmp_path, code, tools=[{**FORECAST, "outputSchema": WARM}]), call(city="Rome"))
    assert answer.text == ("20" if complaint is None else "")
    if complaint is not None:
        assert answer.kept["error"]["message"].startswith(complaint)
        assert answer.kept["error"]["in"] == "schema"


def test_structured_content_that_is_missing_is_an_error(tmp_path):
    [answer] = ask(server_model(tmp_path, tools=[{**FORECAST, "outputSchema": WARM}]), call(city="Rome"))
    assert answer.kept["error"]["message"] == "the tool has an output schema, and gave no structured content"


def test_a_crash_fails_its_call_with_the_servers_own_words_and_the_next_call_starts_another(tmp_path):
    code = (
        SAYS
        % "sys.stderr.write('out of cheese\\n') if arguments else 0; os._exit(3) if arguments else 0; return text('up')"
    )
    model = server_model(tmp_path, code)

    async def main():
        with pytest.raises(CommandFailedError) as raised:
            await model.respond(call(city="Rome"))
        answer = await model.respond(call())
        await model.aclose()
        return str(raised.value), answer.text

    said, after = asyncio.run(main())
    assert said.startswith("the MCP server")
    assert said.endswith('during a call of forecast({"city":"Rome"}), ended with exit status 3: out of cheese')
    assert (after, starts(tmp_path)) == ("up", 2)


def test_a_call_without_an_answer_in_time_is_not_made_again(tmp_path):
    code = SAYS % "time.sleep(600 if arguments else 0); return text('up')"
    model = server_model(tmp_path, code, timeout_s=0.3)
    model.facts()
    [error] = ask(model, call(city="Rome"))
    assert isinstance(error, ToolTimeoutError)
    assert not error.retryable
    assert 'did not answer a call of forecast({"city":"Rome"}) within 0.3 s' in str(error)


def test_nothing_is_left_of_a_server_that_ignores_its_end(tmp_path):
    code = """
def closed():
    open("child", "w").write(str(os.getpid()))
    time.sleep(600)
"""
    code += SAYS % "pid = os.fork()\n    if not pid: time.sleep(600)\n    return text(str(pid))"
    [answer] = ask(server_model(tmp_path, code), call())
    assert not is_there(int(answer.text))
    assert not is_there(int((tmp_path / "child").read_text()))


ANSWERS = """
import json, sys
for line in sys.stdin:
    if "id" in (asked := json.loads(line)):
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **%r}), flush=True)
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([PYTHON, "-c", "raise SystemExit('no licence')"], "cannot be used: ended with exit status 1: no licence"),
        ([PYTHON, "-c", "print('Welcome!'); input()"], "that is not a message: 'Welcome!'"),
        (["sleep", "600"], "cannot be used: did not answer within 0.5 s"),
        ([PYTHON, "-c", ANSWERS % {"error": {"code": -1, "message": "no seat left"}}], "cannot be used: no seat left"),
        ([PYTHON, "-c", ANSWERS % {"result": {}}], "Field required"),
    ],
)
def test_a_server_that_does_not_speak_says_why(tmp_path, command, said):
    model = McpModel(command=command, experiment_folder=tmp_path, start_timeout_s=0.5 if command[0] == "sleep" else 30)
    with pytest.raises(ModelUnavailableError) as raised:
        model.facts()
    assert said in str(raised.value)


def test_a_server_sees_the_variables_that_are_named_and_none_of_its_secrets_is_answered(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_TEST", "tok-f00d-f00d-f00d")
    monkeypatch.setenv("OTHER_OF_TEST", "never")
    code = SAYS % "return text(json.dumps(dict(os.environ)))"
    named = server_model(tmp_path, code, env=["TOKEN_OF_TEST"])
    [answer] = ask(named, call())
    assert '"TOKEN_OF_TEST": "[redacted]"' in answer.text
    assert "OTHER_OF_TEST" not in answer.text
    assert "tok-f00d" not in str(named.identity())
    told = server_model(tmp_path, "sys.exit(os.environ['TOKEN_OF_TEST'])", env=["TOKEN_OF_TEST"])
    [error] = ask(told, call())
    assert str(error).count("[redacted]") == 1
    assert "f00d" not in str(error)


def test_all_pages_of_tools_are_read_and_their_order_is_nothing(tmp_path):
    tools = [{**FORECAST, "name": f"tool_{number}"} for number in range(5)]
    paged = server_model(tmp_path, tools=tools, page=2).identity()["tools"]
    assert [tool["name"] for tool in paged] == [f"tool_{number}" for number in range(5)]
    assert server_model(tmp_path, tools=tools[::-1]).identity()["tools"] == paged
    with pytest.raises(CommandFailedError, match="has no end"):
        server_model(tmp_path, "def listed(cursor): return {'tools': TOOLS, 'nextCursor': 'again'}").facts()


def test_the_identity_has_the_tools_and_the_bytes_of_the_server(tmp_path):
    before = server_model(tmp_path).identity()
    assert before["tools"] == [
        {
            "name": "forecast",
            "description": "Say how warm it is.",
            "parameters": CITY,
            "annotations": {"readOnlyHint": True},
        }
    ]
    assert before["server"] == {"name": "fake", "version": "1"}
    assert server_model(tmp_path, "# another").identity()["files"] != before["files"]


def test_a_replay_takes_the_recorded_tools_and_starts_nothing(tmp_path):
    recorded = server_model(tmp_path)
    facts = recorded.facts()
    again = server_model(tmp_path)
    (tmp_path / "starts").unlink()
    assert again.origin() == recorded.origin()
    again.assume(facts)
    assert again.identity() == recorded.identity()
    assert not (tmp_path / "starts").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "names both or neither"),
        ({"command": ["x"], "base_url": "http://localhost/mcp"}, "names both or neither"),
        ({"command": "npx server"}, "there is no shell to split it"),
        ({"command": ["x", "{{ prompt }}"]}, "a server is started once for all examples"),
        ({"command": ["x"], "headers": {"A": "b"}}, "headers is not for a server that has `command`"),
        ({"base_url": "http://localhost/mcp", "env": ["A"]}, "env is not for a server that has `base_url`"),
        ({"base_url": "localhost/mcp"}, "must begin with http"),
        ({"command": ["x"], "timeout_s": 0}, "timeout_s is 0"),
        ({"command": ["x"], "fresh": "yes"}, "fresh is 'yes'"),
        ({"command": ["x"], "cwd": ""}, "cwd is ''"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(args, said):
    with pytest.raises(ArgumentError) as raised:
        McpModel(**args)
    assert said in str(raised.value)


def test_what_is_no_call_is_refused(tmp_path):
    model = server_model(tmp_path)
    two = Message(role="assistant", tool_calls=call().messages[0].tool_calls * 2)
    for error in ask(model, Request.of("How warm is it?"), Request(messages=(two,))):
        assert isinstance(error, RequestRefusedError)
        assert "one call of a tool at a time" in str(error)


def test_a_missing_sdk_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("insideLLMs.providers.in_process.model.util.find_spec", lambda name: None)
    with pytest.raises(ModelUnavailableError) as raised:
        server_model(tmp_path).check()
    assert "pip install 'insidellms[mcp]'" in str(raised.value)


def test_a_server_at_an_address_gets_its_key_and_headers_and_none_of_them_is_written(monkeypatch):
    monkeypatch.setenv("TOKEN_OF_TEST", "tok-f00d-f00d-f00d")
    with HttpServer(said="your key is tok-f00d-f00d-f00d") as server:
        model = McpModel(base_url=server.url + "/mcp", api_key_env="TOKEN_OF_TEST", headers={"X-Tenant": "7"})
        identity = model.identity()
        [answer] = ask(model, call(city="Rome"))
        alone = McpModel(base_url=server.url, api_key_env="TOKEN_OF_TEST", key_header="X-Key")
        alone.facts()
    assert {(one.get("Authorization"), one.get("X-Tenant")) for one in server.heard[:4]} == {
        ("Bearer tok-f00d-f00d-f00d", "7")
    }
    assert server.heard[-1]["X-Key"] == "tok-f00d-f00d-f00d"
    assert answer.text == "your key is [redacted]"
    assert identity["base_url"] == server.url + "/mcp"
    assert identity["tools"][0]["name"] == "forecast"
    assert "f00d" not in str((identity, answer, model.origin()))


def test_a_call_that_breaks_the_connection_fails_alone():
    with HttpServer(breaks=lambda city: city == "Atlantis") as server:
        model = McpModel(base_url=server.url)

        async def main():
            answers = [await model.respond(call(city="Rome"))]
            with pytest.raises(CommandFailedError) as raised:
                await model.respond(call(city="Atlantis"))
            answers.append(await model.respond(call(city="Oslo")))
            await model.aclose()
            return [answer.text for answer in answers], str(raised.value)

        texts, said = asyncio.run(main())
    assert texts == ["ok", "ok"]
    assert "during a call of forecast" in said


@pytest.mark.parametrize("sse", [False, True])
def test_an_address_where_nobody_listens_is_named(sse):
    with HttpServer() as server:
        url = server.url
    with pytest.raises(ModelUnavailableError) as raised:
        McpModel(base_url=url, sse=sse).facts()
    assert f"the MCP server at {url} cannot be used" in str(raised.value)


def test_a_key_that_is_missing_is_named_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("TOKEN_OF_TEST", raising=False)
    with pytest.raises(AuthError, match="TOKEN_OF_TEST is not set"):
        McpModel(base_url="https://tools.example.com/mcp", api_key_env="TOKEN_OF_TEST").check()


def test_a_server_that_closes_its_output_is_ended(tmp_path):
    [error] = ask(server_model(tmp_path, SAYS % "os.close(1); time.sleep(600)"), call())
    assert str(error).endswith("closed the connection, and was ended")


def test_a_bound_of_64_bits_keeps_no_server_from_being_tested(tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 2**64 - 1}}}
    model = server_model(tmp_path, tools=[{**FORECAST, "inputSchema": schema}])
    assert b"1.8446744073709552e+19" in canonical.line(model.identity())
    [listed] = ask(model, Request.of("tools/list"))
    assert listed.text == "forecast"


def test_a_list_of_tools_that_takes_too_long_names_the_limit_of_a_start(tmp_path):
    model = server_model(tmp_path, "def listed(cursor): time.sleep(600)", start_timeout_s=1, timeout_s=0.01)
    with pytest.raises(ModelError, match=r"did not answer(?: tools/list)? within 1 s") as found:
        model.facts()
    assert found.value.fix.startswith("raise start_timeout_s")


def test_the_text_of_a_resource_is_text_and_of_a_failed_call_checks_say_why(tmp_path):
    code = """
def answer(name, arguments):
    if arguments:
        return text('no such city', isError=True)
    inner = {"type": "resource", "resource": {"uri": "file:///x", "text": "warm"}}
    return {"content": [{"type": "text", "text": "It is"}, inner, {"type": "resource_link", "uri": "y", "name": "y"}]}
"""
    warm, failed = ask(server_model(tmp_path, code), call(), call(city="Nowhere"))
    assert warm.text == "It is\nwarm"
    assert [block["type"] for block in warm.kept["content"]] == ["resource", "resource_link"]
    for probe in (ContainsProbe(any=["x"]), EqualsProbe()):
        scored = probe.score(Example(id="1", input="x", expected=("x",)), failed)
        assert scored.explanation == "the answer is empty: the call failed: no such city"
