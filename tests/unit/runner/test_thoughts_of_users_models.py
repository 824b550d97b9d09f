"""Thoughts are split off what a user's own model returns, however it is asked."""

import pytest

from insideLLMs import DummyModel, Model, Probe, ProbeRunner
from insideLLMs.core.types import Response
from insideLLMs.probes.exact import EqualsProbe

SAID = "<think>Lyon?</think>\nParis"
EXAMPLE = {"id": "a", "prompt": "Capital?", "expected": "Paris"}


class Plain(Model):
    def generate(self, prompt, **options):
        return SAID


class Later(Model):
    async def agenerate(self, prompt, **options):
        return Response(text=SAID)


class OwnTags(Model):
    thought_tags = [["<hidden>", "</hidden>"]]  # noqa: RUF012 - as a user would write it

    def generate(self, prompt, **options):
        return "<hidden>Lyon?</hidden>Paris"


class Ask(Probe):
    def run(self, model, data, **options):
        return model.generate(data["prompt"])


@pytest.mark.parametrize(
    "model", [Plain("plain"), Later("later"), OwnTags("own"), DummyModel(canned_response=SAID), lambda prompt: SAID]
)
def test_a_probe_scores_the_answer_alone(model):
    result = ProbeRunner(model, EqualsProbe()).run([EXAMPLE])[0]
    assert (result["output"], result["scores"]["correct"]) == ("Paris", 1.0)


def test_a_probe_that_asks_by_itself_returns_the_answer_alone():
    assert ProbeRunner(Plain("plain"), Ask("ask")).run([EXAMPLE])[0]["output"] == "Paris"


def test_a_providers_model_that_is_asked_by_hand_answers_without_thoughts():
    assert DummyModel(canned_response=SAID).generate("Capital?") == "Paris"
