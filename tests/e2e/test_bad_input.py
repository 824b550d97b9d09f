"""Every bad input: one clear message, exit code 1 or 2, no traceback, nothing half written."""

import pytest

from support.command import insidellms, write_files

GOOD = "model: dummy\nprobe: logic\ndataset: {format: jsonl, path: data.jsonl}\n"
ROWS = [{"id": "a", "question": "?", "answer": "yes"}, {"id": "b", "question": "?", "answer": "no"}]

FILES = {
    "missing file": (None, None, "e.yaml: there is no such file"),
    "empty file": ("", None, "e.yaml: is empty"),
    "not a mapping": ("- 1\n- 2\n", None, "mapping"),
    "broken yaml": ("model: [dummy\nprobe: logic\n", None, "e.yaml:"),
    "unknown key": (GOOD + "probs: logic\n", None, "probe"),
    "unknown provider": (GOOD.replace("dummy", "dumy"), None, "dummy"),
    "unknown probe": (GOOD.replace("logic", "logik"), None, "logic"),
    "unknown argument": (GOOD.replace("dummy", "{type: dummy, args: {canned_respnse: x}}"), None, "canned_response"),
    "duplicate yaml key": (GOOD + "probe: logic\n", None, "e.yaml:4"),
    "duplicate model ids": (
        GOOD.replace("model: dummy", "models: [{type: dummy, id: m}, {type: dummy, id: m}]"),
        None,
        "'m'",
    ),
    "concurrency below one": (GOOD + "execution: {concurrency: 0}\n", None, "concurrency"),
    "negative timeout": (GOOD + "execution: {timeout_s: -1}\n", None, "timeout_s"),
    "repeats zero": (GOOD + "repeats: 0\n", None, "repeats"),
    "number as text": (GOOD + "repeats: 'three'\n", None, "repeats"),
    "no model": (GOOD.replace("model: dummy\n", ""), None, "model"),
    "no dataset": ("model: dummy\nprobe: contains\n", None, "dataset"),
    "dataset missing": (GOOD.replace("data.jsonl", "date.jsonl"), None, "data.jsonl"),
    "dataset is a folder": (GOOD.replace("data.jsonl", "."), None, "folder"),
    "api key in the file": (
        GOOD.replace("dummy", "{type: openai, args: {model_name: m, api_key: sk-canary}}"),
        None,
        "OPENAI_API_KEY",
    ),
    "undefined variable": (
        GOOD.replace("dummy", "{type: openai, args: {model_name: m, base_url: '${NOT_DEFINED}'}}"),
        None,
        "NOT_DEFINED",
    ),
    "empty dataset": (GOOD, b"", "dataset 'data' has no examples"),
    "broken json line": (GOOD, b'{"id": "a", "question": "?", "answer": "yes"}\n{"id": "b"\n', "data.jsonl:2"),
    "row without an input": (GOOD, b'{"id": "a", "answer": "yes"}\n', "data.jsonl:1"),
    "row that is no object": (GOOD, b'["a"]\n', "data.jsonl is a JSON array"),
    "duplicate example ids": (GOOD, b'{"id": "a", "prompt": "?", "answer": "yes"}\n' * 2, "'a'"),
    "bad utf-8": (GOOD, b'{"id": "a", "prompt": "\xff", "answer": "yes"}\n', "data.jsonl:1"),
    "nan in the data": (GOOD, b'{"id": "a", "prompt": "?", "answer": NaN}\n', "data.jsonl:1"),
    "nothing expected": (GOOD, b'{"id": "a", "prompt": "?"}\n', "'a'"),
    "a constraint that there is not": (
        GOOD.replace("logic", "instruction_following"),
        b'{"id": "a", "prompt": "?", "constraints": [{"type": "max_wrds", "count": 3}]}\n',
        "max_wrds",
    ),
    "a pin that does not match": (
        GOOD.replace("data.jsonl}", "data.jsonl, sha256: " + "0" * 64 + "}"),
        None,
        "sha256",
    ),
    "missing key": (GOOD.replace("dummy", "{type: openai, args: {model_name: m}}"), None, "OPENAI_API_KEY"),
    "weights not here": (
        GOOD.replace("dummy", "{type: embedded, args: {model_name: smollm2, path: nowhere.gguf}}"),
        None,
        "nowhere.gguf",
    ),
    "user probe missing": (GOOD.replace("logic", "'mine.py:Mine'"), None, "mine.py"),
}


def check(done, names):
    assert done.code in {1, 2}, (done.code, done.out, done.err)
    assert "Traceback" not in done.err
    assert names in done.err, done.err
    assert done.err.count("error:") + done.err.count("Error:") >= 1
    assert "internal error" not in done.err, done.err


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_told_in_one_clear_message(tmp_path, case):
    text, data, names = FILES[case]
    write_files(tmp_path, {"data.jsonl": ROWS if data is None else data})
    if text is not None:
        write_files(tmp_path, {"e.yaml": text})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    check(done, names)
    assert "sk-canary" not in done.err + done.out
    assert not (tmp_path / "run").exists(), "something was written before the error was found"


def test_every_problem_is_reported_in_one_go(tmp_path):
    text = "modell: dummy\nprobe: logik\ndataset: {path: nowhere.jsonl}\nexecution: {concurency: 4, timeout_s: -3}\n"
    write_files(tmp_path, {"e.yaml": text})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    for name in ("modell", "model", "logik", "logic", "nowhere.jsonl", "concurency", "concurrency", "timeout_s"):
        assert name in done.err
    for line in (1, 2, 3, 4):
        assert f"e.yaml:{line}" in done.err


@pytest.fixture
def good(tmp_path):
    write_files(tmp_path, {"e.yaml": GOOD, "data.jsonl": ROWS})
    return tmp_path


USAGE = {
    "unknown command": (["rum"], "run"),
    "unknown option": (["run", "e.yaml", "--concurency", "3"], "--concurrency"),
    "a word for a number": (["run", "e.yaml", "--concurrency", "many"], "many"),
    "bad override": (["run", "e.yaml", "--set", "repeats"], "KEY=VALUE"),
    "unknown override": (["run", "e.yaml", "--set", "repeat=3"], "repeats"),
    "zero concurrency": (["run", "e.yaml", "--concurrency", "0"], "concurrency"),
    "resume without a run": (["run", "e.yaml", "--resume"], "--run-dir"),
    "diff of what is no run": (["diff", "e.yaml", "nowhere"], "e.yaml is a file, not a run directory"),
    "diff of nothing": (["diff", "nowhere", "nowhere"], "nowhere"),
    "report of a plain folder": (["report", "."], "run directory"),
    "info on nothing": (["info", "logik"], "logic"),
    "unknown weights": (["model", "pull", "smolm2"], "smollm2"),
    "a bad pair": (["diff", "a", "b", "--pair", "x"], "BASELINE=CANDIDATE"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_is_told_in_one_clear_message(good, case):
    args, names = USAGE[case]
    check(insidellms(*args, cwd=good), names)


def test_a_folder_that_is_not_ours_is_never_written_to(good):
    write_files(good, {"mine/thesis.txt": "precious"})
    for extra in ([], ["--overwrite"], ["--resume"]):
        done = insidellms("run", "e.yaml", "--run-dir", "mine", *extra, cwd=good)
        check(done, "not a run directory")
    assert sorted(path.name for path in (good / "mine").iterdir()) == ["thesis.txt"]


def test_a_used_run_directory_is_refused_with_the_ways_out(good):
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=good).code == 0
    before = (good / "run" / "manifest.json").stat().st_mtime_ns
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=good)
    check(done, "--overwrite")
    assert (good / "run" / "manifest.json").stat().st_mtime_ns == before
    assert insidellms("run", "e.yaml", "--run-dir", "run", "--overwrite", cwd=good).code == 0


def test_a_place_that_cannot_be_written_is_a_clear_error(good):
    check(insidellms("run", "e.yaml", "--run-dir", "/proc/run", cwd=good), "cannot write in /proc/run")


def test_a_path_under_a_file_is_a_clear_error(good):
    check(insidellms("run", "e.yaml", "--run-dir", "data.jsonl/run", cwd=good), "data.jsonl")


def test_a_refused_connection_is_a_clear_error(good):
    text = GOOD.replace("dummy", "{type: openai, args: {model_name: m, base_url: 'http://127.0.0.1:9/v1'}}")
    write_files(good, {"e.yaml": text + "execution: {max_attempts: 2}\n"})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=good)
    check(done, "127.0.0.1:9")


def test_a_bug_exits_with_two_and_asks_for_a_report(good):
    write_files(
        good, {"bug.py": "from insideLLMs.store import run_draft\nrun_draft.RECORDS = None\ndef make(): return len\n"}
    )
    write_files(good, {"e.yaml": GOOD.replace("dummy", "'bug.py:make'")})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=good)
    assert done.code == 2, done.err
    assert "Please report it" in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in insidellms("run", "e.yaml", "--run-dir", "run2", "--verbose", cwd=good).err


def test_rows_that_are_skipped_are_told_by_the_command_and_the_page(tmp_path):
    experiment = 'model: {type: dummy}\nprobe: {type: contains, args: {any: ["x"]}}\n'
    rows = '{"id": "a", "prompt": "x"}\nnot json\n{"id": "b"}\n'
    write_files(tmp_path, {"e.yaml": experiment + "dataset: {path: d.jsonl, on_error: skip}\n", "d.jsonl": rows})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "2 bad rows are skipped" in done.err
    assert "d.jsonl:2: is not valid JSON" in done.err
    said = "2 bad rows of dataset 'd' skipped"
    assert said in done.out
    assert said in insidellms("report", "run", "--html", "page.html", cwd=tmp_path).out
    for page in ("page.html", "run/report.html"):
        assert said in (tmp_path / page).read_text()


def test_what_is_wrong_with_an_option_is_no_problem_of_the_experiment(tmp_path):
    write_files(tmp_path, {"e.yaml": "model: dummy\nprobe: record\ndataset: {examples: [{question: hi}]}\n"})
    done = insidellms("run", "e.yaml", "--resume", cwd=tmp_path)
    assert (done.code, done.err.splitlines()[0]) == (1, "error: --resume needs --run-dir")
    done = insidellms("quicktest", "hi", "--arg", "x", cwd=tmp_path)
    assert (done.code, done.err.splitlines()[0]) == (1, "error: --arg 'x' is not KEY=VALUE")


UNQUOTED = {
    "a mapping": ["run", "e.yaml", "--set", "gate={fail_on:", "changes}"],
    "a list": ["run", "e.yaml", "--set", "models=[a,", "b]"],
    "a text": ["run", "e.yaml", "--set", "model.id=my", "model"],
    "an argument of a provider": ["quicktest", "hi", "--arg", "responses={hi:", "you}"],
}


@pytest.mark.parametrize("case", UNQUOTED)
def test_a_value_that_the_shell_took_apart_is_asked_for_in_quotes(good, case):
    words = UNQUOTED[case]
    done = insidellms(*words, cwd=good)
    assert f"Write a value with spaces or braces in quotes: {words[2]} 'KEY=VALUE'" in done.err
    assert done.code == 2


def test_a_value_whose_rest_became_another_argument_is_asked_for_in_quotes(tmp_path):
    done = insidellms("quicktest", "--arg", "responses={hi:", "you}", cwd=tmp_path)
    check(done, "quote the whole: --arg 'responses={...}'")


def test_a_value_may_be_written_as_in_an_experiment_file(tmp_path):
    for value in ("{hi: you}", '{"hi": "you"}'):
        assert insidellms("quicktest", "hi", "--arg", f"responses={value}", cwd=tmp_path).out == "you\n"
    for text in ("{{ name }}", "{name}", "[INST] hi"):
        assert insidellms("quicktest", "hi", "--arg", f"canned_response={text}", cwd=tmp_path).out == f"{text}\n"


def test_a_run_that_is_not_there_is_looked_for_where_runs_are_stored(tmp_path):
    write_files(tmp_path, {"e.yaml": "model: dummy\nprobe: record\ndataset: {examples: [{question: hi}]}\n"})
    assert insidellms("run", "e.yaml", "--run-dir", "runs/before", cwd=tmp_path).code == 0
    for given in ("before", "runs/befor"):
        done = insidellms("report", given, cwd=tmp_path)
        assert (done.code, "did you mean runs/before?" in done.err) == (1, True)
    done = insidellms("report", "e.yaml", cwd=tmp_path)
    assert (done.code, "insidellms run e.yaml" in done.err) == (1, True)
