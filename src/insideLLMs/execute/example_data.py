"""What a probe of the simple contract is given for a Trial."""

from insideLLMs.core.types import JsonValue, expand
from insideLLMs.plan import Trial


def example_data(trial: Trial) -> object:
    """Return what a simple-contract probe is given: the input alone, or the example under all its usual names."""
    example = trial.example
    if not example.expected and not example.fields:
        return example.input if isinstance(example.input, str) else _chat(trial)
    data: dict[str, JsonValue] = {"id": example.id, "example_id": example.id}
    for name in ("input", "prompt", "question"):
        data[name] = example.text
    if not isinstance(example.input, str):
        data["messages"] = _chat(trial)
    if example.expected:
        only = example.expected[0] if len(example.expected) == 1 else list(example.expected)
        data.update(dict.fromkeys(("expected", "answer", "ideal", "reference", "reference_answer"), only))
    return {**data, **example.fields}


def _chat(trial: Trial) -> list[dict[str, JsonValue]]:
    assert not isinstance(trial.example.input, str)
    return [expand(message) for message in trial.example.input]
