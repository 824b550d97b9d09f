"""Signing, verifying and proving as users type them."""

import json
import shutil

import pytest

from support.command import insidellms, write_files

EXPERIMENT = """
models: [{type: dummy, id: one}, {type: dummy, id: two, args: {responses: {Q: "yes"}}}]
probe: {type: equals}
dataset:
  examples:
    - {id: a, prompt: Q1, expected: "yes"}
    - {id: "b\\e[31m\\u202e", prompt: Q2, expected: "yes"}
    - {id: c, prompt: Q3, expected: "no"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, signed, a baseline of it, and two keys."""
    folder = tmp_path_factory.mktemp("evidence")
    write_files(folder, {"e.yaml": EXPERIMENT})
    for command in (
        ("run", "e.yaml", "--run-dir", "run"),
        ("sign", "--new-key", "key"),
        ("sign", "--new-key", "other"),
        ("sign", "run", "--key", "key"),
        ("baseline", "accept", "run", "--pool", "pool", "--why", "first"),
        ("baseline", "accept", "run", "--pool", "slim", "--slim", "--why", "first"),
        ("rescore", "run", "--probe", "equals", "--to", "rescored"),
        ("sign", "rescored", "--key", "key"),
        ("run", "e.yaml", "--run-dir", "packed", "--compress"),
        ("sign", "packed", "--key", "key"),
    ):
        done = insidellms(*command, cwd=folder)
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def copied(folder, tmp_path):
    """The folder, to be changed."""
    return shutil.copytree(folder, tmp_path / "copied")


def change(run, old, new):
    path = run / "records.jsonl"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("run", ["run", "pool/run", "rescored", "packed"])
def test_a_signed_run_verifies_where_it_is_and_where_it_was_accepted(folder, run):
    done = insidellms("verify", run, "--key", "key.pub", cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert "signed by key.pub" in done.out


def test_a_slim_baseline_is_another_folder_that_nobody_signed(folder):
    done = insidellms("verify", "slim/run", "--key", "key.pub", cwd=folder)
    assert done.code == 1
    assert "is not signed" in done.err
    assert insidellms("verify", "slim/run", cwd=folder).code == 0


@pytest.mark.parametrize("run", ["run", "pool/run", "slim/run", "rescored"])
def test_verify_names_the_record_that_was_changed(copied, run):
    change(copied / run, b'"passed":false', b'"passed":true')
    done = insidellms("verify", run, cwd=copied)
    assert done.code == 1
    assert "records.jsonl: altered: line 1: example 'a' of dataset 'inline', probe 'equals', model 'one'" in done.err


def test_verify_tells_a_script_where_the_change_is(copied):
    lines = (copied / "run" / "records.jsonl").read_bytes().splitlines(keepends=True)
    (copied / "run" / "records.jsonl").write_bytes(b"".join([*lines[:4], *lines[5:]]))
    done = insidellms("verify", "run", "--json", cwd=copied)
    assert (done.code, done.json["valid"]) == (1, False)
    trial = {"probe": "equals", "dataset": "inline", "example_id": "c", "model": "one", "repeat": 0}
    assert done.json["changes"] == [
        {"file": "records.jsonl", "change": "removed", "line": None, "sealed_line": 5, "trial": trial}
    ]


def test_names_that_would_command_a_terminal_are_spelt_out(copied):
    lines = (copied / "run" / "records.jsonl").read_bytes().splitlines(keepends=True)
    (copied / "run" / "records.jsonl").write_bytes(b"".join([*lines[:2], *lines[3:]]))
    done = insidellms("verify", "run", cwd=copied)
    assert "removed" in done.err
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err


def test_a_signature_holds_for_compressed_records_that_were_unpacked(copied):
    shutil.copy(copied / "run" / "records.jsonl", copied / "packed")
    (copied / "packed" / "records.jsonl.zst").unlink()
    assert insidellms("verify", "packed", "--key", "key.pub", cwd=copied).code == 0


def test_another_key_a_changed_run_and_an_unsigned_one_exit_with_one(copied):
    assert insidellms("verify", "run", "--key", "other.pub", cwd=copied).code == 1
    assert insidellms("verify", "run", "--key", "key.pub", "--key", "other.pub", cwd=copied).code == 1
    change(copied / "run", b"Q1", b"Q9")
    assert insidellms("verify", "run", "--key", "key.pub", cwd=copied).code == 1
    refused = insidellms("sign", "run", "--key", "key", cwd=copied)
    assert refused.code == 1
    assert "is not intact" in refused.err


def test_what_fits_together_again_is_found_by_the_signature_alone(copied):
    """Who changes all files so that they fit makes another intact run."""
    write_files(copied, {"e.yaml": EXPERIMENT.replace('Q: "yes"', 'Q: "no"')})
    assert insidellms("run", "e.yaml", "--run-dir", "forged", cwd=copied).code == 0
    assert insidellms("verify", "forged", cwd=copied).code == 0
    assert insidellms("verify", "forged", "--key", "key.pub", cwd=copied).code == 1
    shutil.copy(copied / "run" / "signatures.dsse.json", copied / "forged")
    for key in ((), ("--key", "key.pub")):
        done = insidellms("verify", "forged", *key, cwd=copied)
        assert done.code == 1
        assert "does not match its signatures" in done.err
        assert "is of another run" in done.err


def test_a_run_with_a_damaged_record_proves_nothing_and_says_which_it_is(copied):
    change(copied / "run", b"Q1", b"Q9")
    done = insidellms("prove", "run", "c", "-o", "proof.json", cwd=copied)
    assert done.code == 1
    assert "is not intact: records.jsonl: altered: line 1: example 'a' of dataset 'inline'" in done.err
    assert not (copied / "proof.json").exists()


def test_damaged_signatures_can_be_made_again_as_the_error_says(copied):
    (copied / "run" / "signatures.dsse.json").write_text("{}")
    done = insidellms("sign", "run", "--key", "key", cwd=copied)
    assert done.code == 1
    assert "remove it, and sign the run again" in done.err
    (copied / "run" / "signatures.dsse.json").unlink()
    assert insidellms("sign", "run", "--key", "key", cwd=copied).code == 0


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_private_key_that_every_user_can_read_signs_with_a_warning(copied, mode, is_warned):
    (copied / "key").chmod(mode)
    done = insidellms("sign", "run", "--key", "key", cwd=copied)
    assert done.code == 0, done.err
    assert ("every user of this machine can read key" in done.err) == is_warned


def test_one_key_given_twice_is_not_two_signers(copied):
    shutil.copy(copied / "key.pub", copied / "copy.pub")
    done = insidellms("verify", "run", "--key", "key.pub", "--key", "copy.pub", cwd=copied)
    assert done.code == 1
    assert "key.pub and copy.pub are the same key" in done.err


def test_no_output_damages_the_run_that_it_is_made_of(copied):
    for command in (
        ("prove", "run", "c", "-o", "run/records.jsonl"),
        ("export", "run", "-o", "run/summary.json"),
        ("report", "run", "--html", "run/manifest.json"),
        ("diff", "run", "packed", "--sarif", "run/records.jsonl"),
    ):
        done = insidellms(*command, cwd=copied)
        assert (done.code, "is a file of a run" in done.err) == (1, True), (command, done.err)
    assert insidellms("verify", "run", "--key", "key.pub", cwd=copied).code == 0


def test_a_proof_is_checked_where_there_is_no_run(folder, tmp_path):
    assert insidellms("prove", "run", "c", "-o", tmp_path / "proof.json", cwd=folder).code == 0
    shutil.copy(folder / "key.pub", tmp_path)
    shutil.copy(folder / "other.pub", tmp_path)
    done = insidellms("verify-proof", "proof.json", "--key", "key.pub", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2 of 6 records" in done.out
    assert insidellms("verify-proof", "proof.json", "--key", "other.pub", cwd=tmp_path).code == 1
    assert insidellms("verify-proof", "proof.json", cwd=tmp_path).code == 2
    root = json.loads((folder / "run" / "manifest.json").read_text())["records_root"]
    shown = insidellms("verify-proof", "proof.json", "--root", root, "--json", cwd=tmp_path)
    assert [json.loads(line)["example_id"] for line in shown.json["records"]] == ["c", "c"]
    forged = json.loads((tmp_path / "proof.json").read_text()) | {"run_id": "another", "signatures": None}
    write_files(tmp_path, {"forged.json": json.dumps(forged)})
    by_root = ("verify-proof", "forged.json", "--root", root)
    assert f": 2 records of the run with root {root}\n" in insidellms(*by_root, cwd=tmp_path).out
    assert insidellms(*by_root, "--json", cwd=tmp_path).json["run_id"] is None
    assert insidellms("verify-proof", "proof.json", "--root", "0" * 64, cwd=tmp_path).code == 1
    text = (tmp_path / "proof.json").read_text()
    (tmp_path / "changed.json").write_text(text.replace("Q3", "Q4", 1))
    assert insidellms("verify-proof", "changed.json", "--root", root, cwd=tmp_path).code == 1


def test_an_imported_run_is_signed_and_proved_like_any_other(folder, tmp_path):
    write_files(tmp_path, {"t.csv": "id,input,output,score\na,Who?,Ann,1\nb,What?,ann@example.com,0\n"})
    key = folder / "key"

    def done(*args, code=0):
        result = insidellms(*args, cwd=tmp_path)
        assert result.code == code, result.err
        return result

    done("import", "t.csv", "--to", "run")
    done("sign", "run", "--key", key)
    assert f"signed by {key}.pub" in done("verify", "run", "--key", f"{key}.pub").out
    done("prove", "run", "b", "-o", "proof.json")
    done("prove", "run", "-o", "none.json")
    done("export", "run", "--redact", "--format", "jsonl", "-o", "x.jsonl")
    assert "example 'b'" in done("verify-proof", "proof.json", "--key", f"{key}.pub").out
    redacted = done("verify-proof", "none.json", "--redacted", "x.jsonl", "--key", f"{key}.pub").out
    assert "1 records as they are in the run, 1 redacted" in redacted
    change(tmp_path / "run", b"Ann", b"Bob")
    assert "example 'a'" in done("verify", "run", "--key", f"{key}.pub", code=1).err


@pytest.mark.parametrize("arguments", [(), ("run",), ("--key", "key"), ("run", "--new-key", "k")])
def test_half_a_command_is_wrong_usage(folder, arguments):
    assert insidellms("sign", *arguments, cwd=folder).code == 2
