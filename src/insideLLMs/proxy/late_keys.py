"""Keys that a recording had kept before a later call showed what they were."""

import msgspec

from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.wire_answers import without_keys
from insideLLMs.store.answers.wire_cassette import WireCall, WireRequest


class LateKeys:
    """Blanks them out in kept calls. `requests` counts those that held any: what is asked again may not match them."""

    def __init__(self, secrets: SeenSecrets) -> None:
        self._secrets = secrets
        self.requests = 0

    def call(self, call: WireCall) -> WireCall:
        """Return a call without them."""
        asked = msgspec.convert(self._secrets.value(msgspec.to_builtins(call.request)), WireRequest)
        case = self._secrets.text(call.case)
        self.requests += (asked, case) != (call.request, call.case)
        answer = without_keys(call.answer, self._secrets)
        return msgspec.structs.replace(call, case=case, request=asked, answer=answer)
