"""The response cache and cassettes from Python: the same as the command's, for runs in memory and stored ones."""

import pytest

from insideLLMs.core.errors import CassetteError, CassetteMissError, OptionError
from insideLLMs.probes.contains import ContainsProbe
from insideLLMs.providers.apis.openai import OpenAIModel
from insideLLMs.runner import ProbeRunner, RunConfig, run_experiment_from_config
from support.users_code import Ask, Echo, Matches

PROMPTS = ["one", "two", "three"]
BAD = [
    ({"cache": "on"}, "cache is 'on'; it must be one of off, read, refresh"),
    ({"cache": True}, "cache is True"),
    ({"cache": None}, "cache is None"),
    ({"record": 3}, "record is 3"),
    ({"replay": b"tape"}, "replay is b'tape'"),
    ({"replay": "a.jsonl", "record": "b.jsonl"}, "`replay` cannot be combined with `record` or `cache`"),
    ({"replay": "a.jsonl", "cache": "read"}, "`replay` cannot be combined with `record` or `cache`"),
    ({"cache": "read", "record": "b.jsonl"}, "cannot be combined with `cache=read`"),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path / "cache"))


def model(server):
    return OpenAIModel("stub", base_url=server.base_url)


def outputs(results):
    assert [one["status"] for one in results] == ["success"] * len(results)
    return [one["output"] for one in results]


@pytest.mark.parametrize(("settings", "said"), BAD, ids=[str(settings) for settings, _ in BAD])
def test_settings_that_cannot_be_are_refused_before_anything_is_spent(settings, said, openai_server):
    with pytest.raises(OptionError, match=said):
        ProbeRunner(model(openai_server), Matches()).run(PROMPTS, **settings)
    assert openai_server.requests == 0


def test_nothing_is_asked_twice_with_the_cache(openai_server, tmp_path):
    runner = ProbeRunner(model(openai_server), Matches())
    first = runner.run(PROMPTS, cache="read")
    again = runner.run(PROMPTS, cache="read", run_dir=tmp_path / "run")
    assert openai_server.requests == 3
    assert outputs(first) == outputs(again)
    runner.run(PROMPTS, config=RunConfig(cache="refresh"))
    assert openai_server.requests == 6
    runner.run(PROMPTS)
    assert openai_server.requests == 9


def test_a_users_own_model_is_asked_in_spite_of_the_cache():
    echo = Echo()
    for _ in range(2):
        ProbeRunner(echo, Matches()).run(PROMPTS, cache="read")
    assert echo.calls == 6


@pytest.mark.parametrize("probe", [Matches(), Ask()], ids=["fast contract", "simple contract"])
def test_a_replay_asks_nothing_and_gives_the_same_results(openai_server, tmp_path, probe):
    runner = ProbeRunner(model(openai_server), probe)
    recorded = runner.run(PROMPTS, record=tmp_path / "tape.jsonl", repeats=2)
    asked = openai_server.requests
    replayed = runner.run(PROMPTS, replay=str(tmp_path / "tape.jsonl"), repeats=2)
    assert openai_server.requests == asked == 6
    assert outputs(recorded) == outputs(replayed)


def test_a_replay_needs_no_key(tmp_path, monkeypatch, openai_server):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    far = OpenAIModel("stub", base_url="https://api.example.com/v1")
    ProbeRunner(model(openai_server), Matches()).run(PROMPTS, record=tmp_path / "tape.jsonl")
    with pytest.raises(CassetteMissError, match="no answer for example"):  # and not AuthError
        ProbeRunner(far, Matches()).run(PROMPTS, replay=tmp_path / "tape.jsonl")


def test_a_users_own_model_is_recorded_and_replayed(tmp_path):
    recorded = ProbeRunner(Echo(), Matches()).run(PROMPTS, record=tmp_path / "tape.jsonl")
    silent = Echo()
    replayed = ProbeRunner(silent, Matches()).run(PROMPTS, replay=tmp_path / "tape.jsonl", run_dir=tmp_path / "run")
    assert silent.calls == 0
    assert outputs(replayed) == outputs(recorded)


def test_a_cassette_that_is_missing_says_how_to_make_one(tmp_path):
    with pytest.raises(CassetteError, match="cannot be read"):
        ProbeRunner(Echo(), Matches()).run(PROMPTS, replay=tmp_path / "none.jsonl")


def test_an_experiment_given_as_a_mapping_is_recorded_and_replayed_too(tmp_path, openai_server):
    experiment = {
        "model": {"type": "openai", "args": {"model_name": "stub", "base_url": openai_server.base_url}},
        "probe": {"type": "contains", "args": {"any": ["7"]}},
        "dataset": {"examples": [{"id": "a", "prompt": "one"}]},
    }
    recorded = run_experiment_from_config(experiment, record=tmp_path / "tape.jsonl")
    replayed = run_experiment_from_config(experiment, replay=tmp_path / "tape.jsonl")
    assert openai_server.requests == 1
    assert outputs(recorded) == outputs(replayed)


def test_a_prompt_that_is_given_twice_is_asked_twice(openai_server):
    before = openai_server.requests
    results = ProbeRunner(model(openai_server), ContainsProbe(any=["echo"])).run(["same", "same", "same"])
    assert openai_server.requests - before == len(results) == 3
