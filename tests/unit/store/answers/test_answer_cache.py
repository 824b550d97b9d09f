"""The response cache: what goes in comes out, for that very model; many processes share one file."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest

from insideLLMs.core.errors import StorageError
from insideLLMs.core.types import Exchange, Request, Response, Usage
from insideLLMs.execute.work import request_key
from insideLLMs.store.answers.cache import AnswerCache, cache_path, prune, read_stats


def exchange(number, *, model="m", digest="d1", repeat=0):
    request = Request.of(f"Question {number}")
    return Exchange(
        key=request_key(digest, request, repeat),
        model=model,
        model_digest=digest,
        repeat=repeat,
        request=request,
        response=Response(text=f"answer {number} of {digest}", usage=Usage(input_tokens=1), finish_reason="stop"),
    )


def fill(path, *exchanges, **options):
    cache = AnswerCache(path, **options)
    for each in exchanges:
        cache.keep(each)
    cache.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "answers.sqlite"


def test_what_was_kept_is_found_by_a_later_process(path):
    fill(path, *(exchange(number) for number in range(600)))
    cache = AnswerCache(path)
    try:
        assert all(cache.find(exchange(n).key, "d1") == exchange(n).response for n in range(600))
        assert cache.find(exchange(601).key, "d1") is None
    finally:
        cache.close()


def test_one_models_answer_is_never_found_for_another(path):
    mine, theirs = exchange(1, digest="d1"), exchange(1, digest="d2")
    assert mine.key != theirs.key
    fill(path, mine)
    cache = AnswerCache(path)
    try:
        assert cache.find(theirs.key, "d2") is None
        assert cache.find(mine.key, "d2") is None  # even under the very same key
        assert cache.find(mine.key, "d1") == mine.response
    finally:
        cache.close()


@pytest.mark.parametrize(
    "other",
    [
        ("d1", Request.of("Question 1"), 1),
        ("d1", Request.of("Question 1", temperature=1), 0),
        ("d1", Request.of("Question 1 "), 0),
        ("d2", Request.of("Question 1"), 0),
    ],
    ids=["repeat", "option", "prompt", "model"],
)
def test_everything_that_is_sent_is_part_of_the_key(other):
    assert request_key(*other) != request_key("d1", Request.of("Question 1"), 0)


def test_refresh_finds_nothing_and_replaces_what_is_there(path):
    fill(path, exchange(1))
    newer = Exchange(
        **{
            **{name: getattr(exchange(1), name) for name in Exchange.__struct_fields__},
            "response": Response(text="new"),
        }
    )
    cache = AnswerCache(path, refresh=True)
    assert cache.find(newer.key, "d1") is None
    cache.keep(newer)
    cache.close()
    cache = AnswerCache(path)
    assert cache.find(newer.key, "d1").text == "new"
    cache.close()


def test_stats_and_prune_tell_models_and_ages_apart(path):
    assert read_stats(path).answers == 0
    assert prune(path) == 0
    fill(path, exchange(1), exchange(2), exchange(1, model="other", digest="d2"))
    found = read_stats(path)
    assert (found.answers, found.models) == (3, {"m": 2, "other": 1})
    assert 0 <= found.newest_s <= found.oldest_s < 60
    assert prune(path, older_than_s=60) == 0
    assert prune(path, model="other") == 1
    assert prune(path) == 2
    assert read_stats(path).answers == 0


def test_only_the_owner_may_read_the_file(path):
    fill(path, exchange(1))
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_cache_is_refused_with_a_way_out(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match="--cache off"):
        AnswerCache(path)


def test_a_cache_of_another_format_is_refused(path):
    fill(path, exchange(1))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="format 99"):
        AnswerCache(path)


def test_a_cache_that_breaks_under_way_is_left_alone_with_a_warning(path, caplog):
    cache = AnswerCache(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE answers")
    connection.close()
    assert cache.find("k", "d1") is None
    cache.keep(exchange(1))
    cache.close()
    assert caplog.text.count("no longer used") == 1


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/unit/store/answers"]
from test_answer_cache import exchange, fill
fill(Path(sys.argv[1]), *(exchange(f"{sys.argv[2]}-{n}") for n in range(200)))
"""


def test_processes_that_create_the_file_at_once_lose_nothing(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(6)
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=60)
        assert writer.returncode == 0, err
        assert "not used" not in err
    assert read_stats(path).answers == 1200


def test_the_folder_can_be_chosen():
    assert cache_path({"INSIDELLMS_CACHE": "/x"}).parts[-2:] == ("x", "answers.sqlite")
    assert cache_path({"XDG_CACHE_HOME": "/x"}).parts[-3:] == ("x", "insidellms", "answers.sqlite")
    assert cache_path(os.environ).name == "answers.sqlite"


@pytest.mark.parametrize(
    "altered", ["replace(response, 'answer', 'ANSWER')", "substr(response, 1, 20)", "'00000000{}'"]
)
def test_an_altered_answer_is_not_served_and_the_next_one_replaces_it(path, altered, caplog):
    fill(path, exchange(1), exchange(2))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE answers SET response = CAST({altered} AS BLOB) WHERE key = ?", (exchange(1).key,))
    cache = AnswerCache(path)
    try:
        assert cache.find(exchange(1).key, "d1") is None
        assert "damaged" in caplog.text
        assert cache.find(exchange(2).key, "d1") == exchange(2).response
    finally:
        cache.close()
    fill(path, exchange(1))
    cache = AnswerCache(path)
    try:
        assert cache.find(exchange(1).key, "d1") == exchange(1).response
    finally:
        cache.close()


def test_an_answer_of_a_cache_from_before_checksums_is_still_found(path):
    fill(path, exchange(1))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE answers SET response = substr(response, 9)")
    cache = AnswerCache(path)
    try:
        assert cache.find(exchange(1).key, "d1") == exchange(1).response
    finally:
        cache.close()
