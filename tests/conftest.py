"""Fixtures that all tests share."""

from collections.abc import Iterator

import pytest

from support.openai_server import OpenAIServer


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A real local server that speaks chat completions; script it through its attributes."""
    with OpenAIServer() as server:
        yield server
