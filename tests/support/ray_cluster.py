"""A cluster of Ray on this machine, in a process of its own that ends it when its input is closed.

As a process::

    python tests/support/ray_cluster.py NODES CPUS GPUS FOLDER

prints the cluster's address on a line. The GPUs are declared; no hardware has them. Whatever it starts carries MARK
in its environment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

MARK = "INSIDELLMS_TEST_CLUSTER"
STORE_BYTES = 80 << 20


class RayCluster:
    """Use as a context manager; `environment` is that of the nodes, and of nothing else."""

    def __init__(self, folder, *, nodes=1, cpus=4, gpus=0, environment=None):
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self._command = [sys.executable, __file__, str(nodes), str(cpus), str(gpus), str(folder)]
        own = {"RAY_TMPDIR": str(folder), MARK: self.mark}
        self._environment = {**os.environ, **QUIET, **(environment or {}), **own}
        self._process = None
        self.address = ""

    def __enter__(self):
        (self.folder / "ray").mkdir(parents=True)  # where Ray notes the address, and makes no folder for it
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._process.stdout.readline().strip()
        assert self.address, "the cluster did not start"
        return self

    def __exit__(self, *_):
        self._process.communicate(timeout=60)
        for pid in self._marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def workers(self):
        """Return the processes of our workers that are there."""
        return sorted(pid for pid, line in self._marked().items() if line.startswith(b"ray::RayWorker"))

    def _marked(self):
        mark = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes()
        return found

    def texts(self):
        """Yield the bytes of every file below the folder of the cluster's session, its logs among them."""
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
"""No reports, no token in the home folder, and no worker is ended because others fill the machine's memory."""


def main():
    """Keep a cluster until nobody holds our input any more."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this process needs Ray

    nodes, cpus, gpus, folder = *map(int, sys.argv[1:4]), sys.argv[4]
    node = {"num_cpus": cpus, "num_gpus": gpus, "resources": {"slot": cpus}, "object_store_memory": STORE_BYTES}
    node["include_dashboard"] = False
    cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": folder})
    for _ in range(nodes - 1):
        cluster.add_node(**node)
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
