"""Runs the jobs of a workflow as GitHub does: conditions, matrix, environment, outputs, and the steps of local actions.

Steps that use somebody's action are noted and not run. What GitHub knows and a step may read is in `github`.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_TOKEN = re.compile(r"\s*(&&|\|\||==|!=|!|\(|\)|'[^']*'|[\w.-]+(?:\(\))?)")
_STATUS = ("success()", "failure()", "always()", "cancelled()")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def evaluate(text, context):
    """Evaluate an expression of the operators that our files use."""
    tokens = [*_TOKEN.findall(text), ""]
    assert "".join(tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text), f"not understood: {text}"

    def either():
        found = both()
        while tokens[0] == "||":
            tokens.pop(0)
            found = both() if not found else (both(), found)[1]
        return found

    def both():
        found = equal()
        while tokens[0] == "&&":
            tokens.pop(0)
            found = equal() if found else (equal(), found)[1]
        return found

    def equal():
        found = one()
        while tokens[0] in {"==", "!="}:
            is_same = tokens.pop(0) == "=="
            found = (found == one()) is is_same
        return found

    def one():
        token = tokens.pop(0)
        if token == "!":
            return not one()
        if token == "(":
            found = either()
            assert tokens.pop(0) == ")"
            return found
        return token[1:-1] if token.startswith("'") else _look_up(token, context)

    return either()


def _look_up(name, context):
    if name in _STATUS:
        return context["status"][name]
    found = context
    for part in name.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found


def filled(value, context):
    """Fill the expressions of a text, or of the texts in a mapping."""
    if isinstance(value, dict):
        return {key: filled(inner, context) for key, inner in value.items()}
    if not isinstance(value, str):
        return {True: "true", False: "false"}.get(value, str(value))
    whole = _EXPRESSION.fullmatch(value.strip())
    if whole and isinstance(found := evaluate(whole[1], context), bool):
        return "true" if found else "false"
    return _EXPRESSION.sub(lambda part: str(evaluate(part[1], context)), value)


@dataclass
class Step:
    """A step that was run, used or skipped, with what it printed."""

    name: str
    outcome: str
    log: str = ""
    given: dict = field(default_factory=dict)


@dataclass
class Job:
    """What a job came to."""

    outcome: str
    steps: list[Step]
    outputs: dict
    summary: str
    temp: Path

    def step(self, name):
        return next(step for step in self.steps if step.name.startswith(name))


@dataclass
class Runner:
    """Runs jobs in a checked out repository; `env` is what the runner's machine has."""

    repository: Path
    temp: Path
    github: dict
    env: dict
    secrets: dict = field(default_factory=dict)

    def run(self, workflow, name):
        """Run a job for the first row of its matrix; None where its condition says no."""
        document = yaml.safe_load((self.repository / workflow).read_text())
        job = document["jobs"][name]
        (row, *_) = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
        context = {"github": self.github, "matrix": row, "secrets": self.secrets, "steps": {}, "inputs": {}}
        context["status"] = dict.fromkeys(_STATUS, False) | {"success()": True, "always()": True}
        if not evaluate(job["if"], context):
            return None
        self.temp.mkdir(parents=True, exist_ok=True)
        self._summary = self.temp / "summary.md"
        self._summary.write_text("")
        self._steps = []
        outputs = self._run_all(job["steps"], context, {})
        outcome = "success" if context["status"]["success()"] else "failure"
        return Job(outcome, self._steps, outputs, self._summary.read_text(), self.temp)

    def _run_all(self, steps, context, env):
        outputs = {}
        for step in steps:
            condition = str(step.get("if", "success()")).removeprefix("${{").removesuffix("}}").strip()
            if not any(word in condition for word in _STATUS):
                condition = f"success() && ({condition})"
            name = step.get("name", step.get("uses", ""))
            if not evaluate(condition, context):
                self._steps.append(Step(name, "skipped"))
                continue
            own = {**env, **filled(step.get("env", {}), context)}
            ok, outputs = self._use(step, name, context, own) if "uses" in step else self._sh(step, name, context, own)
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": outputs}
            if not ok:
                context["status"].update({"success()": False, "failure()": True})
        return outputs

    def _use(self, step, name, context, env):
        given = filled(step.get("with", {}), context)
        if not step["uses"].startswith("./"):
            self._steps.append(Step(name, "used", given=given))
            return True, {}
        action = yaml.safe_load((self.repository / step["uses"] / "action.yml").read_text())
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, f"the action has no input {unknown}"
        defaults = {key: filled(one.get("default", ""), context) for key, one in action["inputs"].items()}
        inner = {**context, "inputs": {**defaults, **given}, "steps": {}}
        inner["status"] = dict(context["status"])
        self._run_all(action["runs"]["steps"], inner, env)
        outputs = {key: filled(one["value"], inner) for key, one in action["outputs"].items()}
        return inner["status"]["success()"], outputs

    def _sh(self, step, name, context, env):
        assert "${{" not in step["run"], "a script must not hold an expression"
        out = self.temp / f"output-{len(self._steps)}"
        out.write_text("")
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["bash", "-e"]
        known = {
            "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(out), "RUNNER_TEMP": str(self.temp),
            "GITHUB_STEP_SUMMARY": str(self._summary), "GITHUB_WORKSPACE": str(self.repository),
            **{f"GITHUB_{key.upper()}": value for key, value in self.github.items() if _is_variable(key, value)},
        }  # fmt: skip
        done = subprocess.run(
            [*shell, "-c", step["run"]],
            cwd=self.repository / filled(step.get("working-directory", "."), context),
            env={**self.env, **known, **env},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        )  # fmt: skip
        outcome = "success" if done.returncode == 0 else "failure"
        self._steps.append(Step(name, outcome, done.stdout))
        pairs = (line.partition("=") for line in out.read_text().splitlines())
        return done.returncode == 0, {key: value for key, _, value in pairs}


def _is_variable(key, value):
    """Whether GitHub gives it to every step."""
    return isinstance(value, str) and key != "token"


def github(event, *, api="", fork=False, number=7, sha="a" * 40):
    """Return the context of an event."""
    ours = "acme/bots"
    pull = {"number": number, "head": {"repo": {"full_name": "stranger/bots" if fork else ours}}}
    ref = f"refs/pull/{number}/merge" if event == "pull_request" else "refs/heads/main"
    return {
        "event_name": event, "event": {"pull_request": pull} if event == "pull_request" else {},
        "repository": ours,
        "ref": ref, "sha": sha, "actor": "ann", "api_url": api, "server_url": "https://github.com", "run_id": "42",
        "token": "ghs-canary-token",
    }  # fmt: skip


def runner_environment(path, home):
    """Return the environment of a fresh runner with our command on its PATH and no key."""
    plain = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**plain, "PATH": f"{path}:{os.environ['PATH']}", "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
