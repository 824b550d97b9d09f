"""A folder of runs in the browser: the list, a report, a comparison, live progress; and nobody else gets in."""

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from insideLLMs.core import canonical
from insideLLMs.core.types import Telemetry
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader
from support.command import insidellms, write_files
from support.compared_runs import record
from support.view_server import serving

EXPERIMENT = {
    "model": {"type": "dummy"},
    "probe": {"type": "logic"},
    "dataset": {"format": "inline", "examples": [{"id": "a", "question": "Is 2 even?", "answer": "yes"}]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("view")
    write_files(root, {"one.json": json.dumps(EXPERIMENT), "secret.txt": "secret"})
    for name in ("first & run", "second"):
        assert insidellms("run", "one.json", "--run-dir", f"runs/{name}", cwd=root).code == 0
    going = root / "runs" / "going"
    going.mkdir()
    (going / ".insidellms-run").write_text("")
    journal = Journal(going / "journal.jsonl", JournalHeader(run_id="cd" * 32, trials=8))
    journal.create()
    for index in range(3):
        journal.append_record(index, canonical.line(record(f"e{index}")), Telemetry())
    journal.close()
    return root / "runs"


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as server:
        yield server


def fetch(server, path="", **headers):
    request = urllib.request.Request(server.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_list_has_every_run_and_the_progress_of_the_one_under_way(server):
    status, page = fetch(server)
    assert status == 200
    assert "first &amp; run" in page
    assert '<progress max="8" value="3"' in page
    assert "3 of 8 trials" in page
    assert "continue it with <code>--resume</code>" in page
    assert 'http-equiv="refresh"' in page


def test_a_run_opens_its_report(server, folder):
    status, page = fetch(server, "runs/first%20%26%20run/")
    assert status == 200
    assert page == (folder / "first & run" / "report.html").read_text()


def test_two_runs_are_compared_on_the_spot(server):
    _, listed = fetch(server, "?baseline=second")
    assert "diff?baseline=second&amp;candidate=first+%26+run" in listed
    status, page = fetch(server, "diff?baseline=second&candidate=first+%26+run")
    assert status == 200
    assert "second → first &amp; run" in page


def test_an_unfinished_run_has_no_report_and_no_comparison(server):
    status, page = fetch(server, "runs/going/")
    assert status == 409
    assert "unfinished" in page
    status, page = fetch(server, "diff?baseline=second&candidate=going")
    assert status == 409
    assert "unfinished" in page


@pytest.mark.parametrize(
    "path",
    ["runs/../secret.txt", "runs/..%2Fsecret.txt/", "runs/%2e%2e/", "runs/second/records.jsonl", "etc/passwd", "diff"],
)
def test_nothing_else_is_served(server, path):
    status, page = fetch(server, path)
    assert status == 404
    assert "secret" not in page.replace("secret.txt", "")


def foreign_run(folder, name):
    """Copy a run as somebody else may hand it over."""
    shutil.copytree(folder / "second", folder / name)
    return folder / name


@pytest.fixture
def foreign(folder):
    yield (path := foreign_run(folder, "foreign"))
    shutil.rmtree(path)


def test_a_page_is_made_of_the_records_and_a_foreign_one_is_never_served(server, foreign):
    own = (foreign / "report.html").read_text()
    (foreign / "report.html").write_text("<script>fetch('/runs/second/')</script>")
    status, page = fetch(server, "runs/foreign/")
    assert (status, page) == (200, own)


def test_records_that_were_edited_make_no_page(server, foreign):
    with (foreign / "records.jsonl").open("ab") as out:
        out.write(b"{}\n")
    status, page = fetch(server, "runs/foreign/")
    assert status == 409
    assert "records.jsonl" in page


@pytest.mark.parametrize(
    "name", ["records.jsonl", "manifest.json", "config.resolved.yaml", "summary.json", "report.html"]
)
def test_a_link_in_a_run_is_not_followed(server, folder, foreign, name):
    (foreign / name).unlink()
    (foreign / name).symlink_to(folder.parent / "secret.txt")
    _, page = fetch(server, "runs/foreign/")
    assert ">secret<" not in page
    assert "\nsecret" not in page


def test_a_folder_that_is_a_link_is_no_run(server, folder, tmp_path):
    shutil.copytree(folder / "second", tmp_path / "elsewhere")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    try:
        assert "runs/link" not in fetch(server)[1]
        assert fetch(server, "runs/link/")[0] == 404
    finally:
        (folder / "link").unlink()


@pytest.mark.parametrize("path", ["", "runs/second/", "diff?baseline=second&candidate=first+%26+run", "nowhere"])
def test_every_page_has_its_policy_as_a_header_and_pages_of_runs_have_no_origin(server, path):
    try:
        with urllib.request.urlopen(server.url + path, timeout=30) as answer:
            policy = answer.headers["Content-Security-Policy"]
    except urllib.error.HTTPError as error:
        with error:
            policy = error.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert ("connect-src" in policy) == (path == "")
    assert "frame-ancestors 'none'" in policy
    assert ("sandbox allow-scripts" in policy) == path.startswith(("runs", "diff"))


def test_a_foreign_host_name_is_refused(server):
    assert fetch(server, Host=f"evil.example:{server.server_port}")[0] == 403


def test_a_baseline_that_is_no_run_is_ignored(server):
    assert fetch(server, "?baseline=%3Cscript%3E") == fetch(server)


def test_a_folder_that_is_none_is_an_error_with_a_remedy(tmp_path):
    done = insidellms("view", "nowhere", cwd=tmp_path)
    assert done.code == 1
    assert "nowhere is not a folder" in done.err


def test_the_home_page_names_the_folder_in_which_it_was_started(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with serving(Path()) as server:
        assert f"Runs in {folder.resolve()}" in fetch(server)[1]
