"""A signature holds for a run as it was, wherever it lies, and for no other; others' tools read it."""

import base64
import json
import random
import shutil
import subprocess
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as OfficialStatement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from insideLLMs.core.errors import InsideLLMsError, RunDirectoryError
from insideLLMs.store.integrity.signatures import read_envelope, sign, signature_problems, stated_problems
from insideLLMs.store.integrity.signing_keys import new_key, read_public_key, read_public_keys, read_signer
from insideLLMs.store.sealed_run import MARKER, SealedRun
from support.changed_runs import CHANGES, FILES, change_at_random, sealed_run

SIGNATURES = "signatures.dsse.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that `one` and `two` signed, and a third key."""
    folder = tmp_path_factory.mktemp("signed")
    sealed_run(folder / "run", trials=7)
    for name in ("one", "two", "three"):
        new_key(folder / name, None)
    for name in ("one", "two"):
        sign(SealedRun.open(folder / "run"), read_signer(folder / name, lambda: None))
    return folder


def problems(run, *keys):
    try:
        return list(signature_problems(SealedRun.open(run), [(key.name, read_public_key(key)) for key in keys]))
    except RunDirectoryError as error:
        return [error.message]


def test_each_signer_is_found_and_nobody_else(folder):
    one, two, three = (folder / f"{name}.pub" for name in ("one", "two", "three"))
    assert problems(folder / "run", one, two) == []
    assert any("no valid signature of three.pub" in problem for problem in problems(folder / "run", one, three))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_over_a_changed_run_never_verifies(folder, name, change):
    made = change_at_random(folder / "run", name, change, random.Random(f"{name} {change}"))
    if made is not None:
        with made:
            assert problems(folder / "run", folder / "one.pub")
    assert problems(folder / "run", folder / "one.pub") == []


@pytest.mark.parametrize("name", ["telemetry.jsonl", "leaves.jsonl", "report.html"])
def test_a_file_that_was_signed_and_is_gone_is_named(folder, tmp_path, name):
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    assert problems(tmp_path / "run", folder / "one.pub") == [f"{name} is missing, and was signed"]


def test_signatures_that_were_moved_to_another_run_are_refused(folder, tmp_path):
    other = sealed_run(tmp_path / "other", trials=5)
    shutil.copy(folder / "run" / SIGNATURES, other)
    assert any("of another run" in problem for problem in problems(other, folder / "one.pub"))


def test_a_run_keeps_its_signatures_under_another_name(folder, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "renamed")
    assert problems(tmp_path / "renamed", folder / "two.pub") == []


def test_a_run_that_is_not_signed_says_so(folder, tmp_path):
    assert problems(sealed_run(tmp_path / "run", trials=3), folder / "one.pub") == [
        f"the run is not signed: {SIGNATURES} is missing"
    ]


def test_no_byte_of_the_envelope_can_be_changed_to_say_something_else(folder, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "run")
    path = tmp_path / "run" / SIGNATURES
    before, payload = path.read_bytes(), read_envelope(path).payload
    drawn = random.Random(1)
    for _ in range(200):
        at = drawn.randrange(len(before))
        path.write_bytes(before[:at] + bytes([drawn.randrange(256)]) + before[at + 1 :])
        if not problems(tmp_path / "run", folder / "one.pub", folder / "two.pub"):
            assert read_envelope(path).payload == payload


UNSIGNED = b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}'


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", UNSIGNED])
def test_a_file_that_holds_no_signatures_is_an_error_in_words(folder, tmp_path, data):
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / SIGNATURES).write_bytes(data)
    assert all("signatures.dsse.json" in problem for problem in problems(tmp_path / "run", folder / "one.pub"))
    assert problems(tmp_path / "run", folder / "one.pub")


def test_a_key_id_is_only_a_hint(folder, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "run")
    path = tmp_path / "run" / SIGNATURES
    envelope = json.loads(path.read_text())
    envelope["signatures"] = [{"sig": envelope["signatures"][0]["sig"]}]
    path.write_text(json.dumps(envelope))
    assert problems(tmp_path / "run", folder / "one.pub") == []
    envelope["signatures"][0]["keyid"] = read_public_key(folder / "three.pub").keyid
    path.write_text(json.dumps(envelope))
    assert problems(tmp_path / "run", folder / "three.pub")


def test_signing_a_run_that_was_sealed_again_drops_the_old_signatures(folder, tmp_path):
    other = sealed_run(tmp_path / "other", trials=5)
    shutil.copy(folder / "run" / SIGNATURES, other)
    assert sign(SealedRun.open(other), read_signer(folder / "three", lambda: None)) == 1
    assert problems(other, folder / "three.pub") == []
    assert problems(other, folder / "one.pub")


def test_the_envelope_verifies_with_the_library_of_dsse_and_its_statement_is_in_totos(folder):
    envelope = Envelope.from_dict(json.loads((folder / "run" / SIGNATURES).read_text()))
    keys = [read_public_key(folder / f"{name}.pub") for name in ("one", "two", "three")]
    assert set(envelope.verify(keys, 2)) == {key.keyid for key in keys[:2]}
    with pytest.raises(VerificationError):
        envelope.verify(keys, 3)
    official = json_format.Parse(envelope.payload, statement_pb2.Statement())
    OfficialStatement.copy_from_pb(official).validate()
    assert {subject.name for subject in official.subject} >= {"records.jsonl", "manifest.json", "telemetry.jsonl"}


def test_openssl_verifies_the_signature_over_the_envelopes_own_bytes(folder, tmp_path):
    envelope = read_envelope(folder / "run" / SIGNATURES)
    key = read_public_key(folder / "one.pub")
    (tmp_path / "signed").write_bytes(envelope.pae())
    (tmp_path / "sig").write_bytes(bytes.fromhex(envelope.signatures[key.keyid].signature))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-in", "signed", "-sigfile", "sig", "-inkey"]
    subprocess.run([*command, folder / "one.pub"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "256"), ("rsa", "-b", "2048")])
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_keys_of_openssh_sign_and_verify(folder, tmp_path, kind, passphrase):
    shutil.copytree(folder / "run", tmp_path / "run")
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", passphrase, "-f", key], check=True)
    sign(SealedRun.open(tmp_path / "run"), read_signer(key, lambda: passphrase))
    assert problems(tmp_path / "run", tmp_path / "id.pub", folder / "one.pub") == []
    if passphrase:
        for given, says in (("wrong", "cannot be decrypted"), (None, "is encrypted")):
            with pytest.raises(InsideLLMsError, match=says) as caught:
                read_signer(key, lambda given=given: given)
            assert "wrong" not in str(caught.value)


def test_a_new_key_can_be_encrypted_and_is_only_its_owners(tmp_path):
    new_key(tmp_path / "key", "open sesame")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED" in (tmp_path / "key").read_bytes()
    assert read_signer(tmp_path / "key", lambda: "open sesame").public_key == read_public_key(tmp_path / "key.pub")
    with pytest.raises(InsideLLMsError, match="File exists"):
        new_key(tmp_path / "key", None)


def test_files_that_are_no_keys_are_errors_in_words(folder, tmp_path):
    (tmp_path / "text").write_bytes(b"\xff hello")
    (tmp_path / "torn").write_bytes((folder / "one").read_bytes()[:60])
    for read in (lambda path: read_signer(path, lambda: None), read_public_key):
        for name in ("text", "torn", "absent"):
            with pytest.raises(InsideLLMsError) as caught:
                read(tmp_path / name)
            assert caught.value.fix
    with pytest.raises(InsideLLMsError, match="is a private key"):
        read_public_key(folder / "one")
    with pytest.raises(InsideLLMsError, match="is not a private key"):
        read_signer(folder / "one.pub", lambda: None)


@pytest.mark.parametrize(
    ("make", "is_taken"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), False),
        (lambda: rsa.generate_private_key(65537, 2048), True),
        (lambda: dsa.generate_private_key(2048), False),
        (lambda: ec.generate_private_key(ec.SECP256K1()), False),
        (lambda: ec.generate_private_key(ec.SECP521R1()), True),
        (ed448.Ed448PrivateKey.generate, False),
        (x25519.X25519PrivateKey.generate, False),
    ],
    ids=["rsa-1024", "rsa-2048", "dsa", "secp256k1", "p-521", "ed448", "x25519"],
)
def test_a_key_of_another_kind_or_that_is_too_short_neither_signs_nor_vouches(tmp_path, make, is_taken):
    key, files = make(), (tmp_path / "key", tmp_path / "key.pub")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files[0].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    files[1].write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    for read in (lambda: read_signer(files[0], lambda: None), lambda: read_public_key(files[1])):
        if is_taken:
            assert read() is not None
            continue
        with pytest.raises(InsideLLMsError, match="of a kind or length that is not used here") as raised:
            read()
        assert "class" not in str(raised.value)


@pytest.mark.parametrize("start", ["", "-----BEGIN PUBLIC KEY-----\n", "-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_not_quoted(tmp_path, start):
    (tmp_path / ".env").write_text(f"{start}OPENAI_API_KEY=sk-verysecret\n")
    for read in (lambda: read_signer(tmp_path / ".env", lambda: None), lambda: read_public_key(tmp_path / ".env")):
        with pytest.raises(InsideLLMsError) as raised:
            read()
        assert "verysecret" not in "".join(traceback.format_exception(raised.value))


def test_without_the_extra_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "securesystemslib", None)
    with pytest.raises(InsideLLMsError) as caught:
        read_public_key(folder / "one.pub")
    assert caught.value.fix == "pip install 'insidellms[sign]'"


def test_payloads_that_are_no_statement_of_a_run_are_refused_though_the_key_signed_them(folder, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "run")
    signer = read_signer(folder / "one", lambda: None)
    stated, statement = read_envelope(folder / "run" / SIGNATURES).payload, "application/vnd.in-toto+json"
    said = json.loads(stated)
    for payload, kind in (
        *((json.dumps({key: said[key] for key in said.keys() - {name}}).encode(), statement) for name in said),
        (json.dumps(said | {"subject": [{"name": MARKER, "digest": {}}, *said["subject"]]}).encode(), statement),
        (stated.replace(b"{", b'{"predicate":{},', 1), statement),
        (b"{}", statement),
        (b"hello", "text/plain"),
    ):
        envelope = Envelope(payload, kind, {})
        envelope.sign(signer)
        (tmp_path / "run" / SIGNATURES).write_text(json.dumps(envelope.to_dict()))
        assert problems(tmp_path / "run", folder / "one.pub")
    assert isinstance(signer.public_key, SSlibKey)
    assert base64.b64decode(envelope.to_dict()["payload"]) == b"hello"


def test_one_key_in_two_files_is_not_two_signers(folder, tmp_path):
    shutil.copy(folder / "one.pub", tmp_path / "copy.pub")
    (tmp_path / "crlf.pub").write_bytes((folder / "one.pub").read_bytes().replace(b"\n", b"\r\n"))
    for other in (folder / "one.pub", tmp_path / "copy.pub", tmp_path / "crlf.pub"):
        with pytest.raises(InsideLLMsError, match=r"one.pub and .* are the same key"):
            read_public_keys([folder / "one.pub", folder / "two.pub", other])
    assert [name for name, _ in read_public_keys([folder / "one.pub"])] == [str(folder / "one.pub")]


def test_a_file_of_several_keys_is_refused_as_only_one_would_be_looked_at(folder, tmp_path):
    both = tmp_path / "both.pub"
    both.write_bytes(b"".join((folder / name).read_bytes() for name in ("one.pub", "two.pub")))
    hidden = tmp_path / "hidden.pub"
    hidden.write_bytes((folder / "one.pub").read_bytes() + b" " * 70_000 + (folder / "two.pub").read_bytes())
    with pytest.raises(InsideLLMsError, match="which no key has"):
        read_public_key(hidden)
    line = serialization.load_pem_public_key((folder / "one.pub").read_bytes()).public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    authorized = tmp_path / "authorized_keys"
    authorized.write_bytes(line + b" me@here\n" + line + b" ssh-again\n")
    for path in (both, authorized):
        with pytest.raises(InsideLLMsError, match="has more than one key"):
            read_public_key(path)
    authorized.write_bytes(line + b" ssh-key of me\n")
    assert read_public_key(authorized).keyid == read_public_key(folder / "one.pub").keyid


def changed_envelope(data, **changes):
    return json.dumps({**json.loads(data), **changes}).encode()


def test_without_a_key_it_is_noticed_that_signatures_are_damaged_or_of_another_run(folder, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    path = run / SIGNATURES
    data = path.read_bytes()
    payload = json.loads(data)["payload"]
    sealed = SealedRun.open(run)
    assert list(stated_problems(sealed)) == []
    other = base64.b64encode(base64.b64decode(payload).replace(b'"trials":7', b'"trials":8')).decode()
    for wrong in (
        b"", b"{}", data[:-9], data[:90] + data[95:], changed_envelope(data, payload="%%%"),
        changed_envelope(data, payload=""), changed_envelope(data, payload=other),
        changed_envelope(data, payloadType="text/plain"), changed_envelope(data, signatures=None),
        data.replace(b"{", b'{"payload":"e30=",', 1), data + b" " * 2**20 + b"more",
    ):  # fmt: skip
        path.write_bytes(wrong)
        assert list(stated_problems(sealed)), wrong
    path.unlink()
    assert list(stated_problems(sealed)) == []
    path.symlink_to(folder / "run" / SIGNATURES)
    assert list(stated_problems(sealed)) == [f"{SIGNATURES} cannot be read: Too many levels of symbolic links"]


def test_a_payload_in_the_alphabet_of_urls_is_read_as_the_other(folder, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    data = (run / SIGNATURES).read_bytes()
    payload = json.loads(data)["payload"].translate(str.maketrans("+/", "-_"))
    (run / SIGNATURES).write_bytes(changed_envelope(data, payload=payload))
    assert list(stated_problems(SealedRun.open(run))) == []
    assert problems(run, folder / "one.pub") == []
