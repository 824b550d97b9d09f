"""What pip installs in CI so that it has the insideLLMs that runs here, as far as the installation tells."""

import re
import subprocess
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

import insideLLMs
from insideLLMs.core.errors import InsideLLMsError

_RELEASE = f"insidellms=={insideLLMs.__version__}"
_GIT_S = 10
_SSH = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
"""The short form of an address: git@HOST:PATH."""


class _Vcs(msgspec.Struct, frozen=True):
    vcs: str
    commit_id: str


class _Origin(msgspec.Struct, frozen=True):
    """The file direct_url.json (packaging.python.org, "Direct URL Data Structure"); an index leaves none."""

    url: str
    vcs_info: _Vcs | None = None


def ci_requirement(root: Path) -> tuple[str, str | None]:
    """Return a requirement for pip in a checkout of the repository `root`, and what is wrong with it, if anything."""
    origin = _origin()
    if origin is None:
        return _RELEASE, None
    if origin.vcs_info is not None:
        return _at_commit(origin.url, origin.vcs_info.commit_id, origin.vcs_info.vcs), None
    if not origin.url.startswith("file:"):
        return f"insidellms @ {_public(origin.url)}", None
    return _from_folder(Path(unquote(urlsplit(origin.url).path)), root.resolve())


def _from_folder(source: Path, root: Path) -> tuple[str, str | None]:
    if source.is_relative_to(root):
        return f"./{source.relative_to(root).as_posix()}", None
    found = _cloned_from(source) if source.is_dir() else None
    fault = f"it was installed from {source}, which CI does not have, so there pip looks for {_RELEASE} on its index"
    return found or _RELEASE, None if found else fault


def checked_requirement(text: str) -> str:
    """Return a requirement that a person gave. Raises InsideLLMsError for what CI would read as more than that."""
    if not text.isprintable() or not text.strip() or "${{" in text or text.startswith("-"):
        raise InsideLLMsError(
            f"--install {text!r} is not a requirement of pip",
            fix="e.g. --install insidellms==0.1.0, or git+https://HOST/insideLLMs@COMMIT, or ./vendor/NAME.whl",
        )
    return text


def _origin() -> _Origin | None:
    """Return where this installation came from; None for an index."""
    try:
        text = metadata.distribution("insidellms").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # it runs as it is in its folder
        return _Origin(url=Path(insideLLMs.__file__).parents[2].as_uri())
    return None if text is None else msgspec.json.decode(text, type=_Origin)


def _cloned_from(source: Path) -> str | None:
    """Return the commit of a clone, at the address it came from; None where others cannot have it."""
    url = _git(source, "remote", "get-url", "origin")
    commit = _git(source, "rev-parse", "HEAD")
    is_within = _git(source, "rev-parse", "--show-prefix")  # a clone of something larger
    if not url or not commit or is_within or not _git(source, "branch", "--remotes", "--contains", commit):
        return None
    short = _SSH.fullmatch(url)
    address = f"ssh://git@{short[1]}/{short[2]}" if short and "://" not in url else url
    return _at_commit(address, commit, "git") if urlsplit(address).scheme in {"https", "ssh"} else None


def _git(source: Path, *args: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - nothing of it is anybody else's
            ["git", "-C", str(source), *args],  # noqa: S607 - the user's own
            capture_output=True,
            text=True,
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _at_commit(url: str, commit: str, vcs: str) -> str:
    return f"insidellms @ {vcs}+{_public(url)}@{commit}"


def _public(url: str) -> str:
    """Return an address without a password or token, which the file would give to all who read the repository."""
    parts = urlsplit(url)
    user = "git@" if parts.scheme == "ssh" else ""
    return urlunsplit((parts.scheme, user + parts.netloc.rpartition("@")[2], parts.path, "", ""))
