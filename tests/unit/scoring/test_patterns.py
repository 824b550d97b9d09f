"""Regular expressions of users and datasets: as Python's `re` says, and never for ever."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.types import Example, Response, Scores
from insideLLMs.probes.json_checks import JsonSchemaProbe
from insideLLMs.scoring import endable
from insideLLMs.scoring.endable import OnEventLoopError, TooLongError, call
from insideLLMs.scoring.patterns import compile_safely, found_in, is_all_of, match_here
from support.engine import ScriptedModel, YesProbe, run_engine

RUNAWAY = [
    (r"^(a|a)+$", "a" * 38 + "!"),
    (r"^(a|aa)+$", "a" * 60 + "!"),
    (r"^(?=(a|aa)+$)", "a" * 60 + "!"),
    (r"^(?:a?){40}a{40}b$", "a" * 41 + "c"),
    (r"^" + "a?" * 32 + "a{31}b", "a" * 40),
    (r"\s*\w*\s*=", " " * 8000),
    (r"^\s*\s*\s*\s*y", " " * 6000),
    (r"(x+x+)\1y", "x" * 4000),
]


@pytest.fixture
def short_limit(monkeypatch):
    monkeypatch.setattr(endable, "LIMIT_S", 0.3)


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize(("pattern", "text"), RUNAWAY, ids=lambda value: value[:20])
def test_a_match_that_would_not_end_is_ended(pattern, text):
    with pytest.raises(TooLongError, match="did not end within") as caught:
        found_in(compile_safely(pattern, ignore_case=False), text)
    assert "possessive" in caught.value.fix


@pytest.mark.usefixtures("short_limit")
def test_a_run_goes_on_after_a_match_that_would_not_end():
    class Matches(YesProbe):
        def score(self, example, response):
            return Scores.of(found_in(compile_safely(r"^(a|a)+$", ignore_case=False), response.text))

    answers = {"bad": "a" * 38 + "!", "good": "aaa", "other": "b"}
    records, _ = run_engine(ScriptedModel(lambda text, _: answers[text]), list(answers), probe=Matches())
    assert [record.status for record in records] == ["error", "success", "success"]
    assert [record.scores and record.scores.passed for record in records] == [None, True, False]
    assert (records[0].failure.stage, records[0].failure.type) == ("score", "TooLongError")
    assert records[0].response.text == answers["bad"]


def test_a_schemas_own_pattern_is_ended_too(monkeypatch):
    pytest.importorskip("jsonschema")
    probe = JsonSchemaProbe(schema={"type": "string", "pattern": "^(a|a)+$"})
    assert probe.score(Example(id="e", input="?"), Response(text='"aaa"')).passed
    monkeypatch.setattr(endable, "LIMIT_S", 0.3)  # the process has loaded the library by now
    with pytest.raises(TooLongError):
        probe.score(Example(id="e", input="?"), Response(text=f'"{"a" * 38}!"'))


def test_an_ended_process_is_replaced():
    with pytest.raises(TooLongError):
        call(match_here, r"^(a|a)+$", 0, "a" * 38 + "!", False, limit_s=0.3)  # noqa: FBT003 - by position
    assert call(match_here, "a+b", 0, "aab", True)  # noqa: FBT003


def test_nobody_waits_for_a_process_on_an_event_loop():
    async def match():
        return found_in(re.compile("(a|b)+c"), "abc")

    with pytest.raises(OnEventLoopError):
        asyncio.run(match())


PATTERNS = [
    "a",
    r"\d",
    r"\bé\b",
    "a*",
    "a+b",
    "(a|b)+c",
    r"(a)\1",
    "(?<=a)b+c*",
    "x{2,}y",
    "^a$",
    r"\w+\s\w+",
    "[*+?]",
    r"\(",
]


@given(st.sampled_from(PATTERNS), st.text(alphabet="abcxyé 1*\n(", max_size=30))
def test_it_matches_as_python_does_here_and_in_a_process(pattern, text):
    compiled = compile_safely(pattern, ignore_case=False)
    assert found_in(compiled, text) == (compiled.search(text) is not None)
    assert is_all_of(compiled, text) == (compiled.fullmatch(text) is not None)
