"""Which crews a cluster gets, and what is refused before one is joined."""

import asyncio
import socket
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from insideLLMs.api.preparation.prepared import Parts
from insideLLMs.api.run import RunOptions, check_fits
from insideLLMs.api.workers import ray_crews
from insideLLMs.api.workers.ray_crews import _Cluster, _room, check_reachable
from insideLLMs.cli.commands.run import command
from insideLLMs.core.errors import OptionError, WorkersLostError
from insideLLMs.core.experiment import Resources
from insideLLMs.core.ray_options import RayOptions


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match="needs Ray, which is not installed") as raised:
        _Cluster(RayOptions()).load()
    assert "insidellms[ray]" in raised.value.fix


@pytest.mark.parametrize(
    ("needs", "fits"),
    [
        (Resources(), 8),
        (Resources(num_cpus=3), 2),
        (Resources(num_gpus=1), 2),
        (Resources(num_gpus=0.5), 4),
        (Resources(num_gpus=0.1), 8),
        (Resources(num_cpus=0, num_gpus=0.1), 20),
        (Resources(num_cpus=9), 0),
        (Resources(custom={"disk": 2}), 1),
        (Resources(custom={"tpu": 1}), 0),
    ],
)
def test_a_node_holds_as_many_workers_as_its_scarcest_resource(needs, fits):
    assert _room({"CPU": 8.0, "GPU": 2.0, "disk": 3.0}, needs.amounts()) == fits


@pytest.mark.parametrize(
    "given", [{"address": "ray://head:10001"}, {"address": ""}, {"address": " "}, {"workers": 0}, {"workers": -1}]
)
def test_options_that_no_cluster_can_have_are_refused(given):
    with pytest.raises(OptionError):
        RayOptions(**given)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (RunOptions(), Parts()),
        (RunOptions(data_of=lambda trial: trial), None),
        (RunOptions(probe_options={"a": 1}), None),
    ],
)
def test_what_cannot_travel_is_refused(options, parts):
    with pytest.raises(OptionError):
        check_fits(options, parts)
    check_fits(RunOptions(), None)


@pytest.mark.parametrize("words", [["--ray-workers", "2"], ["--ray-address", "head:1", "--executor", "local"]])
def test_options_of_the_executor_go_with_it(words):
    done = CliRunner().invoke(command, ["e.yaml", *words])
    assert isinstance(done.exception, OptionError)
    assert "go with --executor ray" in str(done.exception)


@pytest.mark.parametrize("words", [["--ray-workers", "0"], ["--ray-address", "ray://head:10001"]])
def test_a_wrong_value_on_the_command_line_is_an_expected_error(words):
    done = CliRunner().invoke(command, ["e.yaml", "--executor", "ray", *words])
    assert isinstance(done.exception, OptionError)


def test_an_address_where_nothing_listens_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(WorkersLostError, match=f"cannot join the cluster {address}"):
        check_reachable(address)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
def test_an_address_of_ip_version_6_is_reached():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        check_reachable(f"[::1]:{server.getsockname()[1]}")


class WaitingCluster:
    """A stand-in for Ray: an actor starts once it was asked so many times what is free, on nodes that have `nodes`."""

    def __init__(self, *nodes, starts_after=None):
        self.nodes_there = nodes
        self.asked = 0
        self.killed = 0
        self._starts_after = starts_after

    def remote(self, _):
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda _: self._actor()))

    def _actor(self):
        return SimpleNamespace(start=SimpleNamespace(remote=self._start))

    async def _start(self):
        self._loop, self._started = asyncio.get_running_loop(), asyncio.Event()
        await self._started.wait()
        return "a node"

    def nodes(self):
        return [{"Alive": True, "Resources": node} for node in self.nodes_there]

    def available_resources(self):
        self.asked += 1
        if self.asked == self._starts_after:
            self._loop.call_soon_threadsafe(self._started.set)
        return {"CPU": 3.0}

    def kill(self, _):
        self.killed += 1

    exceptions = SimpleNamespace(ActorDiedError=OSError, RayTaskError=OSError, RayError=OSError)


def hire(cluster, monkeypatch):
    """Hire a worker that asks for a GPU."""
    monkeypatch.setattr(ray_crews, "_TELL_OF_WAIT_S", 0.001)
    return asyncio.run(ray_crews._Hiring(cluster, b"", Resources(num_gpus=1)).hire())


def test_a_worker_that_waits_for_room_says_again_and_again_for_what(caplog, monkeypatch):
    cluster = WaitingCluster({"CPU": 4.0, "GPU": 2.0}, starts_after=5)
    assert hire(cluster, monkeypatch).place == "a node"
    assert len(caplog.records) >= 5
    text = "a worker that asks for CPU 1, GPU 1 has not started yet; free in the cluster: CPU 3 of 4, GPU 0 of 2"
    assert {record.message for record in caplog.records} == {text}
    assert cluster.killed == 0


def test_a_run_does_not_wait_for_ever_for_a_node_that_is_gone(caplog, monkeypatch):
    cluster = WaitingCluster({"CPU": 4.0})
    with pytest.raises(WorkersLostError, match=r"no node of the cluster has room any more .* CPU 1, GPU 1"):
        hire(cluster, monkeypatch)
    assert "GPU 0 of 0; no node has that much" in caplog.records[-1].message
    assert cluster.killed == 1
