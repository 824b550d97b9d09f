"""The Python doors over the one engine."""

from insideLLMs.runner.comparing import compare_runs as compare_runs
from insideLLMs.runner.doors import AsyncProbeRunner as AsyncProbeRunner
from insideLLMs.runner.doors import ProbeRunner as ProbeRunner
from insideLLMs.runner.doors import run_probe as run_probe
from insideLLMs.runner.doors import run_probe_async as run_probe_async
from insideLLMs.runner.from_file import run_experiment_from_config as run_experiment_from_config
from insideLLMs.runner.options import RunConfig as RunConfig
from insideLLMs.runner.results import ExperimentResult as ExperimentResult
from insideLLMs.runner.results import ProbeResult as ProbeResult
