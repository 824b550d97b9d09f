"""Closeness in meaning, with real weights: adversarial answers, identity, and what is missing."""

import pytest

from insideLLMs.core.errors import ArgumentError, ModelUnavailableError
from insideLLMs.core.types import Example, Response
from insideLLMs.local import weights
from insideLLMs.probes.similarity import EmbeddingSimilarityProbe

SAFE = "The drug is safe for children."
COST = "The ticket costs 20 euros in total."


@pytest.mark.parametrize(
    ("expected", "answer", "holds"),
    [
        (SAFE, "The drug is safe for children.", True),
        (SAFE, "the drug is safe for kids", True),
        (SAFE, "The drug is not safe for children.", False),
        (SAFE, "The drug is unsafe for children.", False),
        (SAFE, "The drug is safe or not safe for children.", False),
        (SAFE, "I can't say whether the drug is safe for children.", False),
        (SAFE, "Das Medikament ist sicher.", False),
        (SAFE, "Τhe drug is nοt safe for children.", False),
        (SAFE, "<b>The drug</b> is safe for children.", False),
        (SAFE, "The drug is safe for children. " * 2_000, False),
        (SAFE, "%$&!", False),
        (SAFE, "drug drug drug", False),
        (SAFE, "   ", False),
        (COST, "In total the ticket will cost 20 euros.", True),
        (COST, "The ticket costs 200 euros in total.", False),
        (COST, "The ticket costs 20 dollars in total.", False),
        ("Alice paid Bob.", "Bob paid Alice.", False),
    ],
)
def test_adversarial_answers(expected, answer, holds):
    scores = EmbeddingSimilarityProbe().score(Example(id="1", input="?", expected=(expected,)), Response(text=answer))
    assert scores.passed is holds, scores


def test_the_nearest_of_several_expected_texts_counts():
    example = Example(id="1", input="?", expected=("Restart the router.", SAFE))
    assert EmbeddingSimilarityProbe().score(example, Response(text=SAFE)).values["similarity"] == 1.0


def test_unguarded_it_is_the_bare_cosine():
    example = Example(id="1", input="?", expected=(SAFE,))
    scores = EmbeddingSimilarityProbe(guarded=False).score(example, Response(text="The drug is not safe for children."))
    assert scores.values["similarity"] > 0.9


def test_the_version_names_the_weights_and_the_tokenizer():
    for file in weights.WEIGHTS["wordllama"].files:
        assert file.sha256 in EmbeddingSimilarityProbe.version
    assert weights.WEIGHTS["wordllama"].version in EmbeddingSimilarityProbe.version


def test_missing_weights_stop_the_run_before_any_call(tmp_path, monkeypatch):
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailableError, match="insidellms model pull wordllama"):
        EmbeddingSimilarityProbe().check_example(Example(id="1", input="?", expected=("Paris",)))


@pytest.mark.parametrize("arguments", [{"threshold": 1.5}, {"threshold": -1}, {"guarded": "yes"}, {"reading": "half"}])
def test_arguments_that_cannot_be_are_refused(arguments):
    with pytest.raises(ArgumentError, match="embedding_similarity"):
        EmbeddingSimilarityProbe(**arguments)
