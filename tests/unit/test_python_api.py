"""The package's front: every public name is there, loads when asked for, and importing costs next to nothing."""

import subprocess
import sys

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


@pytest.mark.parametrize("name", sorted(set(insideLLMs.__all__) - {"__version__"}))
def test_a_public_name_loads_what_its_own_module_calls_so(name):
    value = getattr(insideLLMs, name)
    home = getattr(value, "__module__", "insideLLMs.plugins")
    assert getattr(sys.modules[home], name) is value
    assert name in dir(insideLLMs)


def test_the_names_that_users_know_are_public():
    assert not DESIGNED - set(insideLLMs.__all__)


def test_every_error_is_public():
    named = {name for name in vars(errors) if name.endswith("Error")}
    assert named <= set(insideLLMs.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        insideLLMs.Nothing  # noqa: B018 - the access is the test


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("aiohttp", "asyncio", "msgspec")
    program = f"import sys, insideLLMs; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
