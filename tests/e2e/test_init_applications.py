"""`insidellms init` for an application of one's own: a command that runs as it is, and an endpoint."""

from support.command import insidellms, records_of


def test_an_experiment_for_a_command_runs_as_it_is(tmp_path):
    assert insidellms("init", "--provider", "exec", cwd=tmp_path).code == 0
    done = insidellms("run", "experiment.yaml", "--run-dir", "run", cwd=tmp_path)
    assert done.code == 0, done.err
    records = records_of(tmp_path / "run")
    assert [one["scores"]["passed"] for one in records] == [True] * 4
    assert records[0]["response"]["kept"] == {"sources": ["France"]}


def test_an_experiment_for_an_endpoint_is_valid_and_has_no_prompt_of_its_own(tmp_path):
    assert insidellms("init", "--provider", "http", cwd=tmp_path).code == 0
    assert insidellms("validate", "experiment.yaml", cwd=tmp_path).code == 0
    text = (tmp_path / "experiment.yaml").read_text()
    assert "base_url: http://127.0.0.1:8000/ask" in text
    assert "system:" not in text
    assert not (tmp_path / "app.py").exists()
