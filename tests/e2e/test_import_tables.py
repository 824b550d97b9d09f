"""import: a table of outcomes becomes a run directory, or an error that names the line."""

import json

import pytest

from support.command import insidellms, records_of, write_files


def test_a_table_becomes_a_sealed_run_in_the_order_of_records(tmp_path):
    rows = [
        {"case": "b", "ask": "2+2?", "reply": "4", "ok": "pass", "n": 1, "who": "m1"},
        {"case": "b", "ask": "2+2?", "reply": "5", "ok": "fail", "n": 0, "who": "m1"},
        {"case": "a", "ask": "1+1?", "reply": "", "ok": "", "n": 0, "who": "m1"},
    ]
    write_files(tmp_path, {"t.jsonl": rows})
    columns = "id=case,input=ask,output=reply,score=ok,repeat=n,model=who"
    done = insidellms("import", "t.jsonl", "--to", "run", "--map", columns, "--json", cwd=tmp_path)
    assert (done.code, done.json["trials"]) == (0, 3)
    assert insidellms("verify", "run", cwd=tmp_path).code == 0
    found = [(each["example_id"], each["repeat"], each["status"]) for each in records_of(tmp_path / "run")]
    assert found == [("a", 0, "error"), ("b", 0, "success"), ("b", 1, "success")]
    last = records_of(tmp_path / "run")[2]
    assert (last["model"], last["scores"]["passed"], last["response"]["text"]) == ("m1", True, "4")
    assert last["example"]["input"] == "2+2?"


def test_scores_that_are_no_verdicts_stay_numbers(tmp_path):
    write_files(tmp_path, {"t.csv": "id,score\na,1\nb,0.25\n"})
    assert insidellms("import", "t.csv", "--to", "run", cwd=tmp_path).code == 0
    scores = [each["scores"] for each in records_of(tmp_path / "run")]
    assert [(each["passed"], each["values"]) for each in scores] == [(None, {"score": 1.0}), (None, {"score": 0.25})]


def test_the_same_table_gives_the_same_bytes_whatever_the_order_of_its_rows(tmp_path):
    lines = [f"e{n:02},{n % 2}\n" for n in range(20)]
    write_files(tmp_path, {"one.csv": "id,score\n" + "".join(lines), "two.csv": "id,score\n" + "".join(lines[::-1])})
    for name in ("one", "two"):
        assert insidellms("import", f"{name}.csv", "--to", name, cwd=tmp_path).code == 0
    assert (tmp_path / "one/records.jsonl").read_bytes() == (tmp_path / "two/records.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("id,score\na,1\na,0\n", "t.csv:3: the trial of line 2 again (id 'a'"),
        ("id,score\na,maybe\n", "t.csv:2: column 'score' is 'maybe'"),
        ("id,score\n,1\n", "t.csv:2: column 'id' is empty"),
        ("id,score,repeat\na,1,-1\n", "t.csv:2: column 'repeat' is '-1'"),
        ("id,score\na\n", "t.csv:2: has 1 cells"),
        ("name,score\na,1\n", "no column is known for id; there are 'name', 'score'"),
        ("id,score,status\na,1,fine\n", "status 'fine' is none of success"),
        ("id,score\n", "has no rows"),
        ("id,score\na,nan\n", "t.csv:2: column 'score' is 'nan'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, table, told):
    write_files(tmp_path, {"t.csv": table})
    done = insidellms("import", "t.csv", "--to", "run", cwd=tmp_path)
    assert done.code == 1
    assert told in done.err
    assert "fix:" in done.err


@pytest.mark.parametrize(
    ("name", "table"),
    [("t.csv", "id~output~score\na~x~1\nb~y~0\n"), ("t.csv", "id,id\na,1\n"), ("t.csv", '"id,score\n'),
     ("t.tsv", "id,score\na,1\nb,0\n"), ("t.jsonl", [{"name": "a"}, {"name": "b"}])],
)  # fmt: skip
def test_a_bad_header_is_one_error_and_nothing_else(tmp_path, name, table):
    write_files(tmp_path, {name: table})
    done = insidellms("import", name, "--to", "run", cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "Exception ignored" not in done.err
    assert "Traceback" not in done.err


def test_a_table_of_a_spreadsheet_with_semicolons_is_read_and_says_so(tmp_path):
    write_files(tmp_path, {"t.csv": "id;output;score\na;x, y;1\nb;y;0\n"})
    done = insidellms("import", "t.csv", "--to", "run", cwd=tmp_path)
    assert (done.code, [each["response"]["text"] for each in records_of(tmp_path / "run")]) == (0, ["x, y", "y"])
    assert "delimiter: ';'" in done.err


def test_a_column_or_role_that_there_is_not_is_an_error(tmp_path):
    write_files(tmp_path, {"t.csv": "id,score\na,1\n"})
    done = insidellms("import", "t.csv", "--to", "run", "--map", "id=case", cwd=tmp_path)
    assert (done.code, "there is no column 'case'" in done.err) == (1, True)
    done = insidellms("import", "t.csv", "--to", "run", "--map", "name=id", cwd=tmp_path)
    assert (done.code, "the roles are id, input" in done.err) == (1, True)


CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize("asked", ["hi", CHAT])
def test_an_example_is_read_as_a_run_of_the_same_rows_reads_it(tmp_path, asked):
    row = {"id": "a", "input": asked, "expected": "yo"}
    write_files(
        tmp_path,
        {
            "rows.jsonl": [row],
            "table.jsonl": [{**row, "output": "yo", "score": 1, "probe": "equals", "model": "m"}],
            "e.yaml": "model: {type: dummy, id: m, args: {responses: {hi: yo}}}\nprobe: {type: equals}\n"
            "dataset: {path: rows.jsonl}\n",
        },
    )
    assert insidellms("import", "table.jsonl", "--to", "imported", cwd=tmp_path).code == 0
    assert insidellms("run", "e.yaml", "--run-dir", "native", cwd=tmp_path).code == 0
    (imported,), (native,) = records_of(tmp_path / "imported"), records_of(tmp_path / "native")
    assert imported["example"] == native["example"]
    assert "1 unchanged" in insidellms("diff", "imported", "native", "--fail-on", "changes", cwd=tmp_path).out


@pytest.mark.parametrize("asked", ["hi", CHAT])
def test_a_table_that_is_imported_and_run_compares_with_itself(tmp_path, asked):
    row = {"id": "a", "input": asked, "expected": "yo", "output": "yo", "score": 1, "probe": "equals", "model": "m"}
    experiment = "model: {type: dummy, id: m, args: {responses: {hi: yo}}}\nprobe: {type: equals}\n"
    write_files(tmp_path, {"t.jsonl": [row], "e.yaml": experiment + "dataset: {path: t.jsonl}\n"})
    assert insidellms("import", "t.jsonl", "--to", "imported", cwd=tmp_path).code == 0
    assert insidellms("run", "e.yaml", "--run-dir", "native", cwd=tmp_path).code == 0
    done = insidellms("diff", "imported", "native", "--fail-on", "changes", "--html", "d.html", cwd=tmp_path)
    assert (done.code, "1 unchanged" in done.out) == (0, True), done.out
    edited = [{**row, "expected": "no", "score": 0}]
    write_files(tmp_path, {"edited.jsonl": edited})
    assert insidellms("import", "edited.jsonl", "--to", "edited", cwd=tmp_path).code == 0
    assert "1 edited" in insidellms("diff", "edited", "native", cwd=tmp_path).out


def test_a_chat_that_cannot_be_read_is_refused_with_its_line(tmp_path):
    write_files(tmp_path, {"t.jsonl": [{"id": "a", "input": [{"role": "boss", "content": "hi"}], "score": 1}]})
    done = insidellms("import", "t.jsonl", "--to", "run", cwd=tmp_path)
    assert (done.code, "t.jsonl:1: message 1 has the role 'boss'" in done.err) == (1, True)


def test_an_input_that_is_neither_text_nor_chat_is_kept_as_json_and_a_missing_one_as_nothing(tmp_path):
    rows = [{"id": "a", "input": {"city": "Rome"}, "score": 1}, {"id": "b", "expected": "x", "score": 0}]
    write_files(tmp_path, {"t.jsonl": rows})
    assert insidellms("import", "t.jsonl", "--to", "run", cwd=tmp_path).code == 0
    examples = [each["example"] for each in records_of(tmp_path / "run")]
    assert [(each["input"], each.get("expected")) for each in examples] == [('{"city":"Rome"}', None), ("", ["x"])]


def test_a_failure_has_the_text_that_the_table_gives(tmp_path):
    answered = {"id": "a", "score": 1}
    rows = [{"id": "b", "score": None, "error": "HTTP 500"}], [{"id": "b", "score": None, "why": "slow"}]
    write_files(tmp_path, {"one.jsonl": [answered, *rows[0]], "two.jsonl": [answered, *rows[1]]})
    insidellms("import", "one.jsonl", "--to", "one", cwd=tmp_path)
    insidellms("import", "two.jsonl", "--to", "two", "--map", "error=why", cwd=tmp_path)
    found = [records_of(tmp_path / name)[1]["failure"]["message"] for name in ("one", "two")]
    assert found == ["HTTP 500", "slow"]


def test_every_format_and_suffix_of_a_dataset_can_be_imported(tmp_path):
    write_files(tmp_path, {"t.tsv": "id\tscore\na\t1\n", "t.data": '{"id": "a", "score": 1}\n', "t.what": ""})
    assert insidellms("import", "t.tsv", "--to", "tabs", cwd=tmp_path).code == 0
    assert insidellms("import", "t.data", "--format", "jsonl", "--to", "lines", cwd=tmp_path).code == 0
    unknown = insidellms("import", "t.what", "--to", "x", cwd=tmp_path)
    assert (unknown.code, "the suffix of t.what tells no format" in unknown.err) == (1, True)
    misspelt = insidellms("import", "t.what", "--format", "jsonlines", "--to", "x", cwd=tmp_path)
    assert (misspelt.code, "jsonl" in misspelt.err, (tmp_path / "x").exists()) == (1, True, False)


def test_an_existing_run_is_not_replaced_unasked(tmp_path):
    write_files(tmp_path, {"t.csv": "id,score\na,1\n"})
    assert insidellms("import", "t.csv", "--to", "run", cwd=tmp_path).code == 0
    assert insidellms("import", "t.csv", "--to", "run", cwd=tmp_path).code == 1
    assert insidellms("import", "t.csv", "--to", "run", "--overwrite", cwd=tmp_path).code == 0


def test_a_file_that_cannot_be_read_leaves_no_run_behind(tmp_path):
    done = insidellms("import", "absent.csv", "--to", "run", cwd=tmp_path)
    assert (done.code, (tmp_path / "run").exists()) == (1, False)
    assert json.dumps(done.err).isascii()


def test_thoughts_in_a_table_are_split_off_as_in_a_run(tmp_path):
    rows = [{"id": "a", "input": "Capital?", "output": "<think>Lyon?</think>\nParis", "score": 1}]
    write_files(tmp_path, {"t.jsonl": rows})
    assert insidellms("import", "t.jsonl", "--to", "run", cwd=tmp_path).code == 0
    response = records_of(tmp_path / "run")[0]["response"]
    assert (response["text"], response["reasoning"]) == ("Paris", "Lyon?")


def test_a_folder_that_is_taken_is_refused_with_options_that_import_has(tmp_path):
    write_files(tmp_path, {"t.csv": "id,score\na,1\n"})
    assert insidellms("import", "t.csv", "--to", "run", cwd=tmp_path).code == 0
    done = insidellms("import", "t.csv", "--to", "run", cwd=tmp_path)
    assert done.code == 1
    assert "add --overwrite to replace it, or choose another --to" in done.err
    assert "--resume" not in done.err
    assert insidellms("import", "t.csv", "--to", "run", "--overwrite", cwd=tmp_path).code == 0


def test_a_table_with_one_row_is_one_trial(tmp_path):
    write_files(tmp_path, {"t.csv": "id,passed\na,true\n"})
    assert ": 1 trial stored in run" in insidellms("import", "t.csv", "--to", "run", cwd=tmp_path).out
