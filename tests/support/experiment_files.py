"""Experiment files whose plug-ins are fakes, and what is said of them."""

import contextlib

import pytest

from insideLLMs.config.load import load_experiment
from insideLLMs.core.errors import ConfigError
from insideLLMs.plugins import model_registry, probe_registry

GOOD = """\
model: {type: scripted, args: {seed: 3}}
probe: asked
dataset: {path: q.jsonl}
"""
MODEL = "model: scripted\n"
PROBE = "probe: asked\n"
DATA = "dataset: q.jsonl\n"


class Scripted:
    """A model to be named in files."""

    def __init__(self, model_name="m", *, seed=0, api_key_env="SCRIPTED_KEY", headers=None, base_url=None, path=None):
        pass


class Demanding:
    """A model that must be told its name."""

    def __init__(self, model_name, **options):
        pass


class Asked:
    """A probe to be named in files."""

    def __init__(self, name=None, *, template=None, secret=None):
        pass


@contextlib.contextmanager
def registered():
    """Let files name the fakes."""
    model_registry.register("scripted", Scripted)
    model_registry.register("demanding", Demanding)
    probe_registry.register("asked", Asked)
    yield
    model_registry.unregister("scripted")
    model_registry.unregister("demanding")
    probe_registry.unregister("asked")


def load(folder, text, name="e.yaml", **options):
    path = folder / name
    path.write_text(text)
    return load_experiment(path, **{"environ": {}, **options})


def problems(folder, text, name="e.yaml", **options):
    with pytest.raises(ConfigError) as caught:
        load(folder, text, name, **options)
    return [str(problem) for problem in caught.value.problems]
