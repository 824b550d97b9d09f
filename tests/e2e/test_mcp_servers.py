"""The example of an MCP server under test, and runs over servers that do wrong: green, red, recorded and replayed."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files
from support.documents import ROOT
from support.mcp_servers import FORECAST, HttpServer, starts, write_server
from support.processes import PYTHON


def test_the_example_is_green_and_red_and_its_replay_starts_no_server(tmp_path):
    shutil.copytree(ROOT / "examples" / "apps" / "mcp", tmp_path, dirs_exist_ok=True)
    green = (tmp_path / "shop.yaml").read_text().replace("command: [python,", f"command: [{json.dumps(PYTHON)},")
    red = green.replace('SHOP_FAULTS: ""', 'SHOP_FAULTS: "price,rug pull"')
    write_files(tmp_path, {"shop.yaml": green, "broken.yaml": red})

    done = insidellms("run", "shop.yaml", "--run-dir", "run", "--record", "shop.cassette", cwd=tmp_path)
    assert done.code == 0, done.err

    done = insidellms("run", "broken.yaml", "--run-dir", "broken", cwd=tmp_path)
    assert done.code == 3
    told = " ".join(str(record["scores"]) for record in records_of(tmp_path / "broken"))
    assert "$.cents is '39900', expected '3990'" in told
    assert "refund description has an order to the model" in told
    compared = " ".join(insidellms("diff", "run", "broken", cwd=tmp_path).out.split())
    assert "tools of model 'shop': 'refund' changed: " in compared
    assert 'prompt find_order({"order_id":"A-18"})' in compared
    assert "WARNING: its description has an order to the model: 'Ignore previous'" in compared

    (tmp_path / "mcp.py").write_text("raise SystemExit('a server was started')")  # what the server imports first
    replayed = insidellms("run", "shop.yaml", "--run-dir", "again", "--replay", "shop.cassette", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    assert canonical_bytes(tmp_path / "run") == canonical_bytes(tmp_path / "again")


def experiment(folder, *rows, **args):
    write_server(folder, args.pop("code", ""), tools=args.pop("tools", [FORECAST]))
    model = {"type": "mcp", "id": "server", "args": {"command": [PYTHON, "server.py"], **args}}
    held = {"probe": {"type": "contains"}, "dataset": {"examples": list(rows)}}
    write_files(folder, {"e.json": json.dumps({"model": model, **held})})


def row(**arguments):
    return {"tool": "forecast", "arguments": arguments, "expected": "ok"}


def test_calls_of_a_run_share_a_server_and_a_call_that_kills_it_fails_alone(tmp_path):
    code = """
def answer(name, arguments):
    if arguments["city"] == "Atlantis":
        sys.stderr.write("no such city\\n")
        sys.exit(7)
    return text("ok")
"""
    experiment(tmp_path, *(row(city=city) for city in ("Rome", "Oslo", "Atlantis", "Bonn")), code=code)
    done = insidellms("run", "e.json", "--run-dir", "run", "--concurrency", "1", cwd=tmp_path)
    assert done.code == 0, done.err
    failures = [record["failure"] for record in records_of(tmp_path / "run") if record["failure"]]
    assert [failure["message"].partition("), ")[2] for failure in failures] == [
        "ended with exit status 7: no such city"
    ]
    assert starts(tmp_path) <= 3  # for its tools, for the run, and after the crash


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"tool": "forecast", "arguments": [1], "expected": "x"}], "arguments"),
        ([{"tool": 5, "expected": "x"}], "has no input"),
        ([{"tool": "forecast", "arguments": "city", "expected": "x"}], "arguments"),
    ],
)
def test_a_row_that_is_no_call_is_named(tmp_path, rows, said):
    experiment(tmp_path, *rows)
    done = insidellms("run", "e.json", cwd=tmp_path)
    assert done.code == 1
    assert said in done.err


PLAYS = """
from insideLLMs import Response, ToolCall


class Plays:
    '''Calls what it is shown, twice, and tells what it was given.'''

    name = model_id = "plays"

    def identity(self):
        return {"plays": 1}

    async def respond(self, request, *, repeat=0):
        given = [message.text for message in request.messages if message.role == "tool"]
        if len(given) < 2:
            [tool] = request.options["tools"]
            assert tool["function"]["description"] == "Say how warm it is."
            call = ToolCall(name=tool["function"]["name"], arguments={"city": "Rome"})
            return Response(tool_calls=(call,))
        return Response(text=" then ".join(given))

    async def aclose(self):
        pass
"""
COUNTS = """
COUNT = []


def answer(name, arguments):
    COUNT.append(name)
    return text(f"{19 + len(COUNT)} degrees in " + arguments["city"])
"""


def agent_experiment(folder, **tools):
    dotted = [{**FORECAST, "name": "weather.forecast"}]
    write_server(folder, COUNTS, tools=dotted)
    call = {"name": "weather_forecast", "arguments": {"city": "Rome"}}
    probe = {
        "type": "agent",
        "args": {"tools": {"mcp": {"command": [PYTHON, "server.py"]}, **tools}, "trajectory": [call, call]},
        "dataset": {
            "examples": [{"id": "rome", "prompt": "How warm is it?", "expected": "20 degrees in Rome then 21"}]
        },
    }
    files = {"plays.py": PLAYS, "e.json": json.dumps({"model": {"type": "plays.py:Plays", "id": "m"}, "probe": probe})}
    write_files(folder, files)


def test_a_model_works_with_the_tools_of_a_server_and_a_replay_starts_none(tmp_path):
    agent_experiment(tmp_path)
    done = insidellms("run", "e.json", "--run-dir", "run", "--record", "c", cwd=tmp_path)
    assert done.code == 0, done.err
    [record] = records_of(tmp_path / "run")
    assert record["scores"]["passed"], record["scores"]
    said = [(turn["role"], turn.get("content", "")) for turn in record["response"]["trajectory"]]
    assert said == [
        ("assistant", ""), ("tool", "20 degrees in Rome"), ("assistant", ""), ("tool", "21 degrees in Rome"),
        ("assistant", "20 degrees in Rome then 21 degrees in Rome"),
    ]  # fmt: skip
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["probes"][0]["identity"]["models"]["tools"]["tools"][0]["name"] == "weather.forecast"
    (tmp_path / "starts").unlink()
    replayed = insidellms("run", "e.json", "--run-dir", "again", "--replay", "c", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    assert canonical_bytes(tmp_path / "run") == canonical_bytes(tmp_path / "again")
    assert not (tmp_path / "starts").exists()


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ({"only": ["forecast"]}, "the MCP server has no tool 'forecast'"),
        ({"server": 1}, "tools is {"),
        ({"mcp": {"command": "python server.py"}}, "there is no shell to split it"),
    ],
)
def test_tools_that_no_server_gives_are_named(tmp_path, tools, said):
    agent_experiment(tmp_path, **tools)
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path)
    told = done.err + (tmp_path / "run" / "records.jsonl").read_text() if done.code == 0 else done.err
    assert said in " ".join(told.split())


def of_rules(run):
    """Return the finding of each rule in the records of a run."""
    return {record["example_id"]: record["response"]["value"]["broken"] for record in records_of(run)}


def test_a_call_that_ends_the_server_is_found_among_many_and_no_other_rule_suffers(tmp_path):
    code = """
def answer(name, arguments):
    if not isinstance(arguments.get("city"), str):
        raise Refused(-32602, "city must be a text")
    if name == "t17":
        os._exit(3)
    return text("ok")
"""
    write_server(tmp_path, code, tools=[{**FORECAST, "name": f"t{number}"} for number in range(40)])
    rules = [{"id": rule, "input": rule} for rule in ("valid calls", "wrong types", "missing arguments")]
    model = {"type": "mcp", "id": "server", "args": {"command": [PYTHON, "server.py"]}}
    held = {"model": model, "probe": {"type": "mcp_contract"}, "dataset": {"examples": rules}}
    write_files(tmp_path, {"e.json": json.dumps(held)})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    found = of_rules(tmp_path / "run")
    [broken] = found.pop("valid calls")
    assert broken.endswith('during a call of t17({"city":"text"}), ended with exit status 3')
    assert found == {"wrong types": [], "missing arguments": []}


def test_a_server_at_a_url_is_tested_recorded_and_replayed_without_it(tmp_path):
    with HttpServer() as server:
        rules = [{"id": rule, "input": rule} for rule in ("protocol", "names", "valid calls", "wrong types")]
        args = {"base_url": server.url + "/mcp", "api_key_env": "TOKEN_OF_TEST"}
        calls = {"type": "contains", "dataset": {"name": "calls", "examples": [{"id": "rome", **row(city="Rome")}]}}
        contract = {"type": "mcp_contract", "dataset": {"examples": rules}}
        held = {"model": {"type": "mcp", "id": "server", "args": args}, "probes": [contract, calls]}
        write_files(tmp_path, {"e.json": json.dumps(held)})
        key = {"TOKEN_OF_TEST": "tok-f00d-f00d-f00d"}
        done = insidellms("run", "e.json", "--run-dir", "run", "--record", "s.cassette", cwd=tmp_path, env=key)
        assert done.code == 0, done.err
    assert {one.get("Authorization") for one in server.heard} == {"Bearer tok-f00d-f00d-f00d"}
    passed = {record["example_id"]: record["scores"]["passed"] for record in records_of(tmp_path / "run")}
    assert passed == {"protocol": True, "names": True, "valid calls": True, "wrong types": False, "rome": True}
    replayed = insidellms("run", "e.json", "--run-dir", "again", "--replay", "s.cassette", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    assert canonical_bytes(tmp_path / "run") == canonical_bytes(tmp_path / "again")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"f00d" in path.read_bytes()]
