"""A small project of tests that ask a model, for real runs of pytest."""

import json

from support.documents import PLUGIN

PLUGIN_OPTIONS = ["-p", PLUGIN] if PLUGIN else []
HEAD = "import pytest\nfrom insideLLMs.checks import contains, equals\n"
CASES = "id,question,answer\na,capital of France?,Paris\nb,capital of Spain?,Madrid\nc,how many days?,14 days\n"
FACTS = """
@pytest.mark.llm_dataset("cases.csv")
def test_facts(case, answer):
    assert answer.passes(contains(any=case.expected))
"""


class Project:
    """A project of tests whose model is the server's, on a machine that is no CI runner."""

    def __init__(self, pytester, server, monkeypatch):
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-7731")
        self.pytester = pytester
        self.server = server
        server.answers = {"France": "Paris.", "Spain": "Madrid.", "days": "Within 14 days."}
        self.settings()
        self.path = pytester.path
        (self.path / "cases.csv").write_text(CASES)

    def settings(self, more="", model_name="m"):
        args = f'{{model_name = "{model_name}", base_url = "{self.server.base_url}"}}'
        table = f'[tool.insidellms.pytest]\nmodel = {{type = "openai", args = {args}}}\n{more}\n'
        (self.pytester.path / "pyproject.toml").write_text(table)

    def write(self, code, name="test_it.py"):
        (self.path / name).write_text(HEAD + code)

    def run(self, *arguments):
        return self.pytester.runpytest_inprocess(*PLUGIN_OPTIONS, "-p", "no:cacheprovider", *arguments)

    def run_apart(self, *arguments):
        return self.pytester.runpytest_subprocess(*PLUGIN_OPTIONS, *arguments, timeout=120)

    def cassette(self, name="test_it"):
        path = self.path / "__llm__" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]
