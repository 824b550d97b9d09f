"""A resumed run's budget counts all that was paid for, scored or not."""

import pytest

from insideLLMs.api.run import count_spent
from insideLLMs.core.errors import BudgetSpentError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.types import Example, Record, Response, ResultStatus, Telemetry, Usage
from insideLLMs.execute.budget import Budget
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader
from support.engine import ScriptedModel, work_of

USAGE = Usage(input_tokens=30, output_tokens=10)


@pytest.fixture
def journal(tmp_path):
    """A journal whose process died between an answer and its score."""
    journal = Journal(tmp_path / "journal.jsonl", JournalHeader(run_id="r", trials=3))
    journal.create()
    for index, (usage, cached) in enumerate([(USAGE, False), (None, False), (USAGE, True)]):
        journal.append_answer(index, unscored(usage), Telemetry(cached=cached))
    journal.close()
    journal = Journal(tmp_path / "journal.jsonl", JournalHeader(run_id="r", trials=3))
    journal.resume()
    yield journal
    journal.close()


def unscored(usage):
    example = Example(id="e", input="a question")
    response = Response(text="an answer", usage=usage)
    names = {"probe": "p", "dataset": "d", "example_id": "e", "model": "m", "key": "", "example_digest": ""}
    return Record(**names, repeat=0, example=example, status=ResultStatus.SUCCESS, response=response)


def spend(journal, limit):
    plan = work_of({"m": ScriptedModel(None)}, ["a", "b", "c"]).plan
    budget = Budget(ExecutionSpec(max_tokens=limit), {"m": {}})
    count_spent(budget, journal, plan)
    return budget.tokens


def test_answers_that_were_not_scored_count_and_cached_ones_do_not(journal):
    counted = spend(journal, 1000)
    assert counted > 40
    assert counted < 80


def test_a_budget_that_such_answers_spent_is_spent(journal):
    with pytest.raises(BudgetSpentError):
        spend(journal, 40)
