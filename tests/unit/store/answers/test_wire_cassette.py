"""The file that a recording is kept in, whatever stops it."""

import json
import os

import pytest

from insideLLMs.core.errors import CassetteError
from insideLLMs.store.answers.wire_cassette import (
    FORMAT,
    WireAnswer,
    WireCall,
    WireHead,
    WireRecorder,
    WireRequest,
    partial_of,
    read_head,
    read_wire_calls,
)

HEAD = WireHead(format=FORMAT, volatile=("$.run",))


def call(text, case="c"):
    request = WireRequest(upstream="openai", method="POST", path="/v1/x", body={"text": text})
    return WireCall(case=case, request=request, answer=WireAnswer(status=200, body=text), began=1, ended=2)


def said(path):
    return [(one.case, one.answer.body) for one in read_wire_calls(path)]


def stopped(path, *calls):
    """Record, and stop as a kill does: nothing is finished."""
    recorder = WireRecorder(path, HEAD)
    for each in calls:
        recorder.keep(each)
    recorder.close()


def test_calls_are_kept_at_once_and_stand_by_case_at_the_end(tmp_path):
    path = tmp_path / "deep" / "calls.jsonl"
    recorder = WireRecorder(path, HEAD)
    recorder.keep(call("1", "z"))
    recorder.keep(call("2", "a"))
    assert said(partial_of(path)) == [("z", "1"), ("a", "2")]
    recorder.finish(list, lambda call: call)
    assert said(path) == [("a", "2"), ("z", "1")]
    assert read_head(path) == HEAD
    assert not partial_of(path).exists()
    assert b"began" not in path.read_bytes()


def test_a_stopped_recording_can_be_read_at_every_byte_at_which_it_was_cut(tmp_path):
    path = tmp_path / "calls.jsonl"
    stopped(path, call("1"), call("2"))
    whole = partial_of(path).read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        partial_of(path).write_bytes(whole[:size])
        recorder = WireRecorder(path, HEAD, resume=True)
        assert [one.answer.body for one in recorder.left] == ["1", "2"][: max(0, sum(end < size for end in ends) - 1)]
        recorder.keep(call("3"))
        for number in range(len(recorder.left)):
            recorder.use(number)
        recorder.finish(list, lambda call: call)
        assert [body for _, body in said(path)] == [*(one.answer.body for one in recorder.left), "3"]


def test_a_stopped_recording_is_kept_until_it_is_resumed_or_removed(tmp_path):
    path = tmp_path / "calls.jsonl"
    stopped(path, call("1"))
    with pytest.raises(CassetteError, match="a recording that was stopped left"):
        WireRecorder(path, HEAD)
    other = WireHead(format=FORMAT)
    with pytest.raises(CassetteError, match="was recorded with other declarations"):
        WireRecorder(path, other, resume=True)
    assert said(partial_of(path)) == [("c", "1")]
    recorder = WireRecorder(path, HEAD, resume=True)
    recorder.close()  # it was stopped again, before anything was asked
    assert said(partial_of(path)) == [("c", "1")]


def test_what_a_resumed_recording_does_not_ask_again_is_left_out(tmp_path):
    path = tmp_path / "calls.jsonl"
    stopped(path, call("1"), call("2"))
    recorder = WireRecorder(path, HEAD, resume=True)
    recorder.use(1)
    recorder.keep(call("3"))
    recorder.finish(list, lambda call: call)
    assert [body for _, body in said(path)] == ["2", "3"]


def test_a_recording_that_was_stopped_before_any_call_leaves_nothing_in_the_way(tmp_path):
    path = tmp_path / "calls.jsonl"
    partial_of(path).write_bytes(b'{"format":"insidellms-w')
    recorder = WireRecorder(path, HEAD)
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_two_recordings_do_not_write_one_cassette(tmp_path):
    path = tmp_path / "calls.jsonl"
    recorder = WireRecorder(path, HEAD)
    with pytest.raises(CassetteError, match="another recording writes"):
        WireRecorder(path, HEAD)
    recorder.close()


@pytest.mark.parametrize("in_the_way", ["a folder", "a link", "another file"])
def test_what_is_no_cassette_is_not_overwritten(in_the_way, tmp_path):
    path = tmp_path / "calls.jsonl"
    if in_the_way == "a folder":
        path.mkdir()
    elif in_the_way == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("my notes\n")
    with pytest.raises(CassetteError):
        WireRecorder(path, HEAD)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["calls.jsonl"]


def test_a_disk_that_refuses_is_said_and_what_was_kept_stays(tmp_path):
    path = tmp_path / "calls.jsonl"
    recorder = WireRecorder(path, HEAD)
    recorder.keep(call("1"))
    before = recorder._file
    recorder._file = open("/dev/full", "wb")  # noqa: SIM115 - the recorder holds it
    with pytest.raises(CassetteError, match=os.strerror(28)):
        recorder.keep(call("2"))
    with pytest.raises(OSError):
        recorder._file.close()
    before.close()
    assert said(partial_of(path)) == [("c", "1")]


HOSTILE = {
    "a header that begins another": {"headers": {"content-type": "a\r\nSet-Cookie: b"}},
    "a name of a header that begins another": {"headers": {"a: b\r\nc": "d"}},
    "a status that is none": {"status": 20},
    "data that is no Base64": {"base64": "a"},
    "a field that is not known": {"trailers": {}},
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_that_no_provider_gives_is_refused_with_its_line(answer, tmp_path):
    path = tmp_path / "calls.jsonl"
    request = {"upstream": "openai", "method": "POST", "path": "/v1/x"}
    lines = [{"format": FORMAT}, {"case": "c", "request": request, "answer": {"status": 200, **answer}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(CassetteError, match="line 2 is not a recorded call"):
        list(read_wire_calls(path))


def test_a_call_that_was_edited_to_have_two_answers_is_refused_with_its_line(tmp_path):
    path = tmp_path / "calls.jsonl"
    request = '{"upstream": "openai", "method": "POST", "path": "/v1/x"}'
    answer = '{"status": 200, "body": "a", "body": "b"}'
    path.write_text(f'{{"format": "{FORMAT}"}}\n{{"case": "c", "request": {request}, "answer": {answer}}}\n')
    with pytest.raises(CassetteError, match="line 2 has the key 'body' twice"):
        list(read_wire_calls(path))


@pytest.mark.parametrize("body", ["[" * 600 + "]" * 600, '{"a":' * 600 + "1" + "}" * 600, str(2**60)])
def test_a_body_that_no_recording_holds_is_refused_with_its_line(body, tmp_path):
    path = tmp_path / "calls.jsonl"
    request = f'{{"upstream": "openai", "method": "POST", "path": "/v1/x", "body": {body}}}'
    path.write_text(f'{{"format": "{FORMAT}"}}\n{{"case": "c", "request": {request}, "answer": {{"status": 200}}}}\n')
    with pytest.raises(CassetteError, match="line 2 is not a recorded call"):
        list(read_wire_calls(path))


def test_a_file_that_holds_something_else_is_not_written_over_and_an_empty_one_is_free(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(CassetteError, match="is no recording of calls, so it is not written over") as refused:
        WireRecorder(path, HEAD)
    assert refused.value.fix == "name another file, or remove this one"
    assert path.read_text() == "hello\n"
    path.write_text("")
    recorder = WireRecorder(path, HEAD)
    recorder.keep(call("a"))
    recorder.finish(list, lambda call: call)
    assert said(path) == [("c", "a")]


def test_blank_lines_of_an_editor_are_no_calls(tmp_path):
    path = tmp_path / "calls.jsonl"
    recorder = WireRecorder(path, HEAD)
    recorder.keep(call("a"))
    recorder.finish(list, lambda call: call)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert said(path) == [("c", "a")]
