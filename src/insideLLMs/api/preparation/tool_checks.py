"""Whether the tools that rules for agents name are there: a rule on a misspelt tool holds whatever happens."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from insideLLMs.core.arguments import misspelt, nearest
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.experiment import Experiment, ProbeSpec
from insideLLMs.core.protocols import LocalModel, RulesOnTools
from insideLLMs.execute.work import Work

logger = logging.getLogger(__name__)
_MOST_TOLD = 20


class _Rule(NamedTuple):
    """A tool that a rule names and nobody has: where it stands, and the tools that are there."""

    where: str
    tool: str
    known: tuple[str, ...]


def check_tools(work: Work, experiment: Experiment) -> None:
    """Raise ConfigError for rules that misspell a tool, and for `only`; warn of those on a tool that is unlike all.

    A rule may forbid a tool that was removed; so that alone is no error.
    """
    problems = []
    for place, spec in enumerate(experiment.probes):
        field = f"probes[{place}].args"
        probe = work.probes[spec.id]
        for rule in _unknown(work, spec, probe) if isinstance(probe, RulesOnTools) else ():
            meant = misspelt(rule.tool, rule.known)
            if meant is not None:
                message = f"{rule.where} names {rule.tool!r}, which is not one of the tools"
                problems.append(Problem(message, field, hint=f"did you mean {meant!r}?"))
            else:
                near = nearest(rule.tool, rule.known)
                hint = f"; did you mean {near!r}?" if near else ""
                logger.warning(
                    "probe %r: %s names %r, which is not one of the tools%s", spec.id, rule.where, rule.tool, hint
                )
    if problems:
        raise ConfigError(problems[:_MOST_TOLD], fix="no call has been made yet")


def _unknown(work: Work, spec: ProbeSpec, probe: RulesOnTools) -> Iterator[_Rule]:
    """Yield the rules of a probe, and of its examples, on tools that are not there, each tool once."""
    served = _served(work, spec)
    known: dict[str, None] = {}
    are_known = True
    told: set[str] = set()
    for name in spec.datasets:
        for _, example in work.datasets[name].examples():
            own = probe.tools_known(example.fields, served)
            known.update(dict.fromkeys(own))
            are_known = are_known and bool(own)
            for tool in probe.tools_named(example.fields):
                if own and tool not in own and tool not in told:
                    told.add(tool)
                    yield _Rule(f"a rule of example {example.id!r}", tool, tuple(own))
    for tool in dict.fromkeys(probe.tools_named()):
        if are_known and known and tool not in known and tool not in told:
            yield _Rule("a contract of all examples", tool, tuple(known))


def _served(work: Work, spec: ProbeSpec) -> Sequence[Mapping[str, Any]]:
    """Return the tools that the MCP server of a probe lists, by the facts of its identity."""
    server = work.judges.get(spec.id, {}).get("tools")
    if server is None or not isinstance(server.model, LocalModel):
        return ()
    listed: Sequence[Mapping[str, Any]] = server.model.facts().get("tools", ())
    return listed
