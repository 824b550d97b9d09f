"""The command against a local server that speaks each provider's API, with the key where that API wants it."""

import json

import pytest

from support import streams, wire
from support.api_server import ApiServer
from support.command import insidellms, records_of, write_files

# type -> (args beside model_name and base_url, path below the server, key variable, header that carries the key)
PROVIDERS = {
    "openai": ({}, "/v1", "OPENAI_API_KEY", "Authorization"),
    "openai_responses": ({}, "/v1", "OPENAI_API_KEY", "Authorization"),
    "anthropic": ({}, "", "ANTHROPIC_API_KEY", "x-api-key"),
    "azure": ({"api_version": "2024-10-21"}, "", "AZURE_OPENAI_API_KEY", "api-key"),
    "bedrock": ({"region": "us-east-1"}, "", "AWS_BEARER_TOKEN_BEDROCK", "Authorization"),
    "cohere": ({}, "/v2", "CO_API_KEY", "Authorization"),
    "gemini": ({}, "/v1beta", "GEMINI_API_KEY", "x-goog-api-key"),
    "huggingface": ({}, "/v1", "HF_TOKEN", "Authorization"),
    "llama_cpp": ({}, "/v1", "LLAMA_API_KEY", "Authorization"),
    "mistral": ({}, "/v1", "MISTRAL_API_KEY", "Authorization"),
    "ollama": ({}, "", "OLLAMA_API_KEY", "Authorization"),
    "openrouter": ({}, "/v1", "OPENROUTER_API_KEY", "Authorization"),
    "vllm": ({}, "/v1", "VLLM_API_KEY", "Authorization"),
}
BROKEN = {
    "openai": list(streams.chat(wire.chat_completion("BROKEN OFF"))),
    "anthropic": list(streams.messages(wire.anthropic("BROKEN OFF"))),
    "openai_responses": list(streams.responses(wire.responses("BROKEN OFF"))),
}
KEY = "canary-1234567890"


@pytest.fixture(scope="module")
def server():
    with ApiServer() as running:
        yield running


def experiment(models):
    return {
        "name": "providers",
        "models": models,
        "probe": {"type": "contains", "args": {"all": ["HELLO"]}},
        "dataset": {"examples": [{"id": "a", "prompt": "hello there"}]},
    }


def test_every_provider_answers_through_the_command_with_its_key_in_its_place(tmp_path, server):
    models = [
        {
            "type": name,
            "id": name,
            "system": f"You are {name}.",
            "args": {"model_name": f"model-{name}", "base_url": server.url + path, **args},
        }
        for name, (args, path, _, _) in PROVIDERS.items()
    ]
    write_files(tmp_path, {"e.json": json.dumps(experiment(models))})
    keys = {variable: KEY for _, _, variable, _ in PROVIDERS.values()}
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path, env=keys)
    assert done.code == 0, done.err
    records = records_of(tmp_path / "run")
    assert {record["model"] for record in records} == set(PROVIDERS)
    for record in records:
        assert record["response"]["text"] == "HELLO THERE", record
        assert record["scores"]["passed"], record
    for name, (_, _, _, header) in PROVIDERS.items():
        asked = next(request for request in server.requests if f"You are {name}." in json.dumps(request[2]))
        assert asked[1].get(header, "").removeprefix("Bearer ") == KEY, (name, asked[1])


@pytest.mark.parametrize("name", ["openai", "anthropic", "openai_responses"])
def test_a_streamed_run_is_the_same_run_although_streams_break(tmp_path, name):
    examples = [{"id": f"e{number}", "prompt": f"hello {number}"} for number in range(8)]
    broken = [BROKEN[name][:place] for place in range(1, len(BROKEN[name]) - 1)]
    with ApiServer(streams=broken) as server:
        for folder, more in (("plain", {}), ("streamed", {"stream": True})):
            args = {**more, "model_name": "m", "base_url": server.url + PROVIDERS[name][1]}
            spec = {**experiment([{"type": name, "args": args}]), "dataset": {"examples": examples}}
            write_files(tmp_path, {f"{folder}.json": json.dumps(spec)})
            recording = ["--record", "tape.jsonl"] if folder == "plain" else []
            done = insidellms("run", f"{folder}.json", "--run-dir", folder, *recording, cwd=tmp_path)
            assert done.code == 0, done.err
        assert len(server.requests) == 16 + len(broken)
        assert insidellms("run", "streamed.json", "--replay", "tape.jsonl", cwd=tmp_path).code == 0
        assert len(server.requests) == 16 + len(broken)
    assert records_of(tmp_path / "plain") == records_of(tmp_path / "streamed")
    lines = (tmp_path / "streamed" / "telemetry.jsonl").read_text().splitlines()
    assert all(json.loads(line)["first_chunk_ms"] >= json.loads(line)["first_byte_ms"] for line in lines)
    assert "first chunk" in insidellms("report", "streamed", "--telemetry", cwd=tmp_path).out
    assert "first chunk" not in insidellms("report", "plain", "--telemetry", cwd=tmp_path).out


def test_a_bedrock_request_is_signed_where_there_is_no_api_key(tmp_path, server):
    pytest.importorskip("botocore")
    model = {"type": "bedrock", "args": {"model_name": "m:0", "base_url": server.url, "region": "eu-west-1"}}
    write_files(tmp_path, {"e.json": json.dumps(experiment([model]))})
    credentials = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret-canary-0987",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path, env=credentials)
    assert done.code == 0, done.err
    path, headers, _ = server.requests[-1]
    assert path in {"/model/m%3A0/converse", "/model/m:0/converse"}
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/bedrock/aws4_request" in headers["Authorization"]


def test_a_key_of_bedrocks_may_stand_in_another_variable(tmp_path, server):
    args = {"model_name": "m:0", "base_url": server.url, "region": "eu-west-1", "api_key_env": "TEAM_KEY"}
    write_files(tmp_path, {"e.json": json.dumps(experiment([{"type": "bedrock", "args": args}]))})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path, env={"TEAM_KEY": KEY})
    assert done.code == 0, done.err
    assert server.requests[-1][1]["Authorization"] == f"Bearer {KEY}"


def test_any_json_endpoint_is_a_model_by_template_and_paths(tmp_path, server):
    args = {
        "base_url": f"{server.url}/answer",
        "body": {"question": "{{ prompt }}", "turns": "{{ messages }}", "fixed": 3, "note": "says {{ system }}"},
        "answer": "$.data.reply",
        "reads": {"output_tokens": "data.tokens"},
    }
    model = {"type": "http", "id": "own", "system": "Be brief.", "args": args}
    write_files(tmp_path, {"e.json": json.dumps(experiment([model]))})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert server.requests[-1][2] == {
        "question": "hello there",
        "turns": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello there"}],
        "fixed": 3,
        "note": "says Be brief.",
    }
    response = records_of(tmp_path / "run")[0]["response"]
    assert response == {"text": "HELLO THERE", "usage": {"output_tokens": 7}}


FUNCTIONS = """
import asyncio

def shout(prompt, mark="!"):
    return prompt.upper() + mark

async def later(messages):
    await asyncio.sleep(0)
    return messages[-1]["content"].upper() + " of " + str(len(messages))
"""


def test_a_users_function_is_a_model_sync_or_async(tmp_path):
    models = [
        {"type": "callable", "id": "sync", "args": {"function": "app.py:shout", "options": {"mark": "?"}}},
        {"type": "callable", "id": "async", "system": "s", "args": {"function": "app.py:later", "messages": True}},
    ]
    write_files(tmp_path, {"sub/e.json": json.dumps(experiment(models)), "sub/app.py": FUNCTIONS})
    done = insidellms("run", "sub/e.json", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    texts = {record["model"]: record["response"]["text"] for record in records_of(tmp_path / "run")}
    assert texts == {"sync": "HELLO THERE?", "async": "HELLO THERE of 2"}
    assert str(tmp_path) not in (tmp_path / "run" / "manifest.json").read_text()


def test_an_edited_function_is_another_run(tmp_path):
    model = {"type": "callable", "args": {"function": "app.py:shout"}}
    write_files(tmp_path, {"e.json": json.dumps(experiment([model])), "app.py": FUNCTIONS})
    assert insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path).code == 0
    write_files(tmp_path, {"app.py": FUNCTIONS.replace("upper() + mark", "upper() + mark * 2")})
    done = insidellms("run", "e.json", "--run-dir", "run", "--resume", cwd=tmp_path)
    assert done.code == 1
    assert "differ" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"type": "anthropic", "args": {"model_name": "x"}}, "ANTHROPIC_API_KEY"),
        ({"type": "gemini", "args": {"model_name": "x"}}, "GEMINI_API_KEY"),
        ({"type": "azure", "args": {"model_name": "x"}}, "AZURE_OPENAI_ENDPOINT"),
        ({"type": "bedrock", "args": {"model_name": "x"}}, "AWS_REGION"),
        ({"type": "callable", "args": {"function": "nowhere"}}, "module:function"),
        (
            {"type": "http", "args": {"base_url": "http://h/", "body": {"q": "{{ prompt }}"}, "answer": "a b"}},
            "is not a path",
        ),
    ],
)
def test_what_a_provider_lacks_is_said_before_anything_is_sent(tmp_path, args, says):
    write_files(tmp_path, {"e.json": json.dumps(experiment([args]))})
    done = insidellms("run", "e.json", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 1
    assert says in done.err
