"""JUnit XML of a large run stays small, and red where any example is, listed or not."""

from xml.etree import ElementTree as ET

import pytest

from insideLLMs.compare.one_run.decide import decide_records
from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import GatedRecord, read_record
from insideLLMs.report.ci import junit
from support.compared_runs import record, view


def suite(records):
    """Return the suite of a run's only probe."""
    lines = list(view(records).records())
    gated = [read_record(line, GatedRecord) for line in lines]
    summary = summarise(lines, run_id="r")
    decided = decide_records(((one, None) for one in gated), GateSpec(), models=(), probes=(), summary=summary)
    return ET.fromstring(junit.run_junit(decided, gated)).find("testsuite")


@pytest.fixture(autouse=True)
def few_cases(monkeypatch):
    monkeypatch.setattr(junit, "_MOST_CASES", 10)


def names(found):
    return [case.get("name") for case in found.iter("testcase")]


def test_a_suite_of_as_many_examples_as_fit_lists_all():
    assert names(suite([record(f"e{n:02}") for n in range(10)])) == [f"d / e{n:02}" for n in range(10)]


def test_a_larger_one_lists_what_did_not_pass_and_counts_the_others():
    found = suite([record(f"e{n:02}", passed=n not in {3, 47}) for n in range(50)])
    assert names(found) == ["d / e03", "d / e47", "48 examples not listed"]
    assert (found.get("tests"), found.get("failures"), found.get("errors")) == ("3", "2", "0")
    assert found.findall("testcase")[-1].find("failure") is None


def test_failures_beyond_the_limit_are_red_as_one_case():
    failing = [record(f"e{n:02}", passed=False) for n in range(20)]
    found = suite([*failing, *(record(f"f{n}", status="error") for n in range(5)), record("g")])
    assert len(names(found)) == 11
    last = found.findall("testcase")[-1]
    assert last.get("name") == "16 examples not listed"
    assert last.find("failure").get("message") == "15 of them did not pass"
    assert (found.get("tests"), found.get("failures"), found.get("errors")) == ("11", "11", "0")
