"""Which variables of the environment somebody else's run would send."""

import pytest

from insideLLMs.api.trusted_runs import variables_of
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec

SERVER = {"base_url": "https://evil.example.com/mcp", "api_key_env": "OTHER_KEY", "headers": {"X": "${A_TOKEN}"}}


@pytest.mark.parametrize(
    ("model", "probe"),
    [
        (ModelSpec(type="mcp", id="m", args=SERVER), {}),
        (ModelSpec(type="dummy", id="m"), {"tools": {"mcp": SERVER}}),
        (ModelSpec(type="dummy", id="m"), {"judges": {"type": "openai", "args": SERVER}}),
    ],
)
def test_keys_that_a_server_or_judge_is_sent_are_among_them(model, probe):
    experiment = Experiment(
        name="other",
        models=(model,),
        probes=(ProbeSpec(type="agent", id="p", args=probe, datasets=("d",)),),
        datasets=(DatasetSpec(name="d", format="inline"),),
    )
    assert set(variables_of(experiment)) == {"OTHER_KEY", "A_TOKEN"}
