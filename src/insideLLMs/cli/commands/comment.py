"""`insidellms comment`: the report of a run or a comparison on its pull request, written again at each run."""

import os
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("comment")
@click.argument("report", metavar="FILE", type=LOCAL)
@console.common_options
def command(report: Path) -> int:
    """Write FILE, made with --markdown, as a comment on the pull or merge request of this CI job.

    The comment of an earlier run with the same name is replaced. Needs GITHUB_TOKEN, or on GitLab GITLAB_TOKEN.
    """
    from insideLLMs.api.sticky_comment import write_comment  # noqa: PLC0415 - slow

    try:
        text = report.read_text(encoding="utf-8", errors="replace")  # a log may be cut within a letter
    except OSError as error:
        raise InsideLLMsError(f"{report} cannot be read: {error.strerror}", fix="write it with --markdown") from error
    done = write_comment(text, os.environ)
    console.out("this job runs for no pull request; no comment was written" if done is None else f"comment {done}")
    return ExitCode.OK
