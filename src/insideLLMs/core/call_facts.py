"""What happened on the way of one call: noted by whoever makes it, for whoever scheduled it.

Neither knows the other: the scheduler puts a CallFacts where `current_call` finds it, and providers that can
say more than an answer fill it in. It never influences an answer.
"""

from contextvars import ContextVar

import msgspec


class CallFacts(msgspec.Struct):
    """Times in seconds since the call began: until a new connection stood, until the answer's first byte, and, of a
    streamed answer, until its first event.

    `blocked_s` is how long the provider says that it takes no further calls, where its limit is used up.
    """

    connect_s: float | None = None
    first_byte_s: float | None = None
    first_chunk_s: float | None = None
    blocked_s: float | None = None


current_call: ContextVar[CallFacts | None] = ContextVar("current_call", default=None)
