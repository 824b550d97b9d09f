"""Templates that name no field but are more than text: what they come to is found before anything is asked."""

import json

import pytest

from support.command import insidellms, records_of, write_files

ROW = {"id": "a", "question": "One?", "answer": "x"}


def experiment(folder, **model):
    write_files(
        folder,
        {
            "e.yaml": json.dumps({"model": {"type": "dummy", **model}, "probe": "contains", "dataset": "q.jsonl"}),
            "q.jsonl": [ROW],
        },
    )


@pytest.mark.parametrize(
    "system",
    ["{{ 1/0 }}", "{{ self.__class__ }}", "{{ range(10**9) | list }}", "{{ 'a' * 100000000 }}", "{{ [][3] }}",
     "Help <<question>>", "Help $question", "Help [[question]]", "Help %question%"],
)  # fmt: skip
def test_a_system_prompt_that_cannot_be_filled_stops_before_any_call(tmp_path, system):
    experiment(tmp_path, system=system)
    for command in (("validate", "e.yaml"), ("run", "e.yaml", "--run-dir", "run")):
        done = insidellms(*command, cwd=tmp_path)
        assert done.code == 1
        assert "e.yaml:1:" in done.err
        assert "model.system" in done.err
    assert not (tmp_path / "run").exists()


def test_a_system_prompt_that_computes_something_is_filled(tmp_path):
    experiment(tmp_path, system="{{ 1 + 1 }} rules")
    assert insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path).code == 0
    assert records_of(tmp_path / "run")[0]["request"]["messages"][0]["content"] == "2 rules"


def test_a_run_without_an_answer_is_not_called_recorded(tmp_path):
    experiment(tmp_path, args={"failures": {"One": "timeout"}})
    done = insidellms("run", "e.yaml", "--run-dir", "run", cwd=tmp_path)
    assert "no verdict, 1" in done.out
    assert "recorded" not in done.out
