"""Every argument of every command that names a place takes a URL, or says that it takes a path."""

from pathlib import Path

import click
import pytest

from insideLLMs.cli import places
from insideLLMs.cli.main import cli
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.core.errors import InsideLLMsError, RemoteError, RunDirectoryError
from insideLLMs.store.sealed_run import MARKER

READ = {id(places.RUN): "run", id(places.RUNS): "runs", id(places.POOL): "pool", id(places.FILE): "file"}
KINDS = {**READ, id(places.TO_WRITE): "to write", id(places.LOCAL): "local"}
KINDS |= {
    id(places.RUN_TO_CHECK): "run to check",
    id(places.OUTPUT): "output",
    id(places.OUTPUT_OR_URL): "output or url",
}
KINDS_BY_ARGUMENT = {
    "baseline accept run": "run",
    "baseline accept pool": "to write",
    "baseline list pool": "to write",
    "baseline prune pool": "to write",
    "batch export output": "output or url",
    "batch export run_dir": "to write",
    "batch import files": "file",
    "batch import run_dir": "to write",
    "comment report": "local",
    "compare run": "run",
    "compare markdown": "output",
    "diff runs": "run",
    "diff candidate": "run",
    "diff pool": "pool",
    "diff noise": "file",
    "diff labelled": "run",
    "diff labels": "file",
    "diff experiment": "local",
    "export runs": "run",
    "export output": "output",
    "import files": "file",
    "import run_dir": "to write",
    "list run_root": "runs",
    "merge shards": "run",
    "merge to": "to write",
    "noise runs": "run",
    "noise pool": "to write",
    "noise save": "output",
    "report run": "run",
    "rescore run": "run",
    "rescore to": "to write",
    "run experiment_file": "local",
    "run run_dir": "to write",
    "run run_root": "to write",
    "run baselines": "run",
    "run pool": "pool",
    "run record": "to write",
    "run replay": "file",
    "run failed_in": "run",
    "runs gc pools": "pool",
    "runs gc root": "to write",
    "runs list root": "to write",
    "runs show run": "to write",
    "trend runs": "run",
    "trend pool": "pool",
    "validate targets": "run",
    "verify run": "run to check",
    "view folder": "runs",
    "watch runs": "run",
    "watch pool": "pool",
}


def commands(group, prefix=""):
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


ARGUMENTS = [(name, param) for name, command in commands(cli) for param in command.params if param.name]


def is_place(param):
    return isinstance(param.type, click.Path | places.PlaceParam)


def test_no_argument_takes_a_path_that_is_not_looked_at_as_a_place():
    others = [f"{name} {param.name}" for name, param in ARGUMENTS if is_place(param) and id(param.type) not in KINDS]
    assert others == []


@pytest.mark.parametrize(("argument", "kind"), KINDS_BY_ARGUMENT.items())
def test_what_names_a_run_a_pool_or_data_takes_a_url(argument, kind):
    found = {f"{name} {param.name}": KINDS.get(id(param.type)) for name, param in ARGUMENTS}
    assert found[argument] == kind


PLACES = [(name, param) for name, param in ARGUMENTS if is_place(param)]


@pytest.mark.parametrize(("name", "param"), PLACES, ids=[f"{name} {param.name}" for name, param in PLACES])
@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIASECRET:hunter2@bucket/key",
        "s3:/AKIASECRET:hunter2@bucket/key",
        "https://user:hunter2@host/x",
        "s3://bucket/key?X-Amz-Signature=hunter2",
        "gs://bucket/key#hunter2",
        "https://account.blob.core.windows.net/c/x?sig=hunter2",
    ],
)
def test_a_url_that_holds_a_key_is_refused_and_never_shown(name, param, url):
    with pytest.raises(InsideLLMsError) as raised:
        param.type.convert(url, param, click.Context(click.Command(name)))
    assert "hunter2" not in str(raised.value)
    assert "AKIASECRET" not in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize(("name", "param"), PLACES, ids=[f"{name} {param.name}" for name, param in PLACES])
@pytest.mark.parametrize("path", ["runs/x", "/runs/x", "C:\\runs\\x", "C:/runs/x", "s3", "a:b", "file:///runs/x"])
def test_a_path_stays_a_path(name, param, path):
    found = param.type.convert(path, param, click.Context(click.Command(name)))
    assert found == Path(path.removeprefix("file://"))


LOCAL = [(name, param) for name, param in PLACES if isinstance(param.type, places.PathParam)]


@pytest.mark.parametrize(("name", "param"), LOCAL, ids=[f"{name} {param.name}" for name, param in LOCAL])
def test_an_output_says_that_it_takes_a_path(name, param):
    with pytest.raises(RemoteError, match="takes a path on this machine"):
        param.type.convert("s3://bucket/x.html", param, click.Context(click.Command(name)))


OUTPUTS = [(name, param) for name, param in PLACES if param.type in (places.OUTPUT, places.OUTPUT_OR_URL)]


def test_every_option_of_a_report_or_a_table_to_write_is_an_output():
    reports = ("html", "junit", "markdown", "sarif", "save", "output")
    others = [
        f"{name} {param.name}" for name, param in PLACES if param.name in reports and (name, param) not in OUTPUTS
    ]
    assert others == []


@pytest.mark.parametrize(("name", "param"), OUTPUTS, ids=[f"{name} {param.name}" for name, param in OUTPUTS])
def test_no_output_is_written_over_a_file_of_a_run(name, param, tmp_path):
    (tmp_path / MARKER).touch()
    (tmp_path / "link").symlink_to(tmp_path / "journal.jsonl")
    context = click.Context(click.Command(name))
    for file in ("records.jsonl", "manifest.json", "report.html", "labels.jsonl", MARKER, "link"):
        with pytest.raises(RunDirectoryError, match="is a file of a run"):
            param.type.convert(str(tmp_path / file), param, context)
    assert param.type.convert(str(tmp_path / "mine.html"), param, context) == tmp_path / "mine.html"


def test_a_report_is_not_written_over_a_file_of_a_run_that_was_made_meanwhile(tmp_path):
    (tmp_path / MARKER).touch()
    (tmp_path / "manifest.json").write_text("sealed")
    with pytest.raises(RunDirectoryError):
        write_files([(tmp_path / "manifest.json", lambda out: out.write(b"page"))])
    assert (tmp_path / "manifest.json").read_text() == "sealed"
