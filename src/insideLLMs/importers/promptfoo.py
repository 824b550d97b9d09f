"""promptfoo's results: one JSON document (results format 3), or one result a line."""

import re
from collections.abc import Iterator

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.types import Example, Message, Response, ResultStatus, expand
from insideLLMs.importers.fields import Fields, answer_of, as_words, is_chat, named_by_content
from insideLLMs.importers.foreign import ForeignScore, ForeignTrial, Reading
from insideLLMs.importers.log_file import LogFile
from insideLLMs.probes.named_check import CheckResult

_ROW = re.compile(r"Row #\d+")
_ERROR = 2
"""The `failureReason` of a test that got no answer."""
_LONGEST_LABEL = 60
_OWN_VARS = ("_conversation", "sessionId")
_PROBE = "assertions"
_NO_PROMPT = "prompt"


class PromptfooLog:
    """promptfoo: results as .json or .jsonl"""

    @staticmethod
    def recognises(log: LogFile) -> bool:
        """Whether it is a document with results, or lines with test cases."""
        if log.is_lines or "testCase" in log.keys:
            return {"promptIdx", "testIdx", "testCase", "success"} <= log.keys
        return "results" in log.keys and bool({"evalId", "shareableUrl"} & log.keys)

    @staticmethod
    def trials(log: LogFile, reading: Reading) -> Iterator[ForeignTrial]:
        """Yield the result of every test with every prompt and provider, repeats by the number of the test."""
        is_rows = log.is_lines or "testCase" in log.keys
        config = None if is_rows else log.section("config")
        described = config.get("description") if isinstance(config, dict) else None
        dataset = described if isinstance(described, str) and described else "promptfoo"
        for line, row in log.rows() if is_rows else log.items("results", "results"):
            with log.reading(line):
                trial = _trial(line, Fields(row, reading.left_out, "result"), dataset)
            yield trial


def _trial(line: int, row: Fields, dataset: str) -> ForeignTrial:
    test = row.inner("testCase")
    prompt, provider = row.inner("prompt"), row.inner("provider")
    example = _example(row, test)
    error, has_failed = as_words(row.take("error")), row.take("failureReason") == _ERROR
    response, answered = _response(row)
    is_success = row.flag("success")
    failed = has_failed or (not answered and bool(error))
    trial = ForeignTrial(
        line=line,
        example=example,
        dataset=dataset,
        model=provider.text("label") or provider.text("id") or "provider",
        prompt=_prompt_id(prompt),
        status=ResultStatus.ERROR if failed else ResultStatus.SUCCESS,
        request=_request(row, as_words(prompt.take("raw")), example),
        response=response if answered or not failed else None,
        scores=() if failed else (_score(row, is_success),),
        failure=error,
        latency_ms=row.number("latencyMs"),
    )
    if failed:
        row.drop("score", "gradingResult", "namedScores")  # promptfoo counts an error as a failed test
    row.drop(
        "id", "promptId", "promptIdx", "testIdx", "description", "tokenUsage", "cost", "metadata", "vars", "evalId",
        "createdAt", "updatedAt", "persisted",
    )  # fmt: skip
    row.close()
    return trial


def _example(row: Fields, test: Fields) -> Example:
    """Name a test by its variables and assertions: its number is a place, which changes when the tests do."""
    given = row.take("vars") or test.peek("vars") or {}
    test.drop("vars")
    fields = {
        name: value for name, value in (given if isinstance(given, dict) else {}).items() if name not in _OWN_VARS
    }
    described = test.text("description")
    kept = Fields(fields, row.left_out, "vars").rest()
    if described and not _ROW.fullmatch(described):
        kept["description"] = described
    kept |= test.rest("assert", "metadata")
    test.close()
    texts = [value for value in fields.values() if isinstance(value, str)]
    asked = texts[0] if len(fields) == len(texts) == 1 else as_words(fields)
    return named_by_content(Example(id="", input=asked, fields=kept))


def _prompt_id(prompt: Fields) -> str:
    label = (prompt.text("label") or _NO_PROMPT).replace(" · ", " - ").replace("\0", " ")
    if len(label) <= _LONGEST_LABEL and "\n" not in label:
        return label
    return f"{' '.join(label[:_LONGEST_LABEL].split())}... {canonical.identity('prompt/1', label)[:8]}"


def _request(row: Fields, sent: str, example: Example) -> tuple[Message, ...]:
    """Return the prompt as it was sent: a chat where it is one in JSON."""
    try:
        turns = msgspec.json.decode(sent) if sent.lstrip().startswith("[") else None
    except (msgspec.DecodeError, RecursionError):
        turns = None
    if is_chat(turns):
        return row.read_chat(turns, "prompt")
    return () if sent == example.input else (Message(role="user", content=sent),)


def _response(row: Fields) -> tuple[Response, bool]:
    answer = row.inner("response")
    output = answer.take("output")
    text, value = answer_of(output, row.left_out)
    response = Response(
        text=text,
        finish_reason=answer.text("finishReason"),
        usage=answer.inner("tokenUsage").usage("prompt", "completion"),
        value=value,
    )
    answer.drop(
        "latencyMs", "cached", "cost", "error", "metadata", "guardrails", "raw", "isRefusal", "sessionId", "format"
    )
    answer.close()
    return response, output is not None


def _score(row: Fields, is_success: bool | None) -> ForeignScore:
    """Return the verdict with its assertions; none for a test without any, which promptfoo counts as passed."""
    graded = row.inner("gradingResult")
    results = [Fields(one, row.left_out, "assertion") for one in graded.items("componentResults")]
    checks = [_check(number, result) for number, result in enumerate(results, 1)]
    value, named = row.number("score"), row.inner("namedScores").rest()
    reason = as_words(graded.take("reason"))
    graded.drop("pass", "score", "namedScores", "namedScoreWeights", "tokensUsed", "assertion", "comment", "metadata")
    graded.close()
    if not checks:
        row.count_left("verdict (of a test without assertions)")
        return ForeignScore(probe=_PROBE)
    return ForeignScore(
        probe=_PROBE,
        value=value,
        passed=is_success,
        named={f"metric {name}": float(one) for name, one in named.items() if isinstance(one, int | float)},
        explanation=reason,
        details={"checks": [expand(check) for check in checks]},
        lower_is_better=False,
    )


def _check(number: int, result: Fields) -> CheckResult:
    assertion = result.inner("assertion")
    kind = assertion.text("metric", "type") or "assertion"
    return CheckResult(
        check=f"{number}. {kind}", passed=result.flag("pass") is True, why=as_words(result.take("reason")), scores={}
    )
