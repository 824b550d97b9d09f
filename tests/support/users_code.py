"""Models and probes as users write them."""

from insideLLMs.core.protocols import Model, Probe, PromptProbe
from insideLLMs.core.types import Scores


class Echo(Model):
    """Answers in capitals; counts its calls."""

    def __init__(self, name="echo"):
        super().__init__(name)
        self.calls = 0

    def generate(self, prompt, **kwargs):
        self.calls += 1
        return prompt.upper()


class Moody(Echo):
    """Fails on prompts with "bad" in them until `healed`."""

    healed = False

    def generate(self, prompt, **kwargs):
        answer = super().generate(prompt)
        if "bad" in prompt and not self.healed:
            raise ValueError(f"cannot take {prompt!r}")
        return answer


class Ask(Probe):
    """The simple contract at its simplest."""

    def run(self, model, data, **kwargs):
        return model.generate(data if isinstance(data, str) else data["prompt"])


class Matches(PromptProbe):
    """Passes an answer that is the expected one."""

    scores_in_place = True

    def score(self, example, response):
        return Scores.of(response.text in example.expected)
