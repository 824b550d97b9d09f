"""Runs, pools, cassettes and datasets at URLs, against an S3 server on this machine."""

import hashlib
import json
import shutil
import threading

import pytest

import insideLLMs
from support.command import canonical_bytes, insidellms, records_of, write_files
from support.machines import commands_of_machines
from support.object_store import KEY, SECRET, ObjectStore

EXPERIMENT = """\
model: {{type: dummy}}
probe: {{type: contains, args: {{any: ["{word}"]}}}}
dataset: {{path: "{path}"}}
"""
ROWS = [{"id": f"e{number}", "prompt": f"yes {number}"} for number in range(12)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An experiment, one that differs from it, and a local run of each."""
    folder = tmp_path_factory.mktemp("made")
    write_files(
        folder,
        {
            "e.yaml": EXPERIMENT.format(word="yes", path="q.jsonl"),
            "other.yaml": EXPERIMENT.format(word="1", path="q.jsonl"),
            "q.jsonl": ROWS,
        },
    )
    for name, run in (("e", "local-e"), ("e", "again-e"), ("e", "new-e"), ("other", "local-other")):
        assert insidellms("run", f"{name}.yaml", "--run-dir", run, cwd=folder).code == 0
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def here(store, folder, monkeypatch, capsys):
    """Run a command in this process, as on machines of several names."""
    return commands_of_machines(store, folder, monkeypatch, capsys)


def published(store, key):
    """Return the files of a run as they lie in the store."""
    manifest = store.get(f"{key}/manifest.json")
    place = f"{key}/sealed-{hashlib.sha256(manifest).hexdigest()[:16]}"
    return {name.rpartition("/")[2]: store.get(name) for name in store.all_keys() if name.startswith(f"{place}/")}


def test_a_run_at_a_url_has_the_bytes_of_a_local_one_and_its_manifest_comes_last(store, folder, here):
    done = here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    assert f"stored in {store.at('runs/x')}" in done.out
    found = published(store, "runs/x")
    assert {name: found[name] for name in canonical_bytes(folder / "local-e")} == canonical_bytes(folder / "local-e")
    written = [key for key in store.writes if "writer.json" not in key]
    assert written[-1] == "runs/x/manifest.json"
    assert written.count("runs/x/manifest.json") == 1


READERS = (
    ("report", "{}"),
    ("verify", "{}"),
    ("validate", "{}"),
    ("info", "{}"),
    ("compare", "{}"),
    ("export", "{}"),
    ("diff", "{}", "again-e"),
    ("diff", "again-e", "{}"),
    ("diff", "again-e", "--candidate", "{}"),
    ("trend", "{}", "local-e"),
    ("noise", "{}", "again-e"),
)


@pytest.fixture(scope="module")
def stored(made):
    """A store with one run, published and as another tool copies a folder."""
    with ObjectStore() as store:
        env = store.machine(made / "stored")
        assert insidellms("run", "e.yaml", "--run-dir", store.at("runs/local-e"), cwd=made, env=env).code == 0
        for file in (made / "local-e").iterdir():
            store.put(f"copied/local-e/{file.name}", file.read_bytes())
        yield store


@pytest.mark.parametrize("command", READERS, ids=[" ".join(command) for command in READERS])
def test_every_reader_says_of_a_url_what_it_says_of_a_folder(stored, made, command):
    ours = insidellms(*(part.format("local-e") for part in command), cwd=made)
    for root in ("runs", "copied") if command[0] == "verify" else ("runs",):
        url = stored.at(f"{root}/local-e")
        theirs = insidellms(*(part.format(url) for part in command), cwd=made, env=stored.machine(made / "stored"))
        assert (theirs.out.replace(url, "local-e"), theirs.code) == (ours.out, ours.code)


@pytest.mark.parametrize("sides", [("{}", "{}"), ("local-e", "{}"), ("{}", "local-e")], ids=" ".join)
def test_a_run_at_a_url_is_not_compared_with_its_own_copy(stored, made, sides):
    url = stored.at("copied/local-e")
    env = stored.machine(made / "stored")
    done = insidellms("diff", *(side.format(url) for side in sides), cwd=made, env=env)
    assert (done.code, "a run does not differ from itself" in done.err) == (1, True), done.err
    assert url in done.err


def test_a_reader_lists_nothing_and_reads_a_copy_again_without_its_files(store, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    store.requests.clear()
    here("report", store.at("runs/x"), machine="two")
    assert {method for method, _ in store.requests} == {"GET"}
    assert not [key for _, key in store.requests if key.strip("/") == store.bucket], "nothing was listed"
    store.requests.clear()
    here("report", store.at("runs/x"), machine="two")
    assert store.requests == [("GET", "runs/x/manifest.json")]


def test_a_copy_that_was_changed_on_this_machine_is_fetched_again(store, folder, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    before = here("report", store.at("runs/x"), machine="two").out
    for path in (folder / "two").rglob("records.jsonl"):
        path.write_bytes(path.read_bytes().replace(b"yes", b"no!"))
    assert here("report", store.at("runs/x"), machine="two").out == before
    here("verify", store.at("runs/x"), machine="two")


def test_a_file_that_was_changed_in_the_store_is_named_and_never_leads_to_a_verdict(store, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    (key,) = [key for key in store.all_keys() if key.endswith("/records.jsonl")]
    store.put(key, store.get(key).replace(b"yes", b"no!", 1))
    assert "records.jsonl" in here("verify", store.at("runs/x"), machine="two", code=1).err
    assert "not the file that was sealed" in here("diff", "local-e", store.at("runs/x"), machine="two", code=1).err


def test_a_run_that_is_there_is_neither_replaced_nor_continued_unasked(store, folder, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    before = published(store, "runs/x")
    refused = here("run", "other.yaml", "--run-dir", store.at("runs/x"), machine="two", code=1)
    assert f"{store.at('runs/x')} already holds a finished run" in refused.err
    here("run", "other.yaml", "--run-dir", store.at("runs/x"), "--resume", machine="two", code=1)
    assert published(store, "runs/x") == before
    here("run", "other.yaml", "--run-dir", store.at("runs/x"), "--overwrite", machine="two")
    after = published(store, "runs/x")
    assert {name: after[name] for name in canonical_bytes(folder / "local-other")} == canonical_bytes(
        folder / "local-other"
    )
    folders = {key.split("/")[2] for key in store.all_keys() if "sealed-" in key}
    assert len(folders) == 1, "what was replaced is removed"


def test_runs_below_a_root_get_names_of_their_own_and_are_listed(store, here):
    first = here("run", "e.yaml", "--run-root", store.at("runs"), "--json").json
    second = here("run", "e.yaml", "--run-root", store.at("runs"), "--json", machine="two").json
    assert second["run_dir"] == f"{first['run_dir']}-2"
    listed = here("list", "runs", "--run-root", store.at("runs"), "--json", machine="three").json["runs"]
    assert [row["name"] for row in listed] == [first["run_dir"], second["run_dir"]]


def test_a_run_is_imported_and_rescored_at_a_url(store, folder, here):
    write_files(folder, {"t.csv": "id,score\na,1\nb,0\n"})
    store.put("t.csv", (folder / "t.csv").read_bytes())
    here("import", store.at("t.csv"), "--to", store.at("runs/t"))
    assert store.get("runs/t/manifest.json") is not None
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    here("rescore", store.at("runs/x"), "--probe", "contains", "--to", store.at("runs/y"), code=1)  # lacks its words
    assert store.get("runs/y/manifest.json") is None
    probe = json.dumps({"type": "contains", "args": {"any": ["1"]}})
    here("rescore", store.at("runs/x"), "--probe", probe, "--to", store.at("runs/y"), machine="two")
    assert "runs/y" in here("report", store.at("runs/y"), machine="three").out


def test_a_dataset_at_a_url_has_the_identity_of_the_local_file(store, folder, here):
    store.put("data/q.jsonl", (folder / "q.jsonl").read_bytes())
    write_files(folder, {"url.yaml": EXPERIMENT.format(word="yes", path=store.at("data/q.jsonl"))})
    here("run", "url.yaml", "--run-dir", "from-url")
    ours, theirs = canonical_bytes(folder / "local-e"), canonical_bytes(folder / "from-url")
    assert theirs["records.jsonl"] == ours["records.jsonl"]
    assert json.loads(theirs["manifest.json"])["run_id"] == json.loads(ours["manifest.json"])["run_id"]
    assert b"machine" not in theirs["config.resolved.yaml"]
    store.put("data/q.jsonl", b'{"id": "new", "prompt": "yes"}\n')
    here("run", "url.yaml", "--run-dir", "newer")
    assert [record["example_id"] for record in records_of(folder / "newer")] == ["new"]


def test_what_is_wrong_with_a_dataset_at_a_url_is_said_with_its_line(store, folder, here):
    store.put("bad.jsonl", b'{"id": "a", "prompt": "yes"}\n{"id": 7\n')
    for path, told in (
        (store.at("bad.jsonl"), f"{store.at('bad.jsonl')}:2"),
        (store.at("none.jsonl"), f"u.yaml:3:11: dataset.path: there is no object {store.at('none.jsonl')}"),
        ("s3://no-such-bucket/q.jsonl", "there is no bucket 'no-such-bucket'"),
        (f"s3://{KEY}:{SECRET}@b/q.jsonl", "a user or a key before its bucket"),
        ("https://host/q.jsonl?sig=x", "a query or a fragment"),
        ("https://host/q.jsonl", "https:// URLs are not read"),
    ):
        write_files(folder, {"u.yaml": EXPERIMENT.format(word="yes", path=path)})
        assert told in here("validate", "u.yaml", code=1).err


def test_a_pool_at_a_url_takes_runs_lists_them_and_lets_them_go(store, here):
    pool = store.at("pool")
    assert "holds no run" in here("diff", "local-e", "--pool", pool, code=4).err
    done = here("baseline", "accept", "local-e", "--pool", pool, "--why", "first", "--by", "ann")
    assert f"as {pool}/local-e" in done.out
    here("baseline", "accept", "again-e", "--pool", pool, "--why", "again", "--slim", "--by", "bob", machine="two")
    here("baseline", "accept", "local-e", "--pool", pool, "--why", "no", "--example", "e1", machine="three")
    listed = here("baseline", "list", "--pool", pool, machine="three").out
    assert ["first" in listed, "again" in listed, "waived e1" in listed] == [True, True, True]
    assert here("diff", "new-e", "--pool", pool, machine="two").out.count("again-e") == 1
    here("noise", "--pool", pool, machine="two")
    assert store.get("pool/noise.json") is not None
    here("watch", "new-e", "--pool", pool)
    assert here("baseline", "prune", "--pool", pool, "--keep", "1", machine="two").out == "removed local-e\n"
    assert not [key for key in store.all_keys() if key.startswith("pool/local-e/")]
    here("diff", "local-e", "--pool", pool, machine="three")
    ledger = [json.loads(line) for line in store.get("pool/ledger.jsonl").splitlines()]
    assert [entry["action"] for entry in ledger] == ["accept", "accept", "waive", "prune"]


def test_nothing_is_called_accepted_that_the_store_refused(store, here):
    here("run", "e.yaml", "--run-dir", "run", "--quiet")
    store.fault = lambda method, key: (507, "InsufficientStorage") if method == "PUT" and "ledger" in key else None
    done = here("baseline", "accept", "run", "--pool", store.at("pool"), "--why", "first", code=1)
    assert ("accepted" in done.out + done.err, "the store has no room left" in done.err) == (False, True)


def test_machines_that_accept_at_once_lose_nothing(store, folder, here):
    for number in range(4):
        here("run", "e.yaml", "--run-dir", f"run-{number}")

    def accept(number):
        words = ("baseline", "accept", f"run-{number}", "--pool", store.at("pool"), "--why", f"w{number}")
        insidellms(*words, cwd=folder, env=store.machine(folder / f"m{number}"))

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = [json.loads(line) for line in store.get("pool/ledger.jsonl").splitlines()]
    assert sorted(entry["why"] for entry in ledger) == ["w0", "w1", "w2", "w3"]
    assert len({entry["run"] for entry in ledger}) == 4
    assert here("baseline", "list", "--pool", store.at("pool"), "--json").json["runs"] == [
        store.at(f"pool/{entry['run']}") for entry in ledger
    ]


def test_a_cassette_at_a_url_is_recorded_joined_and_replayed(store, folder, here):
    cassette = store.at("c.jsonl")
    here("run", "e.yaml", "--record", cassette, "--max-examples", "5", "--run-dir", "a")
    assert len(store.get("c.jsonl").splitlines()) == 5
    stale = here("run", "e.yaml", "--replay", cassette, "--check", machine="two", code=4)
    assert f"{cassette} is stale" in stale.out
    assert f"--record {cassette} --missing" in stale.err
    here("run", "e.yaml", "--record", cassette, "--missing", "--run-dir", "b", machine="two")
    assert len(store.get("c.jsonl").splitlines()) == len(ROWS)
    here("run", "e.yaml", "--replay", cassette, "--run-dir", "replayed", machine="three")
    assert canonical_bytes(folder / "replayed")["records.jsonl"] == canonical_bytes(folder / "local-e")["records.jsonl"]


def test_recordings_that_end_at_once_keep_each_others_answers(store, folder, here):
    write_files(folder, {"p.jsonl": [{"id": f"p{number}", "prompt": f"no {number}"} for number in range(12)]})
    write_files(folder, {"p.yaml": EXPERIMENT.format(word="yes", path="p.jsonl")})
    met = []

    def other_first(method, key):
        if method == "PUT" and key == "c.jsonl" and not met:
            met.append(key)
            thread = threading.Thread(
                target=insidellms,
                args=("run", "p.yaml", "--record", store.at("c.jsonl")),
                kwargs={"cwd": folder, "env": store.machine(folder / "two")},
            )
            thread.start()
            met.append(thread)
            return 412, "PreconditionFailed"
        return None

    store.fault = other_first
    here("run", "e.yaml", "--record", store.at("c.jsonl"), "--run-dir", "a")
    met[1].join()
    assert len(store.get("c.jsonl").splitlines()) == 2 * len(ROWS)


def test_the_response_cache_says_why_it_takes_no_url(folder):
    env = {"INSIDELLMS_CACHE": "s3://bucket/cache"}
    for command in (("run", "e.yaml", "--cache", "read"), ("cache", "stats")):
        done = insidellms(*command, cwd=folder, env=env)
        assert (done.code, "one SQLite file" in done.err, "--record s3://" in done.err) == (1, True, True)


def test_a_refusal_says_what_is_refused_in_every_kind_of_use(store, folder, here):
    store.put("q.jsonl", (folder / "q.jsonl").read_bytes())
    write_files(folder, {"u.yaml": EXPERIMENT.format(word="yes", path=store.at("q.jsonl"))})
    store.fault = lambda method, key: (403, "AccessDenied")
    for command in (
        ("report", store.at("x"), "--verbose"),
        ("run", "e.yaml", "--run-dir", store.at("x"), "--verbose"),
        ("baseline", "accept", "local-e", "--pool", store.at("p"), "--why", "w", "--verbose"),
        ("run", "e.yaml", "--record", store.at("c.jsonl"), "--run-dir", "a", "--verbose"),
        ("validate", "u.yaml"),
    ):
        done = here(*command, code=1)
        assert "your credentials may not do that (AccessDenied)" in done.err
        assert KEY not in done.err


def test_without_credentials_or_a_server_that_is_said(store, folder):
    env = {**store.machine(folder / "one"), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = insidellms("report", "s3://bucket/x", cwd=folder, env=env)
    assert (done.code, "the store cannot be reached" in done.err) == (1, True)
    no_keys = {name: value for name, value in store.machine(folder / "one").items() if "KEY" not in name}
    no_keys |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
    done = insidellms("report", store.at("x"), cwd=folder, env=no_keys)
    assert (done.code, "there are no credentials" in done.err, "AWS_PROFILE" in done.err) == (1, True, True)


def test_a_profile_of_awss_own_tools_is_found(store, folder, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"))
    write_files(
        folder,
        {"credentials": f"[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\nregion = us-east-1\n"},
    )
    env = {name: value for name, value in store.machine(folder / "two").items() if "KEY" not in name}
    env |= {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"), "AWS_PROFILE": "work"}
    assert insidellms("verify", store.at("runs/x"), cwd=folder, env=env).code == 0


def test_the_python_interface_takes_urls(store, folder, monkeypatch):
    for name, value in store.machine(folder / "one").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    insideLLMs.run_experiment_from_config("e.yaml", run_dir=store.at("runs/x"))
    assert insideLLMs.load_run(store.at("runs/x")).manifest.trials == len(ROWS)
    assert insideLLMs.compare_runs("local-e", store.at("runs/x")).verdict.passed
    insideLLMs.run_experiment_from_config("e.yaml", run_root=store.at("runs"), run_id="y", record=store.at("c.jsonl"))
    assert store.get("runs/y/manifest.json") == store.get("runs/x/manifest.json")
    insideLLMs.run_experiment_from_config("e.yaml", replay=store.at("c.jsonl"))


def test_no_key_is_in_a_file_or_in_the_store(store, folder, here):
    here("run", "e.yaml", "--run-dir", store.at("runs/x"), "--record", store.at("c.jsonl"), "--verbose")
    here("baseline", "accept", store.at("runs/x"), "--pool", store.at("pool"), "--why", "w", "--verbose")
    stored = [store.get(key) for key in store.all_keys()] + [
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    ]
    assert not [data for data in stored if SECRET.encode() in data or KEY.encode() in data]
