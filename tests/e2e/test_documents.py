"""What the README and the docs show is what the commands print and what the programs do."""

import subprocess
import sys

import pytest

from support.command import environment
from support.documents import ROOT, UPDATE, blocks, is_one_session, page_session, replace_block, session

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ONE_SESSION = [path for path in DOCUMENTS if is_one_session(path)]


def parts(language):
    return [
        pytest.param(path, code, id=f"{path.name}-{number}")
        for path in DOCUMENTS
        if path not in ONE_SESSION
        for number, code in enumerate(blocks(path, language), start=1)
    ]


@pytest.mark.parametrize(("path", "code"), parts("console"))
def test_a_session_prints_what_the_document_shows(path, code, tmp_path):
    now = session(code, tmp_path)
    if UPDATE and now != code:
        replace_block(path, code, now)
    assert now == code or UPDATE


@pytest.mark.parametrize("path", ONE_SESSION, ids=lambda path: path.name)
def test_a_page_that_is_one_session_prints_what_it_shows(path, tmp_path):
    shown, now = blocks(path, "console"), page_session(path, tmp_path)
    for code, printed in zip(shown, now, strict=True):
        if UPDATE and printed != code:
            replace_block(path, code, printed)
    assert now == shown or UPDATE


@pytest.mark.parametrize(("path", "code"), parts("python"))
def test_a_program_runs_and_prints_what_its_comments_say(path, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.rpartition("  # ")[2] for line in code.splitlines() if line.lstrip().startswith("print(")]
    assert done.stdout.splitlines() == said
