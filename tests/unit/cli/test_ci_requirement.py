"""CI installs what runs here: the release of an index, the commit of a repository, or a folder that CI has, too."""

import json
import subprocess

import pytest

import insideLLMs
from insideLLMs.cli.ci_requirement import checked_requirement, ci_requirement
from insideLLMs.core.errors import InsideLLMsError

RELEASE = f"insidellms=={insideLLMs.__version__}"
COMMIT = "c" * 40


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Let the package look as if pip had installed it from somewhere."""

    def install(origin):
        folder = tmp_path / "site" / "insidellms-0.1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: insidellms\nVersion: 0.1.0\n")
        if origin is not None:
            (folder / "direct_url.json").write_text(json.dumps(origin))
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


def git(folder, *args):
    name = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *name, "-C", str(folder), *args], check=True, capture_output=True)


def clone(tmp_path, url):
    """Make a clone whose commit its remote has, and let it come from `url`."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(folder, "remote", "add", "origin", url)
    return folder


def test_a_release_of_an_index_is_installed_again(installed, tmp_path):
    installed(None)
    assert ci_requirement(tmp_path) == (RELEASE, None)


def test_a_commit_of_a_repository_is_installed_again_without_the_token_in_its_address(installed, tmp_path):
    vcs = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}
    installed({"url": "https://me:token@example.com/o/insideLLMs.git", "vcs_info": vcs})
    assert ci_requirement(tmp_path) == (f"insidellms @ git+https://example.com/o/insideLLMs.git@{COMMIT}", None)


def test_a_file_of_a_server_is_installed_again(installed, tmp_path):
    installed({"url": "https://user@example.com/insidellms-0.1.0.whl?token=x", "archive_info": {}})
    assert ci_requirement(tmp_path) == ("insidellms @ https://example.com/insidellms-0.1.0.whl", None)


@pytest.mark.parametrize(("place", "requirement"), [("vendor/a b", "./vendor/a b"), ("", "./."), ("x.whl", "./x.whl")])
def test_what_lies_in_the_repository_is_installed_from_its_checkout(installed, tmp_path, place, requirement):
    installed({"url": (tmp_path / place).as_uri(), "dir_info": {}})
    assert ci_requirement(tmp_path) == (requirement, None)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://token@example.com/o/r.git", "https://example.com/o/r.git"),
        ("git@example.com:o/r.git", "ssh://git@example.com/o/r.git"),
        ("ssh://git@example.com/o/r", "ssh://git@example.com/o/r"),
    ],
)
def test_a_clone_stands_for_its_commit_where_it_came_from(installed, tmp_path, url, address):
    folder = clone(tmp_path, url)
    installed({"url": folder.as_uri(), "dir_info": {"editable": True}})
    requirement, fault = ci_requirement(tmp_path / "other")
    assert fault is None
    assert requirement.startswith(f"insidellms @ git+{address}@")
    assert len(requirement.rpartition("@")[2]) == len(COMMIT)


def test_a_clone_whose_commit_was_not_pushed_is_nothing_that_ci_has(installed, tmp_path):
    folder = clone(tmp_path, "https://example.com/o/r.git")
    git(folder, "commit", "-q", "--allow-empty", "-m", "mine")
    installed({"url": folder.as_uri(), "dir_info": {}})
    requirement, fault = ci_requirement(tmp_path / "other")
    assert requirement == RELEASE
    assert str(folder) in fault


def test_a_folder_within_a_clone_of_something_larger_is_not_that_clone(installed, tmp_path):
    folder = clone(tmp_path, "https://example.com/o/monorepo.git")
    (folder / "insideLLMs").mkdir()
    installed({"url": (folder / "insideLLMs").as_uri(), "dir_info": {}})
    assert ci_requirement(tmp_path / "other")[0] == RELEASE


@pytest.mark.parametrize("url", ["/srv/git/r.git", "file:///srv/git/r.git"])
def test_a_remote_on_this_machine_is_nothing_that_ci_has(installed, tmp_path, url):
    installed({"url": clone(tmp_path, url).as_uri(), "dir_info": {}})
    assert ci_requirement(tmp_path / "other")[0] == RELEASE


@pytest.mark.parametrize("text", ["", " ", "-r x.txt", "a\nb", "${{ secrets.X }}"])
def test_only_a_requirement_is_taken(text):
    with pytest.raises(InsideLLMsError, match="is not a requirement"):
        checked_requirement(text)
