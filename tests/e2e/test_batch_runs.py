"""`run --batch`: submitted, waited for, collected; killed at any moment, no batch is submitted twice and none lost."""

import signal
import subprocess
import sys
from collections import Counter

import pytest

from support.batch_server import BUSY, BatchServer
from support.command import canonical_bytes, environment, insidellms, records_of, write_files
from support.killed_batches import BASES, KilledBatches

ROWS = [{"id": f"e{i}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(8)]
EXPERIMENT = """
name: batched
model: {type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}}
probes: [{type: equals}, {type: contains, args: {any: ["3"]}}]
dataset: {format: jsonl, path: data.jsonl}
"""


def experiment(folder, server, model="openai", text=EXPERIMENT):
    written = text.replace("TYPE", model).replace("URL", server.url + BASES[model])
    write_files(folder, {"e.yaml": written, "data.jsonl": ROWS})


def batch(folder, *args, run="batch"):
    return insidellms("run", "e.yaml", "--run-dir", run, "--batch", *args, cwd=folder)


def live(folder):
    assert insidellms("run", "e.yaml", "--run-dir", "live", cwd=folder).code == 0


@pytest.mark.parametrize("model", BASES)
def test_a_run_in_batches_has_the_bytes_of_one_that_asked_live(tmp_path, model):
    with BatchServer(looks=2, doubles=True) as server:
        experiment(tmp_path, server, model)
        live(tmp_path)
        asked = len(server.single)
        done = batch(tmp_path)
        assert done.code == 0, done.err
        assert (len(server.jobs), len(server.single)) == (1, asked)
    assert "8 requests submitted to m" in done.err
    assert "8 of 8 answered" in done.err
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")
    assert not (tmp_path / "batch" / "batches.jsonl").exists()


@pytest.mark.parametrize("model", BASES)
def test_what_expired_failed_or_was_lost_is_asked_again_and_a_refusal_is_not(tmp_path, model):
    fates = ["expired", "busy", "lost", "refused"]

    def fate(job, number):
        return fates[number] if job.created == 1 and number < len(fates) else "ok"

    with BatchServer(looks=0, fate=fate) as server:
        experiment(tmp_path, server, model)
        done = batch(tmp_path)
        assert done.code == 0, done.err
        assert [len(job.requests) for job in server.jobs] == [8, 3]
    statuses = Counter(record["status"] for record in records_of(tmp_path / "batch"))
    assert statuses == {"success": 14, "error": 2}


def test_a_request_that_fails_in_every_batch_is_asked_no_more_often_than_live(tmp_path):
    text = EXPERIMENT + "execution: {max_attempts: 2}\n"
    with BatchServer(looks=0, fate=lambda job, number: "busy") as server:
        experiment(tmp_path, server, text=text)
        done = batch(tmp_path)
        assert (done.code, "none of the 16 trials was answered" in done.err) == (1, True)
        assert len(server.jobs) == 2
    assert "m: no latency, 8 shared answers, 16 failures\n" in done.err


@pytest.mark.parametrize("model", BASES)
def test_what_is_not_answered_in_time_is_asked_live(tmp_path, model):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server, model)
        live(tmp_path)
        assert batch(tmp_path, "--max-wait", "0s").code == 1
        done = batch(tmp_path, "--resume", "--max-wait", "0s", "--then", "live")
        assert done.code == 0, done.err
        assert (len(server.jobs), server.jobs[0].is_cancelled, len(server.single)) == (1, True, 16)
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_a_run_that_stops_waiting_is_collected_later_and_not_asked_live_meanwhile(tmp_path):
    with BatchServer(looks=10**9) as server:
        experiment(tmp_path, server)
        done = batch(tmp_path, "--max-wait", "0s")
        assert (done.code, "still at the provider: 1 batch (batch_0001)" in done.err) == (1, True)
        assert "--run-dir batch --resume --batch" in done.err
        done = insidellms("run", "e.yaml", "--run-dir", "batch", "--resume", cwd=tmp_path)
        assert (done.code, "--resume --batch; to ask now" in done.err, len(server.single)) == (1, True, 0)
        server.looks = 0
        done = batch(tmp_path, "--resume")
        assert (done.code, len(server.jobs)) == (0, 1), done.err


def test_a_batch_that_is_refused_is_an_error_and_is_submitted_again_when_asked(tmp_path):
    refusal = (400, {"error": {"message": "enqueued token limit reached", "type": "invalid_request_error"}})
    with BatchServer(refuses=refusal) as server:
        experiment(tmp_path, server)
        done = batch(tmp_path)
        assert (done.code, "enqueued token limit reached" in done.err) == (1, True)
        server.refuses = None
        assert batch(tmp_path, "--resume").code == 0
        assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("type: TYPE, id: m, args: {model_name: stub, base_url: 'URL'}|type: dummy", "(dummy) has no batches"),
        ("type: TYPE|type: openrouter", "openrouter has no batch API that is known here"),
    ],
)
def test_what_cannot_go_in_a_batch_is_said_before_anything_is_written(tmp_path, change, told):
    before, _, after = change.partition("|")
    with BatchServer() as server:
        experiment(tmp_path, server, text=EXPERIMENT.replace(before, after))
    done = batch(tmp_path)
    assert (done.code, told in done.err) == (1, True), done.err
    assert not (tmp_path / "batch").exists()


def test_options_of_batches_need_each_other(tmp_path):
    with BatchServer() as server:
        experiment(tmp_path, server)
    assert "go with --batch" in insidellms("run", "e.yaml", "--then", "live", cwd=tmp_path).err
    for time in ("soon", "", "-1", "inf"):
        assert "is not a time" in batch(tmp_path, "--max-wait", time).err
    assert "cannot be combined" in batch(tmp_path, "--cache", "read").err


MOMENTS = [("upload", 1), ("creating", 1), ("created", 1), ("looked", 1), ("looked", 2), ("results", 1)]
WAYS = [
    ("openai", {}, set()),
    ("anthropic", {}, {("upload", 1)}),
    ("gemini", {}, {("upload", 1), ("results", 1)}),
    ("gemini", {"most_inline_bytes": 100}, set()),
]


@pytest.mark.parametrize(("model", "limits", "no_such_step"), WAYS)
def test_killed_at_every_step_no_batch_is_submitted_twice_and_none_is_lost(tmp_path, model, limits, no_such_step):
    killed = KilledBatches(tmp_path, MOMENTS, model, **limits)
    with BatchServer(looks=1, on_event=killed.on_event) as server:
        experiment(tmp_path, server, model)
        live(tmp_path)
        code, err = killed.run()
        assert code == 0, err
        assert len(server.jobs) == 1
        assert server.jobs[0].is_file is bool(limits)
        assert killed.moments == no_such_step
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_a_batch_that_is_listed_late_is_waited_for(tmp_path):
    killed = KilledBatches(tmp_path, [("creating", 1)])
    with BatchServer(looks=0, create_delay_s=1.5, on_event=killed.on_event) as server:
        experiment(tmp_path, server)
        code, err = killed.run(settle_s=30)
        assert (code, len(server.jobs)) == (0, 1), err


@pytest.mark.parametrize("model", BASES)
def test_a_batch_that_is_listed_after_it_was_asked_again_is_cancelled(tmp_path, model):
    killed = KilledBatches(tmp_path, model=model)
    late_ends = model == "anthropic"  # nothing but its end tells that one of Anthropic's batches is ours

    def ended(job):
        return job.is_cancelled or (late_ends if job.created == 1 else server.jobs[0].is_cancelled)

    with BatchServer(loses={1}) as server:
        server.hides = lambda job: job.created == 1 and len(server.jobs) == 1
        server.ended = ended
        experiment(tmp_path, server, model)
        live(tmp_path)
        code, err = killed.run(settle_s=0.2)
        assert (code, len(server.jobs)) == (0, 2), err
        assert [job.is_cancelled for job in server.jobs] == [not late_ends, late_ends]
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_a_creation_that_is_never_answered_ends_the_run(tmp_path):
    with BatchServer(loses=range(100)) as server:
        server.hides = lambda job: True
        experiment(tmp_path, server)
        code, err = KilledBatches(tmp_path).run(settle_s=0)
        assert (code, "busy" in err, len(server.jobs)) == (1, True, 5), err


class Ended(BatchServer):
    """Ends batches as `word` says; `outages` calls for the state of one are answered 503 before."""

    word, outages = "completed", 0

    def answer(self, method, path, query, body, headers):
        if self.outages and method == "GET" and path.startswith("/v1/batches/"):
            self.outages -= 1
            return 503, {"error": BUSY}
        return super().answer(method, path, query, body, headers)

    def openai_batch(self, job):
        batch = super().openai_batch(job)
        if not self.ended(job) or (self.word == "failed" and job.created != 1):
            return batch
        if self.word == "failed":
            told = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]}
            return {**batch, "status": "failed", "output_file_id": None, "errors": told}
        return {**batch, "status": self.word}


def test_a_batch_that_somebody_cancelled_is_not_submitted_again_by_itself(tmp_path):
    fate = lambda job, number: "ok" if number < 3 or job.created > 1 else "expired"  # noqa: E731 - a rule in a line
    with Ended(looks=0, fate=fate) as server:
        experiment(tmp_path, server)
        server.word = "cancelled"
        done = batch(tmp_path)
        assert (done.code, len(server.jobs)) == (1, 1)
        assert "batch_0001 was cancelled at the provider; what it had answered is kept" in done.err
        server.word = "completed"
        assert batch(tmp_path, "--resume").code == 0
        assert [len(job.requests) for job in server.jobs] == [8, 5]


def test_an_outage_while_the_run_waits_passes(tmp_path):
    with Ended(looks=0) as server:
        experiment(tmp_path, server)
        server.outages = 7
        code, err = KilledBatches(tmp_path).run()
        assert (code, server.outages, len(server.jobs)) == (0, 0, 1), err


def test_a_batch_that_does_not_fit_beside_others_is_submitted_again_after_them(tmp_path):
    with Ended(looks=1) as server:
        experiment(tmp_path, server)
        live(tmp_path)
        server.word = "failed"
        code, err = KilledBatches(tmp_path, most_requests=4).run()
        assert (code, [len(job.requests) for job in server.jobs]) == (0, [4, 4, 4]), err
    assert canonical_bytes(tmp_path / "batch") == canonical_bytes(tmp_path / "live")


def test_quiet_leaves_the_progress_of_batches_out(tmp_path):
    with BatchServer(looks=0) as server:
        experiment(tmp_path, server)
        assert batch(tmp_path, "--quiet").err == ""


def test_an_interrupt_says_that_the_batch_goes_on(tmp_path):
    stopped = {}

    def on_event(event, count):
        if (event, count) == ("looked", 1):
            stopped["client"].send_signal(signal.SIGINT)

    with BatchServer(looks=10**9, on_event=on_event) as server:
        experiment(tmp_path, server)
        command = [sys.executable, "-m", "insideLLMs", "run", "e.yaml", "--run-dir", "batch", "--batch"]
        stopped["client"] = subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        _, err = stopped["client"].communicate(timeout=120)
        assert stopped["client"].returncode == 130, err
        assert "interrupted; still at the provider: 1 batch (batch_0001)" in err
        assert "insidellms run e.yaml --run-dir batch --resume --batch\n" in err
        server.looks = 0
        assert batch(tmp_path, "--resume").code == 0
        assert len(server.jobs) == 1
