"""What a test holds in its hands: the answer of a model, and the function that asks for one."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import InsideLLMsError, OptionError, ProbeExecutionError
from insideLLMs.core.types import Example, JsonValue, Message, ResultStatus, ToolCall
from insideLLMs.report.safe_text import printable, shorten
from insideLLMs.runner.open_model import OpenAnswer, OpenQuestion
from insideLLMs.runner.prompts import Prompt, Prompts
from insideLLMs.runner.results import ProbeResult

_SHOWN = 2_000


class LlmAnswer:
    """A model's answer to one question; ``str(answer)`` is its text."""

    def __init__(self, asked: OpenAnswer, judge: Callable[[object, OpenAnswer], ProbeResult]) -> None:
        self._asked = asked
        self._judge = judge
        assert asked.record.response is not None
        self._response = asked.record.response
        self._checked: list[ProbeResult] = []

    @property
    def example(self) -> Example:
        """What was asked, with what is expected."""
        return self._asked.record.example

    @property
    def repeat(self) -> int:
        """Which repeat it is the answer of, from 0."""
        return self._asked.record.repeat

    @property
    def text(self) -> str:
        """The answer's text, without thoughts."""
        return self._response.text

    @property
    def reasoning(self) -> str | None:
        """The model's thoughts, where it showed any."""
        return self._response.reasoning

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended: stop, length, content_filter, refusal, tool_calls, or the provider's own word."""
        return self._response.finish_reason

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wants called."""
        return self._response.tool_calls

    @property
    def model(self) -> str | None:
        """What the provider says served the answer."""
        return self._response.model

    @property
    def kept(self) -> Mapping[str, JsonValue]:
        """Further parts of the answer that the model was told to keep."""
        return self._response.kept

    @property
    def input_tokens(self) -> int:
        """Tokens that were sent. Raises OptionError where the provider did not count them."""
        __tracebackhide__ = True
        return self._count("input_tokens")

    @property
    def output_tokens(self) -> int:
        """Tokens of the answer. Raises OptionError where the provider did not count them."""
        __tracebackhide__ = True
        return self._count("output_tokens")

    @property
    def latency_ms(self) -> float | None:
        """How long the answering call took; None for an answer from a cassette."""
        return self._asked.telemetry.latency_ms

    def passes(self, check: object, *, expected: JsonValue = None) -> ProbeResult:
        """Check the answer: the result is true if it passed, and shows question, answer and reason.

        `check` is one of `insideLLMs.checks`, or any PromptProbe; `expected` takes the place of the example's, as a
        value or a list of accepted ones. Raises InsideLLMsError where the check cannot be made.
        """
        __tracebackhide__ = True
        asked = self._asked if expected is None else _expecting(self._asked, expected)
        result = self._judge(check, asked)
        self._checked.append(result)
        return result

    def in_words(self) -> str:
        """Return question, answer and checks for a failed test's report."""
        lines = [("question", self.example.text), ("answer", self.text)]
        lines += [
            (one.metadata["probe"], f"{'passed' if one else 'failed'}: {one.explanation}") for one in self._checked
        ]
        head = f" (repeat {self.repeat + 1})" if self.repeat else ""
        return "\n".join(
            f"{name}{head}: {shorten(printable(text, keep_newlines=True), _SHOWN)}" for name, text in lines
        )

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<LlmAnswer {shorten(self.text, 160)!r} to {shorten(self.example.text, 80)!r}>"

    def _count(self, name: str) -> int:
        __tracebackhide__ = True
        usage = self._response.usage
        found: int | None = None if usage is None else getattr(usage, name)
        if found is None:
            raise OptionError(f"{name} is not known: the model does not count its tokens", fix="leave the check out")
        return found


class Llm:
    """The fixture `llm`: asks the model of the test. Equal questions of a module are asked once for each repeat."""

    def __init__(self, ask: Callable[[OpenQuestion], LlmAnswer]) -> None:
        self._ask = ask

    def __call__(self, prompt: Prompt, *, system: str | None = None, **options: JsonValue) -> LlmAnswer:
        """Ask, and wait for the answer.

        `prompt` is text, a list of chat messages, a mapping as a dataset's row, or an Example. `options` are sent as
        the provider's API names them (`temperature`, `max_tokens`). Raises InsideLLMsError where there is no answer.
        """
        __tracebackhide__ = True
        try:
            return self._ask(_question(prompt, system, options))
        except InsideLLMsError as error:  # a failed test shows its own line, not ours
            raise error.with_traceback(None) from None


def _question(prompt: Prompt, system: str | None, options: dict[str, JsonValue]) -> OpenQuestion:
    """Return what is asked. Raises OptionError or CanonicalError for what cannot be."""
    for name in options:
        if nearest(name, ("system", "prompt")):
            raise OptionError(f"llm() takes no argument {name!r}", fix="did you mean 'system'?")
    canonical.check(options, at="options")
    try:
        ((_, example),) = Prompts([prompt], any_json=False).examples()
    except OptionError as error:
        raise OptionError(error.message.replace("prompts[0]", "the prompt"), fix=error.fix) from None
    if not example.input:
        raise OptionError("the prompt is empty", fix="ask something")
    return OpenQuestion(example=example if system is None else _under(system, example), options=options)


def answered(asked: OpenAnswer) -> OpenAnswer:
    """Return it if there is an answer. Raises ProbeExecutionError saying why there is none."""
    record = asked.record
    if record.status is ResultStatus.SUCCESS and record.response is not None:
        return asked
    failure = record.failure
    why = f"{failure.type}: {failure.message}" if failure else record.status.value
    raise ProbeExecutionError(
        f"no answer to {shorten(record.example.text, 80)!r}: {why}",
        fix=failure.fix if failure else None,
        model=record.model,
        probe=record.probe,
        example_id=record.example_id,
    )


def _under(system: str, example: Example) -> Example:
    turns = (Message(role="user", content=example.input),) if isinstance(example.input, str) else example.input
    return msgspec.structs.replace(example, input=(Message(role="system", content=system), *turns))


def _expecting(asked: OpenAnswer, expected: Any) -> OpenAnswer:  # Any: a JSON value
    accepted = tuple(expected) if isinstance(expected, list | tuple) else (expected,)
    return asked.to(msgspec.structs.replace(asked.record.example, expected=accepted))
