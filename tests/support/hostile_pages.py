"""Records made of hostile texts, and a look at whether a page that shows them is harmed."""

import re

from insideLLMs.core.types import Message, Response, ToolCall
from support.compared_runs import record
from support.hostile_texts import HOSTILE

CANARY = (
    "<script>window.fired=1</script>", "<img src=x onerror=window.fired=1>", "<svg onload=window.fired=1>",
    "</script><script>window.fired=1</script>", "<iframe srcdoc='<script>parent.fired=1</script>'></iframe>",
    "javascript:window.fired=1", "<a href=javascript:fired=1>x</a>", "<body onpageshow=window.fired=1>",
    "<style>@import 'https://evil.example/x.css';</style>", "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<object data=https://evil.example></object>",
    "<form action=https://evil.example><input autofocus onfocus=window.fired=1></form>",
    "\"><img src=https://evil.example/x.png>", "__proto__", "constructor", "#/example/a/b/c/d/0",
    "%s%n\\u003cscript\\u003e",
)  # fmt: skip
TEXTS = (*HOSTILE, *CANARY)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ue000]")


def hostile(text, number, *, answer):
    call = ToolCall(name=text[:40], arguments={text[:40]: text[:200]}, id=text[:20])
    return record(
        f"{number:02} {text[:60]}",
        prompt=(Message(role="system", content=text), Message(role="user", content=text, tool_calls=(call,))),
        response=Response(text=answer, reasoning=text, model=text[:40], fingerprint=text[:40], tool_calls=(call,)),
        label=text[:200],
    )


LOOK = """() => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  const alien = "main :is(script, img, iframe, object, form:not(.filters), base, style)";
  const place = document.querySelector("nav .said");
  return {
    fired: window.fired, aliens: document.querySelectorAll(alien).length,
    text: document.querySelector("#app").innerText, place: place && place.textContent,
  };
}"""
