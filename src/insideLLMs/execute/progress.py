"""Progress as the user's callback sees it: exact, monotonic, and never able to break the run."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import ResultStatus
from insideLLMs.core.user_code import calling_user_code

logger = logging.getLogger(__name__)
ProgressCallback = Callable[..., Any]


class ProgressInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is. `current` counts finished Trials of `total`, `failed` those that did not succeed.

    `resumed` of them were done before this process started. `elapsed_s` is this process's own time; `rate`
    and `eta_s` come from it, and are None until something has finished.
    """

    current: int
    total: int
    failed: int
    resumed: int
    elapsed_s: float
    model: str | None = None
    prompt: str | None = None
    probe: str | None = None

    @property
    def rate(self) -> float | None:
        """Trials a second."""
        done = self.current - self.resumed
        return done / self.elapsed_s if done and self.elapsed_s > 0 else None

    @property
    def eta_s(self) -> float | None:
        """Seconds to go at this rate."""
        return (self.total - self.current) / self.rate if self.rate else None

    @property
    def percentage(self) -> float:
        """0 to 100."""
        return 100 * self.current / self.total if self.total else 100.0


class ProgressCounter:
    """Counts finished Trials and tells the callback, one call a Trial, in order."""

    def __init__(
        self, callback: ProgressCallback | None, *, total: int, resumed: int, clock: Callable[[], float]
    ) -> None:
        self.current = resumed
        self.failed = 0
        self._callback = callback
        self._takes_counts = callback is not None and _takes_two(callback)
        self._total = total
        self._resumed = resumed
        self._clock = clock
        self._started = clock()
        self._warned = False

    def finished(self, status: ResultStatus, *, subject: Subject, probe: str) -> None:
        """Count one finished Trial."""
        self.current += 1
        self.failed += status is not ResultStatus.SUCCESS
        if self._callback is None:
            return
        try:
            with calling_user_code("the progress callback"):
                if self._takes_counts:
                    self._callback(self.current, self._total)
                else:
                    self._callback(self._info(subject, probe))
        except InsideLLMsError:
            if not self._warned:
                logger.warning("the progress callback raised an error; the run continues", exc_info=True)
                self._warned = True

    def _info(self, subject: Subject, probe: str) -> ProgressInfo:
        return ProgressInfo(
            current=self.current,
            total=self._total,
            failed=self.failed,
            resumed=self._resumed,
            elapsed_s=self._clock() - self._started,
            model=subject.model,
            prompt=subject.prompt,
            probe=probe,
        )


def _takes_two(callback: ProgressCallback) -> bool:
    """Whether the callback wants ``(current, total)`` rather than one ProgressInfo."""
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):
        return False
    positional = [p for p in signature.parameters.values() if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    required = [p for p in positional if p.default is p.empty]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    return len(required) >= 2 or (takes_any and len(required) != 1) or (not required and len(positional) >= 2)
