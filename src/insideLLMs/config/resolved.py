"""`config.resolved.yaml`: the effective experiment, with every default written out; and back."""

from collections.abc import Mapping
from pathlib import PurePath

import msgspec

from insideLLMs.config.yaml_text import write_yaml
from insideLLMs.core.documents import read_document
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.types import DatasetSpec, Experiment, JsonValue, Spec


def resolved_yaml(experiment: Experiment, dataset_digests: Mapping[str, str]) -> bytes:
    """Return the experiment as an experiment file, the same bytes wherever its files lie.

    A file is given by its name and the digest of its bytes, so the result loads to the same experiment from a
    folder with those files. Environment references stay references. `execution` is left out: it changes
    nothing of what is asked.
    """
    return write_yaml(
        {
            "name": experiment.name,
            "title": experiment.title,
            "models": [{**_spec(model), "system": model.system} for model in experiment.models],
            "probes": [{**_spec(probe), "datasets": list(probe.datasets)} for probe in experiment.probes],
            "datasets": [_dataset(each, dataset_digests.get(each.name, each.sha256)) for each in experiment.datasets],
            "max_examples": experiment.max_examples,
            "repeats": experiment.repeats,
            "confidence_level": experiment.confidence_level,
            "gate": msgspec.to_builtins(experiment.gate),
        }
    )


def read_resolved(data: bytes) -> Experiment:
    """Read what `resolved_yaml` wrote; environment references stay references. Raises ConfigError."""
    document = read_document(data, "yaml")
    if document.problems:
        raise ConfigError(document.problems)
    try:
        return msgspec.convert(document.value, Experiment)
    except msgspec.ValidationError as error:
        raise ConfigError([Problem(str(error))]) from error


def _spec(spec: Spec) -> dict[str, JsonValue]:
    return {"type": _file_name_only(spec.type), "id": spec.id, "args": dict(spec.args)}


def _dataset(spec: DatasetSpec, sha256: str | None) -> dict[str, JsonValue]:
    source: dict[str, JsonValue] = {}
    if spec.path is not None:
        source["path"] = PurePath(spec.path).name
    elif spec.examples:
        source["examples"] = [dict(row) for row in spec.examples]
    return {
        "name": spec.name,
        "format": _file_name_only(spec.format),
        **source,
        "sha256": sha256,
        "field_names": dict(spec.field_names),
        "on_error": spec.on_error,
        "args": dict(spec.args),
    }


def _file_name_only(kind: str) -> str:
    """Take the folder off a reference such as ``/somewhere/my_probe.py:MyProbe``."""
    source, colon, attribute = kind.rpartition(":")
    return f"{PurePath(source).name}:{attribute}" if colon and source.endswith(".py") else kind
