"""A file that stands at its path once it is whole, whoever dies or writes beside it."""

import os
import threading
from pathlib import Path

import pytest

from insideLLMs.store.whole_file import whole_file


def write(path, data):
    with whole_file(path) as file:
        file.write(data)


def fail(path, error):
    with whole_file(path) as file:
        file.write(b"half")
        raise error


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_the_file_is_there_at_the_end_and_nothing_beside_it(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"before")
    with whole_file(path) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_changes_nothing(tmp_path, error):
    (tmp_path / "out").write_bytes(b"before")
    with pytest.raises(error):
        fail(tmp_path / "out", error)
    assert (tmp_path / "out").read_bytes() == b"before"
    assert names(tmp_path) == ["out"]


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    (tmp_path / ".out.tmp").write_bytes(b"a long half of an earlier one")
    write(tmp_path / "out", b"new")
    assert (tmp_path / "out").read_bytes() == b"new"
    assert names(tmp_path) == ["out"]


def test_writers_of_one_file_wait_for_each_other(tmp_path):
    entered = threading.Event()
    second = threading.Thread(target=lambda: (entered.set(), write(tmp_path / "out", b"second")))
    with whole_file(tmp_path / "out") as file:
        second.start()
        entered.wait()
        file.write(b"first")
    second.join()
    assert (tmp_path / "out").read_bytes() == b"second"
    assert names(tmp_path) == ["out"]


def test_neither_a_link_nor_a_second_name_leads_elsewhere(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".out.tmp").hardlink_to(tmp_path / "victim")
    write(tmp_path / "out", b"new")
    assert (tmp_path / "out").read_bytes() == b"new"
    (tmp_path / ".out.tmp").symlink_to("victim")
    with pytest.raises(OSError, match="it is a link"):
        write(tmp_path / "out", b"newer")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_pipe_of_the_shell_is_written_to_and_not_replaced():
    reading, writing = os.pipe()
    try:
        with whole_file(Path(f"/dev/fd/{writing}")) as file:
            file.write(b"text")
        assert os.read(reading, 10) == b"text"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_behind_a_device_is_replaced_where_it_lies(tmp_path):
    (tmp_path / "out").write_bytes(b"longer than the new text")
    with (tmp_path / "out").open("ab") as redirected, whole_file(Path(f"/dev/fd/{redirected.fileno()}")) as file:
        file.write(b"text")
    assert (tmp_path / "out").read_bytes() == b"text"
