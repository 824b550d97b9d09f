"""Compressed records are the same run: every digest is of what they unpack to, and every reader reads both."""

import asyncio
import json
import re
import sys

import pytest
from backports import zstd

from insideLLMs.api.run import RunOptions, arun
from insideLLMs.config.load import load_experiment
from insideLLMs.core.errors import InsideLLMsError, OptionError, RunDirectoryError
from insideLLMs.core.types import Record
from insideLLMs.core.zstd import NAME
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.pool import accept
from insideLLMs.store.sealed_run import LEAVES, PACKED_RECORDS, RECORDS, TELEMETRY, SealedRun
from support.changed_runs import sealed_run

EXPERIMENT = """
model: {type: dummy, args: {responses: {"7": "yes"}, canned_response: "no", failures: {"13": error}}}
probe: {type: contains, args: {any: ["yes"]}}
dataset: {path: data.jsonl}
"""


@pytest.fixture
def run(tmp_path):
    """Run the experiment into a folder: `run("name", compress=True)`."""
    rows = [json.dumps({"id": f"e{n:03}", "prompt": f"Is {n} prime?"}) for n in range(40)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows))

    def into(name, *, compress, **options):
        file = tmp_path / "e.yaml"
        file.write_text(f"{EXPERIMENT}execution: {{max_attempts: 1, compress: {str(compress).lower()}}}\n")
        run_options = RunOptions(run_dir=tmp_path / name, **options)
        asyncio.run(arun(load_experiment(file), folder=tmp_path, options=run_options))
        return SealedRun.open(tmp_path / name)

    return into


def names(run):
    return {file.name for file in run.path.iterdir()}


def pack(run, content):
    (run.path / PACKED_RECORDS).write_bytes(zstd.compress(content))


def test_only_the_form_of_the_records_differs(run):
    plain, packed = run("plain", compress=False), run("packed", compress=True)
    assert names(plain) ^ names(packed) == {RECORDS, PACKED_RECORDS}
    for name in names(plain) - {RECORDS, TELEMETRY, LEAVES}:
        assert (plain.path / name).read_bytes() == (packed.path / name).read_bytes()
    leaves, packed_leaves = ((each.path / LEAVES).read_bytes().splitlines() for each in (plain, packed))
    assert leaves[:-1] == packed_leaves[:-1]
    assert zstd.decompress((packed.path / PACKED_RECORDS).read_bytes()) == (plain.path / RECORDS).read_bytes()


def test_readers_read_both(run, tmp_path):
    plain, packed = run("plain", compress=False), run("packed", compress=True)
    assert list(packed.records(Record)) == list(plain.records(Record))
    assert packed.summary == plain.summary
    assert verify(packed.path).problems == []
    accepted = accept(tmp_path / "pool", packed.path, on="2026-11-29", by="me", why="test")
    assert list(SealedRun.open(accepted).lines()) == list(plain.lines())


@pytest.mark.parametrize("compress", [True, False])
def test_a_resumed_run_has_its_records_once_in_the_form_that_is_asked_for(run, compress):
    run("run", compress=not compress)
    resumed = run("run", compress=compress, resume=True)
    assert names(resumed) & {RECORDS, PACKED_RECORDS} == {PACKED_RECORDS if compress else RECORDS}
    assert verify(resumed.path).problems == []


def test_records_unpacked_or_first_packed_by_hand_are_still_the_run(run):
    packed, plain = run("packed", compress=True), run("plain", compress=False)
    content = (plain.path / RECORDS).read_bytes()
    (packed.path / RECORDS).write_bytes(content)
    (packed.path / PACKED_RECORDS).unlink()
    assert (verify(packed.path).problems, verify(packed.path).notes) == ([], [])
    pack(plain, content)
    (plain.path / RECORDS).unlink()
    assert verify(plain.path).problems == []
    assert verify(plain.path).notes == [
        f"{PACKED_RECORDS} was compressed by an earlier version or by hand: only its content is checked"
    ]


def hidden_frame(data):
    return data + b"\x50\x2a\x4d\x18\x06\0\0\0hidden"


def packed_again(data):
    return zstd.compress(zstd.decompress(data), 19)


@pytest.mark.parametrize("change", [hidden_frame, packed_again])
def test_other_bytes_that_unpack_to_the_same_records_are_found_and_can_still_be_read(run, change):
    packed = run("run", compress=True)
    file = packed.path / PACKED_RECORDS
    lines, changed = list(packed.lines()), change(file.read_bytes())
    file.write_bytes(changed)
    [problem] = verify(packed.path).problems
    assert problem.startswith(f"{PACKED_RECORDS} is not the file that was sealed")
    assert list(packed.lines()) == lines


def test_no_bit_of_the_frame_can_change_unnoticed(run):
    packed = run("run", compress=True)
    file = packed.path / PACKED_RECORDS
    data = file.read_bytes()
    for at in range(24):
        for bit in range(8):
            file.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
            assert any(PACKED_RECORDS in problem or RECORDS in problem for problem in verify(packed.path).problems)


def test_a_slim_copy_knows_how_its_records_were_packed(run, tmp_path):
    packed = run("run", compress=True)
    copy = accept(tmp_path / "pool", packed.path, on="2026-11-29", by="me", why="test", slim=True)
    assert (verify(copy).problems, verify(copy).notes) == ([], [])
    (copy / PACKED_RECORDS).write_bytes(hidden_frame((copy / PACKED_RECORDS).read_bytes()))
    assert len(verify(copy).problems) == 1


def altered(content):
    return content.replace(b'"no"', b'"NO"', 1)


def without_first(content):
    return content.split(b"\n", 1)[1]


@pytest.mark.parametrize("change", [altered, without_first, lambda content: content + content[:500]])
def test_packed_records_that_were_changed_are_refused(run, change):
    packed = run("run", compress=True)
    content = zstd.decompress((packed.path / PACKED_RECORDS).read_bytes())
    pack(packed, change(content))
    assert any(problem.startswith(RECORDS) for problem in verify(packed.path).problems)
    with pytest.raises(RunDirectoryError):
        list(packed.lines())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + b"\xff\xff\xff\xff" + data[44:],
        lambda _: b"",
        lambda _: b"not zstd at all",
        lambda _: zstd.compress(b"\0" * 200_000_000),
    ],
)
def test_packed_records_that_cannot_be_unpacked_are_refused(run, damage):
    packed = run("run", compress=True)
    file = packed.path / PACKED_RECORDS
    file.write_bytes(damage(file.read_bytes()))
    assert verify(packed.path).problems
    with pytest.raises(RunDirectoryError):
        list(packed.lines())


def test_a_link_in_the_place_of_packed_records_is_not_followed(run, tmp_path):
    packed = run("run", compress=True)
    file = packed.path / PACKED_RECORDS
    file.rename(tmp_path / PACKED_RECORDS)
    file.symlink_to(tmp_path / PACKED_RECORDS)
    assert verify(packed.path).problems == [f"{RECORDS} is missing"]
    with pytest.raises(InsideLLMsError):
        packed.summary  # noqa: B018 - it is read when it is asked for


def test_without_the_extra_a_run_does_not_begin(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, NAME, None)
    with pytest.raises(OptionError, match="which this installation lacks") as raised:
        run("run", compress=True)
    assert raised.value.fix == "pip install 'insidellms[zstd]'"


def test_without_the_extra_a_reader_says_what_to_install(run, monkeypatch):
    packed = run("run", compress=True)
    monkeypatch.setitem(sys.modules, NAME, None)
    with pytest.raises(RunDirectoryError, match="cannot read") as raised:
        list(packed.lines())
    assert raised.value.fix.startswith("pip install 'insidellms[zstd]'")


def test_it_is_named_where_records_that_cannot_be_unpacked_are_damaged(tmp_path):
    packed = SealedRun.open(sealed_run(tmp_path / "run", trials=500))
    lines = (packed.path / RECORDS).read_bytes().splitlines(keepends=True)
    (packed.path / RECORDS).unlink()
    pack(packed, b"".join(lines))
    assert verify(packed.path).ok
    (packed.path / PACKED_RECORDS).write_bytes(zstd.compress(b"".join(lines[:400])) + b"damaged")
    _, told = verify(packed.path).problems
    found = re.fullmatch(rf"{PACKED_RECORDS}: damaged in record (\d+) or after it: example '(\d+)' of .*", told)
    assert 100 < int(found[1]) <= 401
    assert int(found[2]) == int(found[1]) - 1
