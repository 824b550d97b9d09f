"""`sign` and `verify` of runs at URLs, against an S3 server on this machine."""

import shutil
import threading

import pytest

from support.command import insidellms, write_files
from support.machines import commands_of_machines

pytest.importorskip("securesystemslib", reason="pip install 'insidellms[sign]'")

FILES = {
    "e.yaml": 'model: {type: dummy}\nprobe: {type: contains, args: {any: ["yes"]}}\ndataset: {path: q.jsonl}\n',
    "q.jsonl": [{"id": f"e{number}", "prompt": f"yes {number}"} for number in range(6)],
}


@pytest.fixture
def here(store, tmp_path, monkeypatch, capsys):
    """Run a command in this process, as on machines of several names."""
    write_files(tmp_path, FILES)
    return commands_of_machines(store, tmp_path, monkeypatch, capsys)


@pytest.fixture
def run(store, here):
    """A run at a URL, and two keys."""
    url = store.at("runs/x")
    here("run", "e.yaml", "--run-dir", url)
    here("sign", "--new-key", "ann")
    here("sign", "--new-key", "bob")
    return url


def envelope_key(store):
    (key,) = [key for key in store.all_keys() if key.endswith("signatures.dsse.json")]
    return key


def test_two_people_sign_on_two_machines_and_a_third_checks_both(store, here, run):
    here("verify", run, "--key", "ann.pub", machine="three", code=1)
    assert f"{run}: signed with key id" in here("sign", run, "--key", "ann").out
    assert "2 signatures" in here("sign", run, "--key", "bob", machine="two").out
    here("verify", run, "--key", "ann.pub", "--key", "bob.pub", machine="three")
    here("prove", run, "e1", "-o", "proof.json", machine="three")
    here("verify-proof", "proof.json", "--key", "bob.pub")


def test_people_who_sign_at_once_keep_each_others_signature(store, here, run, tmp_path):
    def sign(name):
        insidellms("sign", run, "--key", name, cwd=tmp_path, env=store.machine(tmp_path / f"of-{name}"))

    threads = [threading.Thread(target=sign, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here("verify", run, "--key", "ann.pub", "--key", "bob.pub")


@pytest.mark.parametrize("name", ["records.jsonl", "telemetry.jsonl"])
def test_what_was_changed_in_the_store_is_found_by_the_machine_that_has_a_copy(store, here, run, name):
    here("sign", run, "--key", "ann")
    here("verify", run, "--key", "ann.pub")
    (key,) = [key for key in store.all_keys() if key.endswith(f"/{name}")]
    store.put(key, store.get(key).replace(b"e1", b"x1", 1))
    assert name in here("verify", run, "--key", "ann.pub", code=1).err
    assert name in here("sign", run, "--key", "bob", code=1).err


def test_a_run_that_is_replaced_while_it_is_signed_is_not_signed(store, here, run):

    manifest = f"{run.removeprefix(store.at(''))}/manifest.json"
    threads = []

    def replaced(method, key):
        """Put the signature off until the manifest is another one."""
        if (method, key) == ("PUT", manifest):
            store.fault = None
        if method == "PUT" and key.endswith("signatures.dsse.json"):
            if not threads:
                threads.append(threading.Thread(target=store.put, args=(manifest, b"{}")))
                threads[0].start()
            return 503, "SlowDown"
        return None

    store.fault = replaced
    assert "was replaced while it was signed" in here("sign", run, "--key", "ann", code=1).err
    threads[0].join()
    assert not [key for key in store.all_keys() if key.endswith("signatures.dsse.json")]


def test_a_run_that_another_tool_copied_is_signed_beside_its_files(store, here, tmp_path):
    here("run", "e.yaml", "--run-dir", "local")
    here("sign", "--new-key", "ann")
    for file in (tmp_path / "local").iterdir():
        store.put(f"copied/{file.name}", file.read_bytes())
    here("sign", store.at("copied"), "--key", "ann")
    assert envelope_key(store) == "copied/signatures.dsse.json"
    shutil.rmtree(tmp_path / "one")
    here("verify", store.at("copied"), "--key", "ann.pub")


def test_what_is_no_sealed_run_is_not_signed(store, here):
    here("sign", "--new-key", "ann")
    assert "is not a run" in here("sign", store.at("nothing"), "--key", "ann", code=1).err
