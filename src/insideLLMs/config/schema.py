"""The JSON Schema of the experiment file, for editors."""

from collections.abc import Mapping

import msgspec

from insideLLMs.config.file import BARE, ExperimentFile
from insideLLMs.core.types import JsonValue

EXECUTION_WORDS = {
    "concurrency": "Trials in flight per model.",
    "timeout_s": "Bounds a Trial in seconds, retries included.",
    "attempt_timeout_s": "Bounds one call in seconds.",
    "max_attempts": "Calls for one answer, the first included.",
    "retry_budget": "Bounds retries in the run, as a share of its Trials.",
    "requests_per_minute": "A limit for all models of one provider account.",
    "tokens_per_minute": "A limit for all models of one provider account, input and output.",
    "max_tokens": "Stops the run once its answers used so many.",
    "max_cost_usd": "Stops the run once it cost so much.",
    "prices": "Prices by model id, in place of the `prices` extra's table.",
    "stop_on_error": "Stop at the first Trial that fails.",
    "telemetry": "Write telemetry.jsonl: latency, attempts, queueing.",
}
PRICE_WORDS = {
    "input": "Dollars per million tokens of input.",
    "output": "Dollars per million tokens of output.",
    "cached": "Dollars per million tokens of input that the provider had cached.",
}
GATE_WORDS = {
    "fail_on": "What fails the gate.",
    "tolerance": "How many changes or regressions are let through.",
    "alpha": "Bounds the chance that an unchanged system fails.",
    "min_effect": "A drop of rates below it passes; 0.05 is five points.",
    "wanted_drop": "The drop to plan for: the comparison says whether it could have seen it.",
    "margin": "The drop that non-inferior still accepts.",
    "max_missing": "The share of Trials that may be missing.",
    "require_power": "Whether a comparison too small to see `wanted_drop` is inconclusive.",
    "errors_as": "Whether Trials without an answer are missing or failed.",
    "run_level": "Whether whole runs, not examples, are what varies.",
    "independent_repeats": "Whether repeats of an example vary as examples do.",
    "level": "How deep a text must differ for churn.",
    "drift": "Measures text drift by this kernel; the policy drift takes 3-gram if none is named.",
    "cluster": "The example field that names those that share their noise.",
    "score_range": "The worst and the best score that are not verdicts; overrides what a probe declares.",
    "max_growth": "The growth allowed per quantity; 0.1 is ten percent.",
    "trust_semantic": "Whether what an embedding model holds to be equal in meaning passes as unchanged.",
    "accept_judge_change": "Whether runs that different judges judged may be compared.",
    "probes": "Policies of single probes, by id.",
}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "ExecutionSpec": EXECUTION_WORDS,
    "PriceSpec": PRICE_WORDS,
    "GateSpec": GATE_WORDS,
    "ProbeGateSpec": GATE_WORDS,
}


def experiment_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (2020-12) of the experiment file."""
    made = msgspec.json.schema(ExperimentFile)
    kinds = made["$defs"]
    for name, words in _WORDS.items():
        for key, value in kinds[name]["properties"].items():
            value.setdefault("description", words[key])
    entries = {"ModelEntry": "model", "ProbeEntry": "probe", "DatasetEntry": "dataset"}
    for name, noun in entries.items():
        # an entry may be written as bare text, which stands for this key
        text = {"type": "string", "description": f"Stands for `{BARE[noun]}`."}
        kinds[name] = {"anyOf": [text, kinds[name]]}
    top = kinds.pop("ExperimentFile")
    top["allOf"] = [_one_of("model"), _one_of("probe")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": kinds,
        **top,
        "title": "insideLLMs experiment",
    }


def _one_of(singular: str) -> dict[str, JsonValue]:
    return {"oneOf": [{"required": [singular]}, {"required": [f"{singular}s"]}]}
