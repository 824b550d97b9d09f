"""The Python doors over the one engine."""

from insideLLMs.runner.load import LoadedRun as LoadedRun
from insideLLMs.runner.load import load_dataset as load_dataset
from insideLLMs.runner.load import load_run as load_run
from insideLLMs.runner.results import ExperimentResult as ExperimentResult
from insideLLMs.runner.results import ProbeResult as ProbeResult
from insideLLMs.runner.results import ProbeResults as ProbeResults
from insideLLMs.runner.run_config import RunConfig as RunConfig
from insideLLMs.runner.runners import AsyncProbeRunner as AsyncProbeRunner
from insideLLMs.runner.runners import ProbeRunner as ProbeRunner
from insideLLMs.runner.runners import compare_runs as compare_runs
from insideLLMs.runner.runners import run_experiment_from_config as run_experiment_from_config
from insideLLMs.runner.runners import run_probe as run_probe
from insideLLMs.runner.runners import run_probe_async as run_probe_async
