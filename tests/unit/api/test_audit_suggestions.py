"""Checks that an audit suggests: of what one sentence says, or none."""

import pytest

from insideLLMs.api.auditing.suggestions import suggest
from insideLLMs.core.types import Example, Record, Response, ResultStatus


def record(text):
    return Record(
        probe="checks",
        dataset="data",
        example_id="e1",
        model="m",
        repeat=0,
        key="0" * 64,
        example_digest="0" * 64,
        example=Example(id="e1", input="?"),
        status=ResultStatus.SUCCESS,
        response=Response(text=text),
    )


def checks(stored, damaged):
    before = record(stored)
    return [suggestion.checks[0] for suggestion in suggest("negated", [(before, record(damaged))], [before])]


@pytest.mark.parametrize(
    ("stored", "damaged"),
    [
        ("We open on weekdays. Please ring.", "It is not so that we open on weekdays. It is not so that please ring."),
        ("It is 42. I counted it.", "It is not so that it is 42. It is not so that I counted it."),
        ('He said "done." Now go home.', 'It is not so that he said "done." It is not so that now go home.'),
        ("- it costs money\n- we open", "- it costs money and - we open"),
        ("That is what it is", "That was what it was"),
        ("営業中です。鈴を鳴らす。", "営業中です 。鈴を鳴らす 。"),
    ],
)
def test_no_check_is_suggested_where_only_wording_tells_the_answers_apart(stored, damaged):
    assert checks(stored, damaged) == []


@pytest.mark.parametrize(
    ("stored", "damaged", "check"),
    [
        ("You can return it.", "You can not return it.", {"type": "contains", "all": ["can return"]}),
        ("Within 14 days.", "Within 34 days.", {"type": "contains", "all": ["14 days"]}),
        ("No", "Yes", {"type": "equals", "expected": "No"}),
    ],
)
def test_a_check_spells_what_one_sentence_says(stored, damaged, check):
    assert checks(stored, damaged) == [check]
