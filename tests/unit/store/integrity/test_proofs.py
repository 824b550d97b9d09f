"""A proof shows one example's records without the rest, to who trusts a key or a root, and nothing else."""

import json
import random

import msgspec
import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError, NothingToDoError, RunDirectoryError
from insideLLMs.store.integrity.proofs import Proof, read_proof, signer_problems
from insideLLMs.store.integrity.signatures import sign
from insideLLMs.store.integrity.signing_keys import new_key, read_public_key, read_signer
from insideLLMs.store.sealed_run import SealedRun
from support.changed_runs import sealed_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that `one` signed, and the key of `three`."""
    folder = tmp_path_factory.mktemp("proven")
    sealed_run(folder / "run", trials=7)
    for name in ("one", "three"):
        new_key(folder / name, None)
    sign(SealedRun.open(folder / "run"), read_signer(folder / "one", lambda: None))
    return folder


def proof_of(folder, example_id="003"):
    return Proof.of(SealedRun.open(folder / "run"), example_id)


def test_a_proof_holds_one_example_and_verifies_without_the_run(folder):
    proof = proof_of(folder)
    assert [json.loads(one.record)["example_id"] for one in proof.records] == ["003"]
    assert b"002" not in json.dumps(proof.records[0].record).encode()
    assert list(proof.problems()) == []
    assert list(signer_problems(proof, read_public_key(folder / "one.pub"), "one.pub")) == []
    assert list(signer_problems(proof, read_public_key(folder / "three.pub"), "three.pub"))


def test_no_byte_of_a_proof_can_be_changed_to_say_something_else(folder, tmp_path):
    proof, key = proof_of(folder), read_public_key(folder / "one.pub")
    before, path, drawn = canonical.pretty(proof), tmp_path / "proof.json", random.Random(2)
    for _ in range(300):
        at = drawn.randrange(len(before))
        path.write_bytes(before[:at] + bytes([drawn.randrange(256)]) + before[at + 1 :])
        try:
            read = read_proof(path)
        except InsideLLMsError:
            continue
        if not [*read.problems(), *signer_problems(read, key, "one")]:
            assert (read.records, read.run_id, read.trials) == (proof.records, proof.run_id, proof.trials)


def test_a_proof_of_another_run_does_not_borrow_the_signature(folder, tmp_path):
    other = Proof.of(SealedRun.open(sealed_run(tmp_path / "other", trials=5)), "003")
    borrowed = msgspec.structs.replace(other, signatures=proof_of(folder).signatures)
    assert list(borrowed.problems()) == []
    assert list(signer_problems(borrowed, read_public_key(folder / "one.pub"), "one"))


@pytest.mark.parametrize("data", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"format":"insidellms/proof/2"}'])
def test_a_file_that_is_no_proof_is_an_error_in_words(tmp_path, data):
    (tmp_path / "proof.json").write_bytes(data)
    with pytest.raises(InsideLLMsError, match="is not a proof"):
        read_proof(tmp_path / "proof.json")


def test_a_proof_with_a_key_twice_is_refused_as_others_may_read_the_other_value(folder, tmp_path):
    written = canonical.pretty(proof_of(folder))
    for name in (b'"record":', b'"records_root":', b'"payload":'):
        (tmp_path / "proof.json").write_bytes(written.replace(name, name + b' "x", ' + name, 1))
        with pytest.raises(InsideLLMsError, match="twice"):
            read_proof(tmp_path / "proof.json")


def test_an_example_that_the_run_has_not_is_an_error(folder):
    with pytest.raises(NothingToDoError, match="no record of example 'nine'"):
        proof_of(folder, "nine")


def test_a_run_that_was_changed_proves_nothing(tmp_path):
    run = sealed_run(tmp_path / "run", trials=5)
    path = run / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"yes"', b'"no!"', 1))
    with pytest.raises(RunDirectoryError, match="not the file that was sealed"):
        Proof.of(SealedRun.open(run), "003")


def test_a_record_that_is_given_twice_does_not_count_twice(folder):
    proof = proof_of(folder)
    doubled = msgspec.structs.replace(proof, records=(*proof.records, proof.records[0]))
    assert list(proof.problems()) == []
    assert list(doubled.problems()) == [f"record {proof.records[0].index} is given 2 times"]
