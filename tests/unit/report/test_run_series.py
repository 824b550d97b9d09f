"""A trend as text and as a page."""

import re

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.compare.run_series import Trend, trend
from insideLLMs.core.types import expand
from insideLLMs.report.run_series import trend_page, trend_text
from support.compared_runs import record, view


def made(passes, label="run"):
    summaries = []
    for number, share in enumerate(passes):
        records = [record(f"e{n:02}", passed=n < share, probe="<b>") for n in range(10)]
        summaries.append((f"{label}{number}", expand(summarise(view(records).records(), run_id="ab" * 32))))
    return trend(summaries)


def test_a_row_shows_first_last_and_every_run_between():
    text = trend_text(made([10, 8, 5, 1]))
    assert re.search(r"<b> · m · passed +█▇▅▁ +100\.0% +10\.0% +−90\.0 pt", text)
    assert max(map(len, text.splitlines())) <= 80


def test_what_was_not_answered_is_said():
    records = [record("a"), record("b", status="error")]
    found = trend([("only", expand(summarise(view(records).records(), run_id="ab" * 32)))])
    assert "not answered: only 1 of 2" in trend_text(found)
    assert trend_text(found).startswith("1 run: only")


def test_runs_without_results_make_a_trend_all_the_same():
    empty = expand(summarise([], run_id="ab" * 32))
    found = trend([("a", empty), ("b", empty)])
    assert isinstance(found, Trend)
    assert "2 runs: a … b" in trend_text(found)
    assert b"Trend over 2 runs" in trend_page(found)


def test_the_page_has_a_chart_with_its_numbers_and_nothing_live():
    page = trend_page(made([10, 5], label='"><script>')).decode()
    assert "<script" not in page
    assert page.count("<circle") == 2
    assert 'aria-label="&lt;b&gt; · m · passed over 2 runs, change −50.0 pt"' in page
    assert "50.0%" in page
    assert page == trend_page(made([10, 5], label='"><script>')).decode()
