"""Commands that check, prove, merge and list runs at URLs, and those that must not: an S3 server on this machine."""

import json

import pytest

from insideLLMs.cli.main import run_command
from insideLLMs.remote import copies
from support.command import Done, canonical_bytes, write_files
from support.object_store import ObjectStore

EXPERIMENT = """
model: {type: dummy}
probe: {type: contains, args: {any: ["yes"]}}
dataset: {path: q.jsonl}
"""
ROWS = [{"id": f"e{number}", "prompt": f"yes {number}, ann{number}@example.com"} for number in range(12)]


@pytest.fixture(scope="module")
def store():
    with ObjectStore() as store:
        yield store


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    """An experiment, a local run of it, and its two shards at URLs."""
    folder = tmp_path_factory.mktemp("urls")
    write_files(folder, {"e.yaml": EXPERIMENT, "q.jsonl": ROWS})
    return folder


@pytest.fixture(scope="module")
def here(store, folder):
    """Run a command in this process; `root` in an argument is the bucket's URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in store.machine(folder / "machine").items():
            patch.setenv(name, value)

        def run(*args, code=0, capsys=None):
            copies.forget()
            found = run_command([str(arg).replace("root:", store.at("")) for arg in args])
            done = Done(found, *(capsys.readouterr() if capsys else ("", "")))
            assert done.code == code, (args, done.out, done.err)
            return done

        for number in (1, 2):
            run("run", "e.yaml", "--shard", f"{number}/2", "--run-dir", f"root:shards/{number}", "--quiet")
        run("run", "e.yaml", "--run-dir", "local", "--quiet")
        yield run


@pytest.fixture
def command(here, capsys):
    capsys.readouterr()
    return lambda *args, code=0: here(*args, code=code, capsys=capsys)


def test_shards_at_urls_merge_at_a_url_and_in_a_folder(store, folder, command):
    command("merge", "root:shards/2", "root:shards/1", "--to", "merged")
    assert canonical_bytes(folder / "merged") == canonical_bytes(folder / "local")
    done = command("merge", "root:shards/1", "root:shards/2", "--to", "root:merged")
    assert f"stored in {store.at('merged')}" in done.out
    assert store.get("merged/manifest.json") == (folder / "local" / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    ("shards", "to", "told"),
    [
        (["root:shards/1"], "root:new", "1 of 2 shards is missing: 2/2"),
        (["root:shards/1", "root:shards/1"], "root:new", "are both shard 1/2"),
        (["root:shards/1", "local"], "root:new", "local is not a shard"),
        (["root:shards/1", "root:nothing"], "root:new", "root:nothing is not a run"),
        (["root:shards/1", "root:shards/2"], "root:shards/1", "root:shards/1 is one of the shards"),
        (["root:shards/1", "root:shards/2"], "root:shards//2/", "root:shards/2 is one of the shards"),
    ],
)
def test_a_merge_at_urls_refuses_what_it_refuses_in_folders(store, command, shards, to, told):
    before = {key: store.get(key) for key in store.all_keys() if "writer.json" not in key}
    done = command("merge", *shards, "--to", to, "--overwrite", code=1)
    assert told.replace("root:", store.at("")) in done.err
    assert {key: store.get(key) for key in store.all_keys() if "writer.json" not in key} == before
    command("merge", "root:shards/1", "root:shards/2", "--to", "root:after", "--overwrite")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("rescore", "root:own", "--probe", "equals", "--to", "root:own", "--overwrite"), "is the run itself"),
        (("run", "e.yaml", "--since", "root:own", "--run-dir", "root:own", "--overwrite"), "are one folder"),
    ],
)
def test_no_run_at_a_url_is_written_over_by_what_is_made_of_it(store, command, args, told):
    command("run", "e.yaml", "--run-dir", "root:own", "--overwrite")
    before = store.get("own/manifest.json")
    assert told in command(*args, code=1).err
    assert store.get("own/manifest.json") == before


def test_a_record_of_a_run_at_a_url_is_proved_and_the_proof_checked_at_one(store, folder, command):
    root = json.loads((folder / "local" / "manifest.json").read_bytes())["records_root"]
    command("run", "e.yaml", "--run-dir", "root:proved", "--overwrite")
    command("prove", "root:proved", "e3", "-o", "proof.json")
    command("prove", "root:proved", "-o", "none.json")
    command("export", "root:proved", "--redact", "--format", "jsonl", "-o", "redacted.jsonl")
    for name in ("proof.json", "none.json", "redacted.jsonl"):
        store.put(name, (folder / name).read_bytes())
    done = command("verify-proof", "root:proof.json", "--root", root)
    assert f"{store.at('proof.json')}: 1 record of the run with root {root}" in done.out
    assert "has the root" in command("verify-proof", "root:proof.json", "--root", "0" * 64, code=1).err
    check = ("verify-proof", "root:none.json", "--redacted", "root:redacted.jsonl", "--root", root)
    assert "12 redacted" in command(*check).out
    store.put("redacted.jsonl", (folder / "redacted.jsonl").read_bytes().partition(b"\n")[2])
    assert "a line of it was changed" in command(*check, code=1).err
    assert "there is no object" in command("verify-proof", "root:gone.json", "--root", root, code=1).err


def test_runs_at_a_url_are_listed_and_shown(store, command):
    command("run", "e.yaml", "--run-dir", "root:nightly/one", "--overwrite")
    command("run", "e.yaml", "--set", "name=other", "--run-dir", "root:nightly/two", "--overwrite")
    listed = command("runs", "list", "root:nightly", "--experiment", "other").out
    assert store.at("nightly/two") in listed
    assert store.at("nightly/one") not in listed
    shown = json.loads(command("runs", "show", "root:nightly/one", "--json").out)
    assert (shown["path"], shown["state"], shown["trials"]) == (store.at("nightly/one"), "finished", 12)
