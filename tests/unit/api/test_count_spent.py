"""A resumed run's budget counts all that was paid for, scored or not."""

import contextlib

import pytest

from insideLLMs.api.run import count_spent
from insideLLMs.core import canonical
from insideLLMs.core.errors import BudgetSpentError
from insideLLMs.core.experiment import ExecutionSpec, PriceSpec
from insideLLMs.core.types import Telemetry, Usage
from insideLLMs.execute.budget import Budget
from insideLLMs.store.journal import Journal
from support.engine import ScriptedModel, work_of
from support.stored_trials import header, unscored

USAGE = Usage(input_tokens=30, output_tokens=10)


@contextlib.contextmanager
def stored(tmp_path, **telemetry):
    """Yield a journal whose process died between an answer and its score."""
    journal = Journal(tmp_path / "journal.jsonl", header())
    journal.create()
    for index, (usage, cached) in enumerate([(USAGE, False), (None, False), (USAGE, True)]):
        journal.append_answer(
            index, canonical.line(unscored(index, usage=usage)), Telemetry(cached=cached, **telemetry)
        )
    journal.close()
    journal = Journal(tmp_path / "journal.jsonl", header())
    journal.resume()
    yield journal
    journal.close()


@pytest.fixture
def journal(tmp_path):
    with stored(tmp_path) as journal:
        yield journal


def spend(journal, **bounds):
    plan = work_of({"m": ScriptedModel(None)}, ["a", "b", "c"]).plan
    budget = Budget(ExecutionSpec(**bounds, prices={"m": PriceSpec(input=1, output=1)}), {"m": {}})
    count_spent(budget, journal, plan)
    return budget


def test_answers_that_were_not_scored_count_and_cached_ones_do_not(journal):
    budget = spend(journal, max_tokens=1000)
    assert 40 < budget.tokens < 80
    assert budget.reached() is None


def test_a_budget_that_such_answers_spent_is_spent(journal):
    assert isinstance(spend(journal, max_tokens=40).reached(), BudgetSpentError)


def test_answers_of_a_batch_cost_half(tmp_path, journal):
    live = spend(journal, max_cost_usd=1)
    (tmp_path / "batched").mkdir()
    with stored(tmp_path / "batched", batched=True) as batched:
        assert spend(batched, max_cost_usd=1).cost_usd == live.cost_usd / 2
