"""The pages of the documentation site that are made from the code: the index of all options, and `llms.txt`."""

import re
import tomllib

import click
import yaml

from insideLLMs.cli.ci_files import action
from insideLLMs.cli.main import cli
from insideLLMs.config.file import experiment_schema
from insideLLMs.plugins import DATASETS, PROBES, PROVIDERS
from insideLLMs.pytest_plugin.hooks import pytest_addoption
from support.documents import ROOT

DOCS = ROOT / "docs"
_SECTIONS = {
    "ModelEntry": "the-experiment-file",
    "PromptEntry": "prompts",
    "DatasetEntry": "datasets",
    "GateSpec": "the-gate",
    "ProbeGateSpec": "the-gate",
    "TextFileEntry": "texts",
}
_EVERYWHERE = 8
"""From this number of commands on, an option is one that all have."""


def options_page():
    """Return the index: each option, setting, probe and provider with one line and a link."""
    rows = sorted(
        {*_options(), *_pytest_options(), *_inputs(), *_settings(), *_plugins()},
        key=lambda row: (row[0].strip("-").lower(), row),
    )
    head = "# Every option and setting\n\nFrom A to Z, made from the code. The site's search finds them, too.\n\n"
    head += "| name | what | where |\n|---|---|---|\n"
    return head + "".join(f"| `{name}` | {_cell(what)} | {where} |\n" for name, what, where in rows)


def llms_text():
    """Return what programs read first (llmstxt.org): each page with its first sentence."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    text = f"# {site['site_name']}\n\n> {site['site_description']}\n"
    for title, entries in _sections(site["nav"]):
        text += f"\n## {title}\n\n"
        text += "".join(f"- [{name}]({page}): {_summary(page)}\n" for name, page in entries)
    return text


def pages():
    """Return the names of all pages in the navigation."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    return [page for _, entries in _sections(site["nav"]) for _, page in entries]


def _sections(nav):
    first = [(name, page) for entry in nav for name, page in entry.items() if isinstance(page, str)]
    yield "Start", first
    for entry in nav:
        for title, inner in entry.items():
            if not isinstance(inner, str):
                yield title, [pair for page in inner for pair in page.items()]


def _summary(page):
    for paragraph in (DOCS / page).read_text().split("\n\n"):
        if not paragraph.startswith(("#", "|", "!", "```", "<", "-")):
            plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", paragraph)
            return _first_sentence(plain).replace("**", "").rstrip(":")
    return "a list"


def _options():
    found = {}
    for path, command in _commands(cli, ""):
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                name = max(option.opts, key=len)
                found.setdefault((name, option.help or ""), []).append(path)
    for (name, what), paths in found.items():
        links = ", ".join(f"[{path}](commands.md#{path.replace(' ', '-')})" for path in paths)
        yield name, what, links if len(paths) < _EVERYWHERE else "[every command](commands.md)"


class _Parser:
    """Stands for pytest's parser, and keeps what is added to it."""

    def __init__(self):
        self.helps = {}

    def getgroup(self, *_):
        return self

    def addoption(self, name, *, help, **_):
        self.helps[name] = help


def _pytest_options():
    parser = _Parser()
    pytest_addoption(parser)
    for name, what in parser.helps.items():
        yield name, what, "[pytest](pytest.md#settings)"


def _inputs():
    for name, value in yaml.safe_load(action(""))["inputs"].items():
        yield name, value["description"], "[the action](ci.md#the-action)"


def _commands(group, prefix):
    for name in group.list_commands(None):
        if name == "harness":  # an alias of run
            continue
        command = group.get_command(None, name)
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")


def _settings():
    schema = experiment_schema()
    for part, kind in {"": schema, **schema["$defs"]}.items():
        plain = kind["anyOf"][1] if "anyOf" in kind else kind
        for name, value in plain.get("properties", {}).items():
            if not value.get("deprecated"):
                where = f"experiment.md#{_SECTIONS.get(part, 'the-experiment-file')}"
                yield name, value.get("description", ""), f"[experiment file]({where})"


def _plugins():
    for family, names in (("probe", PROBES), ("provider", PROVIDERS), ("dataset", DATASETS)):
        page = {"probe": "probes.md", "provider": "providers.md", "dataset": "experiment.md#datasets"}[family]
        for name in names:
            yield name, f"a {family}", f"[{family}s]({page})"


def _cell(text):
    return re.sub(r"([|[])", r"\\\1", _first_sentence(text)).replace("<", "&lt;")


def _first_sentence(text):
    return re.split(r"(?<=[.]) (?=[A-Z`])", " ".join(text.split()))[0]
