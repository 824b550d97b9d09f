"""Datasets of an experiment: entries checked and made DatasetSpecs, each probe joined to those it runs over."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from insideLLMs.config.members import ConfigEntry, check_args, check_secrets, entries, find_factory, short_type
from insideLLMs.config.secrets import references
from insideLLMs.config.shape import Findings
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.errors import RemoteError, StorageError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.rows import GIVEN_BY_NAME
from insideLLMs.datasets.source import SUFFIXES, bare_path, format_of, missing_fix
from insideLLMs.datasets.tables import usual_args
from insideLLMs.plugins import Factory, dataset_registry
from insideLLMs.remote.url import is_url


class Datasets(msgspec.Struct):
    """The datasets seen so far, by name; the same one may be named by several probes."""

    folder: Path
    environ: Mapping[str, str]
    findings: Findings
    specs: dict[str, DatasetSpec] = msgspec.field(default_factory=dict)
    _paths: dict[str, FieldPath] = msgspec.field(default_factory=dict)
    _used: set[str] = msgspec.field(default_factory=set)
    _declared: tuple[str, ...] | None = None
    _has_probes: bool = False

    def declare(self, raw: Mapping[str, JsonValue]) -> None:
        """Take in the datasets that stand beside the probes."""
        if "dataset" in raw and "datasets" in raw:
            self.findings.add(
                ("dataset",), "stands beside 'datasets'", "write all of them as one list under the plural key"
            )
        if raw.get("dataset") is not None or raw.get("datasets") is not None:
            names = [self._add(entry, alone=True) for entry in entries(raw, "dataset", bare="path")]
            self._declared = tuple(name for name in names if name)

    def of_probe(self, entry: ConfigEntry, factory: Factory | None) -> tuple[str, ...]:
        """Return the names of a probe's datasets: its own, or those beside the probes, or what it comes with."""
        own = list(entries(entry.value, "dataset", bare="path", within=entry.path))
        names: list[str | None]
        if own or "dataset" in entry.value or "datasets" in entry.value:
            names = [self._named(each) or self._add(each) for each in own]
        elif self._declared is not None:
            names = list(self._declared)
        else:
            names = self._shipped(entry, factory)
        self._has_probes = True
        self._used.update(name for name in names if name)
        return tuple(dict.fromkeys(name for name in names if name))

    def check_used(self) -> None:
        """Report datasets that no probe runs over, if any probe could be read."""
        for name, path in self._paths.items():
            if self._has_probes and name not in self._used:
                self.findings.add(path, f"dataset {name!r} is used by no probe", "remove it, or name it in a probe")

    def _named(self, entry: ConfigEntry) -> str | None:
        """Return the name of a declared dataset that the entry only refers to."""
        only = entry.text("path") if set(entry.value) == {"path"} else None
        return only if only in self.specs else None

    def _shipped(self, entry: ConfigEntry, factory: Factory | None) -> list[str | None]:
        """Take in what a probe's class comes with: its `default_dataset`, or what its `dataset_for(args)` names."""
        choose = getattr(factory, "dataset_for", None)
        default = getattr(factory, "default_dataset", None)
        paths = choose(entry.args) if callable(choose) else (default,) if isinstance(default, str) else ()
        module = sys.modules.get(getattr(factory, "__module__", "").partition(".")[0])
        if paths and module is not None and module.__file__:
            folder = Path(module.__file__).parent
            return [self._add(ConfigEntry(entry.path, {"path": str(folder / path)})) for path in paths]
        if factory is not None:
            self.findings.add(entry.path, "has no dataset", "add 'dataset: {path: ...}' here or beside the probes")
        return []

    def _add(self, entry: ConfigEntry, *, alone: bool = False) -> str | None:
        """Take in a dataset and return its name; one that must stand `alone` may not be given twice."""
        spec = self._spec(entry)
        if spec is None:
            return None
        known = self.specs.setdefault(spec.name, spec)
        if known != spec or (alone and spec.name in self._paths):
            place = self.findings.place(self._paths[spec.name])
            where = f" (the other is at line {place[0]})" if place else ""
            self.findings.add(entry.path, f"is a second dataset {spec.name!r}{where}", "give one of them a 'name'")
        self._paths.setdefault(spec.name, entry.path)
        return spec.name

    def _spec(self, entry: ConfigEntry) -> DatasetSpec | None:
        rows = [key for key in ("examples", "items") if entry.value.get(key) is not None]
        path = entry.text("path")
        if len(rows) + (path is not None) > 1:
            self.findings.add(entry.path, "has both a path and examples, or examples twice", "keep one of them")
            return None
        copy = self._fetched(entry, path) if path and is_url(path) else None
        if path and is_url(path) and copy is None:
            return None
        kind = _format(entry, path, inline=bool(rows))
        if kind is None:
            self._report_format(entry, path)
            return None
        named = ConfigEntry(entry.path, {**entry.value, "format": kind})
        factory = find_factory(named, "format", dataset_registry, self.folder, self.findings)
        check_args(named, factory, self.findings, given=GIVEN_BY_NAME)
        check_secrets(named, self.environ, self.findings)
        whole = copy or (self._absolute(path) if path else None)
        self._check_source(entry, kind, whole)
        examples = entry.value.get(rows[0]) if rows else ()
        if not _is_sound(entry):
            return None
        return DatasetSpec(
            name=entry.text("name") or _default_name(path, kind),
            format=self._absolute_reference(kind),
            path=str(whole) if whole else None,
            examples=tuple(examples) if isinstance(examples, list) else (),
            field_names=_field_names(entry),
            on_error="skip" if entry.value.get("on_error") == "skip" else "stop",
            reviewed=entry.value.get("reviewed") is True,
            sha256=entry.text("sha256"),
            args={**usual_args(whole, kind, entry.args), **entry.args} if whole else entry.args,
        )

    def _report_format(self, entry: ConfigEntry, path: str | None) -> None:
        if path is None:
            self.findings.add(entry.path, "has neither a path nor examples", "add 'path:' or 'examples:'")
        else:
            known = ", ".join(SUFFIXES)
            where = (*entry.path, "path") if "path" in entry.value else entry.path
            self.findings.add(
                where, f"the suffix of {path!r} is not a known format", f"add 'format:'; known suffixes: {known}"
            )

    def _check_source(self, entry: ConfigEntry, kind: str, path: Path | None) -> None:
        if path is None:
            if kind in {"jsonl", "json", "csv", "yaml"}:
                self.findings.add(entry.path, f"has no path, which format {kind} needs", "add 'path:'")
            elif kind == "inline" and not (entry.value.get("examples") or entry.value.get("items")):
                self.findings.add(entry.path, "has no examples", "add 'examples:' with at least one")
            return
        where = self._path_of(entry)
        given = entry.text("path") or ""
        if references(given):
            self.findings.add(where, "may not refer to the environment", "paths are relative to the experiment file")
        elif path.is_dir() and kind != "huggingface":
            self.findings.add(where, f"{given!r} is a folder; a dataset is one file", "name a file in it")
        elif not path.exists():
            self.findings.add(where, f"there is no file {given!r}", missing_fix(path))

    def _path_of(self, entry: ConfigEntry) -> FieldPath:
        """Return where the path stands, for an entry that may be bare text."""
        with_key = (*entry.path, "path")
        return with_key if with_key in self.findings.document.places else entry.path

    def _fetched(self, entry: ConfigEntry, url: str) -> Path | None:
        """Return a copy of the dataset at a URL."""
        from insideLLMs.remote.copies import local_file  # noqa: PLC0415 - only for a URL

        try:
            return local_file(url)
        except (RemoteError, StorageError) as error:
            self.findings.add(self._path_of(entry), error.message, error.fix)
            return None

    def _absolute(self, path: str) -> Path:
        return Path(os.path.abspath(self.folder / path))  # noqa: PTH100 - links stay as they are

    def _absolute_reference(self, kind: str) -> str:
        source, colon, attribute = kind.rpartition(":")
        return f"{self._absolute(source)}:{attribute}" if colon and source.endswith(".py") else kind


def _format(entry: ConfigEntry, path: str | None, *, inline: bool) -> str | None:
    """Return the format: as given, or after the file's suffix."""
    given = entry.text("format") or entry.text("type")
    if given is not None or inline:
        return given or "inline"
    return format_of(path) if path else None


def _default_name(path: str | None, kind: str) -> str:
    return (bare_path(path).stem if path else None) or short_type(kind) or kind


def _field_names(entry: ConfigEntry) -> dict[str, str]:
    given = entry.value.get("field_names")
    names = {str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}
    column = entry.text("input_field")
    return {**names, "input": column} if column else names


def _is_sound(entry: ConfigEntry) -> bool:
    """Whether what the spec is made of has its type; what has not was reported with the file's shape."""
    sha256, field_names = entry.value.get("sha256"), entry.value.get("field_names", {})
    return (sha256 is None or isinstance(sha256, str)) and isinstance(field_names, Mapping)
