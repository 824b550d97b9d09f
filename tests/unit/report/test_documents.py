"""JSON, Markdown and JUnit: bounded, valid, the same each time, and harmless."""

import json
import re
from xml.etree import ElementTree as ET

import msgspec
import pytest

from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.report.ci.junit import diff_junit
from insideLLMs.report.ci.pull_request import diff_markdown, escape
from insideLLMs.report.json_documents import DiffDocument, diff_document, schema
from support.compared_runs import decided, record, view
from support.hostile_texts import HOSTILE

SPEC = GateSpec(fail_on="regressions")


def compared(before, after):
    return decided(view(before, "base"), view(after, "cand"), SPEC)


def hostile():
    before = [record(f"e{n}", text="fine", prompt=text) for n, text in enumerate(HOSTILE)]
    after = [record(f"e{n}", text=text, prompt=text, passed=False) for n, text in enumerate(HOSTILE)]
    return compared([*before, record("\x1b<b>")], [*after, record("\x1b<b>", passed=False, label="]]>\x00")])


def small():
    before = [record(f"e{n}") for n in range(6)]
    after = [record("e0", passed=False), record("e1", text="other"), record("e2", status="skipped"), *before[3:5]]
    return compared(before, after)


def test_the_json_document_is_read_back_by_its_types_and_is_the_same_each_time():
    document = diff_document(*small())
    assert document == diff_document(*small())
    read = msgspec.json.decode(document, type=DiffDocument)
    assert read.schema_version == "insidellms/diff/1"
    assert read.comparison.overall.classes["regressed"] == 1
    assert read.verdict.exit_code == 3


def test_the_schema_names_every_field_of_the_document():
    described, document = schema("comparison"), json.loads(diff_document(*small()))
    assert set(described["$defs"]["Comparison"]["required"]) <= set(document["comparison"])
    assert set(document["comparison"]) == set(described["$defs"]["Comparison"]["properties"])


def test_markdown_has_the_verdict_the_table_and_the_changes():
    text = diff_markdown(*small())
    assert text.startswith("## ❌ insideLLMs: failed (gate: regressions)")
    assert "| logic | 4/4 → 3/4 | −25.0 pt |" in text
    assert "<b>regressed</b> logic / e0" in text


def test_a_markdown_comment_is_bounded_and_says_what_it_leaves_out():
    text = diff_markdown(*hostile(), limit=1000)
    assert len(text) < 60_000
    small_text = diff_markdown(*hostile(), limit=1000, size_limit=3_000)
    assert len(small_text) <= 3_000
    assert re.search(r"and \d+ more changes", small_text)


def test_hostile_text_in_markdown_is_live_nowhere():
    text = diff_markdown(*hostile(), limit=1000, size_limit=10_000_000)
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?\n\1$", "", text)
    assert not re.search(r"<(?!/?(details|summary|b)>)", outside)
    assert not re.search(r"https?://|www\.|(?<!\\)!\[|@\w|#\d", outside)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_inline_text_in_markdown_is_one_line_without_live_signs(text):
    shown = escape(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[|`*_\[\]]|[<>]|://|www\.", shown)


def test_junit_has_a_suite_per_probe_and_a_failure_per_regression():
    root = ET.fromstring(diff_junit(*small()))
    suite = root.find("testsuite[@name='logic']")
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["d / e0"]
    assert len(suite.findall("testcase/skipped")) == 1
    assert int(suite.get("tests")) == len(suite.findall("testcase"))
    gate = root.find("testsuite[@name='gate']/testcase/failure")
    assert "exit code 3" in gate.get("message")
    assert int(root.get("failures")) == len(root.findall(".//failure"))


def test_junit_of_hostile_texts_is_well_formed_xml():
    root = ET.fromstring(diff_junit(*hostile()))
    assert len(root.findall("testsuite[@name='logic']/testcase/failure")) == len(HOSTILE) + 1


def test_a_gate_that_cannot_decide_is_red_in_junit():
    comparison, verdict = compared([record("a")], [record("b")])
    root = ET.fromstring(diff_junit(comparison, verdict))
    assert root.find("testsuite[@name='gate']/testcase/failure").get("type") == "inconclusive"
