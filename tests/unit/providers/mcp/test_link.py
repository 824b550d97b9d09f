"""What a server sends that is no answer: what fails its call, what harms nothing, and what is said of it."""

import pytest

from insideLLMs.core.errors import CommandFailedError
from insideLLMs.core.types import Request
from insideLLMs.providers.mcp.model import McpModel
from support.mcp_servers import FORECAST, SAYS, HttpServer, ask, call, server_model


def test_a_line_that_is_no_message_is_left_out_and_named_at_the_end(tmp_path):
    model = server_model(tmp_path, "print('starting up')")
    [answer, shutdown] = ask(model, call(city="Rome"), Request.of("shutdown"))
    assert answer.text == "ok"
    assert shutdown.kept == {
        "status": 0,
        "fault": "it wrote a line to its standard output that is not a message: 'starting up'",
    }


@pytest.mark.parametrize("value", ["float('nan')", "2**70", "json.loads('{\"a\":' * 150 + '1' + '}' * 150)"])
def test_a_value_that_no_file_can_hold_fails_its_call(tmp_path, value):
    [error] = ask(server_model(tmp_path, SAYS % f"return text('x', structuredContent={{'a': {value}}})"), call())
    assert isinstance(error, CommandFailedError)
    assert "answered with JSON that readers understand differently: it.structured.a" in str(error)


def test_a_line_that_is_no_message_is_named_where_a_call_ends_without_an_answer(tmp_path):
    model = server_model(tmp_path, "print('just text')\n" + SAYS % "time.sleep(600)", timeout_s=0.3)
    model.facts()
    [error] = ask(model, call())
    assert "within 0.3 s; it wrote a line to its standard output that is not a message" in str(error)


@pytest.mark.parametrize(
    "oddity",
    [
        "sys.stdout.buffer.write(b'\\xff\\xfe\\x00\\n\\r\\n\\n'); sys.stdout.flush()",
        "send({'id': 1, 'result': text('too late')})",
        "[send({'method': 'notifications/message', 'params': {'level': 'info', 'data': 'x'}}) for _ in range(1000)]",
        "sys.stderr.write('e' * 5000000)",
        "sys.stdout.write('[' * 100000 + ']' * 100000 + '\\n'); sys.stdout.flush()",
    ],
)
def test_what_a_server_writes_beside_its_answer_does_no_harm(tmp_path, oddity):
    [answer] = ask(server_model(tmp_path, SAYS % f"{oddity}; return text('ok')"), call())
    assert answer.text == "ok"


RAW = "import re\n" + SAYS % "sys.stdout.write(%s + '\\n'); sys.stdout.flush(); time.sleep(600)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("""'{"jsonrpc": "2.0", "id": %d, "result": {' % call["id"]""", "(Invalid JSON: EOF while parsing"),
        ("""'{"id": %d, "result": {}}' % call["id"]""", """(JSON, but no JSON-RPC 2.0): '{"id": 4, "result": {}}'"""),
        ("""'[{"jsonrpc": "2.0", "id": %d, "result": {}}]' % call["id"]""", "(JSON, but no JSON-RPC 2.0): '[{"),
        ("""'{"jsonrpc": "2.0", "id": 999, "result": {}}'""", "a request with the id '999', which nobody made"),
        ("""'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "eh?"}}'""", "sent an error: 'eh?'"),
        ("""'{"jsonrpc": "2.0", "id": 4, "result": ' + '[' * 900 + ']' * 900 + '}'""", "recursion limit exceeded"),
        ("""'loading {"jsonrpc": "2.0", "id": 4, "result": {}}'""", "'loading {\"jsonrpc"),
        ("""'{"jsonrpc": "' + os.environ["HELD"] + '"}'""", """'{"jsonrpc": "[redacted]"}'"""),
        ("""'{"jsonrpc": ' + ' ' * 1590 + os.environ["HELD"]""", "message"),
    ],
)
def test_what_stands_for_an_answer_and_is_none_is_named_at_once(tmp_path, monkeypatch, line, said):
    monkeypatch.setenv("HELD", "tok-f00d-f00d-f00d")
    model = server_model(tmp_path, RAW % line, timeout_s=600, env=["HELD"])
    [error] = ask(model, call(city="Rome"))
    assert isinstance(error, CommandFailedError)
    assert 'did not answer a call of forecast({"city":"Rome"}): it ' in str(error)
    assert said in str(error)
    assert "f00d" not in str(error)


def test_of_several_calls_only_that_fails_whose_answer_is_none(tmp_path):
    code = SAYS % "return [] if arguments['city'] == 'Rome' else text('ok')"
    model = server_model(tmp_path, code, timeout_s=600)
    answers = ask(model, *(call(city=city) for city in ("Bonn", "Rome", "Oslo")))
    assert [getattr(answer, "text", type(answer)) for answer in answers] == ["ok", CommandFailedError, "ok"]


def test_what_a_server_says_beside_the_protocol_is_named_at_once_and_without_secrets(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HELD", "tok-f00d-f00d-f00d")
    model = server_model(tmp_path, "for _ in range(9): print('key', os.environ['HELD'])", env=["HELD"])
    answers = ask(model, call(), call())
    assert [answer.text for answer in answers] == ["ok", "ok"]
    [warning] = caplog.messages
    assert warning.endswith("it wrote a line to its standard output that is not a message: 'key [redacted]'")


def test_an_answer_over_http_that_nobody_asked_for_is_named_at_once():
    with HttpServer(answer_id=lambda asked: 999) as server:
        [error] = ask(McpModel(base_url=server.url, timeout_s=600), call(city="Rome"))
    assert "it answered a request with the id '999', which nobody made" in str(error)


def test_a_message_without_end_fails_its_call_over_http():
    with HttpServer(said="x" * 20_000_000) as server:
        [answer] = ask(McpModel(base_url=server.url), call(city="Rome"))
    assert "the message has more than 16,777,216 bytes" in answer.kept["error"]["message"]


def test_a_message_without_end_ends_the_server(tmp_path):
    [error] = ask(server_model(tmp_path, SAYS % "return text('x' * 20000000)"), call())
    assert "it wrote a message of more than 16,777,216 bytes" in str(error)


def test_an_output_schema_without_end_fails_its_call_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr("insideLLMs.scoring.endable.LIMIT_S", 0.5)
    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**doubled, "d40": {}}}
    code = SAYS % "return text('ok', structuredContent={'a': 1})"
    model = server_model(tmp_path, code, tools=[{**FORECAST, "outputSchema": schema}, {**FORECAST, "name": "other"}])
    slow, quick = ask(model, call(), call("other"))
    assert "the schema cannot be checked: it did not end within 0.5 s" in slow.kept["error"]["message"]
    assert quick.text == "ok"


def test_a_schema_that_no_file_can_hold_is_named_with_its_server(tmp_path):
    deep = {"type": "string"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(CommandFailedError) as raised:
        server_model(tmp_path, tools=[{**FORECAST, "inputSchema": deep}]).facts()
    assert "the MCP server 'python" in str(raised.value)
    assert "is nested deeper than 100 levels" in str(raised.value)
