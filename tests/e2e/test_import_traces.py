"""Traces of an application: a run without personal data and keys, that aligns with runs of the same questions."""

import json
import sys

import pytest

from insideLLMs.api.imports.importing import ImportOptions, import_files
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report import pseudonyms
from support.command import insidellms, records_of, write_files
from support.traces import batch, call, request, span, write_traces

CANARY = "canary9f8e7d6c5b4a3f2e"
PLANTED = {
    "mail": "anna.meyer@example.com",
    "mail of another script": "анна@пример.рф",
    "German phone": "+49 30 901820",
    "French phone": "+33 1 42 68 53 00",
    "Japanese phone": "+81 3-3581-4111",
    "American phone": "(212) 555-0147",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "IPv4 address": "203.0.113.77",
    "IPv6 address": "2001:db8::8a2e:370:7334",
    "social security number": "078-05-1120",
}
MISSED = {
    "name in a text": "Herr Yılmaz",
    "street": "Rue de Rivoli 12",
    "passport": "C01X00T47",
    "birthday": "3. Mai 1984",
}
QUESTIONS = [
    {"id": "fr", "question": "Capital of France?", "expected": "Paris"},
    {"id": "it", "question": "Capital of Italy?", "expected": "Rome"},
]
EXPERIMENT = """
model: {type: dummy, id: shop, args: {responses: {France: Paris, Italy: Milan}}}
probe: contains
dataset: {path: q.jsonl}
"""


def texts_of(run):
    return "".join(file.read_text(encoding="utf-8", errors="replace") for file in run.iterdir())


def test_traffic_is_gated_against_a_run_of_the_same_questions(tmp_path):
    write_traces(tmp_path / "day.jsonl", [("Capital of France?", "Paris"), ("Capital of Italy?", "Rome"), ("Hi", "Hi")])
    write_files(tmp_path, {"q.jsonl": QUESTIONS, "e.yaml": EXPERIMENT})
    done = insidellms("import", "day.jsonl", "--dataset", "q.jsonl", "--to", "asked", "--json", cwd=tmp_path)
    assert done.json["trials"] == 2
    assert any("request (that asks nothing of the dataset) (1)" in note for note in done.json["notes"])
    assert insidellms("rescore", "asked", "--probe", "contains", "--to", "traffic", cwd=tmp_path).code == 0
    insidellms("run", "e.yaml", "--run-dir", "new", cwd=tmp_path)
    done = insidellms("diff", "traffic", "new", "--fail-on", "regressions", "--json", cwd=tmp_path)
    [change] = done.json["comparison"]["changes"]["listed"]
    assert (done.code, change["trial"]["example_id"], change["kind"]) == (3, "it", "regressed")


def test_runs_that_are_read_differently_from_the_same_traces_have_different_ids(tmp_path):
    write_traces(tmp_path / "day.jsonl", [("Capital of France?", "Paris")])
    write_files(tmp_path, {"q.jsonl": QUESTIONS})
    ways = ([], ["--each-call"], ["--dataset", "q.jsonl"], ["--keep-personal-data"], ["--salt-env", "SALT"])
    ids = set()
    for number, way in enumerate(ways):
        done = insidellms(
            "import", "day.jsonl", "--to", f"r{number}", *way, "--json", cwd=tmp_path, env={"SALT": "x" * 16}
        )
        ids.add(done.json["run_id"])
    assert len(ids) == len(ways)


def planted(tmp_path):
    """Write a day with values of each kind, in questions, answers, tools and errors."""
    requests = []
    for number, value in enumerate([*PLANTED.values(), *MISSED.values()]):
        question, answer = f"Please note {value}, frage {number}", f"Noted: {value}."
        requests += request(number, question, answer, attributes={"user.name": "Zoë Quaranta", "user.id": "u-778812"})
    requests += request(98, "Who is Zoë Quaranta?", "You, u-778812.", attributes={"user.name": "Zoë Quaranta"})
    headers = {"http.request.header.authorization": f"Bearer {CANARY}", "http.request.header.x-api-key": [CANARY]}
    requests += request(99, f"My key is {CANARY}", f"Never tell {CANARY}!", attributes=headers)
    (tmp_path / "day.jsonl").write_text("".join(json.dumps(batch(one)) + "\n" for one in requests))


def test_planted_personal_data_is_replaced_in_several_languages_and_what_is_missed_is_known(tmp_path):
    planted(tmp_path)
    assert insidellms("import", "day.jsonl", "--to", "run", cwd=tmp_path).code == 0
    data = texts_of(tmp_path / "run")
    assert [kind for kind, value in PLANTED.items() if value in data] == []
    assert [kind for kind, value in MISSED.items() if value not in data] == []
    assert "Zoë Quaranta" not in data
    assert CANARY not in data


def test_a_value_has_one_pseudonym_in_the_whole_run_and_the_same_files_give_the_same_bytes(tmp_path):
    planted(tmp_path)
    for name in ("one", "two"):
        assert insidellms("import", "day.jsonl", "--to", name, cwd=tmp_path).code == 0
    for file in ("records.jsonl", "manifest.json", "report.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    mails = [one for one in records_of(tmp_path / "one") if "[email-" in one["example"]["input"]]
    for record in mails:
        name = record["example"]["input"].split()[2].strip(",")
        assert name in record["response"]["text"]


def test_personal_data_is_kept_when_asked_and_keys_are_not(tmp_path):
    planted(tmp_path)
    assert insidellms("import", "day.jsonl", "--to", "run", "--keep-personal-data", cwd=tmp_path).code == 0
    data = texts_of(tmp_path / "run")
    assert PLANTED["mail"] in data
    assert CANARY not in data


def test_without_the_detector_nothing_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    write_traces(tmp_path / "day.jsonl", [("Hi", "Hi")])
    with pytest.raises(InsideLLMsError, match="the library that finds personal data") as raised:
        import_files([tmp_path / "day.jsonl"], tmp_path / "run")
    assert "insidellms[redact]" in raised.value.fix
    assert "--keep-personal-data" in raised.value.fix
    assert not (tmp_path / "run").exists()
    assert pseudonyms.Pseudonyms  # the module itself loads without it
    import_files([tmp_path / "day.jsonl"], tmp_path / "run", ImportOptions(personal_data=None))


@pytest.mark.parametrize("name", ["user", "assistant", "system", "text", "role", "id", "success"])
def test_a_user_may_be_called_like_a_part_of_a_message(name, tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"I am {name}."}]
    asked = call("", "Hello", trace="1" * 32, attributes={"gen_ai.input.messages": json.dumps(chat)})
    outer = span(trace="1" * 32, attributes={"user.id": name})
    (tmp_path / "day.jsonl").write_text(json.dumps(batch(outer, asked)) + "\n")
    import_files([tmp_path / "day.jsonl"], tmp_path / "run")
    [record] = records_of(tmp_path / "run")
    assert [message["role"] for message in record["request"]["messages"]] == ["system", "user"]
    assert (f"I am {name}." in record["example"]["input"]) == (len(name) < 3)


def test_a_user_may_be_called_like_a_field(tmp_path):
    attributes = {"user.id": "content", "user.name": "email"}
    spans = request(1, "The content of email a@example.com", "My content", attributes=attributes)
    (tmp_path / "day.jsonl").write_text("".join(json.dumps(batch(one)) + "\n" for one in spans))
    assert insidellms("import", "day.jsonl", "--to", "run", cwd=tmp_path).code == 0
    [record] = records_of(tmp_path / "run")
    assert "content" not in record["example"]["input"]
    assert "[email-" in record["example"]["input"]


def test_a_folder_of_rotated_files_is_one_run_and_empty_ones_do_not_matter(tmp_path):
    (tmp_path / "day").mkdir()
    outer, inner = span(), call()
    write_files(
        tmp_path / "day", {"b.jsonl": [batch(inner)], "a.jsonl": [batch(outer)], "c.jsonl": "", "notes.txt": "x"}
    )
    assert insidellms("import", "day", "--to", "run", cwd=tmp_path).code == 0
    assert len(records_of(tmp_path / "run")) == 1


def test_damage_ends_an_import_with_its_line_unless_it_is_to_be_left_out(tmp_path):
    write_traces(tmp_path / "day.jsonl", [("Hi", "Hi")])
    whole = (tmp_path / "day.jsonl").read_bytes()
    (tmp_path / "day.jsonl").write_bytes(whole + b'{"resourceSpans": \xff\n' + whole[:90] + b"\n")
    done = insidellms("import", "day.jsonl", "--to", "run", cwd=tmp_path)
    assert (done.code, "day.jsonl:3: is not valid" in done.err) == (1, True), done.err
    assert not (tmp_path / "run").exists()
    done = insidellms("import", "day.jsonl", "--to", "run", "--unfinished", cwd=tmp_path)
    assert (done.code, "left out as damaged: day.jsonl:3" in done.err) == (0, True), done.err


def test_a_log_of_another_tool_takes_no_options_of_traces(tmp_path):
    write_files(tmp_path, {"q.jsonl": QUESTIONS, "log.json": '{"testCases": [], "metricsScores": []}'})
    done = insidellms("import", "log.json", "--to", "run", "--dataset", "q.jsonl", cwd=tmp_path)
    assert (done.code, "--dataset and --each-call are for traces" in done.err) == (1, True)
