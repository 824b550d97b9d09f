"""What a run imports at its start: nothing that only other runs need."""

import subprocess
import sys

from support.command import write_files

OF_OTHER_RUNS = (
    "insideLLMs.api.batches", "insideLLMs.api.early_stop", "insideLLMs.api.preparation.cassette_check",
    "insideLLMs.api.shards", "insideLLMs.api.since", "insideLLMs.api.workers", "insideLLMs.cli.dry_run",
    "insideLLMs.compare.gate", "insideLLMs.compare.answers.ignored", "insideLLMs.compare.sides",
    "insideLLMs.compare.statistics.evidence", "insideLLMs.compare.statistics.permutation",
    "insideLLMs.compare.differences.word_diff",
    "insideLLMs.core.template_sandbox", "insideLLMs.execute.remote", "insideLLMs.remote.copies",
    "insideLLMs.remote.objects", "insideLLMs.scoring.json_path", "insideLLMs.scoring.final_answer",
    "insideLLMs.store.answers", "insideLLMs.store.batch_log", "insideLLMs.store.remote",
    "csv", "difflib", "jinja2", "numpy", "obstore", "ray", "sqlite3",
)  # fmt: skip
"""Modules, or how their names begin."""
MOST_OF_OURS = 170


def test_a_plain_run_imports_nothing_of_batches_clusters_stores_and_comparisons(tmp_path, openai_server):
    experiment = f"""
name: plain
model: {{type: openai, id: m, args: {{model_name: stub, base_url: '{openai_server.base_url}'}}}}
probe: {{type: contains, args: {{any: ["7"]}}}}
dataset: {{format: inline, examples: [{{id: a, prompt: What is 3 + 4?}}]}}
"""
    write_files(tmp_path, {"plain.yaml": experiment})
    code = (
        "import sys\nfrom insideLLMs.cli.main import run_command\n"
        "assert run_command(['run', 'plain.yaml', '--run-dir', 'run']) == 0\n"
        "print('loaded', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = done.stdout.partition("loaded ")[2].split()
    assert "insideLLMs.execute.engine" in loaded
    assert [name for name in loaded if name.startswith(OF_OTHER_RUNS)] == []
    assert sum(name.startswith("insideLLMs.") for name in loaded) <= MOST_OF_OURS
