"""The store of answers that a run uses: the cache, a cassette being recorded or replayed, or none."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from insideLLMs.api.preparation.members import private_settings
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import OptionError
from insideLLMs.core.protocols import LocalModel
from insideLLMs.core.types import Exchange, JsonValue, Response
from insideLLMs.execute.work import AnswerStore

if TYPE_CHECKING:
    from insideLLMs.store.answers.cache import AnswerCache
    from insideLLMs.store.answers.cassette import CassetteRecorder

CacheMode = Literal["off", "read", "refresh"]


class AnswerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where answers come from beside the models.

    `cache`: "read" asks only what the cache lacks, "refresh" asks everything again and stores it. `record` is a
    cassette to add to, at a path or a URL as `Path` spells it; with `missing`, only what it lacks is asked. `replay` is
    one that stands in for the models.
    """

    cache: CacheMode = "off"
    record: Path | None = None
    missing: bool = False
    replay: Path | None = None

    def __post_init__(self) -> None:
        if self.cache not in get_args(CacheMode):
            raise OptionError(f"cache is {self.cache!r}; it must be one of {', '.join(get_args(CacheMode))}")
        if self.replay is not None and (self.record is not None or self.cache != "off"):
            raise OptionError("`replay` cannot be combined with `record` or `cache`", fix="drop `record` and `cache`")
        if self.record is not None and self.cache == "read":
            raise OptionError(
                "`record` cannot be combined with `cache=read`", fix="drop `cache`, or use `cache=refresh`"
            )
        if self.missing and (self.record is None or self.cache != "off"):
            raise OptionError(
                "`missing` asks only what the cassette of `record` lacks",
                fix="add `record`, and leave `cache` and `replay` out",
            )

    def recorded(self) -> Mapping[str, Mapping[str, JsonValue]] | None:
        """Return what the cassette of a replay tells of its models' machine; None where models are asked."""
        if self.replay is None:
            return None
        from insideLLMs.store.answers.cassette import read_facts  # noqa: PLC0415 - few runs replay

        return read_facts(self.replay)


@contextlib.contextmanager
def open_answers(options: AnswerOptions, prepared: Prepared) -> Iterator[AnswerStore | None]:
    """Open the store that `options` name for a run; a recording joins its cassette when the block ends well."""
    if options == AnswerOptions():
        yield None
        return
    # few runs use either, and sqlite3 takes 3 ms
    from insideLLMs.store.answers.cache import AnswerCache, cache_path  # noqa: PLC0415
    from insideLLMs.store.answers.cassette import CassettePlayer, CassetteRecorder, ModelFacts  # noqa: PLC0415

    if options.replay is not None:
        yield CassettePlayer(options.replay)
        return
    models = prepared.asked
    stores: list[AnswerCache | CassetteRecorder] = []
    with contextlib.ExitStack() as stack:
        if options.cache != "off":
            private = {one.digest: private_settings(one.model) for one in models.values()}
            cache = AnswerCache(cache_path(os.environ), refresh=options.cache == "refresh", private=private)
            stack.callback(cache.close)
            stores.append(cache)
        if options.record is not None:
            facts = [
                ModelFacts(model=name, origin=ready.model.origin(), facts=dict(ready.model.facts()))
                for name, ready in models.items()
                if isinstance(ready.model, LocalModel)
            ]
            identities = {models[name].digest: identity for name, identity in prepared.identities.items()}
            recorder = CassetteRecorder(options.record, facts, identities=identities, missing=options.missing)
            stack.callback(recorder.close)
            stores.append(recorder)
        yield stores[0] if len(stores) == 1 else _Both(stores)
        if options.record is not None:
            recorder.finish()


class _Both:
    """A cache being refreshed while a cassette is recorded; users' own models go to neither."""

    closed = False
    batch = False
    finds_again = False
    takes_user_code = False

    def __init__(self, stores: "list[AnswerCache | CassetteRecorder]") -> None:
        self._stores = stores

    def find(self, key: str, model_digest: str) -> Response | None:  # noqa: ARG002 - the store's contract
        return None

    def keep(self, exchange: Exchange) -> None:
        for store in self._stores:
            store.keep(exchange)
