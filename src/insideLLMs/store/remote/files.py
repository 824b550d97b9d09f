"""Which objects below the URL of a run are ours: what a run writes there, finished or not, and nothing else."""

import re

from insideLLMs.store.remote.journal import WRITER
from insideLLMs.store.sealed_run import MARKER, OUR_FILES
from insideLLMs.store.shard_folders import SHARDS

_NAMES = "|".join(map(re.escape, (MARKER, *OUR_FILES)))
_ID = "[0-9a-f]{16}"
_OURS = re.compile(
    rf"({SHARDS}/[0-9]+-of-[0-9]+/)?({re.escape(WRITER)}|(sealed-{_ID}/)?({_NAMES})|(journal|batches)-{_ID}/[0-9]+)"
)


def is_ours(name: str) -> bool:
    """Whether a run writes an object of this name, below its URL."""
    return _OURS.fullmatch(name) is not None


def is_of_run(folder: str) -> bool:
    """Whether a folder below a URL has this name because a run lies at the URL itself."""
    return re.fullmatch(rf"(sealed|journal|batches)-{_ID}", folder) is not None
