"""Commands that are printed go on as they stand, whatever the names of files and the options of the run before."""

import re
import shlex
import signal
import time

import pytest

from support.batch_server import BatchServer
from support.command import insidellms, records_of, started, write_files
from support.openai_server import OpenAIServer

FOLDER = "it's a folder"
EXPERIMENT = """
name: printed
model: {type: openai, id: m, args: {model_name: stub, base_url: 'URL/v1'}}
probe: {type: equals}
dataset: {format: jsonl, path: data.jsonl}
execution: {concurrency: 2}
"""
ROWS = [{"id": f"e{i:03}", "question": f"Question {i}", "answer": f"QUESTION {i}"} for i in range(40)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / FOLDER).mkdir()
    return tmp_path / FOLDER


def experiment(folder, url, name="my e.yaml"):
    write_files(folder, {name: EXPERIMENT.replace("URL", url), "data.jsonl": ROWS})


def printed(text, after):
    """The words of the command that is printed behind `after`."""
    found = re.search(rf"{after}: insidellms (.*)", text)
    assert found is not None, text
    return shlex.split(found[1])


def test_an_interrupted_run_goes_on_with_the_options_that_it_had(folder):
    options = ("--repeats", "2", "--only", "e0*", "--set", "execution.max_attempts=2", "--html", "my page.html")
    with OpenAIServer(latency_s=0.05) as server:
        experiment(folder, f"http://127.0.0.1:{server.port}")
        process = started("run", "my e.yaml", "--run-root", "my runs", *options, cwd=folder)
        while len(server.prompts) < 4 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        command = printed(err, "fix")
        assert insidellms(*command, cwd=folder).code == 0
        assert len(server.prompts) == 2 * len(ROWS)
    assert len(records_of(folder / command[command.index("--run-dir") + 1])) == 2 * len(ROWS)
    assert (folder / "my page.html").exists()


class Lossy(BatchServer):
    """Answers calls below `lost` with 404."""

    lost = ""

    def answer(self, method, path, query, body, headers):
        if self.lost and path.startswith(self.lost):
            return 404, {"error": {"message": "No such object", "type": "invalid_request_error"}}
        return super().answer(method, path, query, body, headers)


@pytest.mark.parametrize("lost", ["/v1/batches/", "/v1/files"])
def test_a_run_whose_batch_cannot_be_had_goes_on_without_it(folder, lost):
    options = ("--run-dir", "my run", "--repeats", "2")
    with Lossy(looks=0) as server:
        experiment(folder, server.url)
        begun = insidellms("run", "my e.yaml", *options, "--set", "execution.max_tokens=5", cwd=folder)
        assert "the budget of 5 tokens is spent" in begun.err
        server.lost = lost
        done = insidellms("run", "my e.yaml", *options, "--resume", "--batch", cwd=folder)
        assert done.code == 1, done.err
        again = insidellms(*printed(done.err, "to go on"), cwd=folder)
    assert again.code == 0, again.err
    assert {record["status"] for record in records_of(folder / "my run")} == {"success"}


def test_a_run_whose_batch_is_out_goes_on_with_it(folder):
    with BatchServer(looks=1) as server:
        experiment(folder, server.url)
        options = ("--run-dir", "my run", "--repeats", "2")
        assert insidellms("run", "my e.yaml", *options, "--batch", "--max-wait", "0s", cwd=folder).code == 1
        done = insidellms("run", "my e.yaml", *options, "--resume", cwd=folder)
        assert done.code == 1, done.err
        again = insidellms(*printed(done.err, "to go on"), cwd=folder)
        assert (again.code, len(server.jobs), len(server.single)) == (0, 1, 0), again.err


def test_a_run_without_budget_goes_on_with_a_larger_one(folder):
    with OpenAIServer() as server:
        experiment(folder, f"http://127.0.0.1:{server.port}")
        done = insidellms("run", "my e.yaml", "--run-dir", "my run", "--set", "execution.max_tokens=5", cwd=folder)
        assert done.code == 1, done.err
        command = [word.replace("LARGER", "1000000") for word in printed(done.err, "to go on")]
        assert insidellms(*command, cwd=folder).code == 0


def test_what_comes_next_names_files_as_a_shell_reads_them(folder):
    first = insidellms("init", "my tour", cwd=folder)
    assert insidellms(*printed(first.out, "next"), "--run-dir", "my run", cwd=folder).code == 0
    made = insidellms("new", "probe", "mine", "--folder", "my probes", cwd=folder)
    assert insidellms(*printed(made.out, "next"), cwd=folder).code == 0
    experiment(folder, "http://127.0.0.1:9")
    exported = insidellms("batch", "export", "my e.yaml", "-o", "my requests.jsonl", "--run-dir", "asked 1", cwd=folder)
    assert printed(exported.err, "then") == ["batch", "import", "ANSWERS", "--run-dir", "asked 1"]
    unfinished = insidellms("report", "asked 1", cwd=folder)
    assert "--run-dir 'asked 1' --resume" in unfinished.err
    foreign = insidellms("report", "my tour/experiment.yaml", cwd=folder)
    assert "insidellms run 'my tour/experiment.yaml'" in foreign.err
