"""The options of `diff` and `run`: `--help` shows each under one heading; those of the gate are its settings."""

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import fields

from insideLLMs.cli.commands.diff import command
from insideLLMs.cli.commands.run import command as run
from insideLLMs.cli.options.gate import FILE_ONLY, gate_options
from insideLLMs.core.gate_spec import GateSpec
from support import gate_tables

SETTINGS = [field for field in fields(GateSpec) if field.name not in FILE_ONLY]
COMMON = {"verbose", "log_level", "log_format"}


def options():
    return {param.name: param for param in command.params if isinstance(param, click.Option)}


@pytest.mark.parametrize("grouped", [command, run], ids=["diff", "run"])
def test_every_option_is_under_one_heading_and_few_come_first(grouped):
    listed = [name for names in grouped.groups.values() for name in names]
    assert sorted(listed) == sorted(
        {param.name for param in grouped.params if isinstance(param, click.Option)} - COMMON
    )
    assert len(next(iter(grouped.groups.values()))) <= 10


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
def test_an_option_of_the_gate_says_what_its_setting_says(field):
    assert options()[field.name].help.startswith(gate_tables.sentence(field))


@pytest.mark.parametrize(
    "wrong",
    [
        "--alpha=0",
        "--alpha=1",
        "--margin=1",
        "--min-effect=1.1",
        "--max-missing=-0.1",
        "--tolerance=-1",
        "--level=deep",
    ],
)
def test_an_option_of_the_gate_takes_what_its_setting_takes(wrong):
    done = CliRunner().invoke(command, ["a", "b", wrong])
    assert done.exit_code == 2
    assert "Invalid value" in done.output


def test_settings_that_are_not_named_keep_the_experiments_value():
    given = {}

    @click.command
    @gate_options()
    def probe(*, gate):
        given.update(gate)
        return 0

    CliRunner().invoke(probe, ["--alpha", "0.01", "--run-level", "--max-growth", "latency_ms=0.2"])
    assert {name: value for name, value in given.items() if value is not None} == {
        "alpha": 0.01,
        "run_level": True,
        "max_growth": {"latency_ms": 0.2},
    }
