"""The earlier command line still works, and says on stderr what its options are called now."""

import pytest

from insideLLMs.cli.earlier_spellings import modern
from support.command import insidellms


@pytest.mark.parametrize(
    ("given", "now", "notes"),
    [
        ("diff a b --fail-on-changes", "diff a b --fail-on changes", ["--fail-on-changes is now --fail-on changes"]),
        ("diff --fail-on-regressions a", "diff --fail-on regressions a",
         ["--fail-on-regressions is now --fail-on regressions"]),
        ("diff a b --format json", "diff a b --json", ["--format json is now --json"]),
        ("diff a b --format=json", "diff a b --json", ["--format=json is now --json"]),
        ("list models", "list providers", ["models is now providers"]),
        ("list runs", "list runs", []),
        ("export run --format json", "export run --format json", []),
        ("import t.txt --to x --format json", "import t.txt --to x --format json", []),
        ("run --format yaml", "run --format yaml", []),
        ("diff -- --fail-on-changes b", "diff -- --fail-on-changes b", []),
        ("run --fail-on-changes", "run --fail-on-changes", []),
        ("", "", []),
    ],
)  # fmt: skip
def test_an_earlier_spelling_is_read_as_what_it_is_now(given, now, notes):
    assert modern(given.split()) == (now.split(), notes)


def test_the_new_spelling_is_said_once_on_stderr(tmp_path):
    done = insidellms("list", "models", "--format", "json", cwd=tmp_path)
    assert done.code == 0
    assert "openai" in [one["name"] for one in done.json["providers"]]
    assert done.err == "note: models is now providers\nnote: --format json is now --json\n"
