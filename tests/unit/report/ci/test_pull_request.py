"""Annotations of GitHub Actions."""

import pytest

from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.report.ci.pull_request import annotations
from support.compared_runs import decided, record, view
from support.hostile_texts import HOSTILE


def commands(before, after, **options):
    found = decided(view(before, "main"), view(after, "branch"), GateSpec(fail_on="regressions"))
    return list(annotations(*found, **options))


def test_a_failed_gate_is_an_error_and_names_what_to_look_at():
    first, second = commands([record("a")], [record("a", passed=False)])
    assert first.startswith("::error title=insideLLMs%3A failed::1 of 1 trials count as regressions")
    assert second == "::warning title=regressed%3A logic / a::pass -> fail"


def test_a_passed_gate_is_one_notice():
    (only,) = commands([record("a")], [record("a")])
    assert only.startswith("::notice title=insideLLMs%3A passed::")


def test_there_are_no_more_than_github_shows():
    many = [record(f"e{n:02}") for n in range(30)]
    assert len(commands(many, [record(item.example_id, passed=False) for item in many])) == 10


@pytest.mark.parametrize("text", [*HOSTILE, "%0A::error::x", "a\n::add-mask::x", "::stop-commands::x"])
def test_a_hostile_id_stays_within_its_command(text):
    for line in commands([record(text[:200])], [record(text[:200], passed=False)]):
        assert "\n" not in line
        assert "\r" not in line
        assert line.count("::", 2) == 1 or "::" not in line[2:].partition("::")[0]
        assert line.startswith(("::error title=", "::warning title="))
