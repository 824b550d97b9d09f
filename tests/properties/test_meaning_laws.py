"""A similarity never turns a flipped verdict, number, negation, refusal or tool call into "equivalent"."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.compare.classify import ChangeClass, classify
from insideLLMs.compare.meaning import Meaning
from insideLLMs.core import canonical
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.types import EmbeddingModel, Response, Scores, ToolCall
from insideLLMs.scoring.meaning import held_apart
from support.compared_runs import record

SURE = Meaning(
    model=EmbeddingModel(name="all alike", version="1", weights_sha256="", tokenizer_sha256="", algorithm=""),
    similarity=lambda one, two: 1.0,
    threshold=0.5,
    threshold_from="given",
)
WORDS = "the parcel arrives soon because our driver knows that street quite well today"
words = st.sampled_from(WORDS.split(" "))
prose = st.lists(words, min_size=1, max_size=12).map(" ".join)
anything = st.text(max_size=80)
counts = st.integers(-(10**6), 10**6)
responses = st.builds(
    Response,
    text=anything | prose,
    finish_reason=st.sampled_from(["stop", "length", "refusal", "content_filter", "tool_calls"]),
    tool_calls=st.lists(
        st.builds(ToolCall, name=st.sampled_from(["buy", "sell"]), arguments=st.dictionaries(st.just("n"), counts)),
        max_size=2,
    ).map(tuple),
)


def judged(text, passed):
    made = record(text=text)
    return msgspec.structs.replace(made, scores=Scores(values={"correct": 1.0}, passed=passed))


def kind(before, after):
    facts = [read_record(canonical.line(made), Facts) for made in (before, after)]
    return classify(*facts, meaning=SURE).kind


@given(prose, prose, counts, counts, st.sampled_from(["", " kg", " %", " euros"]))
def test_another_number_is_never_equivalent(head, tail, one, two, unit):
    found = kind(record(text=f"{head} {one}{unit} {tail}"), record(text=f"{head} {two}{unit} {tail}"))
    assert (found is ChangeClass.UNCHANGED) == (one == two)
    assert found is not ChangeClass.EQUIVALENT


@given(prose, prose, st.sampled_from(["not", "never", "nicht", "pas", "nunca", "не", "cannot", "isn't", "without"]))
def test_a_negation_on_one_side_is_never_equivalent(head, tail, negation):
    assert kind(record(text=f"{head} {tail}"), record(text=f"{head} {negation} {tail}")) is ChangeClass.CHANGED


@given(prose, st.sampled_from(["I can't help with that.", "Sorry, I must decline.", "I won't do that."]))
def test_a_refusal_on_one_side_is_never_equivalent(text, refusal):
    for said in (refusal, f"{text}. {refusal}", f"{refusal} {text}"):
        assert kind(record(text=text), record(text=said)) is ChangeClass.CHANGED


@given(responses, responses)
def test_another_tool_call_or_ending_is_never_equivalent(one, two):
    if (one.tool_calls, one.finish_reason) != (two.tool_calls, two.finish_reason):
        found = kind(record(response=one), record(response=two))
        harmless = {"stop", "tool_calls"}  # words for an answer that ended well
        if one.tool_calls != two.tool_calls or not {one.finish_reason, two.finish_reason} <= harmless:
            assert found is not ChangeClass.EQUIVALENT


@given(anything | prose, anything | prose, st.booleans() | st.none(), st.booleans() | st.none())
def test_another_verdict_is_never_equivalent(one, two, before, after):
    if before != after:
        assert kind(judged(one, before), judged(two, after)) is not ChangeClass.EQUIVALENT


@given(anything | prose, anything | prose)
def test_what_holds_two_texts_apart_does_so_in_both_directions(one, two):
    there, back = held_apart(one, two), held_apart(two, one)
    assert (there and there.check) == (back and back.check)
    assert held_apart(one, one) is None


@given(anything | prose, anything | prose)
def test_equivalent_mirrors_itself(one, two):
    assert (kind(record(text=one), record(text=two)) is ChangeClass.EQUIVALENT) == (
        kind(record(text=two), record(text=one)) is ChangeClass.EQUIVALENT
    )
