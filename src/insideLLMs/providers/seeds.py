"""The seed of one request, made from the model's seed."""

import hashlib

from insideLLMs.core.types import Request


def own_seed(seed: int, repeat: int, request: Request) -> int:
    """Return 31 bits of SHA-256 over the seed, the repeat and the messages.

    One seed for all requests would draw the same luck for every example of a run: runs with different seeds
    then differ as wholes, and a comparison takes that for a change.
    """
    told = "\0".join((str(seed), str(repeat), *(f"{turn.role}:{turn.text}" for turn in request.messages)))
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "replace")).digest()[:4]) >> 1
