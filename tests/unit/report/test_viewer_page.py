"""The pages are self-contained, safe and the same each time, and leave nothing out."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.types import Message, Response, ToolCall, Usage, expand
from insideLLMs.report.viewer.run_page import Measured, write_run_page
from insideLLMs.report.viewer.tables import PREVIEW_CHARACTERS, preview, preview_difference, script_element
from support.compared_runs import record
from support.hostile_texts import HOSTILE
from support.viewer_pages import MANIFEST, diff_page, read_page, run_page


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def hostile_records():
    return [
        record(
            f"e{n} {text[:50]}",
            prompt=text,
            response=Response(text=text, tool_calls=(ToolCall(name=text[:20], arguments={text[:20]: text[:20]}),)),
            label=text,
        )
        for n, text in enumerate(HOSTILE)
    ]


def test_every_record_is_in_the_page_with_its_whole_answer():
    records = [record(f"e{n}", text=f"{n} " + "long " * 400, passed=n % 2 == 0) for n in range(30)]
    data = read_page(run_page(records))
    assert data.head["rows"] == 30
    assert [row["id"] for row in data.rows] == sorted(f"e{n}" for n in range(30))
    assert {body["response"]["text"] for body in data.bodies} == {item.response.text for item in records}
    assert [row["passed"] for row in data.rows].count(1) == 15


def test_a_failure_has_its_reason_in_the_table():
    data = read_page(run_page([record("a", status="rate_limited"), record("b", response=Response(value={"x": 1}))]))
    assert [row["answer"] for row in data.rows] == ["ServerError: boom", '{"x":1}']
    assert [data.head["dictionaries"]["status"][row["status"]] for row in data.rows] == ["rate_limited", "success"]


def test_a_chat_is_previewed_by_its_last_user_message():
    chat = (Message(role="system", content="be brief"), Message(role="user", content="what now?"))
    assert read_page(run_page([record("a", prompt=chat)])).rows[0]["prompt"] == "what now?"


def test_the_results_can_be_read_without_the_program():
    shown = "".join(Elements(run_page([record("a"), record("b", passed=False), record("c", status="timeout")])).text)
    assert "1/2 (50.0%)" in shown
    assert "1 timeout" in shown


@pytest.mark.parametrize("page", [run_page([record()]), diff_page([record()], [record(passed=False)])[0]])
def test_the_policy_admits_the_one_program_and_the_one_style(page):
    text = page.decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    for name, content in re.findall(r"(?s)<(script|style)>(.*?)</\1>", text):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
        assert content.strip()
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.search(
        r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", re.sub(r"(?s)<script type.*?</script>", "", text)
    )


def test_hostile_texts_are_data_and_nothing_else():
    records = hostile_records()
    for page in (run_page(records, manifest={**MANIFEST, "name": HOSTILE[1]}), diff_page(records, records)[0]):
        found = Elements(page)
        assert not {"img", "a", "iframe", "details", "b", "svg"} & set(found.tags)
        names = {name for name, _ in found.attributes}
        assert not [name for name in names if name.startswith("on") or name in {"src", "href", "style"}]
        assert found.tags.count("script") == 1 + page.count(b'<script type="application/')
        assert b"<!--" not in page


def test_the_same_inputs_give_the_same_bytes():
    records = [record(f"e{n}", values={"b": 0.1, "a": 0.2}) for n in range(30)]
    for limit in (0, 10**9):
        assert run_page(records, plain_limit_bytes=limit) == run_page(records, plain_limit_bytes=limit)
    assert diff_page(records, records[1:])[0] == diff_page(records, records[1:])[0]


def test_much_data_is_compressed_and_little_is_left_readable():
    records = [record(f"e{n:04}", text="the answer is yes " * 300) for n in range(200)]
    plain, packed = (read_page(run_page(records, plain_limit_bytes=limit)) for limit in (10**9, 0))
    assert (plain.kinds, packed.kinds) == ({"application/json"}, {"application/octet-stream"})
    assert (plain.rows, plain.bodies) == (packed.rows, packed.bodies)
    assert len(packed.head["body_starts"]) > 1
    assert packed.head["body_starts"][0] == 0


def test_compressed_bytes_are_those_of_every_machine():
    # libdeflate 1.14 made these on x86-64, arm64, i386 and s390x, and so did deflate 0.8.1 and 0.9.0. Another digest
    # means that a new release compresses otherwise: leave it out of the range in pyproject.toml.
    state, words = 1, []
    for _ in range(60_000):
        state = (state * 1_103_515_245 + 12_345) % 2**31
        words.append(f"word{(state >> 16) % 3_000}")
    made = script_element("x", " ".join(words).encode(), compressed=True)
    assert hashlib.sha256(made).hexdigest() == "c9362c866d9a6dc7d2dc12e9a071d4d846a8b868b7791dd41a6a9b6c9b74c78d"


def test_every_trial_of_both_runs_is_in_the_page_of_a_comparison():
    before = [record("same"), record("flip"), record("gone"), record("moved", prompt="old")]
    after = [record("same"), record("flip", passed=False, text="no"), record("new"), record("moved", prompt="new")]
    page, comparison = diff_page(before, after)
    data = read_page(page)
    kinds = [data.head["dictionaries"]["kind"][row["kind"]] for row in data.rows]
    assert {kind: kinds.count(kind) for kind in comparison.overall.classes} == comparison.overall.classes
    bodies = {row["id"]: body for row, body in zip(data.rows, data.bodies, strict=True)}
    assert bodies["same"]["same"]
    assert bodies["same"]["response_b"] is None
    assert (bodies["flip"]["response_a"]["text"], bodies["flip"]["response_b"]["text"]) == ("yes", "no")
    assert (bodies["moved"]["input_a"], bodies["moved"]["input"]) == ("old", "new")
    assert bodies["gone"]["response_b"] is None
    assert bodies["new"]["response_a"] is None


def test_a_line_that_is_no_record_is_named(tmp_path):
    summary = expand(summarise([], run_id="ab" * 32))
    with (
        pytest.raises(RunDirectoryError, match=r"not a record.*'\{\"probe\": 1\}'"),
        (tmp_path / "page").open("wb") as out,
    ):
        write_run_page(out, manifest=MANIFEST, summary=summary, records=lambda: [b'{"probe": 1}'])


def test_only_what_was_asked_has_a_cost_and_only_where_a_price_is_known():
    usage = Usage(input_tokens=10, output_tokens=5)
    records = [record(name, response=Response(text="x", usage=usage)) for name in ("asked", "cached")]
    records += [record("silent"), record("unpriced", model="other", response=Response(text="x", usage=usage))]
    names = ("probe", "dataset", "example_id", "model", "repeat")
    lines = [
        TelemetryLine(
            **{name: getattr(item, name) for name in names},
            status="success",
            attempts=int(item.example_id != "cached"),
        )
        for item in records
    ]
    priced = {"m": lambda usage: usage.input_tokens and usage.input_tokens * 0.5, "other": None}
    measured = Measured(telemetry=lines, prices=priced, price_source="a table")
    data = read_page(run_page(records, measured=measured))
    assert [row["cost_usd"] for row in data.rows] == [5.0, None, None, None]
    assert data.head["price_source"] == "a table"


def test_an_empty_run_makes_a_page():
    assert read_page(run_page([])).head["rows"] == 0


def test_previews_begin_where_texts_part():
    same = "the very same beginning of a long answer " * 5
    before, after = preview_difference(f"{same}and then yes", f"{same}and then no")
    assert before.startswith("…")
    assert before.endswith("yes")
    assert after.endswith("no")
    assert preview_difference("yes", "no") == ("yes", "no")


def test_a_preview_is_one_line_and_says_that_it_was_cut():
    assert preview("a\n  b\tc") == "a b c"
    assert preview("word " * 100).endswith("…")
    assert len(preview("x" * 1000)) == PREVIEW_CHARACTERS


def test_telemetry_is_joined_to_its_trials_and_may_have_gaps():
    named = {"probe": "logic", "dataset": "d", "model": "m", "repeat": 0, "status": "success"}
    lines = [TelemetryLine(**named, example_id=name, latency_ms=12.5, attempts=2) for name in "ac"]
    data = read_page(run_page([record("a"), record("b"), record("c")], measured=Measured(telemetry=lines)))
    assert [row["latency_ms"] for row in data.rows] == [12.5, None, 12.5]
    assert [row["attempts"] for row in data.rows] == [2, None, 2]
