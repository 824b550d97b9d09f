"""What `make package` built is complete, small, and works where nothing else is installed, on each Python here."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from support.command import environment
from support.documents import ROOT, blocks, page_session, session

MOST_PACKAGES = 20
MOST_MB = 50
LICENCE = "Apache License"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [path for minor in (11, 12, 13, 14) if (path := shutil.which(f"python3.{minor}"))]
RESOLUTIONS = ("highest", "lowest-direct")
"""The newest dependencies, and the oldest that pyproject.toml allows."""


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def works(python):
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def wheel():
    return next((ROOT / "dist").glob("*.whl"))


@pytest.fixture(scope="session")
def sdist():
    return next((ROOT / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="session")
def wheel_files(wheel):
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def data_files():
    package = ROOT / "src" / "insideLLMs"
    found = (path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {path.relative_to(ROOT / "src").as_posix() for path in found}


def test_the_wheel_has_every_data_file_and_every_module(wheel_files):
    modules = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "insideLLMs").rglob("*.py")}
    wanted = data_files() | modules | {"insidellms.py"}
    assert {"insideLLMs/py.typed", "insideLLMs/report/viewer/viewer.js", "insideLLMs/data/logic.jsonl"} <= wanted
    assert {name for name in wheel_files if ".dist-info/" not in name} == wanted


def test_the_wheel_carries_its_licence_and_that_of_the_code_in_its_pages(wheel_files):
    texts = [text.decode() for name, text in wheel_files.items() if ".dist-info/licenses/" in name]
    assert any(LICENCE in text for text in texts)
    assert "BSD 3-Clause License" in wheel_files["insideLLMs/report/viewer/viewer.js"].decode()


def test_the_sdist_has_what_it_takes_to_test_and_nothing_that_was_installed(sdist):
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    for wanted in (
        "LICENSE",
        "CHANGELOG.md",
        "Makefile",
        "tests/conftest.py",
        "docs/experiment.md",
        "viewer/src/main.ts",
    ):
        assert wanted in names
    assert not [name for name in names if "node_modules" in name or ".venv" in name or name.endswith(".pyc")]


@pytest.fixture(scope="session", params=PYTHONS, ids=[Path(path).name for path in PYTHONS])
def python(request):
    if not works(request.param):
        pytest.skip(f"{request.param} does not start")
    return request.param


@pytest.fixture(scope="session", params=RESOLUTIONS)
def installed(request, python, wheel, tmp_path_factory):
    """Return the `bin` of an environment with the wheel alone."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    uv = (sys.executable, "-m", "uv", "--quiet")
    run(*uv, "venv", "--python", python, folder)
    direct = PROJECT["dependencies"] if request.param == "lowest-direct" else []
    run(*uv, "pip", "install", "--python", folder, "--resolution", request.param, wheel, *direct)
    return folder / "bin"


def test_the_environment_is_complete(installed):
    run(sys.executable, "-m", "uv", "pip", "check", "--python", installed.parent)


@pytest.mark.parametrize("number", [0, 1])
def test_the_tour_of_the_readme_prints_what_it_shows(installed, number, tmp_path):
    code = blocks(ROOT / "README.md", "console")[number]
    assert session(code, tmp_path, commands=installed) == code


def test_the_tutorial_prints_what_it_shows(installed, tmp_path):
    page = ROOT / "docs" / "tutorial.md"
    assert page_session(page, tmp_path, commands=installed) == blocks(page, "console")


def test_the_doctor_finds_a_sound_installation(installed, tmp_path):
    report = run(installed / "insidellms", "doctor", cwd=tmp_path, env=environment())
    assert f"insidellms             {PROJECT['version']}, Python 3." in report


def test_the_package_in_lower_case_explains_itself(installed, tmp_path):
    told = subprocess.run(
        [installed / "python", "-c", "import insidellms"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "write `import insideLLMs`" in told.stderr
    assert "Usage: insidellms" in run(installed / "python", "-m", "insidellms", "--help", cwd=tmp_path)


def test_pip_install_brings_few_packages(wheel, tmp_path, capsys):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    pip = (sys.executable, "-m", "pip", "--python", tmp_path / "venv" / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-compile", wheel, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    names = [line.partition("==")[0] for line in run(*pip, "list", "--format", "freeze").splitlines()]
    size = sum(path.stat().st_size for path in (tmp_path / "venv" / "lib").rglob("*") if path.is_file()) / 1e6
    with capsys.disabled():
        print(f"\npip install insidellms brings {len(names)} packages and {size:.1f} MB: {', '.join(names)}")
    assert len(names) <= MOST_PACKAGES
    assert size <= MOST_MB


def test_it_runs_without_an_installation(wheel, tmp_path):
    uvx = (sys.executable, "-m", "uv", "tool", "run", "--python", sys.executable)
    assert "Usage: insidellms" in run(*uvx, "--from", wheel, "insidellms", "--help", cwd=tmp_path)
