"""A scripted stand-in for a model: instant and deterministic; for tests, docs and trying out a set-up."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from insideLLMs.core.arguments import check_numbers
from insideLLMs.core.errors import ArgumentError, AuthError, ModelError, ModelTimeoutError, RateLimitError, ServerError
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import JsonValue, Request, Response
from insideLLMs.providers.provider_model import ProviderModel

FAILURES: dict[str, type[ModelError] | None] = {
    "error": ServerError,
    "timeout": ModelTimeoutError,
    "rate_limited": RateLimitError,
    "auth": AuthError,
    "hang": None,
    "empty": None,
}
RANGES = {"delay_s": (0.0, 86_400.0), "drift": (0.0, 1.0), "flaky": (0.0, 1.0), "seed": (-(2**53) + 1, 2**53 - 1)}


class DummyModel(ProviderModel):
    """A stand-in that answers from a script, at once and deterministically.

    `responses` is a list (an answer is picked by the hash of the prompt) or maps prompts, or parts of them,
    to answers; the longest part that fits counts. Other prompts get `canned_response`, or a text that says
    that this is a dummy. `failures` maps parts of prompts to error, timeout, rate_limited, auth, hang or
    empty. `drift` is the share of prompts whose answer is altered, chosen by `seed`; `flaky` is the chance
    that an answer is altered, per prompt, repeat and seed. `delay_s` is slept before each answer.
    """

    provider = "dummy"

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        name: str = "dummy",
        canned_response: str | None = None,
        *,
        responses: Sequence[str] | Mapping[str, str] = (),
        failures: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        drift: float = 0.0,
        flaky: float = 0.0,
        seed: int = 0,
        model_id: str | None = None,
    ) -> None:
        super().__init__(name, model_id)
        check_numbers({"delay_s": delay_s, "drift": drift, "flaky": flaky, "seed": seed}, RANGES)
        check_script(canned_response, responses, failures or {})
        self.canned_response = canned_response
        self.responses = dict(responses) if isinstance(responses, Mapping) else tuple(responses)
        self.failures = dict(failures or {})
        self.delay_s = delay_s
        self.drift = drift
        self.flaky = flaky
        self.seed = seed
        self._by_length = _longest_first(self.responses) if isinstance(self.responses, dict) else ()
        self._failures = _longest_first(self.failures)

    def identity(self) -> Mapping[str, JsonValue]:
        """Return the script. The delay is no part of it: it changes no answer."""
        return {
            "type": "dummy",
            "model_name": self.model_id,
            "parameters": {
                "canned_response": self.canned_response,
                "responses": self.responses if isinstance(self.responses, dict) else list(self.responses),
                "failures": self.failures,
                "drift": self.drift,
                "flaky": self.flaky,
                "seed": self.seed,
            },
        }

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Answer from the script. Raises the ModelError that `failures` names for the prompt."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        prompt = request.messages[-1].text if request.messages else ""
        if self._failures:
            failure = _find(self._failures, prompt)
            if failure == "hang":
                await asyncio.Event().wait()
            if failure == "empty":
                return Response(text="", finish_reason="stop", model="dummy")
            if failure is not None:
                raise _error(failure)
        text = self._answer(prompt)
        if (self.drift and _share("drift", self.seed, prompt) < self.drift) or (
            self.flaky and _share("flaky", self.seed, f"{repeat}\n{prompt}") < self.flaky
        ):
            text = alter(text)
        return separate(Response(text=text, finish_reason="stop", model="dummy"))

    def _answer(self, prompt: str) -> str:
        if isinstance(self.responses, tuple):
            if self.responses:
                return self.responses[int(_share("pick", self.seed, prompt) * len(self.responses))]
        else:
            found = self.responses.get(prompt)
            if found is None:
                found = _find(self._by_length, prompt)
            if found is not None:
                return found
        if self.canned_response is not None:
            return self.canned_response
        return f"This is the dummy model, which does not think. It was asked: {prompt[:200]}"


def alter(text: str) -> str:
    """Make another answer out of an answer, always the same: words reversed and marked as altered."""
    return " ".join(["(altered)", *reversed(text.split())])


def check_script(canned_response: object, responses: object, failures: Mapping[str, Any]) -> None:
    """Raise ArgumentError for a script that cannot be played."""
    if canned_response is not None and not isinstance(canned_response, str):
        raise ArgumentError(f"canned_response is {canned_response!r}; it must be text")
    if isinstance(responses, str) or not isinstance(responses, Sequence | Mapping):
        raise ArgumentError(f"responses is {responses!r}; it must be a list of texts, or map prompts to texts")
    answers = responses.values() if isinstance(responses, Mapping) else responses
    for answer in answers:
        if not isinstance(answer, str):
            raise ArgumentError(f"responses holds {answer!r}; every answer must be text", fix="put it in quotes")
    for part, failure in failures.items():
        if failure not in FAILURES:
            raise ArgumentError(f"failures[{part!r}] is {failure!r}; it must be one of {', '.join(FAILURES)}")


def _error(failure: str) -> ModelError:
    kind = FAILURES[failure]
    assert kind is not None
    return kind(f"the dummy model was scripted to fail here ({failure})")


def _longest_first(script: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(script.items(), key=lambda item: (-len(item[0]), item[0])))


def _find(script: tuple[tuple[str, str], ...], prompt: str) -> str | None:
    for part, value in script:
        if part in prompt:
            return value
    return None


def _share(purpose: str, seed: int, text: str) -> float:
    """Map a text to a number from 0 to 1 (exclusive), evenly and always the same."""
    digest = hashlib.blake2b(f"{purpose}\n{seed}\n{text}".encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
