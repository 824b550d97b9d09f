"""Words of commands that messages show, so that a person can copy them into a shell."""

import shlex


def as_typed(word: object) -> str:
    """Return a path, a URL or a text as it is typed: in quotes where it has spaces or other signs of the shell."""
    return shlex.quote(str(word))
