"""`insidellms view`: a folder of runs in the browser."""

import getpass
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import RUNS
from insideLLMs.core.errors import ExitCode, InsideLLMsError
from insideLLMs.remote.copies import place_of
from insideLLMs.remote.url import is_url


@click.command("view")
@click.argument("folder", type=RUNS, default=Path("runs"))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7380, show_default=True, help="The port; 0 chooses a free one."
)
@click.option("--open", "open_page", is_flag=True, help="Open it in the browser.")
@click.option(
    "--as",
    "person",
    metavar="NAME",
    help="The name of the person who labels.  [default: git's user.name, or the login name]",
)
@console.common_options
def command(folder: Path, *, port: int, open_page: bool, person: str | None) -> int:
    """Show the runs in FOLDER in the browser until interrupted: reports, comparisons, progress, labelling.

    If FOLDER is a run, serve its parent folder and open the run. If FOLDER is a file of examples that
    `insidellms sample` wrote, show them one by one and write your decisions into the file. Labels are stored in the
    run's folder, in labels.jsonl; `insidellms labels` shows and merges them.
    """
    from insideLLMs.api.view.example_reviews import ReviewFile  # noqa: PLC0415 - slow
    from insideLLMs.api.view.server import ViewServer  # noqa: PLC0415
    from insideLLMs.store.sealed_run import MARKER, is_regular  # noqa: PLC0415

    reviews = ReviewFile(folder) if folder.is_file() else None
    if reviews is not None and next(reviews.shown(), None) is None:
        raise InsideLLMsError(
            f"no example in {folder} was drawn from traffic",
            fix="name a folder of runs, or the file that `insidellms sample` wrote",
        )
    if reviews is None and not folder.is_dir():
        raise InsideLLMsError(f"{folder} is not a folder", fix="name the folder that contains your runs")
    is_run = is_regular(folder / MARKER)
    root = folder.resolve().parent if is_run or reviews else folder
    try:
        who = None if is_url(place_of(folder)) else _person(person)
        server = ViewServer(root, port, person=who, reviews=reviews)
    except OSError as error:
        raise InsideLLMsError(
            f"cannot listen on port {port}: {error.strerror}", fix="try: insidellms view --port 0"
        ) from error
    with server:
        first = f"runs/{quote(folder.resolve().name, safe='')}/" if is_run else "review" if reviews else ""
        url = f"{server.url}{first}"
        console.note(f"{url} shows {folder if reviews else f'the runs in {root}'}; press Ctrl-C to stop")
        if open_page:
            click.launch(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.note("ended")
    return ExitCode.OK


def _person(given: str | None) -> str:
    """Return who labels. Raises InsideLLMsError for a name that cannot be one."""
    name = " ".join((_git_name() or _login_name() if given is None else given).split())
    if not 0 < len(name) <= 200 or name != name.encode(errors="replace").decode():
        raise InsideLLMsError("--as needs a name of 1 to 200 letters", fix="e.g. --as ann")
    return name


def _login_name() -> str:
    """Return who is logged in; the number of a user who has no name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _git_name() -> str:
    try:
        command = ["git", "config", "user.name"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - as it stands
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
