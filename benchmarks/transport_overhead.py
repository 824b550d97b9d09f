"""CPU per request of our provider against bare aiohttp, on one server, in one run; prints the ratio.

    python benchmarks/transport_overhead.py [--requests 4000] [--concurrency 64] [--rounds 5]

The server is a process of its own, so that only the client's CPU time is counted. Rounds alternate, and the
best of each counts: the machine may be shared.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
from stub_server import stub_server

from insideLLMs.core.types import Message, Request
from insideLLMs.providers.apis.openai import OpenAIModel

MESSAGES = [
    {"role": "system", "content": "You are a careful assistant. Answer in one word."},
    {"role": "user", "content": "What is the capital of France? " * 8},
]


async def flood(call: Callable[[], Awaitable[object]], requests: int, concurrency: int) -> float:
    """Make the calls and return microseconds of CPU per call."""

    async def work(share: int) -> None:
        for _ in range(share):
            await call()

    started = time.process_time()
    await asyncio.gather(*(work(requests // concurrency) for _ in range(concurrency)))
    return (time.process_time() - started) / (requests // concurrency * concurrency) * 1e6


async def bare(base_url: str, requests: int, concurrency: int) -> float:
    """Measure aiohttp as its documentation uses it, with orjson."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> object:
            body = orjson.dumps({"model": "m", "messages": MESSAGES, "temperature": 0})
            headers = {"Content-Type": "application/json"}
            async with session.post(base_url + "/chat/completions", data=body, headers=headers) as response:
                return orjson.loads(await response.read())["choices"][0]["message"]["content"]

        await call()
        return await flood(call, requests, concurrency)


async def ours(base_url: str, requests: int, concurrency: int) -> float:
    """Measure `respond`: encode, send, read, redact, decode into a Response."""
    model = OpenAIModel("m", base_url=base_url, temperature=0)
    request = Request(messages=tuple(Message(role=turn["role"], content=turn["content"]) for turn in MESSAGES))  # type: ignore[arg-type]  # roles are plain texts here

    async def call() -> object:
        return await model.respond(request)

    await call()
    try:
        return await flood(call, requests, concurrency)
    finally:
        await model.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, list[float]] = {"bare": [], "ours": []}
    with stub_server() as port:
        base_url = f"http://127.0.0.1:{port}/v1"
        for _ in range(options.rounds):
            results["bare"].append(asyncio.run(bare(base_url, options.requests, options.concurrency)))
            results["ours"].append(asyncio.run(ours(base_url, options.requests, options.concurrency)))
    best = {name: min(values) for name, values in results.items()}
    print(f"bare aiohttp {best['bare']:.0f} µs of CPU per request, insideLLMs {best['ours']:.0f} µs")
    print(f"ratio {best['ours'] / best['bare']:.2f}")


if __name__ == "__main__":
    main()
