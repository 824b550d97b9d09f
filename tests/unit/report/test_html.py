"""The page of a run is self-contained, safe and the same each time."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

from insideLLMs.compare.summary import summarise
from insideLLMs.core.types import Response, ToolCall, expand
from insideLLMs.report.html import write_page
from support.compared_runs import record, view
from support.hostile_texts import HOSTILE

MANIFEST = {
    "name": "<demo>",
    "run_id": "ab" * 32,
    "models": [{"id": "<m>"}],
    "datasets": [{"name": "d", "selected": 3}],
    "repeats": 1,
    "library": {"insidellms": "0.1.0"},
}


def page(records, **options):
    run = view(records)
    out = io.BytesIO()
    summary = expand(summarise(run.records(), run_id="ab" * 32))
    write_page(out, manifest=MANIFEST, summary=summary, records=run.records(), **options)
    return out.getvalue().decode()


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.rows = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.rows += tag == "tr"

    def handle_data(self, data):
        self.text.append(data)


def test_a_page_shows_results_with_denominators_and_every_example():
    text = page([record("a"), record("b", passed=False), record("c", status="timeout")])
    assert "1/2 (50.0%)" in text
    assert "1 timeout" in text
    assert Elements(text).rows == 2 + 1 + 3


def test_the_policy_forbids_everything_but_the_one_style():
    text = page([record()])
    style = re.search(r"(?s)<style>(.*)</style>", text)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_texts_become_text_and_nothing_else():
    records = [
        record(
            f"e{n} {text[:50]}",
            prompt=text,
            response=Response(text=text, tool_calls=(ToolCall(name=text[:20], arguments={text[:20]: text[:20]}),)),
            label=text,
        )
        for n, text in enumerate(HOSTILE)
    ]
    found = Elements(page(records))
    assert not {"script", "img", "a", "iframe", "details", "b"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not [name for name in names if name.startswith("on") or name in {"src", "href", "style"}]
    shown = "".join(found.text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert "<script>alert(1)</script>" in shown


def test_a_large_run_shows_the_first_and_says_how_many_more_there_are():
    text = page([record(f"e{n:03}") for n in range(30)], limit=10)
    assert "The first 10 of 30 trials" in text
    assert Elements(text).rows == 2 + 1 + 10


def test_the_same_run_gives_the_same_bytes():
    records = [record(f"e{n}", values={"b": 0.1, "a": 0.2}) for n in range(3)]
    assert page(records) == page(records)


def test_an_unscored_failure_and_a_value_are_shown_in_words():
    text = page([record("a", status="rate_limited"), record("b", response=Response(value={"x": 1}))])
    assert "(rate limited) ServerError: boom" in text
    assert "{&quot;x&quot;:1}" in text
