"""Rows of a run's page in every script, and what its answers cost."""

import pytest
from playwright.sync_api import expect

from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.types import Response
from insideLLMs.report.viewer.run_page import Measured
from support.compared_runs import record
from support.viewer_pages import run_page


def test_models_that_send_no_bill_cost_nothing_also_where_no_tokens_are_counted(visit):
    records = [record(f"q{number}", response=Response(text="yes")) for number in range(5)]
    names = ("probe", "dataset", "example_id", "model", "repeat")
    timed = [
        TelemetryLine(**{name: getattr(one, name) for name in names}, status="success", latency_ms=1.0, attempts=1)
        for one in records
    ]
    tab = visit(run_page(records, measured=Measured(telemetry=timed, prices={"m": lambda _: 0.0})))
    expect(tab.get_by_text("These models cost nothing.")).to_be_visible()


@pytest.mark.parametrize(("answer", "is_to_the_left"), [("الجواب هو yes.", True), ("It says نعم.", False)])
def test_a_row_is_written_in_the_direction_of_its_text(visit, answer, is_to_the_left):
    tab = visit(run_page([record("q", response=Response(text=answer))]))
    first, last = (
        tab.locator(".trials .body .row")
        .first.locator(".cell", has_text=answer)
        .evaluate(
            """cell => {
          const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode();
          return [0, text.length - 1].map(at => {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at + 1);
            return range.getBoundingClientRect().left;
          });
        }"""
        )
    )
    assert (last < first) is is_to_the_left
