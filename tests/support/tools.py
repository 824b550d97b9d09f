"""Tests that need a tool of the machine: skipped where it is missing, but never in CI."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip this test, or fail it in CI; `what` says what is missing and how to install it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
