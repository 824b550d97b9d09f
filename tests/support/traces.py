"""Spans of an application as OTLP JSON."""

import json

TRACE, ROOT, CALL, TOOL, LAST = "0af7651916cd43dd8448eb211c80319c", *(f"b7ad6b716920333{n}" for n in range(4))


def typed(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": typed(one)} for key, one in value.items()]}}
    return {"stringValue": value} if isinstance(value, str) else {"doubleValue": value}


def pairs(attributes):
    return [{"key": key, "value": typed(value)} for key, value in attributes.items()]


def span(name=ROOT, parent="", start=1, trace=TRACE, attributes=None, **more):
    times = {"startTimeUnixNano": str(start * 10**9), "endTimeUnixNano": str((start + 1) * 10**9)}
    given = {"traceId": trace, "spanId": name, "parentSpanId": parent, "name": f"span {name}", **times}
    return {**given, "attributes": pairs(attributes or {}), **more}


def batch(*spans, **resource):
    inner = {"scope": {"name": "app"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": pairs(resource)}, "scopeSpans": [inner]}]}


def call(question="Why?", answer="Because.", name=CALL, parent=ROOT, model="gpt-4o", **more):
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]),
    }
    return span(name, parent, attributes={**said, **more.pop("attributes", {})}, **{"start": 2, **more})


def request(number, question, answer, attributes=None):
    """Return the spans of a request: its own, and that of a call of a model."""
    trace = f"{number + 1:032x}"
    asked = call(question, answer, trace=trace, start=number + 1)
    return [span(trace=trace, start=number + 1, attributes={"http.route": "/ask", **(attributes or {})}), asked]


def write_traces(path, asked):
    """Write one span a line of a request for each question and answer."""
    spans = [span for number, (question, answer) in enumerate(asked) for span in request(number, question, answer)]
    path.write_text("".join(json.dumps(batch(span)) + "\n" for span in spans))
