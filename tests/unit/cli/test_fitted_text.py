"""Explanations fit a terminal, and stay one line each where another program reads them."""

import pytest

from insideLLMs.cli import console
from insideLLMs.cli.commands import info, list_

COLUMNS = 60


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(console, "is_terminal", lambda stream=None: True)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))


@pytest.mark.parametrize("kind", ["providers", "probes", "datasets", "importers"])
def test_a_list_wraps_beside_its_names_on_a_terminal(kind, terminal, capsys):
    list_.command([kind], standalone_mode=False)
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == f"{kind}:"
    assert max(map(len, lines)) <= COLUMNS
    continued = {len(line) - len(line.lstrip()) for line in lines} - {2}
    assert len(continued) == 1, "all lines go on below the same column"


def test_a_list_has_a_line_a_name_in_a_pipe(capsys):
    list_.command(["probes", "--json"], standalone_mode=False)
    count = capsys.readouterr().out.count('"name"')
    list_.command(["probes"], standalone_mode=False)
    assert len(capsys.readouterr().out.splitlines()) == count + 1


def test_a_description_is_wrapped_again_for_a_narrow_terminal(terminal, capsys):
    info.command(["agent"], standalone_mode=False)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= COLUMNS
    assert "\n\nScores: `correct`, all of it;" in said
    assert "\n\narguments:\n  name: text\n" in said
