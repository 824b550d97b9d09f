"""Datasets as people have them: spreadsheets, image files, a JSON array under another name; and settings for all."""

import base64
import json

import pytest

from support.command import insidellms, records_of, write_files

DUMMY = {"type": "dummy", "args": {"canned_response": "red"}}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def experiment(path, model=DUMMY, **more):
    return json.dumps({"model": model, "probe": {"type": "contains"}, "dataset": {"path": path, **more}})


def test_a_semicolon_table_runs_and_says_how_it_was_read(tmp_path):
    write_files(tmp_path, {"e.yaml": experiment("t.csv"), "t.csv": "id;question;answer\n1;What, is it?;red\n"})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0
    assert "t.csv is read with delimiter: ';'" in done.err
    assert records_of(tmp_path / "run")[0]["scores"]["passed"] is True
    assert 'delimiter: ";"' in (tmp_path / "run/config.resolved.yaml").read_text()


def test_a_table_without_an_input_column_names_the_columns_it_has(tmp_path):
    write_files(tmp_path, {"e.yaml": experiment("t.csv"), "t.csv": "No,The Question,Expected Answer\n1,a,b\n2,c,d\n"})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "it has 'No', 'The Question', 'Expected Answer'" in done.err
    assert "field_names: {input: The Question}" in done.err


def test_a_name_with_outer_blanks_is_quoted_so_that_it_can_be_pasted(tmp_path):
    write_files(tmp_path, {"e.yaml": experiment("t.csv"), "t.csv": "id, question \na,x\n"})
    assert 'field_names: {input: " question "}' in insidellms("validate", "e.yaml", cwd=tmp_path).err


def test_several_answers_in_a_cell_are_all_accepted(tmp_path):
    write_files(
        tmp_path,
        {
            "e.yaml": experiment("t.csv", args={"split": {"answer": "|"}}),
            "t.csv": "id,question,answer\n1,Colour?,blue|red\n",
        },
    )
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    record = records_of(tmp_path / "run")[0]
    assert record["example"]["expected"] == ["blue", "red"]


def test_a_json_array_named_jsonl_is_told_once(tmp_path):
    array = json.dumps([{"question": "a", "answer": "b"}] * 9, indent=1)
    write_files(tmp_path, {"e.yaml": experiment("t.jsonl"), "t.jsonl": array})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert (done.code, done.err.count("t.jsonl")) == (1, 1)
    assert "is a JSON array" in done.err
    assert "format: json" in done.err


def image_rows(name):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "url": name}]
    return [{"id": "1", "messages": [{"role": "user", "content": content}], "answer": "red"}]


def test_an_image_file_is_sent_as_a_data_url_and_is_part_of_the_identity(tmp_path):
    write_files(tmp_path, {"e.yaml": experiment("t.jsonl"), "t.jsonl": image_rows("cat.png")})
    (tmp_path / "cat.png").write_bytes(PNG)
    first = insidellms("run", "e.yaml", "--run-dir", "one", "--json", cwd=tmp_path)
    assert first.code == 0
    part = records_of(tmp_path / "one")[0]["example"]["input"][0]["content"][1]
    assert part["url"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    (tmp_path / "cat.png").write_bytes(PNG + b"\0")
    again = insidellms("run", "e.yaml", "--run-dir", "two", "--json", cwd=tmp_path)
    assert first.json["run_id"] != again.json["run_id"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cta.png", "there is no such file (did you mean cat.png?)"),
        ("../secret.png", "outside of the dataset's folder"),
        ("/etc/passwd", "outside of the dataset's folder"),
        ("link.png", "outside of the dataset's folder"),
        ("text.png", "is not a PNG, JPEG, GIF or WebP file"),
    ],
)
def test_an_image_that_cannot_be_sent_is_refused_with_its_line(tmp_path, name, said):
    folder = tmp_path / "data"
    folder.mkdir()
    write_files(tmp_path, {"e.yaml": experiment("data/t.jsonl"), "data/t.jsonl": image_rows(name)})
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "cat.png").write_bytes(PNG)
    (folder / "text.png").write_text("no image")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "t.jsonl:1:" in done.err
    assert said in done.err


def test_generation_settings_reach_every_model_and_its_own_win(tmp_path):
    models = [
        {"type": "openai", "id": "a", "args": {"model_name": "m"}},
        {"type": "openai", "id": "b", "args": {"model_name": "m", "temperature": 1}},
    ]
    rest = {"probe": "contains", "dataset": "t.jsonl"}
    generation = {"temperature": 0, "max_tokens": 9}
    by_hand = [
        {"type": "openai", "id": "a", "args": {"model_name": "m", "temperature": 0, "max_tokens": 9}},
        {"type": "openai", "id": "b", "args": {"model_name": "m", "temperature": 1, "max_tokens": 9}},
    ]
    files = {
        "e.yaml": json.dumps({"generation": generation, "models": models, **rest}),
        "f.yaml": json.dumps({"models": by_hand, **rest}),
        "t.jsonl": [{"question": "a", "answer": "b"}],
    }
    write_files(tmp_path, files)
    ids = [insidellms("validate", name, "--json", cwd=tmp_path).json["run_id"] for name in ("e.yaml", "f.yaml")]
    assert ids[0] == ids[1]


def test_a_generation_setting_that_a_model_does_not_take_is_told_with_its_line(tmp_path):
    whole = (
        "generation: {temprature: 0}\nmodel: {type: openai, args: {model_name: m}}\nprobe: contains\ndataset: t.jsonl\n"
    )
    write_files(tmp_path, {"e.yaml": whole, "t.jsonl": [{"question": "a", "answer": "b"}]})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "e.yaml:1:14: generation.temprature" in done.err
    assert "did you mean 'temperature'?" in done.err


@pytest.mark.parametrize("name", ["openai:gpt-4o-mini", "openai:chat:gpt-4o-mini"])
def test_a_model_as_other_tools_name_it_is_explained(tmp_path, name):
    write_files(tmp_path, {"e.yaml": experiment("t.jsonl", model=name), "t.jsonl": [{"question": "a", "answer": "b"}]})
    done = insidellms("validate", "e.yaml", cwd=tmp_path)
    assert done.code == 1
    assert "write {type: openai, args: {model_name: gpt-4o-mini}}" in done.err


def test_a_provider_that_lacks_an_argument_names_it(tmp_path):
    done = insidellms("quicktest", "hi", "--provider", "openai", cwd=tmp_path)
    assert done.code == 1
    assert "lacks the argument 'model_name'" in done.err


def test_info_tells_types_as_a_user_writes_them(tmp_path):
    told = insidellms("info", "openai", cwd=tmp_path).out
    assert "model_name: text (required)" in told
    assert "stop: text or list of text" in told
    assert "collections.abc" not in told
    assert "stream" not in insidellms("info", "csv", cwd=tmp_path).out.partition("arguments:")[2]


def test_validate_and_a_dry_run_need_no_key(tmp_path):
    model = {"type": "openai", "args": {"model_name": "gpt-4o-mini"}}
    write_files(tmp_path, {"e.yaml": experiment("t.jsonl", model=model), "t.jsonl": [{"question": "a", "answer": "b"}]})
    assert insidellms("validate", "e.yaml", cwd=tmp_path).code == 0
    assert insidellms("run", "e.yaml", "--dry-run", cwd=tmp_path).code == 0
    assert insidellms("run", "e.yaml", cwd=tmp_path).code == 1
