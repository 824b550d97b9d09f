"""A recording and a replay from end to end: the cassette, the server, the command, and what it came to."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.core.errors import CassetteError, NothingToDoError
from insideLLMs.proxy.asked_calls import RequestReader
from insideLLMs.proxy.callers import UNKNOWN_ADVICE
from insideLLMs.proxy.command import run_command_line
from insideLLMs.proxy.late_keys import LateKeys
from insideLLMs.proxy.ordering import in_order
from insideLLMs.proxy.player import Player, ReplayVerdict
from insideLLMs.proxy.recorder import Recorder
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.server import LoopbackServer
from insideLLMs.proxy.upstreams import Upstream, parse_variables, upstreams_of, upstreams_recorded, variables_of
from insideLLMs.proxy.volatile import VolatileParts
from insideLLMs.store.answers.wire_cassette import WireHead, WireRecorder, read_head, read_wire_calls

PLACEHOLDER_KEY = "insidellms-replays-without-a-key"
"""Clients want a key, though a replay needs none."""
_STOPPED = frozenset(128 + number for number in (1, 2, 3, 6, 9, 11, 15))
"""Ended by a signal, or by a shell whose command was: hang-up, interrupt, quit, abort, kill, fault, terminate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recording came to: the command's exit code, the calls kept, and what the user should know.

    What is not `written` left the cassette as it was.
    """

    exit_code: int
    calls: int
    written: bool
    notes: tuple[str, ...]


def record(
    command: Sequence[str],
    path: Path,
    head: WireHead,
    upstreams: Iterable[str],
    *,
    resume: bool = False,
    keep_failed: bool = False,
) -> Recording:
    """Run a command, and keep its calls at `path`; with `resume`, what a stopped recording has is not asked again.

    A cassette that is there stays as it was if the command fails, unless `keep_failed`. Raises CassetteError;
    NothingToDoError where a command that ended well made no call; OptionError.
    """
    places = upstreams_of(upstreams, os.environ)
    secrets = SeenSecrets(os.environ)
    reader = RequestReader(secrets, VolatileParts.of(head))
    cassette = WireRecorder(path, head, resume=resume)
    late = LateKeys(secrets)
    try:
        recorder, code = asyncio.run(_recorded(command, Recorder(cassette, reader, secrets), places, head))
        written = bool(cassette.count) and recorder.failure is None and code not in _STOPPED
        written = written and (not code or keep_failed or not path.exists())
        if written:
            cassette.finish(in_order, late.call)
        elif cassette.count or cassette.left:
            cassette.clean(late.call)
        if recorder.failure is not None:
            raise recorder.failure
        if code == 0 and not cassette.count:
            raise _nothing(recorder)
    finally:
        cassette.close()
    notes = _notes(recorder, secrets, late) if written else [_not_written(code, cassette)]
    return Recording(exit_code=code, calls=cassette.count, written=written, notes=tuple(notes))


def _nothing(recorder: Recorder) -> NothingToDoError:
    why = "; ".join(dict.fromkeys(recorder.unreached)) or "the command made no call to a model"
    fix = "have it read its base URL from the environment, e.g. OPENAI_BASE_URL; see docs/recording.md"
    return NothingToDoError(
        f"nothing was recorded: {why}",
        fix="check the network, or name another address with --upstream" if recorder.unreached else fix,
    )


def _not_written(code: int, cassette: WireRecorder) -> str:
    ended = "was stopped" if code in _STOPPED else f"ended with {code}"
    if not cassette.partial.exists():
        return f"the command {ended} without a call to a model; nothing is recorded"
    go_on = f"go on with --resume from {cassette.partial.name}"
    return f"the command {ended}, and {cassette.path} is as it was; {go_on}" + (
        "" if code in _STOPPED else ", or record with --keep-failed"
    )


def replay(
    command: Sequence[str], path: Path, more: WireHead, *, subset: bool, json: bool
) -> tuple[ReplayVerdict, int]:
    """Run a command with its calls answered from `path` alone; return the verdict and the command's exit code.

    `more` adds to what the cassette declares. Raises CassetteError; OptionError for what it may not declare.
    """
    head = read_head(path)
    both = WireHead(
        format=head.format,
        volatile=(*head.volatile, *more.volatile),
        volatile_text=(*head.volatile_text, *more.volatile_text),
        variables={**head.variables, **more.variables},
    )
    parse_variables(f"{name}={place}" for name, place in both.variables.items())
    volatile = VolatileParts.of(both)
    reader = RequestReader(SeenSecrets(os.environ), volatile)
    calls = [volatile.call(call) for call in read_wire_calls(path)]
    if not calls:
        raise CassetteError(f"the cassette {path} holds no call", fix="record it again")
    places = upstreams_recorded((call.request.upstream for call in calls), os.environ)
    player = Player(calls, reader)
    code = asyncio.run(_replayed(command, player, places, both.variables, json=json))
    return player.verdict(subset=subset), code


async def _recorded(
    command: Sequence[str], recorder: Recorder, places: Mapping[str, Upstream], head: WireHead
) -> tuple[Recorder, int]:
    async with recorder, LoopbackServer(recorder, places) as server:
        added = variables_of(places.values(), server.url, head.variables, os.environ)
        return recorder, await run_command_line(command, {**os.environ, **added}, stdout_apart=False)


async def _replayed(
    command: Sequence[str],
    player: Player,
    places: Mapping[str, Upstream],
    variables: Mapping[str, str],
    *,
    json: bool,
) -> int:
    async with LoopbackServer(player, places) as server:
        added = variables_of(places.values(), server.url, variables, os.environ)
        keys = {each.key_variable: PLACEHOLDER_KEY for each in places.values() if each.key_variable}
        return await run_command_line(command, {**keys, **os.environ, **added}, stdout_apart=json)


def _notes(recorder: Recorder, secrets: SeenSecrets, late: LateKeys) -> Iterable[str]:
    for words in dict.fromkeys(recorder.unreached):
        yield f"{words}; calls that are not recorded for this: {recorder.unreached.count(words)}"
    if secrets.answers:
        yield f"a replay gives [redacted] for text that looks like a key; answers with such text: {secrets.answers}"
    if recorder.unnamed:
        yield f"calls without a case: {recorder.unnamed}; {UNKNOWN_ADVICE}"
    if late.requests:
        yield (
            f"requests with a key that only a later call showed to be one: {late.requests}; a replay may not know them "
            "again, so give the key in the environment under a name such as SHOP_API_KEY, and record again"
        )
