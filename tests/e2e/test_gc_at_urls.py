"""`runs gc` at a URL: what is referred to, signed, written or unfinished stays, and a removal may be killed."""

import json

import pytest

from insideLLMs.cli.main import run_command
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.remote.url import parse_place
from insideLLMs.store.remote.root import RemoteRoot
from support.command import write_files
from support.machines import commands_of_machines

FILES = {
    "e.yaml": 'model: {type: dummy}\nprobe: {type: contains, args: {any: ["yes"]}}\ndataset: {path: q.jsonl}\n',
    "q.jsonl": [{"id": f"e{number}", "prompt": f"yes {number}"} for number in range(4)],
}
ALL = ("--keep-last", "0")


@pytest.fixture
def here(store, tmp_path, monkeypatch, capsys):
    """Run a command in this process, as on machines of several names."""
    write_files(tmp_path, FILES)
    return commands_of_machines(store, tmp_path, monkeypatch, capsys)


def made(store, here, *names):
    for name in names:
        here("run", "e.yaml", "--run-dir", store.at(f"runs/{name}"), "--quiet")


def there(store):
    return {key.split("/")[1] for key in store.all_keys() if key.startswith("runs/")}


def gc(store, here, *args, **how):
    return here("runs", "gc", store.at("runs"), *ALL, *args, **how)


def test_what_a_dry_run_names_is_removed_and_nothing_else(store, here):
    made(store, here, "a", "b")
    store.put("runs/notes.txt", b"mine")
    store.put("runs/folder/notes.txt", b"mine")
    before = store.all_keys()
    assert "2 of 2 runs would be removed" in gc(store, here, machine="two").out
    assert store.all_keys() == before
    done = gc(store, here, "--yes", "--json", machine="two").json
    assert [(run["path"], run["goes"]) for run in done["runs"]] == [
        (store.at("runs/a"), True),
        (store.at("runs/b"), True),
    ]
    assert [key for key in store.all_keys() if key.startswith("runs/")] == ["runs/folder/notes.txt", "runs/notes.txt"]


def test_the_newest_of_each_experiment_stay(store, here):
    made(store, here, "a", "b")
    here("runs", "gc", store.at("runs"), "--older-than", "1h", "--yes")
    assert there(store) == {"a", "b"}
    here("runs", "gc", store.at("runs"), "--keep-last", "1", "--yes")
    assert there(store) == {"b"}


@pytest.mark.parametrize("pool", ["pool", "runs/pool"])
def test_a_run_that_a_pool_or_a_waiver_names_stays(store, here, pool):
    made(store, here, "a", "b", "c")
    write_files_of_another()
    here("run", "other.yaml", "--run-dir", store.at("runs/waived"), "--quiet")
    here("baseline", "accept", store.at("runs/a"), "--pool", store.at(pool), "--why", "first", "--slim")
    here("baseline", "accept", store.at("runs/waived"), "--pool", store.at(pool), "--why", "w", "--example", "e1")
    told = gc(store, here, "--yes", machine="two").out
    assert f"the pool {store.at(pool)} accepted it" in told
    assert there(store) - {"pool"} == {"a", "waived"}


def test_a_run_that_a_pool_on_this_machine_accepted_stays(store, here):
    made(store, here, "a", "b")
    here("baseline", "accept", store.at("runs/a"), "--why", "first")
    assert "baselines accepted it" in gc(store, here, "--yes").out
    assert there(store) == {"a"}


def write_files_of_another():
    with open("other.yaml", "w") as file:
        file.write(FILES["e.yaml"].replace("yes", "1"))


def test_what_is_signed_has_other_files_or_cannot_be_read_stays(store, here):
    pytest.importorskip("securesystemslib", reason="pip install 'insidellms[sign]'")
    made(store, here, "signed", "noted", "broken", "torn", "gone")
    here("sign", "--new-key", "key")
    here("sign", store.at("runs/signed"), "--key", "key")
    store.put("runs/noted/notes.txt", b"mine")
    store.put("runs/broken/manifest.json", b"{")
    store.put("runs/torn/writer.json", b"{")
    told = gc(store, here, "--yes", machine="two").out
    assert there(store) == {"signed", "noted", "broken", "torn"}
    assert "signatures.dsse.json, which only you may remove" in told
    assert "notes.txt, which only you may remove" in told


def unfinished(store, here, name):
    """A run that could not be published: its answers are on the machine that made it."""
    store.fault = lambda method, key: (
        (403, "AccessDenied") if method == "PUT" and ("sealed-" in key or key.endswith("manifest.json")) else None
    )
    here("run", "e.yaml", "--run-dir", store.at(f"runs/{name}"), "--quiet", code=1)
    store.fault = None


def test_an_unfinished_run_stays_and_is_listed_as_such(store, here):
    unfinished(store, here, "a")
    told = gc(store, here, "--yes", machine="two").out
    assert "its answers are paid for" in told
    listed = here("runs", "list", store.at("runs"), "--json", machine="two").json
    assert [run["state"] for run in listed] == ["unfinished"]
    here("run", "e.yaml", "--run-dir", store.at("runs/a"), "--resume", "--quiet", machine="one")
    assert store.get("runs/a/manifest.json") is not None


def test_a_run_that_is_written_stays_however_old_it_seems(store, here):
    made(store, here, "a")
    writer = json.loads(store.get("runs/a/writer.json"))
    store.put("runs/a/writer.json", json.dumps({**writer, "released": False, "machine": "another"}).encode())
    assert "another machine is writing" in gc(store, here, "--yes", machine="two").out
    assert store.get("runs/a/manifest.json") is not None


def test_a_run_that_has_changed_since_it_was_looked_at_stays(store, here):
    made(store, here, "a")
    root = RemoteRoot(parse_place(store.at("runs")))
    (found,) = root.runs()
    write_files_of_another()
    here("run", "other.yaml", "--run-dir", store.at("runs/a"), "--overwrite", "--quiet", machine="two")
    before = {key: store.get(key) for key in store.all_keys()}
    with pytest.raises(RunDirectoryError, match="has changed meanwhile"):
        root.remove(found)
    assert {key: store.get(key) for key in store.all_keys()} == before
    root.remove(root.runs()[0])
    assert there(store) == set()


def test_killed_at_any_write_no_reader_sees_half_a_run_and_the_next_gc_ends_it(store, here):
    made(store, here, "a")
    seen_halfway = False
    for most in range(1, 12):
        store.writes.clear()
        store.age_s = 600 * (most + 1)
        store.fault = lambda method, key, most=most: (
            (403, "AccessDenied") if method in {"PUT", "DELETE", "POST"} and len(store.writes) >= most else None
        )
        run_command(["runs", "gc", store.at("runs"), *ALL, "--yes"])
        store.fault = None
        if store.get("runs/a/manifest.json") is None:
            seen_halfway = seen_halfway or bool(there(store))
            assert "is not a run" in here("verify", store.at("runs/a"), machine="reader", code=1).err
            assert here("runs", "list", store.at("runs"), "--json").json == []
        else:
            here("verify", store.at("runs/a"), machine="reader")
        if not there(store):
            break
    here("runs", "gc", store.at("runs"), *ALL, "--yes", machine="last")
    assert there(store) == set()
    assert seen_halfway


def test_a_pool_is_not_cleared(store, here):
    made(store, here, "a")
    here("baseline", "accept", store.at("runs/a"), "--pool", store.at("pool"), "--why", "first")
    assert "is a baseline pool" in here("runs", "gc", store.at("pool"), *ALL, "--yes", code=1).err


def test_a_finished_run_beside_the_journal_that_a_killed_writer_left_is_finished(store, here):
    made(store, here, "a")
    store.put("runs/a/journal-0123456789abcdef/1", b"left when it was killed after the manifest")
    here("run", "e.yaml", "--run-dir", store.at("runs/a"), "--resume", "--quiet", machine="two")
    assert [run["state"] for run in here("runs", "list", store.at("runs"), "--json").json] == ["finished"]
    gc(store, here, "--yes")
    assert there(store) == set()


def test_a_run_is_no_folder_of_runs_and_nothing_of_it_is_removed(store, here):
    """Its files lie in a folder that is an ordinary run directory."""
    made(store, here, "a")
    before = store.all_keys()
    words = (("runs", "gc"), ("runs", "list"), ("list", "runs", "--run-root"))
    for command, args in zip(words, ((*ALL, "--yes"), (), ()), strict=True):
        done = here(*command, store.at("runs/a"), *args, code=1)
        assert f"{store.at('runs/a')} is a run itself" in done.err
    assert store.all_keys() == before


def test_runs_lie_in_a_bucket_itself(store, here):
    here("run", "e.yaml", "--run-root", store.at(""), "--quiet")
    store.put("manifest.json", b"of another program")
    listed = here("runs", "list", store.at(""), "--json").json
    assert [(run["state"], run["path"].startswith(store.at("e-"))) for run in listed] == [("finished", True)]
    assert here("runs", "show", listed[0]["path"], "--json").json["trials"] == 4
    told = here("runs", "show", store.at(""), code=1).err
    assert f"s3://{store.bucket} is a bucket, not a run" in told
    assert f"runs list s3://{store.bucket}" in told
    here("runs", "gc", store.at(""), *ALL, "--yes")
    assert store.all_keys() == ["manifest.json"]


def test_a_run_at_a_url_is_shown_with_what_refers_to_it_and_who_writes_it(store, here):
    made(store, here, "a")
    here("baseline", "accept", store.at("runs/a"), "--pool", store.at("pool"), "--why", "x")
    shown = here("runs", "show", store.at("runs/a"), "--json", machine="two").json
    listed = here("runs", "list", store.at("runs"), "--json", machine="two").json[0]
    assert shown["referred_to"] == f"the pool {store.at('pool')} accepted it"
    assert (shown["being_written"], shown["size_bytes"]) == (False, listed["size_bytes"])
    lock = json.loads(store.get("runs/a/writer.json"))
    store.put("runs/a/writer.json", json.dumps({**lock, "released": False}).encode())
    assert here("runs", "show", store.at("runs/a"), "--json", machine="two").json["being_written"] is True
    assert "is not a run" in here("runs", "show", store.at("runs/b"), machine="two", code=1).err


def test_a_run_that_was_refused_before_it_began_leaves_nothing_at_its_url(store, here):
    made(store, here, "a")
    before = store.all_keys()
    here("rescore", store.at("runs/a"), "--probe", "equals", "--to", store.at("runs/b"), code=1)
    assert store.all_keys() == before


def test_a_run_of_which_a_lock_alone_is_there_is_as_old_as_the_lock(store, here):
    made(store, here, "a")
    store.put("runs/b/writer.json", store.get("runs/a/writer.json").replace(b'"released":true', b'"released":false'))
    (lone,) = (run for run in here("runs", "list", store.at("runs"), "--json").json if run["path"].endswith("b"))
    assert (lone["state"], lone["age_s"] < 600) == ("unfinished", True)
