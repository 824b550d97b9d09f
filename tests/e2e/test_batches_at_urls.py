"""`run --batch` at a URL: what is about to be submitted is noted there first, so another machine can go on."""

import hashlib
import signal
import subprocess

import pytest

from support.batch_answers import answer_lines, as_openai, read_lines, write_lines
from support.batch_server import BatchServer
from support.command import canonical_bytes, command_line, environment, insidellms, write_files
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


def assert_has_live_bytes(folder, store):
    assert insidellms("run", "e.yaml", "--run-dir", "live", cwd=folder).code == 0
    live, found = canonical_bytes(folder / "live"), published(store)
    assert {name: found[name] for name in live} == live


def assert_is_live_run(folder, store):
    assert_has_live_bytes(folder, store)
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


@pytest.fixture
def asked(tmp_path):
    """A folder with an experiment, whose models a server would answer live."""
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server)
        yield tmp_path


def files(folder, store, *args, machine="one", code=0):
    """Run `batch ARGS` on a machine."""
    done = insidellms("batch", *args, cwd=folder, env=store.machine(folder / machine))
    assert done.code == code, done.err
    return done


def test_files_answer_a_run_at_a_url_and_each_round_may_be_of_another_machine(asked, store):
    place = ("--run-dir", store.at("batch"))
    began = files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    assert f"insidellms batch import ANSWERS --run-dir {store.at('batch')}" in began.err
    lines = answer_lines(asked / "requests.jsonl")
    write_lines(asked / "half.jsonl", lines[:4])
    half = files(asked, store, "import", "half.jsonl", *place, "--json", machine="two").json
    assert (half["run_dir"], half["taken"], half["missing"]) == (store.at("batch"), 4, 4)
    files(asked, store, "export", *place, "-o", "round2.jsonl", machine="three")
    assert len(read_lines(asked / "round2.jsonl")) == 4
    write_lines(asked / "all.jsonl", lines)
    done = files(asked, store, "import", "all.jsonl", *place, "--json", machine="four").json
    assert (done["complete"], done["taken"], done["known"]) == (True, 4, 4)
    assert_is_live_run(asked, store)
    writes = list(store.writes)
    again = files(asked, store, "import", "all.jsonl", *place, machine="five")
    assert ("the run was complete before: nothing was taken" in again.out, store.writes) == (True, writes)


def test_failures_of_a_sealed_run_at_a_url_are_asked_again_by_files(asked, store):
    place = ("--run-dir", store.at("batch"))
    files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    lines = answer_lines(asked / "requests.jsonl")
    refusal = {"error": {"message": "too long", "type": "invalid_request_error"}}
    write_lines(asked / "answers.jsonl", [as_openai(lines[0]["custom_id"], refusal, 400), *lines[1:]])
    assert files(asked, store, "import", "answers.jsonl", *place, "--json").json["refused"] == 1
    told = files(asked, store, "export", *place, "-o", "again.jsonl", machine="two", code=1).err
    assert f"insidellms batch export EXPERIMENT -o FILE --run-dir {store.at('batch')}" in told
    files(asked, store, "export", "e.yaml", *place, "-o", "again.jsonl", machine="two")
    assert len(read_lines(asked / "again.jsonl")) == 1
    write_lines(asked / "first.jsonl", lines[:1])
    assert files(asked, store, "import", "first.jsonl", *place, "--json", machine="three").json["complete"]
    assert_is_live_run(asked, store)


def test_no_requests_are_written_of_a_run_that_is_not_at_its_url(asked, store):
    place = ("--run-dir", store.at("batch"))
    store.fault = lambda method, key: (403, "AccessDenied") if method == "PUT" and "/batches-" in key else None
    done = files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place, code=1)
    assert ("may not do that" in done.err, (asked / "requests.jsonl").exists()) == (True, False), done.err
    store.fault = None
    files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    write_lines(asked / "answers.jsonl", answer_lines(asked / "requests.jsonl")[:4])
    store.fault = lambda method, key: (403, "AccessDenied") if method == "PUT" and "/batches-" in key else None
    done = files(asked, store, "import", "answers.jsonl", *place, code=1)
    assert "may not do that" in done.err
    store.fault = None
    kept = files(asked, store, "import", "answers.jsonl", *place, "--json").json
    assert (kept["taken"], kept["known"], kept["missing"]) == (0, 4, 4)


def test_no_requests_are_written_over_a_file_of_a_run_at_a_url(asked, store):
    for name in ("manifest.json", "writer.json", "journal-0123456789abcdef/1"):
        done = files(
            asked, store, "export", "e.yaml", "-o", store.at(f"batch/{name}"), "--run-dir", store.at("batch"), code=1
        )
        assert f"{store.at('batch')}/{name} is a file of a run" in done.err
    assert store.all_keys() == []
    files(asked, store, "export", "e.yaml", "-o", store.at("batch/requests.jsonl"), "--run-dir", store.at("batch"))


def test_a_machine_that_imports_keeps_others_out(asked, store):
    place = ("--run-dir", store.at("batch"))
    files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    write_lines(asked / "answers.jsonl", answer_lines(asked / "requests.jsonl"))
    writer = store.get("batch/writer.json")
    store.put("batch/writer.json", writer.replace(b'"released":true', b'"released":false'))
    done = files(asked, store, "import", "answers.jsonl", *place, machine="two", code=1)
    assert "another machine is writing to" in done.err


def test_an_experiment_that_another_machine_lacks_is_named_with_the_option_that_gives_it(asked, store):
    place = ("--run-dir", store.at("batch"))
    files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    write_lines(asked / "answers.jsonl", answer_lines(asked / "requests.jsonl"))
    (asked / "e.yaml").rename(asked / "moved.yaml")
    done = files(asked, store, "import", "answers.jsonl", *place, machine="two", code=1)
    assert (str(asked / "e.yaml") in done.err, "fix: add --experiment FILE" in done.err) == (True, True), done.err
    done = files(asked, store, "export", *place, "-o", "again.jsonl", machine="two", code=1)
    assert "fix: name its file before -o" in done.err
    answered = ("import", "answers.jsonl", *place, "--experiment", "moved.yaml", "--json")
    assert files(asked, store, *answered, machine="two").json["complete"]


def test_an_import_killed_at_any_write_is_completed_by_another_machine(asked, store):
    """Each is lost at another of its writes, one further than the one before, until one lives to the end."""
    store.age_s = LONG_AGO_S
    place = ("--run-dir", store.at("batch"))
    files(asked, store, "export", "e.yaml", "-o", "requests.jsonl", *place)
    write_lines(asked / "answers.jsonl", answer_lines(asked / "requests.jsonl"))
    kills, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        code = import_killed_at(asked, store, kills + 1, ("batch", "import", "answers.jsonl", *place))
        kills += code == -signal.SIGKILL
    assert code == 0
    assert kills > 5
    assert_has_live_bytes(asked, store)


def import_killed_at(folder, store, write, words):
    """Run a command of a machine that is lost before that one of its writes; return its exit code."""
    writes = []

    def lost(method, key):
        if method in {"PUT", "POST", "DELETE"} and process.poll() is None:
            writes.append(key)
            if len(writes) == write:
                process.kill()
                process.wait()
                return (500, "Killed")
        return None

    process = subprocess.Popen(
        command_line(*words),
        cwd=folder,
        env=environment(**store.machine(folder / f"lost-{write}")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store.fault = lost
    process.wait()
    store.fault = None
    return process.returncode
