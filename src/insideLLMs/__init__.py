"""git diff and pytest for the behaviour of language models.

The names below load their modules when first asked for, so that importing the package costs nothing.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insideLLMs.core.errors import ArgumentError as ArgumentError
    from insideLLMs.core.errors import AuthError as AuthError
    from insideLLMs.core.errors import BadAnswerError as BadAnswerError
    from insideLLMs.core.errors import BudgetSpentError as BudgetSpentError
    from insideLLMs.core.errors import CanonicalError as CanonicalError
    from insideLLMs.core.errors import CassetteError as CassetteError
    from insideLLMs.core.errors import CassetteMissError as CassetteMissError
    from insideLLMs.core.errors import CompareError as CompareError
    from insideLLMs.core.errors import ConfigError as ConfigError
    from insideLLMs.core.errors import ConnectionFailedError as ConnectionFailedError
    from insideLLMs.core.errors import DatasetError as DatasetError
    from insideLLMs.core.errors import DuplicatePluginError as DuplicatePluginError
    from insideLLMs.core.errors import ExitCode as ExitCode
    from insideLLMs.core.errors import InsideLLMsError as InsideLLMsError
    from insideLLMs.core.errors import InterruptedRunError as InterruptedRunError
    from insideLLMs.core.errors import JournalError as JournalError
    from insideLLMs.core.errors import LockedError as LockedError
    from insideLLMs.core.errors import ModelError as ModelError
    from insideLLMs.core.errors import ModelNotFoundError as ModelNotFoundError
    from insideLLMs.core.errors import ModelTimeoutError as ModelTimeoutError
    from insideLLMs.core.errors import ModelUnavailableError as ModelUnavailableError
    from insideLLMs.core.errors import NothingToDoError as NothingToDoError
    from insideLLMs.core.errors import OptionError as OptionError
    from insideLLMs.core.errors import PlanMismatchError as PlanMismatchError
    from insideLLMs.core.errors import PluginError as PluginError
    from insideLLMs.core.errors import ProbeExecutionError as ProbeExecutionError
    from insideLLMs.core.errors import RateLimitError as RateLimitError
    from insideLLMs.core.errors import RequestRefusedError as RequestRefusedError
    from insideLLMs.core.errors import RunDirectoryError as RunDirectoryError
    from insideLLMs.core.errors import SandboxError as SandboxError
    from insideLLMs.core.errors import ServerError as ServerError
    from insideLLMs.core.errors import StorageError as StorageError
    from insideLLMs.core.errors import TemplateError as TemplateError
    from insideLLMs.core.errors import TrialTimeoutError as TrialTimeoutError
    from insideLLMs.core.errors import UnknownPluginError as UnknownPluginError
    from insideLLMs.core.protocols import AsyncModel as AsyncModel
    from insideLLMs.core.protocols import CallableModel as CallableModel
    from insideLLMs.core.protocols import JudgedProbe as JudgedProbe
    from insideLLMs.core.protocols import Model as Model
    from insideLLMs.core.protocols import ModelInfo as ModelInfo
    from insideLLMs.core.protocols import Probe as Probe
    from insideLLMs.core.protocols import ProbeScore as ProbeScore
    from insideLLMs.core.protocols import PromptProbe as PromptProbe
    from insideLLMs.core.types import Example as Example
    from insideLLMs.core.types import Message as Message
    from insideLLMs.core.types import Record as Record
    from insideLLMs.core.types import Request as Request
    from insideLLMs.core.types import Response as Response
    from insideLLMs.core.types import ResultStatus as ResultStatus
    from insideLLMs.core.types import Scores as Scores
    from insideLLMs.core.types import ToolCall as ToolCall
    from insideLLMs.core.types import Usage as Usage
    from insideLLMs.execute.progress import ProgressInfo as ProgressInfo
    from insideLLMs.plugins import dataset_registry as dataset_registry
    from insideLLMs.plugins import model_registry as model_registry
    from insideLLMs.plugins import probe_registry as probe_registry
    from insideLLMs.probes.agent import AgentProbe as AgentProbe
    from insideLLMs.probes.attack import AttackProbe as AttackProbe
    from insideLLMs.probes.attack import JailbreakProbe as JailbreakProbe
    from insideLLMs.probes.attack import PromptInjectionProbe as PromptInjectionProbe
    from insideLLMs.probes.base import ComparativeProbe as ComparativeProbe
    from insideLLMs.probes.base import ScoredProbe as ScoredProbe
    from insideLLMs.probes.bias import BiasProbe as BiasProbe
    from insideLLMs.probes.code import CodeDebugProbe as CodeDebugProbe
    from insideLLMs.probes.code import CodeExplanationProbe as CodeExplanationProbe
    from insideLLMs.probes.code import CodeGenerationProbe as CodeGenerationProbe
    from insideLLMs.probes.contains import ContainsProbe as ContainsProbe
    from insideLLMs.probes.factuality import FactualityProbe as FactualityProbe
    from insideLLMs.probes.instruction_following import ConstraintComplianceProbe as ConstraintComplianceProbe
    from insideLLMs.probes.instruction_following import InstructionFollowingProbe as InstructionFollowingProbe
    from insideLLMs.probes.judge import JudgeScoredProbe as JudgeScoredProbe
    from insideLLMs.probes.logic import LogicProbe as LogicProbe
    from insideLLMs.probes.multi_step_task import MultiStepTaskProbe as MultiStepTaskProbe
    from insideLLMs.providers.dummy import DummyModel as DummyModel
    from insideLLMs.providers.embedded import EmbeddedModel as EmbeddedModel
    from insideLLMs.providers.openai import OpenAIModel as OpenAIModel
    from insideLLMs.runner import AsyncProbeRunner as AsyncProbeRunner
    from insideLLMs.runner import ExperimentResult as ExperimentResult
    from insideLLMs.runner import ProbeResult as ProbeResult
    from insideLLMs.runner import ProbeRunner as ProbeRunner
    from insideLLMs.runner import RunConfig as RunConfig
    from insideLLMs.runner import compare_runs as compare_runs
    from insideLLMs.runner import run_experiment_from_config as run_experiment_from_config
    from insideLLMs.runner import run_probe as run_probe
    from insideLLMs.runner import run_probe_async as run_probe_async

__version__ = "0.1.0"


def _read_homes() -> dict[str, str]:
    """Read from the imports above where each public name lives: one list serves type checkers and the program."""
    import ast  # noqa: PLC0415 - only once a public name is asked for

    source = Path(__file__).read_text(encoding="utf-8")
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return {alias.asname: str(node.module) for node in imports for alias in node.names if alias.asname}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    homes = _read_homes()
    if name == "__all__":
        value: object = ["__version__", *sorted(homes)]
    elif name in homes:
        value = getattr(import_module(homes[name]), name)
    else:
        raise AttributeError(f"module 'insideLLMs' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *_read_homes()})
