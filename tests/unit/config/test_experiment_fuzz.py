"""A slip in an experiment file is an error with its place, or harmless; `benchmarks/experiment_fuzz.py` tries more."""

import pytest

from support import experiment_fuzz


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", experiment_fuzz.EXPERIMENTS, ids=lambda text: text.split()[1])
def test_the_experiments_are_valid_before_they_are_damaged(folder, text):
    experiment_fuzz.write(folder, {"e.yaml": text, **experiment_fuzz.TEXTS})
    kind, told = experiment_fuzz.outcome(folder)
    assert (kind, experiment_fuzz.faults(kind, told)) == ("sent", [])
    assert len(told) >= 4


@pytest.mark.parametrize("hundred", range(3))
def test_nothing_is_sent_as_it_stands_and_every_error_names_its_place(folder, hundred):
    ends = set()
    for seed in range(hundred * 100, hundred * 100 + 100):
        files, damage = experiment_fuzz.damaged(seed)
        experiment_fuzz.write(folder, files)
        kind, told = experiment_fuzz.outcome(folder)
        ends.add(kind)
        assert experiment_fuzz.faults(kind, told) == [], f"seed {seed} ({damage}): {kind}"
    assert ends == {"error", "sent"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [("sent", "Q: {question}"), ("sent", "${customer.name}"), ("sent", "{{question}"), ("sent", "prompts/v1.md"),
     ("sent", "see file://x"), ("error", "1 problem in the experiment: it is wrong")],
)  # fmt: skip
def test_the_fuzz_knows_a_fault_when_it_sees_one(kind, told):
    assert experiment_fuzz.faults(kind, [told]) == [told]
