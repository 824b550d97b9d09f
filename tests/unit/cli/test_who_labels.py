"""Under which name `insidellms view` stores what a person says."""

import getpass
import os

import pytest

from insideLLMs.cli.commands import view
from insideLLMs.core.errors import InsideLLMsError


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1000700"), OSError("No username set")])
def test_a_user_without_a_name_has_a_number(error, monkeypatch):
    def unknown():
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr(view, "_git_name", lambda: "")
    assert view._person(None) == f"user {os.getuid()}"


@pytest.mark.parametrize("given", ["", " \n", "x" * 201, "caf\udce9"])
def test_a_name_that_no_file_can_hold_is_refused(given):
    with pytest.raises(InsideLLMsError, match="--as needs a name"):
        view._person(given)
