"""Fixtures that all tests share."""

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from support.command import KEYS
from support.openai_server import OpenAIServer

if TYPE_CHECKING:
    from support.object_store import ObjectStore

TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE")

# A busy machine is no fault of the code: no property fails because an example took long.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _CALM, derandomize=True, database=None)
settings.register_profile("explore", _CALM, max_examples=1000)
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing depend on who started the tests, or what a worker ran before."""
    _forget_the_shell()
    _let_processes_be_interrupted()
    _draw_the_same_examples(config)


def _forget_the_shell() -> None:
    """Drop what the shell says of its terminal, proxies, keys and git: a test's servers are local, its keys its own."""
    for name in list(os.environ):
        if name in TERMINAL or name.lower().endswith("_proxy") or name.startswith((*KEYS, "GIT_")):
            del os.environ[name]
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull


def _let_processes_be_interrupted() -> None:
    """Take Ctrl-C, which a shell ignores in its background jobs: the processes that tests interrupt inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _draw_the_same_examples(config: pytest.Config) -> None:
    """Leave out the constants of the modules that happen to be loaded."""
    if config.getoption("hypothesis_profile", None) in (None, "steady"):
        assert callable(providers.is_local_module_file), "Hypothesis has another way to find a module's constants"
        providers.is_local_module_file = lambda path: False


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A real local server that speaks chat completions; script it through its attributes."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def store() -> Iterator["ObjectStore"]:
    """An S3 server on this machine, with a bucket of the test's own."""
    from support.object_store import ObjectStore  # noqa: PLC0415 - slow, and few tests need it

    with ObjectStore() as running:
        yield running
