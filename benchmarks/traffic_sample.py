"""What drawing examples from traces costs beside reading their JSON alone: CPU, memory, and how both grow.

    python benchmarks/traffic_sample.py [SPANS]

A day of requests, each of three spans, is written to a temporary file at two sizes, the larger four times the smaller.
Then so is one trace that holds all spans, each inside the one before, or all inside the first. Every figure is CPU
seconds of a process of its own. Exits 1 where sampling takes more than 25 times what `json` takes to parse the lines,
grows by more than 5.5 times, or takes 100 MB more memory for the larger file (of one trace, 2 kB more a span).
"""

import json
import random
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

MOST_TIMES, MOST_GROWTH, MOST_MEMORY_MB = 25.0, 5.5, 100.0
MOST_MB_PER_SPAN = 0.002
PARSE = "import json, sys\nfor line in open(sys.argv[1], 'rb'): json.loads(line)"
SAMPLE = (
    "import sys\nfrom pathlib import Path\nfrom insideLLMs.api.traffic.sampling import SampleOptions, draw_sample\n"
    "print(draw_sample([Path(sys.argv[1])], Path(sys.argv[1] + '.out'), SampleOptions(examples=300)).requests)"
)
THINGS = ("invoice", "shoe", "parcel", "voucher", "account", "letter", "refund", "size", "colour", "guarantee")
STATES = ("late", "broken", "lost", "wrong", "open", "double", "torn", "blocked", "new", "gone")


def span(trace, name, parent, began, attributes):
    listed = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    ids = {"traceId": trace, "spanId": name, "parentSpanId": parent, "name": "span"}
    return {**ids, "startTimeUnixNano": str(began), "endTimeUnixNano": str(began + 10**9), "attributes": listed}


def chat_about(question, answer):
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": question}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": answer}]),
    }


def exported(*spans):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


def write_day(path, spans):
    """Write requests of some 5 kB: the route's span, a query's, and that of a call of a model."""
    rng = random.Random(5)
    answer = "An answer of some length, as models give it. " * 60
    with path.open("w") as file:
        for number in range(spans // 3):
            trace, began = f"{rng.getrandbits(128):032x}", 1764288000 * 10**9 + number * 10**7
            question = f"My {rng.choice(THINGS)} is {rng.choice(STATES)}, order {rng.randint(1000, 99999)}: what now?"
            query = {"db.system": "postgresql", "db.statement": "select * from orders where id = $1 " * 20}
            listed = [
                span(trace, "b" * 16, "a" * 16, began, query),
                span(trace, "c" * 16, "a" * 16, began, chat_about(question, answer)),
                span(trace, "a" * 16, "", began, {"http.route": "/ask", "user.id": f"u{rng.randint(1, 9999)}"}),
            ]
            print(exported(*listed), file=file)


def write_trace(path, spans, *, nested):
    """Write one trace with a call in its last span; the others are steps inside each other, or all in the first."""
    said = chat_about("My shoe is late: what now?", "Wait.")
    with path.open("w") as file:
        for number in range(1, spans + 1):
            parent = number - 1 if nested else min(number - 1, 1)
            ids = (f"{one:016x}" if one else "" for one in (number, parent))
            attributes = said if number == spans else {"http.route": "/ask", "code.function": "a_step_of_the_agent"}
            print(exported(span("a" * 32, *ids, 1764288000 * 10**9 + number, attributes)), file=file)


def measure(code, path):
    """Return CPU seconds and the peak memory in MB of a process of its own."""
    watch = (
        "import resource, subprocess, sys\nsubprocess.run([sys.executable, '-c', *sys.argv[1:]], check=True, "
        "stdout=subprocess.DEVNULL)\nused = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", watch, code, str(path)], check=True, stdout=subprocess.PIPE, text=True)
    return tuple(map(float, done.stdout.split()))


def holds(name, write, largest, most_more_mb):
    """Measure sampling at two sizes, print it, and return whether the limits are kept."""
    found = {}
    print(f"{name}\n{'spans':>9} {'MB':>7} {'parse s':>8} {'sample s':>9} {'times':>6} {'us/span':>8} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for spans in (largest // 4, largest):
            path = Path(folder, "day.jsonl")
            write(path, spans)
            parse, (sample, peak) = measure(PARSE, path)[0], measure(SAMPLE, path)
            found[spans] = sample, peak, sample / parse
            size, times, each = path.stat().st_size / 1e6, sample / parse, 1e6 * sample / spans
            print(f"{spans:>9,} {size:>7.0f} {parse:>8.2f} {sample:>9.2f} {times:>6.1f} {each:>8.0f} {peak:>8.0f}")
    (small, small_peak, _), (large, large_peak, times) = found.values()
    growth, more = large / small, large_peak - small_peak
    print(f"four times the spans: {growth:.1f} times the CPU, {more:+.0f} MB")
    return times <= MOST_TIMES and growth <= MOST_GROWTH and more <= most_more_mb


def main():
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 120_000
    for_one_trace = min(largest, 120_000)
    held = [
        holds("a day", write_day, largest, MOST_MEMORY_MB),
        *(
            holds(
                f"one trace, {name}",
                partial(write_trace, nested=nested),
                for_one_trace,
                MOST_MB_PER_SPAN * for_one_trace,
            )
            for name, nested in (("each span inside the one before", True), ("all inside the first", False))
        ),
    ]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
