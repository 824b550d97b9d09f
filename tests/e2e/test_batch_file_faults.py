"""Files that strangers give to `batch import` and `batch export`: refused with the cause, or taken whole."""

import json
import os
import subprocess
import zlib

from support.batch_answers import as_openai, write_lines
from support.batch_imports import begun, export, take
from support.command import command_line, environment, insidellms, records_of

REFUSAL = {"error": {"message": "too long", "type": "invalid_request_error"}}


def otherwise(line):
    body = json.loads(json.dumps(line["response"]["body"]).replace("QUESTION", "ANOTHER"))
    return as_openai(line["custom_id"], body)


def test_an_answer_that_differs_from_the_one_a_run_has_is_named_and_not_taken(tmp_path):
    lines = begun(tmp_path)
    write_lines(tmp_path / "half.jsonl", lines[:2])
    take(tmp_path, "half.jsonl")
    write_lines(tmp_path / "again.jsonl", [lines[0], otherwise(lines[1]), *lines[2:5]])
    done = take(tmp_path, "again.jsonl").json
    assert (done["taken"], done["known"], done["differing"]) == (3, 2, ["again.jsonl, line 2"])
    done = insidellms("batch", "import", "again.jsonl", "--run-dir", "batch", cwd=tmp_path)
    assert "answers that differ from what the run has, which stays: 1 (again.jsonl, line 2)" in done.err
    write_lines(tmp_path / "all.jsonl", lines)
    assert take(tmp_path, "all.jsonl").json["complete"]
    assert "ANOTHER" not in (tmp_path / "batch" / "records.jsonl").read_text()


def test_an_answer_stands_before_a_refusal_in_an_earlier_file(tmp_path):
    lines = begun(tmp_path)
    write_lines(tmp_path / "one.jsonl", [as_openai(lines[0]["custom_id"], REFUSAL, 400), *lines[1:4]])
    assert take(tmp_path, "one.jsonl").json["refused"] == 1
    again = take(tmp_path, "one.jsonl").json
    assert (again["taken"], again["known"], again["refused"], again["missing"]) == (0, 4, 0, 8)
    write_lines(tmp_path / "two.jsonl", lines)
    done = take(tmp_path, "two.jsonl").json
    assert (done["taken"], done["complete"]) == (9, True)
    assert {record["status"] for record in records_of(tmp_path / "batch")} == {"success"}


def test_an_id_that_is_spelt_otherwise_is_another_one(tmp_path):
    lines = begun(tmp_path)
    key = lines[0]["custom_id"]
    others = [key.upper(), f" {key}", f"{key}\n", f"{key[:8]} {key[8:]}"]
    write_lines(tmp_path / "answers.jsonl", [*({**lines[0], "custom_id": other} for other in others), *lines])
    done = take(tmp_path, "answers.jsonl")
    assert (done.code, done.err.count("this run has no request")) == (1, len(others)), done.err


def test_a_status_that_http_does_not_have_is_an_error_to_be_asked_again(tmp_path):
    lines = begun(tmp_path)
    statuses = ["abc", -1, 0, 99, 600, 10**18, True, "²00", [200]]
    for line, status in zip(lines, statuses, strict=False):
        line["response"]["status_code"] = status
    write_lines(tmp_path / "answers.jsonl", lines)
    done = take(tmp_path, "answers.jsonl").json
    assert (done["taken"], len(done["failed"])) == (len(lines) - len(statuses), len(statuses))
    assert all("which is none of HTTP" in line["message"] for line in done["failed"])


WRONG = {
    "bzip2": (b"BZh91AY&SY", "unpack it: bunzip2 answers.jsonl"),
    "xz": (b"\xfd7zXZ\0", "unpack it: unxz answers.jsonl"),
    "Parquet": (b"PAR1\x15\x04", "is a Parquet table"),
    "the batch itself": (b'{\n "id": "batch_1",\n "object": "batch"\n}\n', "which a batch names as its output_file_id"),
    "the batch itself, on a line": (b'{"id": "batch_1", "output_file_id": "f"}', "as it is the batch itself"),
    "Azure's answer to a wrong file": (b'{"code": "invalid_json", "message": "bad", "line": 1}', "but an error: bad"),
    "an error of the files API": (b'{"error":{"message":"No such File object"}}', "but an error: No such File object"),
    "text as a response": (b'{"custom_id": "a", "response": "hello"}', "its response is a JSON str"),
}


def test_a_file_of_another_kind_is_recognised(tmp_path):
    begun(tmp_path)
    for content, told in WRONG.values():
        (tmp_path / "answers.jsonl").write_bytes(content)
        done = take(tmp_path, "answers.jsonl")
        assert (done.code, told in done.err, "cut off" in done.err) == (1, True, False), done.err


def test_files_with_byte_order_marks_can_be_joined(tmp_path):
    lines = begun(tmp_path)
    for name, part in (("one", lines[:6]), ("two", lines[6:])):
        write_lines(tmp_path / name, part)
    joined = b"".join(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes() for name in ("one", "two"))
    (tmp_path / "answers.jsonl").write_bytes(joined)
    assert take(tmp_path, "answers.jsonl").json["complete"]


def test_the_same_answer_under_another_response_id_is_no_other_answer(tmp_path):
    lines = begun(tmp_path)
    body = {**lines[0]["response"]["body"], "id": "chatcmpl-2", "created": 7}
    write_lines(tmp_path / "answers.jsonl", [*lines, as_openai(lines[0]["custom_id"], body)])
    assert take(tmp_path, "answers.jsonl").json["complete"]


def test_a_pipe_is_refused_as_answers_are_read_twice(tmp_path):
    begun(tmp_path)
    os.mkfifo(tmp_path / "answers.jsonl")
    done = take(tmp_path, "answers.jsonl")
    assert (done.code, "answers.jsonl is not a regular file" in done.err) == (1, True)


def test_an_export_overwrites_nothing_but_requests(tmp_path):
    write_lines(tmp_path / "answers.jsonl", begun(tmp_path))
    for name in ("e.yaml", "data.jsonl", "answers.jsonl", "batch/journal.jsonl", "batch/batches.jsonl"):
        before = (tmp_path / name).read_bytes()
        done = insidellms("batch", "export", "e.yaml", "--run-dir", "new", "-o", name, cwd=tmp_path)
        told = (
            "is a file of a run, and nothing is written over it"
            if "/" in name
            else f"{name} exists, and is no file of requests"
        )
        assert (done.code, told in done.err) == (1, True), done.err
        assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_an_export_to_a_pipe_leaves_it_to_the_requests(tmp_path):
    begun(tmp_path)
    command = command_line("batch", "export", "--run-dir", "batch", "-o", "/dev/stdout")
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    assert done.stdout == (tmp_path / "requests.jsonl").read_bytes()
    assert b"requests written to /dev/stdout: 12" in done.stderr


UNKNOWN = [
    {"kind": "from the future"},
    {"kind": "answer", "key": 7},
    {"kind": "origin"},
    {"kind": "unlisted", "token": "nobody's"},
    {"kind": "answer", "key": "zz", "model_digest": "", "response": {"text": ""}},
]


def test_a_line_of_the_batches_file_that_is_intact_and_says_nothing_known_is_named(tmp_path):
    begun(tmp_path)
    path = tmp_path / "batch" / "batches.jsonl"
    before = path.read_bytes()
    for body in UNKNOWN:
        data = json.dumps(body).encode()
        path.write_bytes(before + b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(data), data))
        done = export(tmp_path, "--run-dir", "batch")
        assert (done.code, "batch/batches.jsonl, line 3: this version cannot read" in done.err) == (1, True), done.err
    done = insidellms("run", "e.yaml", "--run-dir", "batch", "--resume", cwd=tmp_path)
    assert (done.code, "line 3: this version cannot read" in done.err) == (1, True), done.err


def test_the_gate_of_the_experiment_decides_once_a_run_is_complete(tmp_path):
    lines = begun(tmp_path, gate={"min_pass_rate": 0.99})  # of the probe `contains`, 2 of 12 pass
    write_lines(tmp_path / "half.jsonl", lines[:5])
    write_lines(tmp_path / "all.jsonl", lines)
    assert (take(tmp_path, "half.jsonl").code, take(tmp_path, "all.jsonl").code) == (0, 3)
    again = take(tmp_path, "all.jsonl")
    assert (again.code, again.json["complete"], again.json["verdict"]["state"]) == (3, True, "failed")
    assert "contains · m: the pass rate" in again.err
    args = ("batch", "import", "all.jsonl", "--run-dir", "batch")
    assert insidellms(*args, "--no-gate", cwd=tmp_path).code == 0
    assert insidellms(*args, "--min-pass-rate", "0.1", cwd=tmp_path).code == 0
    done = export(tmp_path, "e.yaml", "--run-dir", "batch")
    assert (done.code, "nothing is left to ask" in done.out, "the pass rate" in done.out) == (3, True, True)


def test_a_run_of_which_everything_was_refused_is_no_success(tmp_path):
    lines = begun(tmp_path)
    write_lines(tmp_path / "answers.jsonl", [as_openai(line["custom_id"], REFUSAL, 400) for line in lines])
    done = take(tmp_path, "answers.jsonl")
    assert (done.code, "none of the 24 trials was answered" in done.err) == (1, True), done.err
