"""The client of `run --batch`, with short waits and limits of its own, killed at chosen moments.

Of a run at a URL, another machine goes on after each kill.
"""

import signal
import subprocess
import sys

from support.command import environment

BASES = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}
_DRIVER = """
import asyncio
from pathlib import Path
from insideLLMs.api.batches.run import BatchedRun
from insideLLMs.api.batches.waiting import BatchTerms
from insideLLMs.api.batches.provider import APIS
from insideLLMs.api.run import RunOptions, arun
from insideLLMs.config.load import read_experiment
from insideLLMs.remote.url import parse_place

for name, value in LIMITS.items():
    setattr(APIS[MODEL], name, value)
terms = BatchTerms(settle_s=SETTLE, first_wait_s=0.02, most_wait_s=0.05)
rounds = BatchedRun(terms, lambda text: None)
place = parse_place(PLACE)
resume = place != Path("batch") or place.exists()
options = RunOptions(run_dir=place, resume=resume, rounds=rounds.rounds, check=rounds.check)
asyncio.run(arun(read_experiment(Path("e.yaml")).experiment, folder=Path("."), options=options))
"""


class KilledBatches:
    """Runs the client again and again; `moments` are (event, count) at which it is killed.

    `limits` are set instead of those of the model's provider; with a `store`, the run lies there.
    """

    def __init__(self, folder, moments=(), model="openai", store=None, **limits):
        self.folder = folder
        self.moments = set(moments)
        self.client = None
        self.starts = 0
        self._store = store
        place = "batch" if store is None else store.at("batch")
        program = _DRIVER.replace("LIMITS", repr(limits)).replace("MODEL", repr(model))
        self.program = program.replace("PLACE", repr(place))

    def on_event(self, event, count):
        if (event, count) in self.moments and self.client is not None:
            self.moments.discard((event, count))
            self.client.send_signal(signal.SIGKILL)
            self.client.wait()

    def start(self, settle_s=10):
        """Start the client once, as `client`."""
        self.starts += 1
        machine = self._store.machine(self.folder / f"machine-{self.starts}") if self._store else {}
        self.client = subprocess.Popen(
            [sys.executable, "-c", self.program.replace("SETTLE", str(settle_s))],
            cwd=self.folder, env={**environment(), **machine}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, settle_s=10):
        """Start the client until it ends by itself; return how it did."""
        while True:
            self.start(settle_s)
            _, err = self.client.communicate(timeout=120)
            if self.client.returncode != -signal.SIGKILL:
                return self.client.returncode, err
