"""The built viewer in the package is what its sources give."""

import shutil
import subprocess
from pathlib import Path

from support.tools import missing

VIEWER = Path(__file__).parents[2] / "viewer"


def node(*args):
    if shutil.which("node") is None or not (VIEWER / "node_modules").is_dir():
        missing("node or viewer/node_modules is missing: npm ci in viewer/")
    return subprocess.run(["node", *args], cwd=VIEWER, capture_output=True, text=True, timeout=120, check=False)


def test_a_rebuild_gives_the_same_bytes():
    done = node("build.mjs", "--check")
    assert done.returncode == 0, done.stderr


def test_the_sources_have_sound_types():
    done = node("node_modules/typescript/bin/tsc", "--noEmit")
    assert done.returncode == 0, done.stdout


def test_the_lock_file_names_no_download_address():
    assert "resolved" not in (VIEWER / "package-lock.json").read_text()


def test_each_source_is_of_a_size_to_be_read():
    long = {path.name: len(path.read_text().splitlines()) for path in (VIEWER / "src").iterdir()}
    assert not {name: lines for name, lines in long.items() if lines > 400}
