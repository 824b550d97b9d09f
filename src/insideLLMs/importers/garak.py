"""garak's report.jsonl: an attempt a line, with several outputs that several detectors scored."""

from collections import Counter
from collections.abc import Iterator

from insideLLMs.core.types import Example, JsonValue, Message, Response, ResultStatus
from insideLLMs.importers.fields import Fields, as_words, named_by_content
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile

_EVALUATED = 2
"""The `status` of an attempt that detectors have seen; garak writes it once before, too."""
_USUAL_THRESHOLD = 0.5


class GarakLog:
    """garak: *.report.jsonl"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether its lines say which kind of entry they are."""
        return log.is_lines and "entry_type" in log.keys

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield every output of every attempt; a detector's score is better the lower it is."""
        model, threshold, finished = "model", _USUAL_THRESHOLD, False
        for line, row in log.rows():
            with log.reading(line):
                entry = Fields(row, reading.left_out, "attempt")
                kind = entry.text("entry_type")
                if kind == "start_run setup":
                    model = _model(entry) or model
                    given = entry.number("run.eval_threshold")
                    threshold = _USUAL_THRESHOLD if given is None else given
                finished = finished or kind == "completion"
                is_attempt = kind == "attempt" and entry.take("status") == _EVALUATED
                trials = list(_trials(line, entry, model, threshold)) if is_attempt else []
            yield from trials
        reading.check_finished(log, None if finished else "its scan did not come to its end")


def _model(setup: Fields) -> str | None:
    kind = setup.text("plugins.target_type", "plugins.model_type")
    return setup.text("plugins.target_name", "plugins.model_name") or kind


def _trials(line: int, attempt: Fields, model: str, threshold: float) -> Iterator[ForeignTrial]:
    request = _turns(attempt.take("prompt"), attempt)
    asked = next((turn.text for turn in reversed(request) if turn.role == "user"), "")
    found = attempt.inner("detector_results").rest()
    detected = {name: values for name, values in found.items() if isinstance(values, list)}
    dataset = attempt.text("probe_classname") or "probe"
    outputs = attempt.items("outputs")
    goal = attempt.rest("goal", "intent")
    attempt.drop("uuid", "seq", "probe_params", "targets", "conversations", "reverse_translation_outputs")
    attempt.drop("notes", "prompt_lang")
    attempt.close()
    is_plain = len(request) == 1 and request[0].role == "user"
    example = named_by_content(Example(id="", input=asked if is_plain else request or asked, fields=goal))
    for place, output in enumerate(outputs):
        text = output.get("text") if isinstance(output, dict) else output
        scored = {name: values[place] for name, values in detected.items() if place < len(values)}
        yield ForeignTrial(
            line=line,
            example=example,
            dataset=dataset,
            model=model,
            status=ResultStatus.ERROR if text is None else ResultStatus.SUCCESS,
            response=None if text is None else Response(text=as_words(text)),
            scores=() if text is None else tuple(_score(*one, threshold, attempt) for one in sorted(scored.items())),
            failure="garak got no output" if text is None else "",
        )


def _turns(prompt: JsonValue, attempt: Fields) -> tuple[Message, ...]:
    """Return what was asked: text, or the turns of a conversation whose contents have a `text`."""
    if not isinstance(prompt, dict):
        return (Message(role="user", content=as_words(prompt)),)
    turns = [
        {**turn, "content": content.get("text") if isinstance(content := turn.get("content"), dict) else content}
        for turn in prompt.get("turns") or ()
        if isinstance(turn, dict)
    ]
    return attempt.read_chat(turns, "turn")


def _score(detector: str, value: JsonValue, threshold: float, attempt: Fields) -> ForeignScore:
    """Return a detector's score: a hit from the threshold on, which is a failure of the model."""
    number = Fields({detector: value}, Counter(), attempt.path).number(detector)
    passed = None if number is None else number < threshold
    return ForeignScore(probe=detector, value=number, passed=passed, lower_is_better=True)
