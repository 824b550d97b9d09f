"""Results, runs and comparisons where people look at them: JSON, data frames, notebooks, and `assert`."""

import asyncio
import json
import subprocess
import sys

import pytest

import insideLLMs
from insideLLMs import (
    AuthError,
    ContainsProbe,
    DatasetError,
    DummyModel,
    Example,
    InsideLLMsError,
    ProbeResults,
    Record,
    RunDirectoryError,
    cli,
    compare_runs,
    load_dataset,
    load_run,
    run_experiment_from_config,
    run_probe,
)
from insideLLMs.plugins import PROBES, PROVIDERS
from support.command import environment

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"
CASES = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]


def judged(answer="hello", **settings):
    return run_probe(DummyModel(canned_response=answer), ContainsProbe(any=["hell"]), CASES, **settings)


def stored(path, answer="hello"):
    judged(answer, run_dir=path)
    return load_run(path)


def test_results_are_json_as_they_stand():
    results = run_probe(DummyModel(), ContainsProbe(any=["x"]), [*CASES, Example(id="e", input="z")])
    read = json.loads(json.dumps(results))
    assert [one["input"] for one in read] == [*CASES, "z"]
    assert read[0]["metadata"]["example_id"] == "a"
    assert read == results


def test_a_long_list_of_results_is_cut_where_it_is_printed_and_logged():
    few = run_probe(DummyModel(), ContainsProbe(any=["x"]), [f"Question {n}" for n in range(20)])
    many = run_probe(DummyModel(), ContainsProbe(any=["x"]), [f"Question {n}" for n in range(1_100)])
    assert repr(few) == repr(list(few))
    assert repr(many).endswith(", ... and 1,080 more]")
    assert repr(many).count("<ProbeResult") == 20


def test_a_result_says_whether_it_passed_and_why():
    passed, failed = judged()[0], judged("no")[0]
    assert (passed.passed, bool(passed), failed.passed, bool(failed)) == (True, True, False, False)
    assert "hell" in failed.explanation
    assert repr(failed).startswith("<ProbeResult 'a' failed: ")
    assert repr(run_probe(DummyModel(canned_response="no"), ContainsProbe(any=["hell"]), ["x"])).endswith(
        "'x' -> 'no'>]"
    )


def test_a_result_without_a_verdict_is_not_true():
    failed = run_probe(DummyModel(failures={"x": "error"}), ContainsProbe(any=["x"]), ["x"], max_attempts=1)[0]
    assert not failed
    assert failed.passed is None
    assert failed.explanation == failed.error != ""
    recorded = run_probe(DummyModel(), insideLLMs.RecordProbe(), ["x"])[0]
    assert not recorded
    assert "no verdict" in repr(recorded)


def test_a_result_is_read_only_by_its_names_and_names_what_it_has():
    result = judged()[0]
    with pytest.raises(AttributeError):
        result.output = "other"
    with pytest.raises(AttributeError, match="no 'ouput'; it has input, output"):
        result.ouput  # noqa: B018 - the access is the test


def test_results_are_a_data_frame():
    pandas = pytest.importorskip("pandas")
    results = judged() + judged("no")
    frame = ProbeResults(results).to_pandas()
    assert list(frame["passed"]) == [True, True, False, False]
    assert list(frame["score_correct"]) == [1.0, 1.0, 0.0, 0.0]
    assert str(frame["input_tokens"].dtype) == "Int64"
    assert frame["prompt"].isna().all()
    assert isinstance(frame, pandas.DataFrame)


def test_a_stored_run_is_a_data_frame_of_its_export(tmp_path):
    pytest.importorskip("pandas")
    frame = stored(tmp_path / "run").to_pandas()
    assert list(frame["example_id"]) == ["a", "b"]
    assert list(frame["output"]) == ["hello", "hello"]


def test_a_frame_of_a_library_that_is_not_here_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InsideLLMsError, match="pip install polars"):
        judged().to_polars()


def test_what_a_notebook_shows_runs_nothing(tmp_path):
    shown = judged(HOSTILE)._repr_html_()
    (tmp_path / "b").mkdir()
    before, after = stored(tmp_path / "a"), stored(tmp_path / "b" / "run", HOSTILE)
    for text in (shown, after._repr_html_(), compare_runs(before, after)._repr_html_()):
        assert text.startswith("<p>")
        assert "<script" not in text
        assert not {"\x1b", "\u202e"} & set(text)
    assert "&lt;script&gt;" in shown


def test_a_long_list_of_results_is_cut_and_says_so():
    shown = run_probe(DummyModel(), ContainsProbe(any=["x"]), [str(number) for number in range(60)])._repr_html_()
    assert shown.count("<tr>") == 51
    assert "10 more rows are not shown" in shown


def test_an_experiment_result_is_short_to_look_at():
    (found,) = run_experiment_from_config(
        {"model": {"type": "dummy"}, "probe": {"type": "record"}, "dataset": {"examples": CASES}},
        return_experiment=True,
    )
    assert len(repr(found)) < 200
    assert "2 success" in repr(found)
    assert "2 trials" in found._repr_html_()


def test_a_loaded_run_yields_typed_records(tmp_path):
    run = stored(tmp_path / "run")
    records = list(run)
    assert all(isinstance(record, Record) for record in records)
    assert [record.example_id for record in records] == ["a", "b"]
    assert (len(run), run.summary.trials, run.manifest.trials) == (2, 2, 2)
    assert "2 trials" in repr(run)
    with pytest.raises(RunDirectoryError, match="does not exist"):
        load_run(tmp_path / "none")


def test_an_edited_run_is_refused_while_it_is_read(tmp_path):
    run = stored(tmp_path / "run")
    path = tmp_path / "run" / "records.jsonl"
    path.write_bytes(path.read_bytes().replace(b"hello", b"hullo"))
    with pytest.raises(RunDirectoryError, match="not the file that was sealed"):
        list(run)


def test_a_comparison_is_the_text_of_the_diff(tmp_path):
    before, after = stored(tmp_path / "a"), stored(tmp_path / "b", "no")
    found = compare_runs(before, after)
    done = subprocess.run(
        [sys.executable, "-m", "insideLLMs", "diff", str(tmp_path / "a"), str(tmp_path / "b")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert str(found) + "\n" == done.stdout
    assert len(repr(found)) < 200
    assert found.verdict.passed is False


def test_a_dataset_is_read_as_an_experiment_reads_it(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("id;question;answer\n1;Why?;so\n")
    (example,) = load_dataset(path, args={"delimiter": ";"})
    assert (example.id, example.input, example.expected) == ("1", "Why?", ("so",))
    path.write_text("id,question\n1,\n2,\n")
    with pytest.raises(DatasetError, match=r"cases\.csv:3"):
        load_dataset(path)


def test_every_built_in_provider_and_probe_is_public():
    targets = [target.partition(":")[2] for target in (*PROVIDERS.values(), *PROBES.values())]
    assert set(targets) <= set(insideLLMs.__all__)


def test_an_error_that_stops_a_run_names_its_place():
    with pytest.raises(AuthError) as caught:
        run_probe(DummyModel(failures={"y": "auth"}), ContainsProbe(any=["x"]), CASES)
    assert (caught.value.model, caught.value.probe, caught.value.example_id) == ("dummy", "contains", "b")


def test_a_command_runs_in_the_process_and_returns_its_exit_code(tmp_path, capsys):
    stored(tmp_path / "run")
    assert cli.main(["verify", str(tmp_path / "run")]) == 0
    assert cli.main(["verify", str(tmp_path / "none")]) == 1
    assert cli.main(["verfy"]) == 2
    assert "Did you mean 'verify'?" in capsys.readouterr().err


def test_a_command_runs_where_an_event_loop_runs(tmp_path):
    experiment = tmp_path / "e.yaml"
    experiment.write_text("{model: dummy, probe: record, dataset: {examples: [{id: a, prompt: x}]}}")

    async def cell():
        return cli.main(["run", str(experiment), "--run-dir", str(tmp_path / "run")])

    assert asyncio.run(cell()) == 0
    assert len(load_run(tmp_path / "run")) == 1
