"""A cassette grows by what is new, loses nothing, and is only ever a regular file that is a cassette."""

import os
from pathlib import Path

import pytest

from insideLLMs.core.errors import CassetteError
from insideLLMs.core.types import Exchange, Request, Response
from insideLLMs.store.answers.cassette import CassettePlayer, CassetteRecorder, ModelFacts


def exchange(key, text="yes"):
    return Exchange(key=key, model="m", model_digest="d", request=Request.of("?"), response=Response(text=text))


def record(path, *exchanges, facts=()):
    recorder = CassetteRecorder(path, facts)
    for each in exchanges:
        recorder.keep(each)
    recorder.finish()


def answers(path, keys="abcdef"):
    player = CassettePlayer(path)
    found = {key: player.find(key, "d") for key in keys}
    return {key: response.text for key, response in found.items() if response is not None}


def test_a_second_recording_adds_its_answers_and_replaces_those_to_the_same_requests(tmp_path):
    record(tmp_path / "tape", exchange("a"), exchange("b", "old"))
    record(tmp_path / "tape", exchange("b", "new"), exchange("c"))
    assert answers(tmp_path / "tape") == {"a": "yes", "b": "new", "c": "yes"}
    assert os.listdir(tmp_path) == ["tape"]


def test_a_recording_without_answers_changes_no_byte_and_makes_no_file(tmp_path):
    record(tmp_path / "tape", exchange("b"), exchange("a"))
    lines = (tmp_path / "tape").read_bytes().splitlines(keepends=True)
    (tmp_path / "tape").write_bytes(b"".join(reversed(lines)))  # as a merge in git may leave it
    facts = [ModelFacts(model="m", origin="o", facts={"weights": "other"})]
    record(tmp_path / "tape", facts=facts)
    assert (tmp_path / "tape").read_bytes() == b"".join(reversed(lines))
    record(tmp_path / "none", facts=facts)
    assert os.listdir(tmp_path) == ["tape"]


def test_a_killed_recording_is_taken_over_without_its_torn_last_line(tmp_path):
    killed = CassetteRecorder(tmp_path / "tape")
    killed.keep(exchange("a"))
    killed.close()
    with (tmp_path / "tape.partial").open("ab") as partial:
        partial.write(b'{"key":"b","mod')
    record(tmp_path / "tape", exchange("c"))
    assert answers(tmp_path / "tape") == {"a": "yes", "c": "yes"}


def test_recordings_at_the_same_time_share_the_cassette(tmp_path):
    one, two, three = (CassetteRecorder(tmp_path / "tape") for _ in range(3))
    for recorder, key in ((one, "a"), (two, "b"), (three, "c")):
        recorder.keep(exchange(key))
    two.finish()
    assert answers(tmp_path / "tape") == {"b": "yes"}
    one.close()  # it ends badly; the next to finish takes over what it has
    three.finish()
    assert answers(tmp_path / "tape") == {"a": "yes", "b": "yes", "c": "yes"}
    assert os.listdir(tmp_path) == ["tape"]


@pytest.mark.parametrize("text", ["name: an experiment\n", '{"id": "a", "question": "?"}\n', "\n"])
def test_another_file_is_refused_and_left_as_it_is(tmp_path, text):
    (tmp_path / "file").write_text(text)
    with pytest.raises(CassetteError, match="line 1 is not a recorded answer"):
        CassetteRecorder(tmp_path / "file")
    assert (tmp_path / "file").read_text() == text
    assert os.listdir(tmp_path) == ["file"]


def test_an_answer_that_was_edited_to_be_there_twice_is_refused_with_its_line(tmp_path):
    record(tmp_path / "tape", exchange("a"), exchange("b"))
    text = (tmp_path / "tape").read_text()
    (tmp_path / "tape").write_text(text.replace('"text":"yes"', '"text":"yes","text":"no"'))
    with pytest.raises(CassetteError, match="tape, line 1 has the key 'text' twice"):
        CassettePlayer(tmp_path / "tape")


def test_a_foreign_partial_file_is_refused_too(tmp_path):
    (tmp_path / "tape.partial").write_text("mine\n")
    with pytest.raises(CassetteError, match=r"tape\.partial, line 1"):
        CassetteRecorder(tmp_path / "tape")
    assert (tmp_path / "tape.partial").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["tape", "tape.partial"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)])
def test_a_link_a_pipe_or_a_folder_is_no_cassette(tmp_path, name, make):
    make(tmp_path / name)
    before = os.lstat(tmp_path / name)
    with pytest.raises(CassetteError, match="not a regular file"):
        CassetteRecorder(tmp_path / "tape")
    assert os.path.samestat(before, os.lstat(tmp_path / name))


def test_a_device_is_no_cassette():
    with pytest.raises(CassetteError, match="not a regular file"):
        CassetteRecorder(Path("/dev/null"))


def test_a_draft_that_is_a_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "tape.tmp").symlink_to(tmp_path / "mine")
    record(tmp_path / "tape", exchange("a"))
    assert (tmp_path / "mine").read_text() == "mine"
    assert answers(tmp_path / "tape") == {"a": "yes"}


def test_a_name_that_is_too_long_is_an_error_that_names_the_cassette(tmp_path):
    with pytest.raises(CassetteError, match="cannot be written"):
        CassetteRecorder(tmp_path / ("x" * 300))
