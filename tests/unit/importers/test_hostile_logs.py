"""Broken, cut and hostile logs: each an error with its place and a fix, and nothing is written."""

import json
import os
import shutil
import sys
import warnings
import zipfile

import pytest

from insideLLMs.api.imports.importing import ImportOptions, import_files
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.importers import log_zip
from insideLLMs.importers.log_file import LogFile
from insideLLMs.importers.logs import recognise
from support.foreign_logs import LOGS

zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd.zipfile")
EVAL = LOGS[0].path("baseline")
DOCUMENT = next(log for log in LOGS if log.file == "promptfoo.json").path("baseline")
LINES = next(log for log in LOGS if log.file == "promptfoo.jsonl").path("baseline")
FIRST = "samples/q0_epoch_1.json"


def zip_module():
    return zipfile if sys.version_info >= (3, 14) else zstd


def entries():
    with zip_module().ZipFile(EVAL) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of double names
        with zipfile.ZipFile(path, "w", compression=method) as archive:
            for name, data in files:
                archive.writestr(name, data)
    return path


def refused(path, tmp_path, **options):
    """Import, which must fail; return what is said."""
    with pytest.raises(InsideLLMsError) as raised:
        import_files([path], tmp_path / "run", ImportOptions(**options))
    assert not (tmp_path / "run").exists()
    assert raised.value.fix
    return raised.value.message


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.file)
def test_a_log_that_was_cut_is_refused_wherever_it_was_cut(log, tmp_path):
    data = log.path("baseline").read_bytes()
    for name in log.companions:
        shutil.copy(log.path("baseline").with_name(name), tmp_path / name)
    path = tmp_path / log.file
    for share in range(1, 24):
        cut = data[: len(data.rstrip()) * share // 24]
        path.write_bytes(cut)
        if not (
            log.file.endswith("l") and cut.rpartition(b"\n")[2].strip()[-1:] in {b"", b"}"}
        ):  # whole lines are left
            assert log.file in refused(path, tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../outside", "a path that leads out of the zip"),
        ("/etc/outside", "a path that leads out of the zip"),
        ("..\\outside", "a path that leads out of the zip"),
        (FIRST, "the same name as another entry"),
    ],
)
def test_a_zip_with_names_that_no_log_has_is_refused(name, told, tmp_path):
    path = write_zip(tmp_path / "x.eval", [*entries().items(), (name, b"{}")])
    assert told in refused(path, tmp_path)


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(log_zip, "_LARGEST_ENTRY", 1 << 20)
    path = write_zip(tmp_path / "x.eval", (entries() | {FIRST: b'"' + b"a" * (2 << 20) + b'"'}).items())
    assert f"{FIRST}: unpacks to more than any log does" in refused(path, tmp_path)


def test_a_zip_whose_entries_unpack_to_too_much_together_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(log_zip, "_ALWAYS_ALLOWED", 1 << 10)
    monkeypatch.setattr(log_zip, "_MOST_UNPACKED", 0)
    assert "unpacks to more than any log does" in refused(EVAL, tmp_path)


def test_a_zip_that_lists_too_many_entries_is_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(log_zip, "_LARGEST_DIRECTORY", 200)
    assert "lists more entries than any log has" in refused(EVAL, tmp_path)


def test_a_log_without_the_library_for_zstd_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(log_zip, "_WITH_ZSTD", "no_such_module")
    with pytest.raises(InsideLLMsError, match="compressed with zstd") as raised:
        import_files([EVAL], tmp_path / "run")
    assert raised.value.fix == "pip install 'insidellms[zstd]'"


def changed_sample(**changes):
    return json.dumps({**json.loads(entries()[FIRST]), **changes}).encode()


SAMPLE = entries()[FIRST]


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (SAMPLE[:-1] + b', "id": "again"}', "has the key 'id' twice"),
        (b"[" * 100_000, "is nested too deeply"),
        (SAMPLE[:100], "is not valid JSON"),
        (b"\xff\xfe", "is not valid UTF-8"),
        (b"[1]", "sample is a list; it must be an object"),
        (changed_sample(id=["a"]), "sample.id is a list; it must be text or a whole number"),
        (changed_sample(id=None), "a name is empty"),
        (changed_sample(id="a\0b"), "a name holds a NUL character"),
        (changed_sample(epoch=-5), "sample.epoch is a number; it must be a whole number from 1 on"),
        (changed_sample(scores=["C"]), "sample.scores is a list; it must be an object"),
        (changed_sample(scores={"includes": {"value": float("inf")}}), "numbers must be finite"),
        (changed_sample(messages=[{"role": "boss", "content": "hi"}]), "a message has the role 'boss'"),
    ],
)
def test_a_sample_that_is_not_as_it_should_be_is_refused_with_its_place(sample, told, tmp_path):
    path = write_zip(tmp_path / "x.eval", (entries() | {FIRST: sample}).items())
    message = refused(path, tmp_path)
    assert told in message
    assert f"x.eval, {FIRST}" in message


def test_a_log_that_lost_a_sample_is_refused_unless_that_is_wanted(tmp_path):
    files = entries()
    del files[FIRST]
    path = write_zip(tmp_path / "x.eval", files.items())
    assert "it has 19 of 20 samples" in refused(path, tmp_path)
    found = import_files([path], tmp_path / "run", ImportOptions(unfinished=True))
    assert (found.manifest.trials, "19 of 20 samples" in found.notes[0]) == (38, True)


def test_values_without_a_stored_form_are_left_out_and_counted(tmp_path):
    sample = changed_sample(metadata={"seed": 2**70, "mean": float("nan"), "level": 1, "api_key": "abc-123-def"})
    path = write_zip(tmp_path / "x.eval", (entries() | {FIRST: sample}).items())
    left_out = import_files([path], tmp_path / "run").manifest.notes["imported"]["left_out"]
    assert {name for name in left_out if "metadata" in name} == {
        "sample.metadata.seed", "sample.metadata.mean", "sample.metadata.api_key (secret)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.decode().encode("utf-16"), "is UTF-16 text"),
        (lambda data: data.replace(b"It is 0", b"It is \xe9"), "is not valid UTF-8"),
        (lambda data: data.rstrip()[:-1] + b', "evalId": "x"}', "has the key 'evalId' twice"),
        (lambda data: data.replace(b'"score": 1', b'"score": NaN', 1), "is not valid JSON"),
        (lambda data: b"", "log.json"),
        (lambda data: b"{}", "log.json"),
        (lambda data: b"[[1]]", "log.json"),
    ],
)
def test_a_document_that_is_not_as_it_should_be_is_refused(change, told, tmp_path):
    path = tmp_path / "log.json"
    path.write_bytes(change(DOCUMENT.read_bytes()))
    assert told in refused(path, tmp_path)


@pytest.mark.parametrize("log", [DOCUMENT, LINES], ids=lambda path: path.name)
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(log, tmp_path):
    path = tmp_path / log.name
    path.write_bytes(b"\xef\xbb\xbf" + log.read_bytes().replace(b"\n", b"\r\n"))
    for name, source in (("plain", log), ("marked", path)):
        import_files([source], tmp_path / name)
    plain, marked = ((tmp_path / name / "records.jsonl").read_bytes() for name in ("plain", "marked"))
    assert plain == marked


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert "is not a regular file" in refused(tmp_path / "pipe.json", tmp_path)
    assert "is not a regular file" in refused(tmp_path / "zero.json", tmp_path)
    assert "loop.json" in refused(tmp_path / "loop.json", tmp_path)
    assert "absent.eval" in refused(tmp_path / "absent.eval", tmp_path)


def test_a_log_of_one_tool_is_not_read_as_that_of_another(tmp_path):
    assert "is a log of promptfoo, not of inspect_ai" in refused(DOCUMENT, tmp_path, tool="inspect_ai")


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.file)
def test_lines_are_read_one_at_a_time(log):
    file = LogFile(log.path("baseline"))
    assert recognise(file) == log.tool
    assert ("data" in vars(file)) == (not file.is_lines and file.entries is None)
