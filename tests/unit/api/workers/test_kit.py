"""What travels to a worker: content, never paths of this machine, and never a secret."""

import asyncio
import os
import shutil

import msgspec
import pytest

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.workers import kit as worker_kit
from insideLLMs.api.workers.kit import RunSite, library_name, open_kit, pack_kit
from insideLLMs.config.load import load_experiment, parse_experiment
from insideLLMs.core.errors import ConfigError, OptionError, WorkersLostError
from insideLLMs.execute.remote.messages import SentError
from support.command import write_files

KEY = "sk-canary-0123456789"
OWN = """
class Mine:
    def __init__(self, name="mine", model_id=None):
        self.name, self.model_id = name, model_id

    def generate(self, prompt, **options):
        return prompt
"""
EXPERIMENT = """
models:
  - {type: 'TYPE', id: own}
  - type: http
    id: api
    args: {base_url: 'http://127.0.0.1:1', body: {q: '{{ prompt }}'}, answer: a, headers: {X-Key: '${KIT_KEY}'}}
  - {type: exec, id: tool, args: {command: [./tool.sh, "{{ prompt }}"], files: [rules]}}
probe: {type: contains, args: {any: ["7"]}}
dataset: {examples: [{prompt: "What is 7?"}]}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_KEY", KEY)
    folder = tmp_path / "here" / "experiments"
    write_files(folder, {"mine.py": OWN, "tool.sh": "#!/bin/sh\necho 7\n", "rules/a/b.txt": "be nice"})
    (folder / "tool.sh").chmod(0o755)
    return folder


def packed(folder, kind="mine.py:Mine", models=("own", "api", "tool")):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("TYPE", kind)})
    experiment = load_experiment(folder / "e.yaml")
    return pack(experiment, folder, models)


def pack(experiment, folder, models):
    prepared = prepare(experiment, folder=folder)
    try:
        return pack_kit(prepared, models, RunSite(folder=folder, is_resumed=False), shared=frozenset(), workers=2)
    finally:
        asyncio.run(prepared.aclose())


def opened(kit):
    """Open a kit, and say which models the worker then has."""
    setup = open_kit(kit)
    asyncio.run(setup.aclose())
    return set(setup.work.models)


@pytest.mark.parametrize("place", ["mine.py", "../mine.py", "{here}/mine.py", "deep/er/mine.py"])
def test_a_kit_is_opened_where_none_of_the_experiments_files_are(folder, tmp_path, place):
    where = os.path.normpath(folder / place.format(here=folder))
    os.makedirs(os.path.dirname(where), exist_ok=True)
    shutil.move(folder / "mine.py", where)
    kit = packed(folder, place.format(here=folder) + ":Mine")
    shutil.rmtree(tmp_path / "here")
    assert opened(kit) == {"own", "api", "tool"}


def test_a_worker_makes_only_the_models_that_it_asks(folder):
    assert opened(packed(folder, models=("own",))) == {"own"}


def test_no_value_of_a_variable_travels(folder):
    kit = packed(folder)
    assert b"${KIT_KEY}" in kit
    assert KEY.encode() not in kit


def test_a_secret_in_an_experiment_made_in_python_does_not_travel(folder):
    args = {"model_name": "m", "base_url": "http://127.0.0.1:1", "headers": {"Authorization": "${KIT_KEY}"}}
    raw = {
        "model": {"type": "openai", "id": "m", "args": args},
        "probe": {"type": "contains", "args": {"any": ["7"]}},
        "dataset": {"examples": [{"prompt": "?"}]},
    }
    experiment = parse_experiment(raw, folder=folder)
    experiment.models[0].args["headers"]["Authorization"] = f"Bearer {KEY}"
    with pytest.raises(OptionError, match="'m' has a secret in its argument 'Authorization'") as raised:
        pack(experiment, folder, ("m",))
    assert KEY not in str(raised.value)


def test_a_worker_without_the_variable_says_which_one_it_lacks(folder, monkeypatch):
    kit = packed(folder)
    monkeypatch.delenv("KIT_KEY")
    with pytest.raises(ConfigError, match="the environment variable KIT_KEY is not defined") as raised:
        open_kit(kit)
    sent = SentError.of(raised.value).error("node7")
    assert isinstance(sent, ConfigError)
    assert str(sent).startswith("on worker node7: 1 problem")


def test_another_version_of_the_library_is_refused_before_anything_is_read(folder):
    sealed = msgspec.msgpack.decode(packed(folder)) | {"library": "insidellms 9.9 (0123)", "kit": b"no kit of this one"}
    with pytest.raises(WorkersLostError, match=r"it runs insidellms .*, and this run is of insidellms 9.9") as raised:
        open_kit(msgspec.msgpack.encode(sealed))
    assert "the same version" in raised.value.fix
    assert library_name() in raised.value.message


def test_a_model_that_is_another_one_there_is_refused(folder):
    sealed = msgspec.msgpack.decode(packed(folder))
    sealed["kit"] = sealed["kit"].replace(b"echo 7", b"echo 8")
    with pytest.raises(WorkersLostError, match="the model 'tool' differs on that node: files"):
        open_kit(msgspec.msgpack.encode(sealed))


def test_files_that_are_too_large_to_travel_are_refused_by_name(folder, monkeypatch):
    monkeypatch.setattr(worker_kit, "MOST_BYTES", 10)
    with pytest.raises(OptionError, match="files of the experiment have more than 10 bytes, "):
        packed(folder)
