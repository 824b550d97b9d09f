"""A run that asks in batches at its providers, again until nothing is missing."""

import contextlib
import threading
from collections.abc import Callable, Mapping

from insideLLMs.api.batches.provider import ProviderBatches, batch_apis
from insideLLMs.api.batches.waiting import BatchTerms, PatientWait
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.core.errors import InterruptedRunError
from insideLLMs.core.types import JsonValue
from insideLLMs.execute.signals import obeying_signals
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.store.batch_log import UNBOUNDED, BatchLog
from insideLLMs.store.journal import Journal


class BatchedRun:
    """The rounds of a run that asks in batches; `say` is given what changes at the provider."""

    def __init__(self, terms: BatchTerms, say: Callable[[str], None], *, handle_signals: bool = False) -> None:
        self._terms = terms
        self._say = say
        self._handle_signals = handle_signals and threading.current_thread() is threading.main_thread()

    def check(self, prepared: Prepared) -> None:
        """Raise ConfigError for what no batch can ask."""
        batch_apis(prepared)

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Collect what is out, ask for what is missing, and again, until nothing is. Raises InsideLLMsError."""
        apis = batch_apis(prepared)
        with BatchLog(journal, max_attempts=prepared.execution.max_attempts) as log:
            waiting = PatientWait(self._terms)
            at_providers = ProviderBatches(prepared, apis, log, waiting, self._say)
            try:
                is_complete = await self._until_answered(journal, ask, log, waiting, at_providers)
            except InterruptedRunError as error:
                goes_on = f"; {at_providers.out_there}" if log.open else ""
                raise InterruptedRunError(f"{error.message}{goes_on}") from error
            if not is_complete:
                self._say("asking live what no batch has answered")
                log.max_attempts = UNBOUNDED
                await ask(journal, answers=log)
        return {}

    async def _until_answered(
        self, journal: Journal, ask: Ask, log: BatchLog, waiting: PatientWait, at_providers: ProviderBatches
    ) -> bool:
        """Collect and submit in turn; False where the rest is to be asked live."""
        while True:
            async with self._obeying(waiting):
                await at_providers.collect()
            if waiting.is_over and waiting.goes_on_live:
                return False
            wanted = WantedAnswers()
            await ask(journal, answers=log, wanted=wanted)
            if not wanted:
                return True
            keys = [one.key for one in wanted if not (waiting.goes_on_live and one.key in log.failures)]
            if not keys:
                return False
            async with self._obeying(waiting):
                await at_providers.submit(wanted, frozenset(keys), ask.budget)

    def _obeying(self, waiting: "PatientWait") -> contextlib.AbstractAsyncContextManager[None]:
        return obeying_signals(waiting, lambda: None) if self._handle_signals else contextlib.nullcontext()
