"""The most tokens that a call can take, known before it is made."""

from collections.abc import Mapping
from typing import Any

import orjson

from insideLLMs.core.types import ImagePart, Request, Usage
from insideLLMs.providers.answer_fields import read_mapping
from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.request_options import parts_of

_ANSWER_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens")
_COPIES = ("n", "candidateCount")
_MOST_OF_IMAGE = 50_000
"""OpenAI counts up to 48,169 tokens for one (gpt-4o-mini: 2,833 and 5,667 for each of eight tiles)."""


def most_tokens(call: HttpCall, request: Request) -> Usage | None:
    """Return the most tokens that a call can take; None where nothing in it bounds the answer.

    No tokenizer makes more tokens of a text than it has bytes. Thoughts count as part of the answer.
    """
    body = orjson.loads(call.body)
    answered = _most_answered({**read_mapping(body.get("generationConfig")), **body})
    if answered is None:
        return None
    parts = (part for message in request.messages for part in parts_of(message))
    images = [part.url for part in parts if isinstance(part, ImagePart)]
    inline = sum(len(url) for url in images if url.startswith("data:"))
    sent = max(0, len(call.body) - inline) + _MOST_OF_IMAGE * len(images)
    return Usage(input_tokens=sent, output_tokens=answered)


def _most_answered(settings: Mapping[str, Any]) -> int | None:
    limits = [settings[name] for name in _ANSWER_LIMITS if isinstance(settings.get(name), int)]
    copies = max((settings[name] for name in _COPIES if isinstance(settings.get(name), int)), default=1)
    return max(limits) * copies if limits else None
