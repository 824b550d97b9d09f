"""A command that takes long says what it does, how far it is and how long it will take; a quick one is silent."""

import contextlib

import pytest

from insideLLMs.cli import steps_display
from insideLLMs.cli.steps_display import StepsDisplay
from insideLLMs.core.steps import counted, displayed


class Clock:
    """Time that goes on by `step_s` each time it is asked for."""

    def __init__(self, step_s):
        self.now, self.step_s = 0.0, step_s

    def __call__(self):
        self.now += self.step_s
        return self.now


def shown(trials, *, step_s, total=None, bar=False):
    """Return what is said of a step of so many trials, of which each 1,024 take `step_s`."""
    said = []
    display = StepsDisplay(bar=said.append if bar else None, say=said.append, clock=Clock(step_s))
    with displayed(display):
        assert list(counted(range(trials), "comparing", trials if total is None else total)) == list(range(trials))
    return said


def test_a_short_step_is_not_worth_a_word():
    assert shown(10_240, step_s=0.1) == []


def test_a_log_has_a_line_every_few_seconds_with_an_estimate():
    assert shown(10_240, step_s=2.0) == [
        "comparing: 1,024 of 10,240 trials, 18 s to go",
        "comparing: 4,096 of 10,240 trials, 12 s to go",
        "comparing: 7,168 of 10,240 trials, 6 s to go",
    ]


def test_a_terminal_has_a_bar_that_is_gone_at_the_end():
    first, *_, last = shown(10_240, step_s=2.0, bar=True)
    assert first == "comparing ━━━─────────────────────────── 1,024/10,240 0:00:18"
    assert last == ""


def test_without_a_total_there_is_no_estimate():
    assert shown(4_096, step_s=2.0, total=0)[0] == "comparing: 1,024 trials"


@pytest.mark.parametrize("trials", [0, 1, 1_024])
def test_every_item_is_handed_on_once(trials):
    assert shown(trials, step_s=9.0) == []


def test_nothing_is_told_where_nobody_shows_it():
    assert list(counted("abc", "sealing", 3)) == ["a", "b", "c"]


def test_no_bar_is_left_of_a_step_that_was_broken_off(monkeypatch):
    drawn = []
    monkeypatch.setattr(steps_display.time, "monotonic", Clock(2.0))
    with contextlib.suppress(OSError), steps_display.showing_steps(bar=drawn.append, say=drawn.append):
        for number in counted(range(9_000), "verifying", 9_000):
            if number == 5_000:
                raise OSError
    assert len(drawn) > 1
    assert drawn[-1] == ""
    assert drawn.count("") == 1
