"""The example of an MCP server under test, and runs over servers that do wrong: green, red, recorded and replayed."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files
from support.documents import ROOT
from support.mcp_servers import FORECAST, starts, write_server
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
