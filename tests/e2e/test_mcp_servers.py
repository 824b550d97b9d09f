"""The example of an MCP server under test, and runs over servers that do wrong: green, red, recorded and replayed."""

import json
import shutil

import pytest

from support.command import canonical_bytes, insidellms, records_of, write_files
from support.documents import ROOT
from support.mcp_servers import FORECAST, starts, write_server
from support.processes import PYTHON


@pytest.fixture
def shop(tmp_path):
    shutil.copytree(ROOT / "examples" / "apps" / "mcp", tmp_path, dirs_exist_ok=True)
    written = (tmp_path / "shop.yaml").read_text()

    def run(name, fault="", *options):
        edited = written.replace("command: [python,", f"command: [{json.dumps(PYTHON)},")
        (tmp_path / "shop.yaml").write_text(edited.replace('SHOP_FAULT: ""', f"SHOP_FAULT: {json.dumps(fault)}"))
        return insidellms("run", "shop.yaml", "--run-dir", name, *options, cwd=tmp_path)

    run.folder = tmp_path
    return run


def test_the_example_is_green_and_its_replay_starts_no_server(shop):
    done = shop("run", "", "--record", "shop.cassette")
    assert done.code == 0, done.err
    assert {record["scores"]["label"] for record in records_of(shop.folder / "run")} >= {"kept"}
    (shop.folder / "mcp.py").write_text("raise SystemExit('a server was started')")
    replayed = shop("again", "", "--replay", "shop.cassette")
    assert replayed.code == 0, replayed.err
    assert canonical_bytes(shop.folder / "run") == canonical_bytes(shop.folder / "again")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("price", "$.cents is '39900', expected '3990'"),
        ("rug pull", "refund description has an order to the model: 'Ignore previous'"),
        ("crash", "ended with exit status 3"),
    ],
)
def test_the_example_is_red_for_each_of_its_faults(shop, fault, said):
    done = shop("run", fault)
    assert done.code == 3, done.out + done.err
    told = json.dumps([[record["scores"], record["failure"]] for record in records_of(shop.folder / "run")])
    assert said in told


def test_a_changed_description_is_named_where_no_answer_changed(shop):
    for name, fault in (("before", ""), ("after", "rug pull")):
        shop(name, fault)
    done = insidellms("diff", "before", "after", "--fail-on", "changes", cwd=shop.folder)
    assert "refund" in done.out or "tools[2].description" in done.out
    assert "Ignore" in done.out


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
