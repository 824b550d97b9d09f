"""The files that gate an experiment in CI: a workflow with its action for GitHub, a job file for GitLab."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from insideLLMs.cli.ci_requirement import checked_requirement, ci_requirement
from insideLLMs.config.load import read_experiment
from insideLLMs.core.errors import InsideLLMsError

CASSETTE, POOL = "answers.jsonl", "baselines"
_KEYS = {"openai": ("OPENAI_API_KEY",)}
_USUAL_BRANCHES = ("main", "master", "trunk", "develop")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GITLAB = ".gitlab-ci.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class CiFiles:
    """What to write, what the user has to add to a file that is there, and what to do then."""

    files: dict[Path, bytes]
    to_add: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    fault: str | None = None
    """Why CI may not find insideLLMs."""


def make_ci_files(
    kind: str, folder: Path, experiment: Path, *, is_there: bool, provider: str, install: str | None
) -> CiFiles:
    """Return the CI files for an experiment of `folder`. Raises InsideLLMsError if it cannot be read.

    `install` is what pip installs there, by default the version that runs here.
    """
    keys = _keys_of(folder / experiment) if is_there else _KEYS.get(provider, ())
    root = _repository(folder)
    if not (folder / experiment).resolve().is_relative_to(root.resolve()):
        raise InsideLLMsError(
            f"{folder / experiment} is not in the repository {root.resolve()}, so CI would not find it",
            fix="move it into the repository",
        )
    requirement, fault = ci_requirement(root) if install is None else (checked_requirement(install), None)
    values = {
        "REQUIREMENT": requirement,
        "NAME": re.sub(
            r"[^A-Za-z0-9._-]+", "-", folder.resolve().name if experiment.stem == "experiment" else experiment.stem
        )
        or "experiment",
        "EXPERIMENT": experiment.as_posix(),
        "CASSETTE": CASSETTE,
        "POOL": POOL,
        "FOLDER": Path(os.path.relpath(folder.resolve(), root.resolve())).as_posix(),
        "BRANCH": _branch(root),
    }
    if any("${{" in value for value in values.values()):
        raise InsideLLMsError("a name holds '${{', which CI would take for an expression", fix="rename it")
    steps = (
        f"insidellms run {experiment} --record {CASSETTE} --run-dir runs/first",
        f'insidellms baseline accept runs/first --pool {POOL} --slim --why "first baseline"',
    )
    files, to_add = (_github if kind == "github" else _gitlab)(root, values, keys)
    if not (root / ".git").exists():
        to_add += (
            f"{folder} is in no git repository, and CI reads these files at the root of one only:",
            "  run `git init` in it, or move all of it into your repository and run this command again",
        )
    return CiFiles(files=files, to_add=to_add, next_steps=steps, fault=fault)


Made = tuple[dict[Path, bytes], tuple[str, ...]]


def _github(root: Path, values: Mapping[str, str], keys: tuple[str, ...]) -> Made:
    secrets = "".join(f"          {key}: ${{{{ secrets.{key} }}}}\n" for key in keys)
    workflow = _filled("github.yaml", values).replace("@KEYS@", f"        env:\n{secrets}" if secrets else "")
    return {
        root / ".github" / "workflows" / "insidellms.yml": f"{workflow.rstrip()}\n".encode(),
        root / ".github" / "actions" / "insidellms" / "action.yml": action(values["REQUIREMENT"]).encode(),
    }, ()


def _gitlab(root: Path, values: Mapping[str, str], _: tuple[str, ...]) -> Made:
    files = {root / ".gitlab" / "insidellms.yml": _filled("gitlab.yaml", values).encode()}
    include = "include:\n  - local: .gitlab/insidellms.yml\n"
    if (root / _GITLAB).exists():
        return files, (f"add to {root / _GITLAB}:", *(f"  {line}" for line in include.splitlines()))
    return {**files, root / _GITLAB: include.encode()}, ()


def action(requirement: str) -> str:
    """Return the composite action for GitHub; without a requirement it installs the project in its own folder."""
    return _filled("action.yaml", {"REQUIREMENT": requirement})


def _filled(name: str, values: Mapping[str, str]) -> str:
    """Fill the @NAMES@ of a template, as texts that YAML takes literally."""
    text = resources.files("insideLLMs.cli").joinpath("ci", name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", json.dumps(value, ensure_ascii=False))
    return text


def _keys_of(experiment: Path) -> tuple[str, ...]:
    """Return the variables of the environment that an experiment's models and probes are sent."""
    from insideLLMs.api.trusted_runs import variables_of  # noqa: PLC0415 - slow

    loaded = read_experiment(experiment)
    return tuple(name for name in variables_of(loaded.experiment) if _ENV_NAME.fullmatch(name))


def _repository(folder: Path) -> Path:
    """Return the git repository around a folder; the folder where there is none."""
    here = folder.resolve()
    found = next((one for one in (here, *here.parents) if (one / ".git").exists()), here)
    return folder if found == here else Path(os.path.relpath(found))


def _branch(root: Path) -> str:
    """Return the branch that pull requests are merged into: the remote's, else the one that is checked out."""
    for name in ("refs/remotes/origin/HEAD", "HEAD"):
        try:
            branch = (root / ".git" / name).read_text(encoding="utf-8").strip().rpartition("/")[2]
        except OSError:
            continue
        if name != "HEAD" or branch in _USUAL_BRANCHES:
            return branch
    return _USUAL_BRANCHES[0]
