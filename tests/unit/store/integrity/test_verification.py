"""What was done to a line of a sealed run is found and named, whatever was done and wherever."""

import json
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.store.integrity.line_changes import LineKey, changed_lines
from insideLLMs.store.integrity.verification import open_intact, verify
from insideLLMs.store.leaves import resealed
from insideLLMs.store.sealed_run import SealedRun
from support.changed_runs import CHANGES, FILES, change_at_random, sealed_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return sealed_run(tmp_path_factory.mktemp("sealed") / "run", trials=7)


def problems(run):
    """Return what `verify` says is wrong, also of a folder or a manifest that it cannot open."""
    try:
        return verify(run).problems
    except RunDirectoryError as error:
        return [error.message]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_file_is_found_and_its_place_named(run, name, change):
    for seed in range(3):
        made = change_at_random(run, name, change, random.Random(f"{name} {change} {seed}"))
        if made is not None:
            with made as expected:
                found = problems(run)
                assert any(name in problem and all(word in problem for word in expected) for problem in found), found
    assert verify(run).ok


def test_a_run_without_leaves_still_verifies_and_says_what_it_cannot_name(run, tmp_path):
    leaves = run / "leaves.jsonl"
    leaves.rename(tmp_path / "leaves.jsonl")
    try:
        found = verify(run)
    finally:
        (tmp_path / "leaves.jsonl").rename(leaves)
    assert found.ok
    assert "no changed line can be named" in found.notes[0]


def resealed_with(run, manifest):
    """Change the manifest, and the seal that must fit it, as somebody does who hides the change."""
    (run / "manifest.json").write_bytes(manifest)
    (run / "leaves.jsonl").write_bytes(b"".join([*resealed(run / "leaves.jsonl", manifest, has_telemetry=True)]))


@pytest.mark.parametrize("name", ["records.jsonl", "summary.json", "config.resolved.yaml"])
def test_a_manifest_that_leaves_a_canonical_file_out_is_refused(tmp_path, name):
    run = sealed_run(tmp_path / "run", trials=3)
    manifest = json.loads((run / "manifest.json").read_bytes())
    del manifest["files"][name]
    resealed_with(run, canonical.pretty(manifest))
    assert any(f"{name} is not in manifest.json" in problem for problem in verify(run).problems)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"trials": 3', b'"trials": 30, "trials": 3', "not in canonical form"),
        (b'"trials": 3', b'"trials":  3', "not in canonical form"),
        (b'"size_bytes": ', b'"size_bytes": 1', "bytes, the manifest says 1"),
    ],
)
def test_a_manifest_that_can_be_read_in_two_ways_is_refused_with_and_without_leaves(tmp_path, old, new, said):
    run = sealed_run(tmp_path / "run", trials=3)
    resealed_with(run, (run / "manifest.json").read_bytes().replace(old, new, 1))
    assert any(said in problem for problem in verify(run).problems)
    (run / "leaves.jsonl").unlink()
    assert any(said in problem for problem in verify(run).problems)


@pytest.mark.parametrize("name", ["manifest.json", "records.jsonl", "leaves.jsonl", "telemetry.jsonl"])
@pytest.mark.parametrize(
    "data", [b'{"a\xff": 1}\n', b'{"notes":' + b'{"a":' * 100_000 + b"\n", b"[" * 100_000 + b"\n", b"\n" * 9, b""]
)
def test_a_file_that_holds_anything_else_is_an_error_in_words(tmp_path, name, data):
    run = sealed_run(tmp_path / "run", trials=3)
    (run / name).write_bytes(data)
    assert any(name in problem for problem in problems(run))


@pytest.mark.parametrize("name", ["leaves.jsonl", "telemetry.jsonl", "records.jsonl", "summary.json", "report.html"])
@pytest.mark.parametrize("kind", ["a link", "a link to nothing", "a folder", "a pipe"])
def test_what_is_no_file_in_the_place_of_one_is_not_followed(tmp_path, name, kind):
    run = sealed_run(tmp_path / "run", trials=3)
    (run / name).rename(tmp_path / "elsewhere")
    if kind == "a folder":
        (run / name).mkdir()
    elif kind == "a pipe":
        os.mkfifo(run / name)
    else:
        (run / name).symlink_to(tmp_path / ("elsewhere" if kind == "a link" else "nothing"))
    assert problems(run) == [f"{name} is not a regular file"]


def test_files_that_are_no_part_of_the_run_are_named_as_nothing_vouches_for_them(tmp_path):
    run = sealed_run(tmp_path / "run", trials=3)
    assert verify(run).notes == []
    for name in ("records.jsonl.zst", "approved.txt", ".hidden"):
        (run / name).touch()
    found = verify(run)
    assert found.ok
    assert found.notes == ["not part of the run: '.hidden', 'approved.txt', 'records.jsonl.zst'"]
    for number in range(9):
        (run / f"f{number}").touch()
    assert verify(run).notes[0].endswith("'f0', 'f1', 'f2' and 7 more")


def test_a_run_that_is_not_intact_is_refused_with_the_record_that_was_changed(tmp_path):
    run = sealed_run(tmp_path / "run", trials=5)
    assert open_intact(run).path == run
    change = change_at_random(run, "records.jsonl", "a byte", random.Random(1))
    with change as words, pytest.raises(RunDirectoryError, match=r"is not intact: records\.jsonl: altered") as raised:
        open_intact(run)
    assert all(word in raised.value.message for word in words)


def test_a_line_of_telemetry_that_was_changed_is_not_read(run):
    with change_at_random(run, "telemetry.jsonl", "a byte", random.Random(3)), pytest.raises(RunDirectoryError):
        list(SealedRun.open(run).telemetry())


def changes(sealed, found):
    lines = changed_lines("f", lambda: [LineKey(key, None) for key in sealed], [LineKey(key, None) for key in found])
    return [(each.change, each.line, each.sealed_line) for each in lines]


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ("abcde", []),
        ("aXcde", [("altered", 2, 2)]),
        ("aXYde", [("altered", 2, 2), ("altered", 3, 3)]),
        ("abcd", [("removed", None, 5)]),
        ("bcde", [("removed", None, 1)]),
        ("ae", [("removed", None, 2), ("removed", None, 3), ("removed", None, 4)]),
        ("abXcde", [("added", 3, None)]),
        ("abcdeX", [("added", 6, None)]),
        ("abbcde", [("added", 3, None)]),
        ("acbde", [("moved", 2, 3), ("moved", 3, 2)]),
        ("ebcda", [("moved", 1, 5), ("moved", 5, 1)]),
        ("cbade", [("moved", 1, 3), ("moved", 3, 1)]),
        ("bcdea", [("moved", 5, 1)]),
        ("acXe", [("removed", None, 2), ("altered", 3, 4)]),
        ("", [("removed", None, number) for number in range(1, 6)]),
    ],
)
def test_each_kind_of_change_is_told_from_the_others(found, named):
    assert changes("abcde", found) == named


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)), st.lists(st.integers(100, 110), max_size=3))
def test_lines_are_as_they_were_exactly_where_no_change_is_named(order, dropped, added):
    found = [*(each for each in order if each not in dropped), *added]
    told = changes(range(8), found)
    assert bool(told) == (found != list(range(8)))
    touched = {line for _, line, _ in told}
    kept = [each for line, each in enumerate(found, start=1) if line not in touched]
    assert kept == sorted(kept)
    assert all(each < 8 for each in kept)
    gone = {place - 1 for change, _, place in told if change in {"removed", "altered"}}
    assert gone == dropped


def test_files_that_have_nothing_in_common_are_not_read_to_the_end():
    read = iter(range(10**9, 2 * 10**9))
    told = changed_lines(
        "f", lambda: (LineKey(key, None) for key in range(10**9)), (LineKey(key, None) for key in read)
    )
    assert len(told) > 1000
    assert next(read) < 10**9 + 10_000
