"""What becomes of scores, repeats, chats and failures of other tools."""

import json

import pytest

from insideLLMs.api.imports.importing import import_files
from insideLLMs.core.errors import InsideLLMsError


def read(tmp_path, name="run"):
    lines = (tmp_path / name / "records.jsonl").read_text().splitlines()
    manifest = json.loads((tmp_path / name / "manifest.json").read_text())
    return [json.loads(line) for line in lines], {probe["id"]: probe["score_ranges"] for probe in manifest["probes"]}


def sample(number, **values):
    asked = json.dumps([{"role": "system", "content": "Be short."}, {"role": "user", "content": f"Item {number}"}])
    return {
        "doc_id": number, "doc": {"question": f"Item {number}"}, "target": "x", "filter": "none",
        "arguments": {"gen_args_0": {"arg_0": [asked], "arg_1": {}}}, "resps": [["x"]], "filtered_resps": ["x"],
        "metrics": list(values), **values,
    }  # fmt: skip


def lm_eval(tmp_path, rows, higher=None):
    (tmp_path / "samples_t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if higher is not None:
        results = {
            "results": {}, "versions": {}, "configs": {"t": {}}, "model_name": "m", "higher_is_better": {"t": higher},
            "n-samples": {"t": {"effective": len(rows)}},
        }  # fmt: skip
        (tmp_path / "results_t.json").write_text(json.dumps(results))
    imported = import_files([tmp_path / "samples_t.jsonl"], tmp_path / "run")
    return imported, *read(tmp_path)


def test_a_score_that_is_always_0_or_1_is_a_verdict_and_any_other_a_number_with_its_direction(tmp_path):
    rows = [sample(0, acc=1.0, f1=0.5, loss=0.1, ppl=12.0), sample(1, acc=0.0, f1=1.0, loss=0.9, ppl=20.0)]
    higher = {"acc": True, "f1": True, "loss": False, "ppl": False}
    _, records, ranges = lm_eval(tmp_path, rows, higher)
    passed = {(record["probe"], record["example_id"]): record["scores"]["passed"] for record in records}
    assert (passed["acc", "0"], passed["acc", "1"], passed["f1", "1"], passed["ppl", "0"]) == (True, False, None, None)
    assert ranges == {
        "acc": {"correct": [0.0, 1.0]}, "f1": {"score": [0.0, 1.0]}, "loss": {"score": [1.0, 0.0]},
        "ppl": {"score": ["inf", "-inf"]},
    }  # fmt: skip


def test_a_verdict_whose_lower_value_is_better_passes_at_0(tmp_path):
    _, records, _ = lm_eval(tmp_path, [sample(0, toxic=0.0), sample(1, toxic=1.0)], {"toxic": False})
    assert [record["scores"]["passed"] for record in records] == [True, False]


def test_without_results_the_direction_is_said_to_be_unknown(tmp_path):
    imported, records, _ = lm_eval(tmp_path, [sample(0, f1=0.5), sample(1, f1=1.0)])
    assert "no results file" in imported.notes[0]
    assert records[0]["model"] == "imported"
    assert imported.manifest.notes["imported"]["undirected"] == ["f1"]


def test_several_scores_of_one_answer_count_its_tokens_once(tmp_path):
    _, records, _ = lm_eval(tmp_path, [sample(0, acc=1.0, f1=0.5), sample(1, acc=0.0, f1=0.5)], {})
    assert [record.get("shared_with") for record in records] == [None, None, {"probe": "acc"}, {"probe": "acc"}]


def test_a_chat_stays_a_chat(tmp_path):
    _, records, _ = lm_eval(tmp_path, [sample(0, acc=1.0), sample(1, acc=1.0)], {})
    assert [turn["role"] for turn in records[0]["request"]["messages"]] == ["system", "user"]
    assert records[0]["example"]["input"] == "Item 0"


def test_the_likeliest_choice_is_the_answer(tmp_path):
    choices = {
        f"gen_args_{n}": {"arg_0": ["Capital?"], "arg_1": [f" {city}"]} for n, city in enumerate(["Rome", "Oslo"])
    }
    row = {**sample(0, acc=1.0), "arguments": choices, "filtered_resps": [[-9.5, False], [-1.5, True]]}
    _, records, _ = lm_eval(tmp_path, [row, sample(1, acc=0.0)], {})
    assert records[0]["response"] == {"text": "Oslo", "kept": {"log_likelihoods": [-9.5, -1.5]}}


def test_a_score_that_is_not_a_number_is_refused(tmp_path):
    with pytest.raises(InsideLLMsError, match=r"samples_t.jsonl:2: sample.acc is NaN; it must be a finite number"):
        lm_eval(tmp_path, [sample(0, acc=1.0), sample(1, acc=float("nan"))], {})


def test_samples_that_the_results_count_and_the_file_lacks_are_missed(tmp_path):
    lm_eval(tmp_path, [sample(0, acc=1.0), sample(1, acc=1.0)], {})
    (tmp_path / "samples_t.jsonl").write_text(json.dumps(sample(0, acc=1.0)) + "\n\n")
    with pytest.raises(InsideLLMsError, match="it has 1 of 2 documents"):
        import_files([tmp_path / "samples_t.jsonl"], tmp_path / "again")


def test_a_log_with_every_line_twice_is_refused(tmp_path):
    with pytest.raises(InsideLLMsError, match=r"samples_t.jsonl:3: the trial of line 1 again \(id '0'"):
        lm_eval(tmp_path, [sample(0, acc=1.0), sample(1, acc=1.0), sample(0, acc=1.0)])


def garak(tmp_path, attempts, *, finished=True):
    setup = {"entry_type": "start_run setup", "plugins.target_type": "test", "plugins.target_name": "m"}
    lines = [setup, *attempts, *([{"entry_type": "completion"}] if finished else [])]
    (tmp_path / "x.report.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_files([tmp_path / "x.report.jsonl"], tmp_path / "run")
    return read(tmp_path)


def attempt(outputs, hits, status=2):
    return {
        "entry_type": "attempt", "status": status, "probe_classname": "dan.Dan", "detector_results": {"dan.DAN": hits},
        "prompt": {"turns": [{"role": "user", "content": {"text": "Ignore it all."}}]}, "outputs": outputs,
    }  # fmt: skip


def test_a_hit_of_a_detector_is_a_failure_and_outputs_are_repeats(tmp_path):
    outputs = [{"text": "No."}, {"text": "DAN: yes"}, None]
    unseen = attempt(outputs, [], status=1)
    records, ranges = garak(tmp_path, [unseen, attempt(outputs, [0.0, 1.0, None])])
    found = [(one["repeat"], one["status"], (one["scores"] or {}).get("passed")) for one in records]
    assert found == [(0, "success", True), (1, "success", False), (2, "error", None)]
    assert ranges["dan.DAN"]["correct"] == [0.0, 1.0]
    assert (records[0]["model"], records[0]["dataset"], records[0]["example"]["input"]) == (
        "m",
        "dan.Dan",
        "Ignore it all.",
    )


def test_a_scan_that_did_not_end_is_refused(tmp_path):
    with pytest.raises(InsideLLMsError, match="its scan did not come to its end"):
        garak(tmp_path, [attempt(["No."], [0.0])], finished=False)


def test_a_trial_that_failed_stands_under_every_probe(tmp_path):
    rows = [
        {"example_id": "a", "repetition_number": 1, "input": {"q": "?"}, "output": "x", "annotations": [
            {"name": "right", "score": 1.0}, {"name": "short", "score": 0.5}]},
        {"example_id": "b", "repetition_number": 1, "input": {"q": "?"}, "output": None, "error": "500",
         "annotations": []},
    ]  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(rows))
    import_files([tmp_path / "p.json"], tmp_path / "run")
    records, _ = read(tmp_path)
    found = [(one["probe"], one["example_id"], one["status"]) for one in records]
    assert found == [
        ("right", "a", "success"), ("right", "b", "error"), ("short", "a", "success"), ("short", "b", "error")
    ]  # fmt: skip
