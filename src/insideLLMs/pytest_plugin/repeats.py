"""A test that runs several times: how often it must pass, and what it came to in one line."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from insideLLMs.compare.statistics.distributions import wilson
from insideLLMs.core.errors import BudgetSpentError, CassetteError, ModelError, OptionError
from insideLLMs.pytest_plugin.marks import LlmMark, is_async
from insideLLMs.pytest_plugin.session import AskingTest, LlmSession
from insideLLMs.report.safe_text import printable, shorten

_WHY = 300
_NOTHING = "it asked nothing: a marked test must ask with `llm` or take `answer`"
_STOPS = (ModelError, BudgetSpentError, CassetteError, OptionError)
"""No repeat can do better."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a repeat came to: why it did not pass, None if it did, and what the model said."""

    why: str | None
    said: str


def run_repeats(item: pytest.Function, place: AskingTest, session: LlmSession) -> None:
    """Call a test as often as its mark says. Fails it unless enough of the calls pass and each asks something.

    What skips the test, or would fail each repeat alike, ends it at once.
    """
    __tracebackhide__ = True
    if is_async(item.obj):
        pytest.fail("an async test cannot repeat; use a plain function: llm() waits for the answer", pytrace=False)
    names = item._fixtureinfo.argnames  # as pytest's own call does
    arguments = {name: item.funcargs[name] for name in names}
    place.answers.clear()  # what a fixture took for the first repeat is handed out again
    found = []
    for repeat in place.repeats:
        place.repeat, place.asked = repeat, 0
        before = len(place.answers)
        why = _call(lambda: _with_answer(item, arguments, place, session), item.path)
        if why is None and not place.asked:
            why = _NOTHING
        found.append(Repeat(why, " | ".join(answer.text for answer in place.answers[before:])))
    told = verdict(place.mark, found)
    if told is not None:
        pytest.fail(told, pytrace=False)


def _with_answer(item: pytest.Function, arguments: dict[str, object], place: AskingTest, session: LlmSession) -> object:
    if "answer" in arguments and place.case is not None:
        arguments["answer"] = session.answer_at(place)
    return item.obj(**arguments)


def _call(function: Callable[[], object], path: Path) -> str | None:
    """Return why a call did not pass; None if it did."""
    try:
        function()
    except _STOPS:
        raise
    except (Exception, pytest.fail.Exception) as error:
        if isinstance(error, pytest.xfail.Exception):
            raise
        return _told(error, path)
    return None


def _told(error: BaseException, path: Path) -> str:
    """Return what a test raised, and in which of its lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    where = f"line {lines[-1]}: " if lines else ""
    kind = "" if isinstance(error, AssertionError | pytest.fail.Exception) else f"{type(error).__name__}: "
    (first, *_) = str(error).splitlines() or [""]  # the rest tells how pytest took the assertion apart
    return shorten(printable(f"{where}{kind}{first}"), 2 * _WHY)


def verdict(mark: LlmMark, found: list[Repeat]) -> str | None:
    """Return why repeats do not come to a pass, with Wilson's interval of the rate; None if they do."""
    passed = sum(one.why is None for one in found)
    if passed >= mark.at_least * len(found) - 1e-9 and all(one.why != _NOTHING for one in found):
        return None
    low, high = wilson(passed, len(found))
    lines = [f"{passed} of {len(found)} passed ({100 * low:.0f}-{100 * high:.0f} %), {100 * mark.at_least:g} % wanted"]
    for number, one in enumerate(found, 1):
        said = repr(shorten(printable(one.said), _WHY)) if one.said else "no answer"
        lines.append(f"  {number}: {'passed' if one.why is None else 'failed'}: {said}")
        lines += [f"     {one.why}"] if one.why else []
    return "\n".join(lines)
