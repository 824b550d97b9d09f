"""`run --batch` at a URL: what is about to be submitted is noted there first, so another machine can go on."""

import hashlib

from support.batch_answers import answer_lines, write_lines
from support.batch_server import BatchServer
from support.command import canonical_bytes, insidellms, write_files
from support.killed_batches import KilledBatches

ROWS = [{"id": f"e{i}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(8)]
EXPERIMENT = """
name: batched
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL'}}
probe: equals
dataset: {format: jsonl, path: data.jsonl}
"""
MOMENTS = [("upload", 1), ("creating", 1), ("created", 1), ("looked", 1), ("looked", 2), ("results", 1)]
LONG_AGO_S = 600.0
"""So old does all seem that is at the URL: the machine that wrote it is taken for lost."""


def experiment(folder, server):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("URL", f"{server.url}/v1"), "data.jsonl": ROWS})


def batch(folder, store, *args, machine="one"):
    command = ("run", "e.yaml", "--run-dir", store.at("batch"), *args)
    return insidellms(*command, cwd=folder, env=store.machine(folder / machine))


def published(store):
    manifest = store.get("batch/manifest.json")
    place = f"batch/sealed-{hashlib.sha256(manifest).hexdigest()[:16]}/"
    return {key.removeprefix(place): store.get(key) for key in store.all_keys() if key.startswith(place)}


def assert_is_live_run(folder, store):
    assert insidellms("run", "e.yaml", "--run-dir", "live", cwd=folder).code == 0
    live, found = canonical_bytes(folder / "live"), published(store)
    assert {name: found[name] for name in live} == live
    assert {key.split("/")[1].partition("-")[0] for key in store.all_keys()} == {
        "manifest.json", "sealed", "writer.json",
    }  # fmt: skip


def test_killed_at_every_step_other_machines_submit_no_batch_twice_and_lose_none(tmp_path, store):
    store.age_s = LONG_AGO_S
    killed = KilledBatches(tmp_path, MOMENTS, store=store)
    with BatchServer(looks=1, on_event=killed.on_event) as server:
        experiment(tmp_path, server)
        code, err = killed.run()
        assert code == 0, err
        assert len(server.jobs) == 1
        assert killed.starts > 3
        assert_is_live_run(tmp_path, store)


def test_killed_at_every_write_to_the_store_other_machines_go_on(tmp_path, store):
    """The machine is lost before each of its first writes, one after another."""
    store.age_s = LONG_AGO_S
    killed = KilledBatches(tmp_path, store=store)
    lost_at = {3, 7, 11, 16, 22}
    counts = []

    def lost(method, key):
        if method == "PUT":
            counts.append(key)
            if len(counts) in lost_at:
                killed.client.kill()
        return

    with BatchServer(looks=1) as server:
        experiment(tmp_path, server)
        store.fault = lost
        code, err = killed.run()
        store.fault = None
        assert code == 0, err
        assert len(server.jobs) == 1
        assert killed.starts > 3
        assert_is_live_run(tmp_path, store)


def test_nothing_is_submitted_that_cannot_be_noted_at_the_url(tmp_path, store):
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server)
        store.fault = lambda method, key: (403, "AccessDenied") if method == "PUT" and "/batches-" in key else None
        done = batch(tmp_path, store, "--batch")
        assert (done.code, len(server.jobs)) == (1, 0), done.err
        assert "may not do that" in done.err
        store.fault = None
        done = batch(tmp_path, store, "--batch", "--resume")
        assert (done.code, len(server.jobs)) == (0, 1), done.err
        assert_is_live_run(tmp_path, store)


def test_another_machine_does_not_ask_live_what_a_batch_of_the_first_asks(tmp_path, store):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server)
        done = batch(tmp_path, store, "--batch", "--max-wait", "0s")
        assert (done.code, "still at the provider: 1 batch" in done.err) == (1, True), done.err
        done = batch(tmp_path, store, "--resume", machine="two")
        assert (done.code, "--resume --batch; to ask now" in done.err, len(server.single)) == (1, True, 0), done.err
        server.looks = 0
        done = batch(tmp_path, store, "--resume", "--batch", machine="two")
        assert (done.code, len(server.jobs), len(server.single)) == (0, 1, 0), done.err


def test_no_run_replaces_one_whose_batch_is_at_the_provider(tmp_path, store):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server)
        assert batch(tmp_path, store, "--batch", "--max-wait", "0s").code == 1
        done = batch(tmp_path, store, "--overwrite", machine="two")
        assert (done.code, "waits for 1 batch(es)" in done.err, len(server.single)) == (1, True, 0), done.err
        server.looks = 0
        assert batch(tmp_path, store, "--resume", "--batch", machine="two").code == 0
        done = batch(tmp_path, store, "--overwrite", machine="two")
        assert (done.code, len(server.single)) == (0, 8), done.err
        assert_is_live_run(tmp_path, store)


def test_requests_are_written_to_a_url_and_answers_read_from_one(tmp_path, store):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("URL", "http://127.0.0.1:1/v1"), "data.jsonl": ROWS})

    def done(*args, code=0):
        result = insidellms("batch", *args, cwd=tmp_path, env=store.machine(tmp_path / "one"))
        assert result.code == code, result.err
        return result

    done("export", "e.yaml", "-o", "requests.jsonl", "--run-dir", "here")
    exported = done("export", "e.yaml", "-o", store.at("batch/requests.jsonl"), "--run-dir", "run")
    assert f"requests written to {store.at('batch/requests.jsonl')}: 8" in exported.out
    assert store.get("batch/requests.jsonl") == (tmp_path / "requests.jsonl").read_bytes()
    store.put("batch/answers.jsonl", b"precious")
    refused = done("export", "e.yaml", "-o", store.at("batch/answers.jsonl"), "--run-dir", "run", code=1)
    assert f"{store.at('batch/answers.jsonl')} exists, and is no file of requests" in refused.err
    write_lines(tmp_path / "answers.jsonl", answer_lines(tmp_path / "requests.jsonl"))
    store.put("batch/answers.jsonl", (tmp_path / "answers.jsonl").read_bytes())
    assert "is complete" in done("import", store.at("batch/answers.jsonl"), "--run-dir", "run").out


def test_requests_that_could_not_be_uploaded_are_written_by_the_next_export(tmp_path, store):
    write_files(tmp_path, {"e.yaml": EXPERIMENT.replace("URL", "http://127.0.0.1:1/v1"), "data.jsonl": ROWS})
    command = ("batch", "export", "e.yaml", "-o", store.at("requests.jsonl"), "--run-dir", "run")
    store.fault = lambda method, key: (403, "AccessDenied") if method == "PUT" else None
    refused = insidellms(*command, cwd=tmp_path, env=store.machine(tmp_path / "one"))
    assert (refused.code, "your credentials may not do that" in refused.err) == (1, True)
    store.fault = None
    assert insidellms(*command, cwd=tmp_path, env=store.machine(tmp_path / "one")).code == 0
    assert len(store.get("requests.jsonl").splitlines()) == len(ROWS)
