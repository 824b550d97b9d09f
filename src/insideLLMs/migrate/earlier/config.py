"""A whole experiment file of the earlier insideLLMs -> an experiment."""

import functools
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path

from insideLLMs.config.secrets import is_secret_key, references
from insideLLMs.core.errors import ConfigError
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.draft import Draft, number
from insideLLMs.migrate.earlier.probes import PROBES, read_probe
from insideLLMs.migrate.earlier.rows import read_dataset
from insideLLMs.migrate.promptfoo.providers import key_variable
from insideLLMs.migrate.promptfoo.values import plain
from insideLLMs.migrate.source import ImportFindings, Node
from insideLLMs.plugins import model_registry, probe_registry

_TYPES = {
    "llamacpp": "llama_cpp",
    **{one: one for one in ("dummy", "openai", "anthropic", "gemini", "cohere", "ollama", "vllm", "openrouter")},
}
_IN_PROCESS = ("llamacpp", "huggingface")
_ARGUMENTS = {"timeout": "timeout_s", "stop_sequences": "stop", "max_new_tokens": "max_tokens", "host": "base_url"}
_GENERATION = ("generation", "probe_kwargs", "run_kwargs")
_NO_PLACE = {
    "output_dir": "`run --run-dir` says where",
    "pipeline": "retries, limits and costs are under `execution`, for all models",
    "max_retries": "`execution: {max_attempts: ...}` says how often, for all models",
}
_NOTHING = ("async", "use_async", "determinism", "validate_output", "schema_version", "skip_report", "overwrite",
            "resume", "description", "tags")  # fmt: skip
_SETTINGS = {"concurrency": "concurrency", "timeout": "timeout_s", "stop_on_error": "stop_on_error"}
_FLAGS = {"fail_on_changes": "changes", "fail_on_regressions": "regressions"}
_KEYS = ("model", "models", "probe", "probes", "dataset", "runner", "name", "title", "report_title", "max_examples",
         "confidence_level", "output_fingerprint_ignore", *_GENERATION, *_NO_PLACE, *_NOTHING, *_SETTINGS,
         *_FLAGS)  # fmt: skip
_ONLY_HERE = frozenset({"prompt", "prompts", "datasets", "repeats", "independent_answers", "execution", "gate"})
_ONLY_OF_DATASETS = frozenset({"examples", "field_names", "on_error", "sha256", "args", "type"})


def is_insidellms(value: JsonValue) -> bool:
    """Whether a file's value is an experiment of the earlier insideLLMs, or of this one."""
    return isinstance(value, Mapping) and bool({"model", "models"} & set(value) and {"probe", "probes"} & set(value))


def is_of_this_version(value: JsonValue) -> bool:
    """Whether an experiment has what only this version's have; no plug-in that it names is loaded."""
    if not isinstance(value, Mapping):
        return False
    entries = [*_entries(value, "model"), *_entries(value, "probe")]
    dataset = value.get("dataset")
    return (
        bool(_ONLY_HERE & set(value))
        or not isinstance(dataset, Mapping)
        or bool(_ONLY_OF_DATASETS & set(dataset))
        or any(isinstance(one, str) or (isinstance(one, Mapping) and _is_new(one)) for one in entries)
    )


def _entries(value: Mapping[str, JsonValue], noun: str) -> Iterable[JsonValue]:
    several = value.get(f"{noun}s")
    return [*([value[noun]] if noun in value else []), *(several if isinstance(several, list) else [])]


def _is_new(entry: Mapping[str, JsonValue]) -> bool:
    held = entry.get("type")
    kind = held if isinstance(held, str) else ""
    earlier = {*_TYPES, *_IN_PROCESS, *PROBES}
    is_known = kind in model_registry or kind in probe_registry
    return ":" in kind or bool({"system", "dataset", "datasets"} & set(entry)) or (is_known and kind not in earlier)


def read_earlier(root: Node, findings: ImportFindings, *, to: Path) -> Draft:
    """Return the experiment for a file in the folder `to`; what cannot be carried over is among the findings."""
    findings.check_keys(root, _KEYS, "an experiment")
    draft = Draft(origin=root.source.shown)
    title, name = root.get("title") or root.get("report_title"), root.get("name")
    draft.title = None if title is None else title.text
    draft.name = None if name is None else name.text
    for add in (_add_settings, _add_models, functools.partial(_add_probes, to=to)):
        with findings.collecting():
            add(root, draft, findings)
    return draft


def _add_probes(root: Node, draft: Draft, findings: ImportFindings, *, to: Path) -> None:
    """Add the probes with the dataset that they share. Raises ConfigError."""
    held = root.get("dataset")
    if held is None:
        raise ConfigError([root.problem("has no dataset", "add `dataset:`")])
    dataset = read_dataset(held, to, findings)
    for node in _nodes(root, "probe"):
        draft.places.setdefault("probes", node.place)
        with findings.collecting():
            draft.probes.append(read_probe(node, dataset, findings))
    number(draft.probes)
    for probe in draft.probes:
        if probe["type"] == "regex":  # it stands for one that was left out
            draft.gate.setdefault("probes", {})[probe.get("id", "regex")] = {"min_pass_rate": 1}
    for limit in (held.get("limit") or held.get("max_examples"), root.get("max_examples")):
        if limit is not None:
            draft.max_examples = limit.value
            findings.note(limit, "max_examples: a part chosen by the rows' ids, no longer the first ones")


def _nodes(root: Node, noun: str) -> list[Node]:
    """Return the entries of a list, or the only one. Raises ConfigError where there is none."""
    one, several = root.get(noun), root.get(f"{noun}s")
    nodes = [*([one] if one is not None else []), *(several.items() if several is not None else [])]
    if not nodes:
        raise ConfigError([root.problem(f"has no {noun}", f"add `{noun}s:` with at least one entry")])
    return nodes


def _add_settings(root: Node, draft: Draft, findings: ImportFindings) -> None:
    """Take over what is said of the run as a whole, at the top or under `runner`. Raises ConfigError."""
    runner = root.section("runner")
    findings.check_keys(runner, (*_NO_PLACE, *_NOTHING, *_SETTINGS, *_FLAGS), "the runner")
    for key, held in (*root.fields(), *runner.fields()):
        if held.value is None:
            continue
        if key in _SETTINGS:
            draft.execution[_SETTINGS[key]] = held.value
        elif key in _FLAGS and not isinstance(held.value, bool):
            findings.refuse(held, "is neither true nor false")
        elif key in _FLAGS and held.value:
            draft.gate["fail_on"] = _FLAGS[key]
        elif key in _NO_PLACE:
            findings.note(held, f"{key}: {_NO_PLACE[key]}")
    ignored, level = root.get("output_fingerprint_ignore"), root.get("confidence_level")
    if ignored is not None:
        draft.gate["ignore"] = [f"$.{one.value}" for one in ignored.items()]
    draft.confidence_level = None if level is None else level.value


def _add_models(root: Node, draft: Draft, findings: ImportFindings) -> None:
    """Add the models, each with what is said of the generation by all. Raises ConfigError."""
    shared = [field for key in _GENERATION for field in root.section(key).fields()]
    for node in _nodes(root, "model"):
        draft.places.setdefault("models", node.place)
        with findings.collecting():
            model = _model(node, shared, findings)
            if model is not None:
                draft.models.append(model)
    number(draft.models)


def _model(node: Node, shared: list[tuple[str, Node]], findings: ImportFindings) -> dict[str, JsonValue] | None:
    """Return a model; None where it is left out. Raises ConfigError."""
    findings.check_keys(node, ("type", "args", "id", "name", "pipeline"), "a model")
    given = node.section("args")
    kind, name = _type(node, given), (node.get("id") or node.get("name") or given.get("name"))
    if kind is None:
        findings.leave_out(node, f"model {(node.get('type') or node).text!r}", "there is no provider that asks it",
                           "a model in this process is {type: embedded}, or {type: transformers}")  # fmt: skip
        return None
    if node.get("pipeline") is not None:
        findings.note(node, f"pipeline: {_NO_PLACE['pipeline']}")
    args: dict[str, JsonValue] = {}
    for key, held in (*given.fields(), *shared):
        if held.value is not None and key not in {"name", "use_api"}:
            _add_argument(kind, key, held, args, findings)
    if kind != "dummy" and "model_name" not in args:
        raise ConfigError([node.problem("names no model", "write its `model_name` under `args`")])
    model = {"type": kind, **({"id": name.text} if name is not None and name.text else {})}
    return {**model, "args": args} if args else model


def _type(node: Node, args: Node) -> str | None:
    """Return the type of this version that asks the same; None where there is none."""
    held = node.get("type")
    kind = "" if held is None else held.text or ""
    if kind == "huggingface":
        through = args.get("use_api")
        return "huggingface" if through is not None and through.value is True else None
    if kind == "llamacpp" and args.get("model_path") is not None:
        return None
    return _TYPES.get(kind)


def _add_argument(kind: str, key: str, held: Node, args: dict[str, JsonValue], findings: ImportFindings) -> None:
    name = _ARGUMENTS.get(key, key)
    taken = inspect.signature(model_registry.get_factory(kind)).parameters
    if is_secret_key(key):
        named = references(held.text or "")
        if not named:
            findings.variable(held, key_variable(kind), str(held.value))
        elif named[0] != key_variable(kind):
            args["api_key_env"] = named[0]
    elif key in _NO_PLACE:
        findings.note(held, f"{key}: {_NO_PLACE[key]}")
    elif name in taken:
        args[name] = plain(held, name, findings)
    elif kind != "dummy":  # which took whatever there was
        findings.leave_out(held, f"model argument {key!r}", f"{kind} takes none of that name")
