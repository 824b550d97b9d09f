"""`run --batch` where the provider loses a batch or its results, or has no batch API at all."""

import pytest

from support.batch_server import BatchServer
from support.command import insidellms, records_of, write_files
from support.killed_batches import KilledBatches

ROWS = [{"id": f"e{i}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(3)]
EXPERIMENT = """
name: batched
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL/v1'}}
probe: {type: equals}
dataset: {format: jsonl, path: data.jsonl}
"""
NO_SUCH = {"error": {"message": "No such object", "type": "invalid_request_error"}}


class Lossy(BatchServer):
    """Answers calls with 404 as long as `loses_calls(method, path)` says so."""

    loses_calls = staticmethod(lambda method, path: False)

    def answer(self, method, path, query, body, headers):
        if self.loses_calls(method, path):
            return 404, NO_SUCH
        return super().answer(method, path, query, body, headers)


def experiment(folder, server):
    write_files(folder, {"e.yaml": EXPERIMENT.replace("URL", server.url), "data.jsonl": ROWS})


def batch(folder, *args):
    return insidellms("run", "e.yaml", "--run-dir", "batch", "--batch", *args, cwd=folder)


def test_requests_whose_results_were_deleted_are_asked_again(tmp_path):
    with Lossy(looks=0) as server:
        server.loses_calls = lambda method, path: path == "/v1/files/out1/content"
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run()
        assert (code, [len(job.requests) for job in server.jobs]) == (0, [3, 3]), err


def test_a_provider_that_keeps_no_results_is_paid_twice_at_most(tmp_path):
    with Lossy(looks=0) as server:
        server.loses_calls = lambda method, path: path.endswith("/content")
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run()
        assert (code, len(server.jobs)) == (1, 2), err
        assert "the results of batch batch_0002 are not there, as those of another one" in err
        server.loses_calls = lambda method, path: False
        assert KilledBatches(tmp_path).run() == (0, "")
        assert len(server.jobs) == 2


class Garbling(BatchServer):
    """Breaks the last line of the results of its first batch, `times` times."""

    times = 10**9

    def answer(self, method, path, query, body, headers):
        status, value, *more = super().answer(method, path, query, body, headers)
        if path == "/v1/files/out1/content" and self.times:
            self.times -= 1
            value = value.rstrip()[:-9] + b"\n"
        return status, value, *more


def test_a_broken_line_of_the_results_costs_its_own_request_alone(tmp_path):
    with Garbling(looks=0) as server:
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run()
        assert (code, [len(job.requests) for job in server.jobs]) == (0, [3, 1]), err
        assert {record["status"] for record in records_of(tmp_path / "batch")} == {"success"}


def test_a_broken_line_that_is_whole_when_it_is_read_again_costs_nothing(tmp_path):
    with Garbling(looks=0) as server:
        server.times = 2
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run()
        assert (code, [len(job.requests) for job in server.jobs]) == (0, [3]), err


def test_results_that_are_there_a_little_later_are_waited_for(tmp_path):
    left = [3]

    def loses(method, path):
        left[0] -= path.endswith("/content")
        return path.endswith("/content") and left[0] >= 0

    with Lossy(looks=0) as server:
        server.loses_calls = loses
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run()
        assert (code, len(server.jobs)) == (0, 1), err


def test_a_batch_that_its_provider_does_not_know_is_named_and_can_be_given_up(tmp_path):
    with Lossy(looks=0) as server:
        server.loses_calls = lambda method, path: path.startswith("/v1/batches/")
        experiment(tmp_path, server)
        done = batch(tmp_path)
        assert (done.code, "batch batch_0001 is not known at m" in done.err) == (1, True), done.err
        assert "use the key of the account that submitted it" in done.err
        done = batch(tmp_path, "--resume", "--max-wait", "0s", "--then", "live")
        assert (done.code, len(server.jobs), len(server.single)) == (0, 1, 3), done.err
    assert {record["status"] for record in records_of(tmp_path / "batch")} == {"success"}


def test_a_server_without_a_batch_api_is_said_to_have_none(tmp_path):
    with Lossy() as server:
        server.loses_calls = lambda method, path: path == "/v1/files"
        experiment(tmp_path, server)
        done = batch(tmp_path)
    assert (done.code, "m: its server has no batch API" in done.err) == (1, True), done.err
    assert "have a file answered: insidellms batch export" in done.err


@pytest.mark.parametrize("command", ["export", "import"])
def test_files_do_not_ask_what_a_provider_has_been_asked(tmp_path, command):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server)
        assert batch(tmp_path, "--max-wait", "0s").code == 1
    write_files(tmp_path, {"answers.jsonl": "{}\n"})
    args = ["answers.jsonl", "--experiment", "e.yaml"] if command == "import" else ["e.yaml", "-o", "requests.jsonl"]
    done = insidellms("batch", command, *args, "--run-dir", "batch", cwd=tmp_path)
    assert (done.code, "waits for 1 batch(es) at the provider" in done.err) == (1, True), done.err
    assert not (tmp_path / "requests.jsonl").exists()


def test_a_run_that_waits_for_a_batch_is_not_overwritten(tmp_path):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server)
        assert batch(tmp_path, "--max-wait", "0s").code == 1
        before = (tmp_path / "batch" / "batches.jsonl").read_bytes()
        for args in (("--overwrite", "--max-wait", "0s"), ("--overwrite", "--max-wait", "0s", "--then", "live")):
            done = batch(tmp_path, *args)
            assert (done.code, "batch waits for 1 batch(es) at the provider" in done.err) == (1, True), done.err
        assert (tmp_path / "batch" / "batches.jsonl").read_bytes() == before
        assert batch(tmp_path, "--resume", "--max-wait", "0s", "--then", "live").code == 0
        assert (len(server.jobs), server.jobs[0].is_cancelled) == (1, True)
        assert insidellms("run", "e.yaml", "--run-dir", "batch", "--overwrite", cwd=tmp_path).code == 0
