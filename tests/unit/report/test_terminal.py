"""What a person sees: rates with denominators, the worst first, nothing hostile."""

import re

import pytest

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.types import Response, expand
from insideLLMs.report.terminal import render_comparison, render_summary
from support.compared_runs import decided, record, view
from support.hostile_texts import HOSTILE

BEFORE = [record(f"e{n}", text="It is Paris, I think.") for n in range(10)]
AFTER = [record(f"e{n}", text=f"It is {'Lyon' if n < 3 else 'Paris'}, I think.", passed=n >= 3) for n in range(10)]


def drawn(before, after, **options):
    found = decided(view(before, "base"), view(after, "cand"), GateSpec(fail_on="regressions"))
    return render_comparison(*found, **options)


def test_a_comparison_shows_runs_rates_changes_and_the_verdict_last():
    text = drawn(BEFORE, AFTER)
    assert "base (run base, 10 trials, m)" in text
    assert "10/10 → 7/10" in text
    assert "−30.0 pt" in text
    assert "3 regressed, 7 unchanged" in text
    assert "It is [-Paris-]{+Lyon+}, I think." in text
    assert text.index("1. regressed") < text.index("3. regressed") < text.index("FAILED  gate: regressions")
    assert "look first at: logic / e0, logic / e1, logic / e2" in text


def test_only_as_many_changes_as_asked_for_are_shown_and_the_rest_is_counted():
    text = drawn(BEFORE, AFTER, limit=1)
    assert "2. regressed" not in text
    assert "and 2 more" in text


def test_no_changes_are_shown_for_a_limit_of_none():
    assert "regressed  logic" not in drawn(BEFORE, AFTER, limit=0)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_plain_output_keeps_to_the_width_and_has_no_escapes(width):
    text = drawn(BEFORE, [record(f"e{n}", text="word " * 300, passed=False) for n in range(10)], width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text


def test_colour_is_given_only_on_request():
    assert "\x1b[" in drawn(BEFORE, AFTER, color=True)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_answer_reaches_the_terminal_escaped(text, color):
    before = [record(text="fine")]
    after = [record(text=text, passed=False, prompt="question e1", response=Response(text=text, model=text))]
    shown = drawn(before, after, color=color)
    if color:
        shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "\x1b[31mred" not in shown
    assert all(line.isprintable() or "\u00a0" in line for line in shown.splitlines())


def test_markup_in_an_answer_is_shown_as_it_is():
    assert "[bold]x[/bold] :smile:" in drawn(
        [record(text="[bold]y[/bold] :smile:")], [record(text="[bold]x[/bold] :smile:")]
    ).replace("[-y-]{+x+}", "x")


def test_a_summary_shows_rate_interval_and_what_was_not_answered():
    records = [record(f"e{n}", passed=n < 5) for n in range(8)] + [
        record("e8", status="timeout"),
        record("e9", status="skipped"),
    ]
    text = render_summary(expand(summarise(view(records).records(), run_id="r")))
    assert "5/8 (62.5%)" in text
    assert "1 timeout, 1 skipped" in text
    assert "30.6–86.3%" in text
    assert "10 trials, 8 answered" in text


def test_scores_without_a_verdict_are_shown_with_their_number():
    records = [record(f"e{n}", values={"f1": n / 10}) for n in range(5)]
    text = render_summary(expand(summarise(view(records).records(), run_id="r")))
    assert "no verdict, 5" in text
    assert "f1 0.2 (n=5, 95% interval" in text


def test_a_summary_of_repeats_says_what_the_interval_counts():
    records = [record(f"e{n}", repeat=r) for n in range(3) for r in range(4)]
    text = render_summary(expand(summarise(view(records).records(), run_id="r")))
    assert "take the examples (up to 3) as the sample" in text


@pytest.mark.parametrize("text", ["::error::gone", "fine\n::set-output name=x::y", "fine\n   ::add-mask::z"])
def test_no_line_of_an_answer_is_a_workflow_command(text):
    shown = drawn([record("a", text="fine", passed=True)], [record("a", text=text, passed=False)])
    assert not re.search(r"^\s*::", shown, re.MULTILINE)
