"""What counts as an answer: the words with which providers end one, and what their errors mean.

One table of each for all providers: gateways pass on the words of the servers behind them.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from insideLLMs.core.errors import (
    AuthError,
    BadAnswerError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import Response
from insideLLMs.providers.codec import Endpoint, HttpAnswer, excerpt
from insideLLMs.providers.lenient_json import decode_text, read_json


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REASONS = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed end finish finished done",
    "length": "length max_tokens max_output_tokens max_completion_tokens max_length model_length token_limit "
    "model_context_window_exceeded context_window_exceeded error_limit",
    "tool_calls": "tool_calls tool_call tool_use function_call",
    "refusal": "refusal refused",
    "content_filter": "content_filter content_filtered contentfilter guardrail_intervened guardrails_intervened safety "
    "recitation blocklist prohibited_content spii image_safety image_prohibited_content image_recitation language "
    "model_armor error_toxic sensitive blocked filtered moderation content_moderation content_policy "
    "content_policy_violation policy_violation unsafe",
}
FINISH_REASONS = {theirs: ours for ours, words in _REASONS.items() for theirs in words.split()}
"""Their word for why an answer ended, in lower case -> ours; any other word stays as it is."""
FAILED_REASONS: tuple[tuple[str, type[ModelError]], ...] = (
    (r"time_?out|timed_out|deadline_exceeded|.*_timeout", ModelTimeoutError),
    (r"rate_limit(ed|_exceeded)?|too_many_requests", RateLimitError),
    (r"(error|fail|abort|cancel|malformed|internal|unexpected|interrupt|overload|unavailable).*", ServerError),
    (r".*_(error|failed|failure|aborted|cancell?ed|cancel|overloaded|unavailable)", ServerError),
    (r"insufficient_system_resource|too_many_tool_calls|missing_thought_signature", ServerError),
    (r"load|unload|queued|in_progress|unfinished", ServerError),
)
"""Patterns of their words for an answer that did not come about; whatever text there is, it is no answer."""

_FILTERED = _words(
    "content_filter contentfilter content_filtered invalid_prompt data_inspection_failed datainspectionfailed "
    "responsibleaipolicyviolation content_policy_violation content_policy policy_violation moderation_blocked "
    "moderation_error prompt_blocked input_blocked output_blocked sensitive_content unsafe_content safety_error "
    "content_blocked prohibited_content guardrail_intervened 1026 1027 1301"
)
_SPENT = _words(
    "insufficient_quota billing_hard_limit_reached billing_not_active billing_error exceeded_current_quota_error "
    "insufficient_balance insufficient_credits insufficient_credit insufficient_user_quota insufficient_funds "
    "payment_required arrearage accountoverdueerror credits_exhausted quota_exhausted 1113"
)
_CLOSED = _words("account_deactivated account_suspended access_terminated organization_deactivated")
_UNKNOWN_MODEL = _words(
    "model_not_found model_not_available modelnotfound unknown_model invalid_model model_not_exist deploymentnotfound"
)
_STATUSES = {
    400: "invalid_request_error invalid_request invalid_argument validationexception",
    401: "invalid_api_key authentication_error unauthenticated api_key_invalid incorrect_api_key",
    403: "permission_error permission_denied",
    404: "not_found_error not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded rate_limit_error resource_exhausted too_many_requests throttlingexception",
    500: "server_error api_error internal internal_error internal_server_error",
    503: "unavailable service_unavailable modelerrorexception modelnotreadyexception",
    504: "timeout_error deadline_exceeded",
    529: "overloaded_error overloaded engine_overloaded_error",
}
STATUS_OF = {word: status for status, words in _STATUSES.items() for word in words.split()}
"""The status that a provider's word stands for, where it comes under another one."""
_AT_ONCE = frozenset({"api_key_invalid", "modelerrorexception", "modelnotreadyexception"})
"""Words that know better than the status beside them."""


def _pattern(*parts: str) -> str:
    return "|".join(parts)


def _says(pattern: str, text: str) -> bool:
    """Whether the text holds the pattern. A pattern is compiled once a call has failed: all of them take 2 ms."""
    return re.search(pattern, text, re.IGNORECASE) is not None


_FILTER_WORDS = _pattern(
    r"(?:blocked|triggered|flagged|rejected|stopped|refused)\b[^.]{0,80}\b(?:content|safety|usage|moderation|polic|filter)",
    r"(?:content|safety|usage|acceptable use)[\w ]{0,20} (?:polic\w+|guidelines|filter\w*|system)\b[^.]{0,60}"
    r"(?:violat|flagged|blocked|triggered|rejected)",
    r"violat\w+[^.]{0,60}(?:polic|guideline|terms)",
    r"(?:input|prompt|output|content|request|message)s? (?:was|were|is|has been) (?:flagged|blocked|filtered)",
    r"requires moderation|inappropriate content|content management policy|content[ _]?policy[ _]?violation",
    r"content exists risk|new_sensitive|\bnsfw\b|considered high risk",
    r"(?:sensitive|unsafe|harmful) (?:content|words?|material)|敏感|不安全|违规",
)
_FILTER_NOT = _pattern(
    r"\b(?:account|organi[sz]ation|access|project|team|key)\b[^.]{0,80}"
    r"(?:terminated|deactivated|suspended|disabled|banned|blocked|flagged|not allow)"
)
_FILTER_CODES = _pattern(
    r"content_?(?:filter|policy)|policy_?violation|moderation|(?:prompt|input|output|content)_?blocked|safety_(?:error|block)"
)
_CLOSED_WORDS = _pattern(
    r"\b(?:account|organi[sz]ation)\b[^.]{0,60}(?:deactivated|suspended|disabled|terminated|banned|restricted)"
)
_SPENT_WORDS = _pattern(
    r"credit balance is too low|billing hard limit|payment required|余额不足|欠费",
    r"reached (?:your|its|the)[\w ]{0,30}(?:usage|spend|spending|billing|budget)[\w ]{0,10} limit",
    r"\b(?:insufficient|not enough|no|out of|used all)[\w ]{0,25} (?:credits?|balance|funds)\b",
    r"(?:monthly )?(?:spend|spending|budget) (?:limit|cap)",
    r"insufficient[_ ]quota|credits?[\w ]{0,20} (?:depleted|exhausted|used up)|account[\w ]{0,12} (?:arrears|overdue)",
)
_MODEL_WORDS = _pattern(
    r"invalid model name|unknown model|no such model|not a (?:valid|supported) model|model identifier is invalid",
    r"\b(?:model|deployment)\b[^.]{0,100}(?:does not exist|doesn't exist|not exist|not found)",
)
_ITEM_WORDS = _pattern(r"no endpoints found that support")
_TOO_LARGE = re.compile(r"request too large|limit:? (\d+)[^.]{0,60}?requested:? (\d+)", re.IGNORECASE)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """What an error body says: its words are codes, types and reasons, in lower case, however deep they stand."""

    message: str = ""
    words: tuple[str, ...] = ()
    status: int = 0
    delay_s: float | None = None
    filtered: bool = False

    @classmethod
    def of(cls, error: object, *more: str) -> "Complaint":
        """Read an error: a mapping, a text, or a list of one; `more` are words from elsewhere."""
        if isinstance(error, list) and len(error) == 1:
            error = error[0]
        facts = sorted(_walk(error), key=lambda fact: "code" not in fact[0].lower())  # codes say more than types
        words = [str(value) for name, value in facts if name in _WORDS and isinstance(value, str | int)]
        statuses = [int(word) for word in words if re.fullmatch("[45][0-9][0-9]", word)]
        delays = [found for name, value in facts if name == "retryDelay" and (found := _DELAY.fullmatch(str(value)))]
        return cls(
            message=_message(error),
            words=tuple(word.lower() for word in (*more, *words) if len(word) < 80 and word),
            status=statuses[0] if statuses else 0,
            delay_s=float(delays[0][1]) if delays else None,
            filtered=any((name == "filtered" and value is True) or name == "flagged_input" for name, value in facts),
        )


_WORDS = frozenset(
    {"code", "type", "status", "reason", "error_code", "errorCode", "__type", "status_code", "error_type"}
)


def _walk(value: object, levels: int = 6) -> Iterator[tuple[str, object]]:
    """Yield every name and value of an error, with what a gateway quotes of another one as JSON text."""
    if isinstance(value, str) and value.lstrip()[:1] == "{" and len(value) < 100_000:
        with contextlib.suppress(ValueError):  # a text that only begins like JSON
            value = read_json(value.encode())
    if isinstance(value, dict) and levels:
        for name, item in value.items():
            yield name, item
            yield from _walk(item, levels - 1)
    elif isinstance(value, list) and levels:
        for item in value[:20]:
            yield from _walk(item, levels - 1)


def _message(error: object) -> str:
    if not isinstance(error, dict):
        return "" if error is None else str(error)
    inner = error.get("error")
    if isinstance(inner, dict | str) and inner:
        return _message(inner)
    found = [error.get(name) for name in ("message", "detail", "msg", "status_msg", "error_description", "title")]
    return next((str(text) for text in found if text), "")


def find_error(body: Any) -> object:  # JSON of any kind
    """Return the error that a body under status 200 holds instead of an answer; None where there is none."""
    match body:
        case {"error": dict() | str() | list() as error} if error:
            return body
        case {"object": "error"} | {"type": "error"}:
            return body
        case {"success": False, "errors": [dict() as error, *_]}:
            return error
        case {"base_resp": {"status_code": int(code), **rest}} if code:
            return {"code": code, **rest}
        case _:
            return None


def read_failure(answer: HttpAnswer) -> object:
    """Decode the body of a failed answer; what is no JSON is its own message."""
    kind = answer.headers.get("Content-Type", "")
    try:
        return read_json(answer.body, kind)
    except ValueError:
        return decode_text(answer.body[:2000], kind)


def finish_reason(word: str | None) -> str | None:
    """Return our word for theirs; one that is not known stays, in lower case where they shout."""
    if word is None or word in _REASONS:
        return word
    plain = _plain(word)
    return FINISH_REASONS.get(plain, plain if word.isupper() else word)


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def require_answer(response: Response, provider: str, http_status: int) -> Response:
    """Return a response with our word for its end. Raises the ModelError that fits if it is no answer."""
    reason = response.finish_reason
    spelt = finish_reason(reason)
    if spelt in _REASONS:
        return response if spelt == reason else msgspec.structs.replace(response, finish_reason=spelt)
    kind = next((kind for word, kind in FAILED_REASONS if re.fullmatch(word, _plain(reason or ""))), None)
    if kind is None and not response.text and not response.tool_calls and not response.trajectory:
        kind = ServerError if reason else BadAnswerError
    if kind is not None:
        said = f"ended the answer with {excerpt(reason)!r}" if reason else "sent neither a text nor a finish reason"
        raise kind(f"{provider} {said}", http_status=http_status)
    return msgspec.structs.replace(response, finish_reason=spelt)


def fail(error: object, answer: HttpAnswer, endpoint: Endpoint, model: str) -> Response:
    """Raise the ModelError that an error stands for; a prompt that was filtered is an answer without a text.

    `error` is the decoded body, or the part of it that tells of the error.
    """
    complaint = Complaint.of(error, answer.headers.get("x-amzn-ErrorType", "").partition(":")[0])
    if _is_filtered(complaint, answer.status):
        return Response(finish_reason="content_filter", model=model)
    status = _status(complaint, answer.status)
    kind, fix = _classify(complaint, status, endpoint)
    where = f" at {answer.url}" if kind is ModelNotFoundError and answer.url else ""
    code = next((f" ({excerpt(word)})" for word in complaint.words if not word.isdecimal()), "")
    said = f": {excerpt(complaint.message)}" if complaint.message else ""
    delay_s = complaint.delay_s if answer.retry_after_s is None else answer.retry_after_s
    text = f"{endpoint.provider} answered {status}{where}{code}{said}"
    raise kind(text, fix=fix, http_status=status, retry_after_s=delay_s)


def _is_filtered(complaint: Complaint, status: int) -> bool:
    if complaint.filtered or not _FILTERED.isdisjoint(complaint.words):
        return True
    if any(_says(_FILTER_CODES, word) for word in complaint.words):
        return True
    if not (200 <= status < 300 or status in {400, 403, 422, 451}):
        return False
    return _says(_FILTER_WORDS, complaint.message) and not _says(_FILTER_NOT, complaint.message)


def _status(complaint: Complaint, http_status: int) -> int:
    known = [STATUS_OF[word] for word in complaint.words if word in (STATUS_OF if http_status < 300 else _AT_ONCE)]
    if http_status < 300:
        return complaint.status or next(iter(known), 500)
    return next(iter(known), http_status)


STATUS_ERRORS: dict[int, type[ModelError]] = {
    401: AuthError,
    403: AuthError,
    404: ModelNotFoundError,
    408: ModelTimeoutError,
    409: ServerError,  # as 425: the same request may pass a moment later
    425: ServerError,
    429: RateLimitError,
    504: ModelTimeoutError,
}
FIXES: dict[type[ModelError], str] = {
    AuthError: "check the key in {key_env}",
    ModelNotFoundError: "check model_name and base_url, and that this key may use the model",
    RequestRefusedError: "change the model's args or the input: the provider refuses this request",
}


def _classify(complaint: Complaint, status: int, endpoint: Endpoint) -> tuple[type[ModelError], str | None]:
    said, words = complaint.message, complaint.words
    if _is_spent(complaint, status):
        return AuthError, "the account has no credit left; add some, or use another key"
    if not _CLOSED.isdisjoint(words) or (400 <= status < 500 and _says(_CLOSED_WORDS, said)):
        return AuthError, "check the account behind the key"
    if status in {400, 413, 429} and _is_too_large(said):
        return RequestRefusedError, "shorten the input: no wait lets a request pass that is larger than the limit"
    kind = STATUS_ERRORS.get(status)
    if not _UNKNOWN_MODEL.isdisjoint(words) or (status in {400, 404, 422} and _says(_MODEL_WORDS, said)):
        kind = ModelNotFoundError
    elif kind is ModelNotFoundError and _says(_ITEM_WORDS, said):
        kind = RequestRefusedError
    if kind is None:
        kind = ServerError if status >= 500 else RequestRefusedError if status >= 400 else BadAnswerError
    fix = FIXES.get(kind)
    return kind, fix and fix.format(key_env=endpoint.key_env or "the endpoint's headers")


def _is_spent(complaint: Complaint, status: int) -> bool:
    if status == 402 or not _SPENT.isdisjoint(complaint.words):
        return True
    if not 400 <= status <= 500 or status == 404 or complaint.delay_s is not None:
        return False
    return _says(_SPENT_WORDS, complaint.message)


def _is_too_large(said: str) -> bool:
    found = _TOO_LARGE.search(said)
    return found is not None and (found[1] is None or int(found[2]) > int(found[1]))
