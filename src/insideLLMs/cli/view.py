"""`insidellms view`: a folder of runs in the browser."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import RUNS
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("view")
@click.argument("folder", type=RUNS, default=Path("runs"))
@click.option("--port", type=click.IntRange(0, 65535), default=7380, show_default=True, help="0 chooses a free one.")
@click.option("--open", "open_page", is_flag=True, help="Open it in the browser.")
@console.common_options
def command(folder: Path, *, port: int, open_page: bool) -> int:
    """Serve the runs in FOLDER to this machine until interrupted: reports, comparisons, live progress."""
    from insideLLMs.api.view_server import ViewServer  # noqa: PLC0415 - slow

    if not folder.is_dir():
        raise InsideLLMsError(f"{folder} is not a folder", fix="name the folder that contains your runs")
    try:
        server = ViewServer(folder, port)
    except OSError as error:
        raise InsideLLMsError(
            f"cannot listen on port {port}: {error.strerror}", fix="try: insidellms view --port 0"
        ) from error
    with server:
        console.note(f"{server.url} shows the runs in {folder}; press Ctrl-C to stop")
        if open_page:
            click.launch(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.note("ended")
    return ExitCode.OK
