"""Firefox over WebDriver BiDi, which it speaks itself: enough of it to open a page, press keys and look."""

import asyncio
import contextlib
import itertools
import json
import re
import subprocess
import tempfile
import threading
import time

import aiohttp

_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """A headless Firefox with one tab; `faults` collects what a page should not do."""

    def __init__(self, program):
        self._profile = tempfile.TemporaryDirectory(prefix="firefox")
        self._loop = asyncio.new_event_loop()  # in a thread of its own: another browser's may run in this one
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        command = [program, "--headless", "--no-remote", "--profile", self._profile.name, "--remote-debugging-port=0"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self._numbers = itertools.count(1)
        self._client = None
        self.faults = []

    def connect(self):
        """Wait until it listens, and take its tab."""
        address = next(found[1] for line in self._process.stderr if (found := _LISTENING.search(line)))
        threading.Thread(target=self._process.stderr.read, daemon=True).start()  # a full pipe would hold it up
        self._run(self._connect(address))

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _connect(self, address):
        self._client = aiohttp.ClientSession()
        self._socket = await self._client.ws_connect(f"{address}/session", max_msg_size=0)
        await self._send("session.new", {"capabilities": {}})
        events = ["log.entryAdded", "network.beforeRequestSent", "browsingContext.userPromptOpened"]
        await self._send("session.subscribe", {"events": events})
        found = await self._send("browsingContext.getTree", {})
        self._tab = found["contexts"][0]["context"]
        await self._send(
            "browsingContext.setViewport", {"context": self._tab, "viewport": {"width": 1280, "height": 800}}
        )

    async def _send(self, method, params):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]
            self._note(message)

    def _note(self, event):
        params = event.get("params", {})
        match event.get("method"):
            case "log.entryAdded" if params["level"] in {"warn", "error"}:
                self.faults.append(f"console {params['level']}: {params['text']}")
            case "browsingContext.userPromptOpened":
                self.faults.append(f"dialog: {params}")
            case "network.beforeRequestSent":
                url = params["request"]["url"]
                if params["context"] == self._tab and not url.startswith(
                    ("file:", "about:", "data:font/woff2")
                ):  # its own
                    self.faults.append(f"request: {url}")

    def goto(self, url):
        """Open a page and wait until it is loaded."""
        self._run(self._send("browsingContext.navigate", {"context": self._tab, "url": url, "wait": "complete"}))

    def look(self, expression):
        """Evaluate an expression that has a JSON value."""
        target = {"context": self._tab}
        params = {"expression": f"JSON.stringify({expression} ?? null)", "target": target, "awaitPromise": True}
        result = self._run(self._send("script.evaluate", params))
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    def wait(self, condition, seconds=20):
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not self.look(f"Boolean({condition})"):
            assert time.monotonic() < until, f"never came true: {condition}"

    def press(self, *keys):
        """Press keys, one after the other, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._run(self._send("input.performActions", {"context": self._tab, "actions": [source]}))

    def close(self):
        """End it."""
        if self._client is not None:
            with contextlib.suppress(AssertionError, TypeError, OSError):
                self._run(self._send("browser.close", {}))
            self._run(self._client.close())
        else:
            self._process.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stderr.close()
        self._profile.cleanup()
