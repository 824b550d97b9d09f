"""The commands that look around: list, info, export, validate, quicktest, doctor, completion, help."""

import csv
import io
import re
import shutil
import tomllib

import pytest
from pyarrow import parquet

from insideLLMs.cli.main import COMMANDS, GROUPS
from support.command import insidellms, write_files
from support.documents import ROOT, UPDATE
from support.site import llms_text, options_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("around")
    rows = [
        {"id": "=cmd()", "prompt": "one", "expected": "yes"},
        {"id": "b", "prompt": '=HYPERLINK("http://evil")', "expected": "no"},
    ]
    text = (
        "model: {type: dummy, args: {responses: {one: '@SUM(A1)'}, canned_response: 'no, \\e[31m\\u202ered'}}\n"
        "probe: logic\ndataset: data.jsonl\n"
    )
    text = text.replace("'no, \\e[31m\\u202ered'", '"no, \\e[31m\\u202ered"')
    write_files(folder, {"e.yaml": text, "data.jsonl": rows})
    done = insidellms("run", "e.yaml", "--run-dir", "runs/one", cwd=folder)
    assert done.code == 0, done.err
    return folder


def test_no_cell_of_a_csv_can_be_run_as_a_formula(folder):
    done = insidellms("export", "runs/one", cwd=folder)
    for row in csv.reader(io.StringIO(done.out)):
        assert not [cell for cell in row if cell.startswith(("=", "+", "@", "-"))]
    assert "'=cmd()" in done.out
    assert "'@SUM(A1)" in done.out


def test_jsonl_export_is_the_records_as_they_are(folder):
    done = insidellms("export", "runs/one", "--format", "jsonl", "-o", "out.jsonl", cwd=folder)
    assert done.code == 0
    assert (folder / "out.jsonl").read_bytes() == (folder / "runs" / "one" / "records.jsonl").read_bytes()


def test_parquet_export_is_a_typed_table_and_goes_to_a_file(folder):
    done = insidellms("export", "runs/one", "--format", "parquet", "-o", "out.parquet", cwd=folder)
    assert done.code == 0, done.err
    table = parquet.read_table(folder / "out.parquet")
    assert table.column("example_id").to_pylist() == ["=cmd()", "b"]
    piped = insidellms("export", "runs/one", "--format", "parquet", cwd=folder)
    assert piped.code == 2
    assert "give --output FILE" in piped.err


def test_two_runs_are_exported_side_by_side(folder):
    done = insidellms("export", "runs/one", "runs/one", cwd=folder)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["class"] for row in rows] == ["unchanged", "unchanged"]
    assert rows[0]["output_baseline"] == rows[0]["output_candidate"]
    assert insidellms("export", "runs/one", "runs/one", "--format", "jsonl", cwd=folder).code == 2
    assert insidellms("export", *["runs/one"] * 3, cwd=folder).code == 2


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_that_fails_leaves_what_stood_there(folder, form):
    shutil.copytree(folder / "runs" / "one", folder / f"damaged-{form}")
    records = folder / f"damaged-{form}" / "records.jsonl"
    first, second = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(first + b"[" + second[1:])  # of the same size, which is checked before anything is read
    (folder / f"kept.{form}").write_text("as it was")
    done = insidellms("export", f"damaged-{form}", "--format", form, "-o", f"kept.{form}", cwd=folder)
    assert done.code == 1
    assert "line 2 of records.jsonl is not a record" in done.err
    assert (folder / f"kept.{form}").read_text() == "as it was"
    assert not list(folder.glob(".kept*"))


def test_hostile_output_reaches_no_terminal_raw(folder):
    for args in (
        ["report", "runs/one"],
        ["diff", "runs/one", "runs/one"],
        ["quicktest", "x", "--arg", 'canned_response="\\u001b[31m"'],
    ):
        done = insidellms(*args, cwd=folder)
        assert "\x1b" not in done.out + done.err
        assert "\u202e" not in done.out + done.err


@pytest.mark.parametrize("kind", ["providers", "probes", "datasets", "runs"])
def test_list_says_what_there_is(folder, kind):
    listed = insidellms("list", kind, "--json", cwd=folder).json[kind]
    assert all(row["about"] for row in listed)
    assert {"providers": "openai", "probes": "logic", "datasets": "jsonl", "runs": "runs/one"}[kind] in {
        row["name"] for row in listed
    }


def test_info_names_the_arguments_of_a_plug_in_and_the_facts_of_a_run(folder):
    assert "tolerance: number (default: 0.0)" in insidellms("info", "logic", cwd=folder).out
    facts = insidellms("info", "runs/one", "--json", cwd=folder).json
    assert facts["trials"] == 2


def test_validate_asks_no_model_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    done = insidellms("validate", "e.yaml", "--json", cwd=folder)
    assert done.json["trials"] == 2
    assert sorted(folder.rglob("*")) == before


def test_a_dry_run_counts_calls_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    done = insidellms("run", "e.yaml", "--dry-run", "--repeats", "3", "--json", cwd=folder)
    assert done.json["trials"] == 6
    assert done.json["models"][0]["calls"] == 6
    assert sorted(folder.rglob("*")) == before


def test_doctor_lists_every_extra(folder):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    checks = {row["check"] for row in insidellms("doctor", "--json", cwd=folder).json}
    assert {f"extra {name}" for name in extras} <= checks


def test_doctor_prints_no_secret(folder):
    done = insidellms("doctor", cwd=folder, env={"OPENAI_API_KEY": "sk-canary-0123456789"})
    assert "OPENAI_API_KEY is set" in done.out
    assert "canary" not in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(folder, shell):
    assert "_INSIDELLMS_COMPLETE" in insidellms("completion", shell, cwd=folder).out


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("info lo", "plain,logic"),
        ("info ru", "file,ru"),
        ("rescore runs/one --probe cont", "plain,contains"),
        ("quicktest --provider op", "plain,openai"),
    ],
)
def test_a_shell_completes_the_names_of_plug_ins(folder, line, completed):
    words = {"COMP_WORDS": f"insidellms {line}", "COMP_CWORD": str(len(line.split()))}
    done = insidellms(cwd=folder, env={**words, "_INSIDELLMS_COMPLETE": "bash_complete"})
    assert completed in done.out.splitlines()
    assert (done.code, done.err) == (0, "")


def help_pages(folder):
    """Yield the help of every command and sub-command."""
    names = [[name] for name in COMMANDS if name != "harness"]  # the same as run
    while names:
        name = names.pop(0)
        text = insidellms(*name, "--help", cwd=folder).out
        yield " ".join(name), text
        if "Commands:" in text:
            rows = text.partition("Commands:")[2].splitlines()
            names[:0] = [[*name, row.split()[0]] for row in rows if re.match(r"^  \w", row)]


def test_the_page_of_commands_is_what_help_prints(folder):
    page = "# Commands\n\nWhich command do you need?\n\n| command | what it does |\n|---|---|\n"
    for title, commands in GROUPS.items():
        page += f"| **{title}** | |\n"
        page += "".join(
            f"| [`{name}`](#{name}) | {text} |\n" for name, (_, text) in commands.items() if name != "harness"
        )
    page += "\nThe rest of this page is what `insidellms COMMAND --help` prints. `harness` is another name of `run`.\n"
    page += "".join(f"\n## {name}\n\n```text\n{text}```\n" for name, text in help_pages(folder))
    path = ROOT / "docs" / "commands.md"
    if UPDATE:
        path.write_text(page)
    assert path.read_text() == page, "run the tests once with INSIDELLMS_UPDATE_DOCS=1"


@pytest.mark.parametrize(("name", "make"), [("options.md", options_page), ("llms.txt", llms_text)])
def test_what_is_made_from_the_code_is_up_to_date(name, make):
    path = ROOT / "docs" / name
    if UPDATE:
        path.write_text(make())
    assert path.read_text() == make(), "run the tests once with INSIDELLMS_UPDATE_DOCS=1"


def test_help_imports_nothing_heavy(folder):
    done = insidellms("--help", cwd=folder, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time")}
    assert "click" in imported
    assert not imported & {"aiohttp", "asyncio", "yaml", "orjson"}


@pytest.mark.parametrize(("repeats", "says"), [(1, "valid: 1 trial ("), (1500, "valid: 1,500 trials (")])
def test_validate_counts_trials_as_a_person_writes_them(tmp_path, repeats, says):
    text = f"model: dummy\nprobe: record\nrepeats: {repeats}\ndataset: {{examples: [{{question: hi}}]}}\n"
    write_files(tmp_path, {"one.yaml": text})
    done = insidellms("validate", "one.yaml", cwd=tmp_path)
    assert says in done.out, done.err
