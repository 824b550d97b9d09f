"""The parts of a record that readers decode have the names and the meaning that Record gives them."""

import inspect

import msgspec
import pytest

from insideLLMs.core import canonical, record_views
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import (
    AskedBy,
    Example,
    Failure,
    Record,
    Request,
    Response,
    ResultStatus,
    Scores,
    SinceMark,
    Telemetry,
    Usage,
    expand,
)

EXAMPLE = Example(id="e", input="how?", expected=("so",), fields={"label": True})
WHOLE = Record(
    probe="p",
    dataset="d",
    example_id="e",
    model="m",
    repeat=2,
    key="0" * 64,
    example_digest="1" * 64,
    example=EXAMPLE,
    status=ResultStatus.SUCCESS,
    request=Request.of("how so?"),
    response=Response(text="so", finish_reason="stop", usage=Usage(input_tokens=3), value=[1]),
    scores=Scores.of(passed=True, label="so", explanation="because"),
    failure=Failure(stage="score", type="ValueError", message="no", fix="so"),
    prompt="v1",
    shared_with=AskedBy(probe="first", dataset="other", example_id="e1"),
    since=SinceMark(answer="reused", run="2" * 64),
)
VIEWS = {
    record_views.RecordStatus: Record,
    record_views.RecordIdentity: Record,
    record_views.Facts: Record,
    record_views.ScoreFacts: Scores,
    record_views.SummedRecord: Record,
    record_views.SummedScores: Scores,
    record_views.SummedResponse: Response,
    record_views.ServedResponse: Response,
    record_views.AnsweredRecord: Record,
    record_views.LabelledRecord: Record,
    record_views.ExampleFields: Example,
    record_views.StoredFields: Example,
    record_views.FailedRecord: Record,
    record_views.MeasuredRecord: Record,
    record_views.MeasuredResponse: Response,
    record_views.GatedRecord: Record,
    record_views.GatedExample: Example,
    record_views.GatedScores: Scores,
    record_views.ViewedRecord: Record,
    record_views.ViewedExample: Example,
    record_views.ViewedResponse: Response,
    record_views.ViewedFailure: Failure,
}
OF_RECORDS = [view for view, whole in VIEWS.items() if whole is Record]


def test_every_view_is_held_against_what_it_is_a_part_of():
    found = {one for _, one in inspect.getmembers(record_views, inspect.isclass) if issubclass(one, msgspec.Struct)}
    own = {one for one in found if one.__module__ == record_views.__name__}
    assert own == {*VIEWS, record_views.TelemetryLine}


@pytest.mark.parametrize("view", VIEWS)
def test_every_field_of_a_view_is_a_field_of_the_whole(view):
    assert set(view.__struct_fields__) <= set(VIEWS[view].__struct_fields__)


def test_a_line_of_telemetry_names_its_trial_as_a_record_does():
    names = {*Telemetry.__struct_fields__, *record_views.RecordIdentity.__struct_fields__}
    assert set(record_views.TelemetryLine.__struct_fields__) == {*names, "crc"}


@pytest.mark.parametrize("view", OF_RECORDS)
def test_a_view_reads_from_a_stored_line_what_the_whole_record_has_there(view):
    whole, seen = expand(WHOLE), read_record(canonical.line(WHOLE), view)
    for name in view.__struct_fields__:
        found, expected = getattr(seen, name), whole[name]
        if isinstance(found, msgspec.Raw):
            assert msgspec.json.decode(found) == msgspec.json.decode(msgspec.json.encode(getattr(WHOLE, name)))
        elif isinstance(found, msgspec.Struct):
            assert all(has_same(getattr(found, inner), expected[inner]) for inner in found.__struct_fields__)
        else:
            assert found == expected


def has_same(found, expected):
    found = msgspec.json.decode(found) if isinstance(found, msgspec.Raw) else msgspec.to_builtins(found)
    return msgspec.json.encode(found) == msgspec.json.encode(expected)


def test_a_record_of_an_answer_that_its_own_trial_asked_for_names_no_other():
    assert b"shared_with" not in canonical.line(msgspec.structs.replace(WHOLE, shared_with=msgspec.UNSET))


def test_a_record_of_a_run_without_prompts_does_not_mention_them():
    plain = msgspec.structs.replace(WHOLE, prompt=msgspec.UNSET)
    line = canonical.line(plain)
    assert b"prompt" not in line
    assert read_record(line, Record).subject == read_record(line, record_views.Facts).subject == ("m", None)
    assert WHOLE.subject.label == "m · v1"


def test_a_line_that_is_no_record_is_named_with_what_to_do():
    with pytest.raises(RunDirectoryError, match="line 3 is not a record") as caught:
        read_record(b"{", Record, where="records.jsonl, line 3")
    assert "insidellms verify" in str(caught.value)
