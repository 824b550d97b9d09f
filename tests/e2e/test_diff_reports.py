"""The reports that a comparison writes beside its text."""

import json

import pytest

from support.command import insidellms, records_of, write_files


def experiment(answer):
    examples = [{"id": f"q{number}", "question": f"Is {number} even?", "answer": "yes"} for number in range(3)]
    return json.dumps(
        {
            "model": {"type": "dummy", "id": "m", "args": {"canned_response": answer}},
            "probe": {"type": "logic"},
            "dataset": {"format": "inline", "examples": examples},
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("reports")
    write_files(root, {"before.json": experiment("yes"), "after.json": experiment("no")})
    for name in ("before", "after"):
        done = insidellms("run", f"{name}.json", "--run-dir", name, cwd=root)
        assert done.code == 0, done.err
    return root


def test_html_has_every_trial_and_the_exit_code_stays_the_gates(folder):
    done = insidellms("diff", "before", "after", "--fail-on", "regressions", "--html", "out.html", cwd=folder)
    assert done.code == 3
    page = (folder / "out.html").read_text()
    assert "before → after" in page
    assert all(f'"q{number}"' in page for number in range(3))
    again = insidellms("diff", "before", "after", "--fail-on", "regressions", "--html", "again.html", cwd=folder)
    assert again.code == 3
    assert (folder / "again.html").read_text() == page


def uris(path):
    results = json.loads(path.read_text())["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    return {(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places}


def test_sarif_points_to_the_dataset_where_the_experiment_is_named(folder):
    diff = ("diff", "before", "after", "--fail-on", "regressions", "--sarif", "out.sarif")
    assert insidellms(*diff, cwd=folder).code == 3
    assert uris(folder / "out.sarif") == {("after/records.jsonl", 1)}
    assert insidellms(*diff, "--experiment", "after.json", cwd=folder).code == 3
    assert uris(folder / "out.sarif") == {("after.json", 1)}  # its dataset is inline
    rows = [{"id": f"q{number}", "question": f"Is {number} even?", "answer": "yes"} for number in range(3)]
    named = {"model": "dummy", "probe": "logic", "dataset": {"name": "inline", "path": "data/q.jsonl"}}
    dataset = json.loads((folder / "after" / "manifest.json").read_text())["datasets"][0]["name"]
    named["dataset"]["name"] = dataset
    write_files(folder, {"data/q.jsonl": rows, "named.json": json.dumps(named)})
    assert insidellms(*diff, "--experiment", "named.json", cwd=folder).code == 3
    assert uris(folder / "out.sarif") == {("named.json", 1), *(("data/q.jsonl", line) for line in (1, 2, 3))}
    done = insidellms(*diff, "--experiment", "nowhere.json", cwd=folder)
    assert done.code == 1
    assert "nowhere.json" in done.err


def test_a_page_that_cannot_be_written_is_an_error_with_a_remedy(folder):
    done = insidellms("diff", "before", "after", "--html", "nowhere/out.html", cwd=folder)
    assert done.code == 1
    assert "cannot write nowhere/out.html" in done.err


def test_github_gets_annotations_and_a_step_summary(folder):
    command = ("diff", "before", "after", "--fail-on", "regressions", "--github")
    done = insidellms(*command, cwd=folder, env={"GITHUB_STEP_SUMMARY": str(folder / "summary.md")})
    assert done.code == 3
    assert "::error title=insideLLMs%3A failed::" in done.err
    assert "failed" in (folder / "summary.md").read_text().splitlines()[0]
    assert "::" not in done.out


def test_a_trend_goes_over_runs_in_the_order_given(folder):
    done = insidellms("trend", "before", "after", "--json", "--html", "trend.html", cwd=folder)
    assert [run["label"] for run in done.json["runs"]] == ["before", "after"]
    assert "<svg" in (folder / "trend.html").read_text()
    assert insidellms("trend", "before", "nowhere", cwd=folder).code == 1


def test_a_run_has_its_page_written_again_with_latencies_if_asked(folder):
    assert insidellms("report", "before", "--html", "plain.html", cwd=folder).code == 0
    assert insidellms("report", "before", "--html", "timed.html", "--telemetry", cwd=folder).code == 0
    assert '"latency_ms"' not in (folder / "plain.html").read_text().rpartition("<script>")[0]
    assert '"latency_ms"' in (folder / "timed.html").read_text().rpartition("<script>")[0]
    assert "p50" in insidellms("report", "before", "--telemetry", cwd=folder).out


def test_records_hold_the_messages_as_sent_only_where_they_are_not_the_input_itself(tmp_path):
    plain = "model: {type: dummy}\nprobe: {type: equals}\ndataset: {examples: [{id: a, prompt: Q, expected: x}]}\n"
    write_files(tmp_path, {"plain.yaml": plain, "told.yaml": plain.replace("dummy", "dummy, system: Be kind.")})
    for name in ("plain", "told"):
        assert insidellms("run", f"{name}.yaml", "--run-dir", name, cwd=tmp_path).code == 0
    assert records_of(tmp_path / "plain")[0]["request"] is None
    sent = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Q"}]
    assert records_of(tmp_path / "told")[0]["request"] == {"messages": sent}
