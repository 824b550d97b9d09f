"""`make test` gives the same result every time: its property tests draw the same examples and remember nothing."""

import subprocess

from hypothesis import settings

from support.documents import ROOT


def commands(target):
    """Return what `make` would run for `target`, without running it."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_property_tests_draw_the_same_examples_and_keep_none(request):
    if request.config.getoption("--hypothesis-profile"):
        return
    assert settings().derandomize
    assert settings().database is None


def test_it_says_first_how_long_it_takes():
    assert "about 18 minutes" in commands("test").splitlines()[0]


def test_it_installs_no_system_package():
    assert "apt-get" not in commands("test")
    assert "apt-get" in commands("browser")
