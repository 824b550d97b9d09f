"""An empty variable is an error like one that is not defined; looking needs no key."""

import json

import pytest

from support.command import insidellms, write_files

DATA = {"examples": [{"id": "a", "prompt": "2+2?", "expected": "4"}]}


def experiment(kind, **args):
    return {"model": {"type": kind, "args": args}, "probe": {"type": "contains"}, "dataset": DATA}


HTTP = {"body": {"q": "{{ prompt }}"}, "answer": "$.a"}
REFERRING = {
    "openai": experiment("openai", model_name="m", base_url="${GATEWAY_URL}"),
    "http": experiment("http", base_url="${GATEWAY_URL}", **HTTP),
    "a header": experiment("openai", model_name="m", headers={"X-Route": "to ${GATEWAY_URL}"}),
}


@pytest.mark.parametrize("name", REFERRING)
@pytest.mark.parametrize("command", [("validate",), ("run", "--dry-run"), ("run",)])
@pytest.mark.parametrize(("value", "said"), [("", "is empty"), (None, "is not defined")])
def test_a_reference_to_nothing_stops_before_anything_is_sent(tmp_path, name, command, value, said):
    write_files(tmp_path, {"e.json": json.dumps(REFERRING[name])})
    env = {} if value is None else {"GATEWAY_URL": value}
    done = insidellms(command[0], "e.json", *command[1:], cwd=tmp_path, env={**env, "OPENAI_API_KEY": "key-for-tests"})
    assert done.code == 1
    assert f"the environment variable GATEWAY_URL {said}" in done.err


def test_an_endpoint_of_ones_own_has_no_default_address(tmp_path):
    write_files(tmp_path, {"e.json": json.dumps(experiment("http", base_url="", **HTTP))})
    done = insidellms("validate", "e.json", cwd=tmp_path)
    assert (done.code, "base_url is ''" in done.err) == (1, True)


def test_no_key_is_needed_to_look(tmp_path):
    write_files(tmp_path, {"e.json": json.dumps(experiment("openai", model_name="m"))})
    assert insidellms("validate", "e.json", cwd=tmp_path).code == 0
    assert insidellms("run", "e.json", "--dry-run", cwd=tmp_path).code == 0
    done = insidellms("run", "e.json", cwd=tmp_path)
    assert (done.code, "export OPENAI_API_KEY=..." in done.err) == (1, True)
