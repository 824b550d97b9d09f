"""The package's front: every public name is there, loads when asked for, and importing costs next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import insideLLMs
from insideLLMs.core import errors

DESIGNED = set(
    """
    AsyncProbeRunner ProbeRunner Probe Model DummyModel LogicProbe ProbeResult ResultStatus RunConfig
    run_probe run_probe_async run_experiment_from_config compare_runs PromptProbe ScoredProbe
    ComparativeProbe OpenAIModel EmbeddedModel ContainsProbe InstructionFollowingProbe Request Response
    Scores Example Message ModelInfo ProbeScore ExperimentResult ProgressInfo model_registry
    probe_registry dataset_registry
    """.split()  # noqa: SIM905 - a list of names reads best as text
)


@pytest.mark.parametrize("name", sorted(insideLLMs.__all__))
def test_every_public_name_loads(name):
    assert getattr(insideLLMs, name) is not None
    assert name in dir(insideLLMs)


def test_the_names_that_users_know_are_public():
    assert not DESIGNED - set(insideLLMs.__all__)


def test_every_error_is_public():
    named = {name for name in vars(errors) if name.endswith("Error")}
    assert named <= set(insideLLMs.__all__)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(insideLLMs.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == insideLLMs._HOMES


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        insideLLMs.Nothing  # noqa: B018 - the access is the test


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("aiohttp", "rich", "asyncio", "msgspec")
    program = f"import sys, insideLLMs; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
