"""What the system refuses is an error with exit code 1, and an 8-bit output takes what it can: neither is our bug."""

import json
import os
import subprocess

import pytest

from support.command import command_line, environment, equal_run, insidellms, write_files

EXPERIMENT = """
name: grüße→
model: {type: dummy, id: m, args: {canned_response: "good → ✓ 漢"}}
probe: {type: contains}
dataset: {examples: [{id: "a→", prompt: "ask → ✓", answer: good}, {id: b, prompt: "漢?", answer: bad}]}
"""
LONG = "x" * 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_files(folder, {"e.yaml": EXPERIMENT})
    assert insidellms("run", "e.yaml", "--run-dir", "r", cwd=folder).code == 0
    equal_run(folder / "r", "same")
    return folder


def run_into(target, folder, *args, **env):
    with open(target, "wb") as out:
        done = subprocess.run(
            command_line(*args), cwd=folder, env=environment(**env), stdout=out, stderr=subprocess.PIPE, check=False
        )
    return done.returncode, done.stderr.decode(errors="replace")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["list"], 0),
        (["export", "r"], 0),
        (["export", "r", "--format", "jsonl"], 0),
        (["diff", "r", "same", "--fail-on", "non-inferior"], 3),
        (["diff", "r", "same", "--fail-on", "non-inferior", "--json"], 3),
        (["run", "e.yaml", "--run-dir", "unread", "--min-pass-rate", "0.9"], 3),
        (["report", "nowhere"], 1),
    ],
    ids=lambda args: " ".join(args) if isinstance(args, list) else None,
)
def test_a_reader_that_goes_away_changes_neither_the_work_nor_the_exit_code(folder, args, code):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command_line(*args),
        cwd=folder,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == code, done.stderr
    assert "sys.exit" not in done.stderr
    assert "unread" not in args or (folder / "unread" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("no_color", "shown"), [("1", b"error: nowhere"), ("", b"\x1b[31m\x1b[1merror: \x1b[0mnowhere")]
)
def test_an_error_is_coloured_on_a_terminal_unless_that_is_unwanted(folder, no_color, shown):
    master, terminal = os.openpty()
    args = command_line("report", "nowhere")
    done = subprocess.run(args, cwd=folder, env=environment(NO_COLOR=no_color), stderr=terminal, check=False)
    said = os.read(master, 4096)
    os.close(master)
    os.close(terminal)
    assert (done.returncode, said.startswith(shown)) == (1, True), said


def with_room(kib, *args, cwd):
    """Run the command where no file can become larger than this."""
    limited = ["bash", "-c", f'ulimit -f {kib}; exec "$@"', "bash", *command_line(*args)]
    done = subprocess.run(limited, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


REPORTS = {
    "page": ("report", "r", "--html"),
    "comparison": ("diff", "r", "same", "--html"),
    "redrawn": ("export", "r", "--output"),
}


@pytest.mark.parametrize("args", REPORTS.values(), ids=REPORTS)
def test_a_report_that_finds_no_room_leaves_the_earlier_one(folder, args):
    (folder / "old").write_text("an earlier report")
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("old")
    for name in ("old", "link", "new"):
        code, err = with_room(0, *args, name, cwd=folder)
        assert (code, f"cannot write {name}: File too large" in err) == (1, True), err
        assert "make room" in err
    assert (folder / "old").read_text() == "an earlier report"
    assert not (folder / "new").exists()
    assert insidellms(*args, "link", cwd=folder).code == 0
    assert (folder / "link").is_symlink()
    assert (folder / "old").read_text() != "an earlier report"


def test_an_init_that_finds_no_room_writes_nothing_and_can_be_repeated(tmp_path):
    code, err = with_room(8, "init", "tour", cwd=tmp_path)  # the schema is larger
    assert (code, "free space" in err) == (1, True), err
    assert list((tmp_path / "tour").iterdir()) == []
    assert insidellms("init", "tour", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    "args",
    [
        ["list", "probes"],
        ["list", "runs", "--json"],
        ["report", "r"],
        ["export", "r"],
        ["export", "r", "--format", "jsonl"],
        ["verify", "r"],
        ["diff", "r", "same"],
        ["diff", "r", "same", "--json"],
        ["info", "contains"],
        ["schema", "record"],
        ["validate", "e.yaml"],
        ["run", "e.yaml", "--run-dir", "again", "--overwrite", "--json"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_full_disk_under_stdout_is_an_error_of_the_system(folder, args):
    code, err = run_into("/dev/full", folder, *args)
    assert code == 1, err
    assert "cannot write the output: No space left on device" in err
    assert "bug" not in err


def test_a_full_disk_under_stderr_changes_no_exit_code(folder):
    command = command_line("verify", "nowhere")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, cwd=folder, env=environment(), stderr=full, check=False)
    assert done.returncode == 1


def test_a_closed_stdout_takes_everything(folder):
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command_line("list", "probes", "--json")],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "args",
    [
        ["run", "e.yaml", "--run-dir", "encoded", "--overwrite"],
        ["diff", "r", "same"],
        ["report", "r"],
        ["trend", "r", "r"],
        ["quicktest", "2+2 → ✓"],
        ["info", "r"],
    ],
    ids=" ".join,
)
def test_an_8_bit_output_has_the_exit_codes_of_utf_8(folder, tmp_path, encoding, args):
    expected, _ = run_into(tmp_path / "utf-8", folder, *args, PYTHONIOENCODING="utf-8")
    code, err = run_into(tmp_path / "out", folder, *args, PYTHONIOENCODING=encoding)
    assert (code, "internal error" in err) == (expected, False), err
    assert (tmp_path / "out").read_bytes().decode(encoding)


def test_json_in_an_8_bit_output_says_the_same(folder, tmp_path):
    for encoding in ("utf-8", "cp1252"):
        assert run_into(tmp_path / encoding, folder, "diff", "r", "same", "--json", PYTHONIOENCODING=encoding)[0] == 0
    read = [json.loads((tmp_path / encoding).read_bytes().decode(encoding)) for encoding in ("utf-8", "cp1252")]
    assert read[0] == read[1]


@pytest.mark.parametrize(
    "args",
    [
        ["validate", LONG],
        ["run", LONG],
        ["run", "e.yaml", "--run-dir", LONG],
        ["run", "e.yaml", "--run-root", LONG],
        ["run", "e.yaml", "--record", LONG],
        ["run", "e.yaml", "--replay", LONG],
        ["import", LONG, "--to", "x"],
        ["rescore", "r", "--probe", "equals", "--to", LONG],
        ["info", LONG],
        ["diff", LONG, "r"],
        ["export", "r", "-o", LONG],
        ["report", "r", "--html", LONG],
        ["baseline", "list", "--pool", LONG],
        ["baseline", "accept", "r", "--why", "x", "--pool", LONG],
        ["init", LONG],
        ["new", "probe", LONG],
        ["view", LONG],
    ],
    ids=lambda args: " ".join(args).replace(LONG, "LONG"),
)
def test_a_name_that_is_too_long_is_an_error_that_names_it(folder, args):
    done = insidellms(*args, cwd=folder)
    assert done.code == 1, done.err
    assert "bug" not in done.err


def test_a_name_that_is_too_long_in_an_experiment_is_an_error(folder):
    dataset = f"dataset: {{path: {LONG}.jsonl}}\n"
    write_files(folder, {"long.yaml": "model: {type: dummy}\nprobe: {type: contains}\n" + dataset})
    done = insidellms("validate", "long.yaml", cwd=folder)
    assert (done.code, "bug" in done.err) == (1, False), done.err


def test_too_many_trials_are_an_error_before_anything_is_made(folder):
    write_files(folder, {"many.yaml": EXPERIMENT + "repeats: 9000000000\n"})
    for args in (["validate", "many.yaml"], ["run", "many.yaml", "--run-dir", "many"]):
        done = insidellms(*args, cwd=folder)
        assert (done.code, "18,000,000,000 trials" in done.err) == (1, True), done.err
    assert not (folder / "many").exists()


@pytest.mark.parametrize("args", [["run", "e.yaml"], ["validate", "e.yaml"], ["init", "x"]], ids=" ".join)
def test_a_working_folder_that_is_gone_is_an_error(tmp_path, args):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; "$@"', "sh", *command_line(*args)]
    done = subprocess.run(command, cwd=gone, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "bug" not in done.stderr
