"""Crews of workers on a cluster of Ray: a local one by default, or the one at an address."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.workers.kit import RunSite, pack_kit
from insideLLMs.api.workers.ray_worker import RayWorker
from insideLLMs.core.errors import ConfigError, InsideLLMsError, OptionError, Problem, WorkersLostError
from insideLLMs.core.experiment import Resources
from insideLLMs.core.ray_options import RayOptions
from insideLLMs.execute.remote.crews import Crew, Link, OpenCrews, WorkerLost
from insideLLMs.execute.remote.messages import StoreTerms

logger = logging.getLogger(__name__)
_OBJECT_STORE_BYTES = 80 << 20
"""Of a local cluster, which holds nothing but the kits; Ray wants 75 MB at least."""
_MANY_CALLS = 1000
_TELL_OF_WAIT_S = 30.0
_MOST_CHECKS = 3
"""A run stops where so many times in a row, that far apart, no node was there that could ever have a worker."""
_CONNECT_S = 10.0
_NOT_CUSTOM = ("CPU", "GPU", "memory", "object_store_memory")
"""Names that Ray counts by itself."""
_INSTALL = "pip install 'insidellms[ray]', the same version on every node"


@contextlib.asynccontextmanager
async def ray_crews(prepared: Prepared, options: RayOptions, site: RunSite) -> AsyncIterator[OpenCrews]:
    """Yield how crews for a run are opened. The cluster is joined when first needed, and left at the block's end.

    Raises OptionError without the extra, and ConfigError for resources that a cluster does not count under that name.
    """
    _check_resources(prepared)
    cluster = _Cluster(options)
    await asyncio.to_thread(cluster.load)

    @contextlib.asynccontextmanager
    async def open_crews(store: StoreTerms | None) -> AsyncIterator[Sequence[Crew]]:
        await asyncio.to_thread(cluster.join)
        yield await asyncio.to_thread(cluster.crews, prepared, msgspec.structs.replace(site, store=store))

    try:
        yield open_crews
    finally:
        await asyncio.to_thread(cluster.leave)


def _check_resources(prepared: Prepared) -> None:
    problems = [
        Problem(f"{name!r} is no name for a resource of your own", field=f"model {spec.id!r}: resources.custom")
        for spec in prepared.experiment.models
        for name in (spec.resources or Resources()).custom
        if not name.strip() or name in _NOT_CUSTOM
    ]
    if problems:
        fix = "set num_cpus and num_gpus; under custom, use the names that `ray start --resources` was given"
        raise ConfigError(problems, fix=fix)


class _Cluster:
    """Ray, as far as a run needs it."""

    def __init__(self, options: RayOptions) -> None:
        self._options = options
        self._ray: Any = None  # Ray's module, which is optional and takes seconds to import
        self._is_joined = False
        self._is_ours = False

    def load(self) -> None:
        """Import Ray. Raises OptionError without the extra."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray  # noqa: PLC0415 - an optional extra, and slow
        except ImportError as error:
            why = "is not installed" if error.name == "ray" else f"cannot be imported: {error}"
            raise OptionError(f"--executor ray needs Ray, which {why}", fix=_INSTALL) from error
        self._ray = ray

    def join(self) -> None:
        """Start a local cluster or connect to one. Raises WorkersLostError."""
        ray, is_joined, self._is_joined = self._ray, self._is_joined, True
        if is_joined or ray.is_initialized():
            return
        address = self._options.address or os.environ.get("RAY_ADDRESS")
        check_reachable(address)
        if address:
            os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # one attempt of 40 s, where Ray makes 20
        own = {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": max(self._options.workers or 1, os.cpu_count() or 1),
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
        try:
            ray.init(**({"address": address} if address else own), log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _cannot_join(address, error) from error
        self._is_ours = True

    def leave(self) -> None:
        """End what `join` began."""
        if self._is_ours:
            self._ray.shutdown()

    def crews(self, prepared: Prepared, site: RunSite) -> list[Crew]:
        """Return a crew for each model that asks for resources, and one for all others. Raises WorkersLostError."""
        kinds: dict[str, tuple[Resources, tuple[str, ...]]] = {}
        for spec in prepared.experiment.models:
            kind = spec.id if spec.resources else ""
            needs, models = kinds.get(kind, (spec.resources or Resources(), ()))
            kinds[kind] = needs, (*models, spec.id)
        made = []
        for kind, (needs, models) in kinds.items():
            size = self._size(needs, models, len(kinds), prepared)
            shared = frozenset(_shared(prepared, models, has_own=bool(kind)))
            kit = self._ray.put(pack_kit(prepared, models, site, shared=shared, workers=size))
            made.append(Crew(models=models, size=size, hire=_Hiring(self._ray, kit, needs).hire))
        return made

    def _size(self, needs: Resources, models: tuple[str, ...], kinds: int, prepared: Prepared) -> int:
        """Return how many workers a crew has: as many as its share of the cluster holds, and as the run can use."""
        room = sum(_room(node, needs.amounts()) for node in _nodes(self._ray))
        if not room:
            raise _no_room(f"no node of the cluster has room for model {models[0]!r}", needs)
        useful = -(-prepared.plan.total // prepared.execution.concurrency)
        return max(1, min(room // kinds, useful, self._options.workers or room))


def check_reachable(address: str | None) -> None:
    """Raise WorkersLostError where nothing listens at HOST:PORT, which Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _cannot_join(address, error) from error


def _cannot_join(address: str | None, error: Exception) -> WorkersLostError:
    return WorkersLostError(
        f"cannot join the cluster {address or 'of this machine'}: {error}",
        fix="check --ray-address, such as head:6379; `ray status` on a node shows whether the cluster is up",
    )


def _shared(prepared: Prepared, models: tuple[str, ...], *, has_own: bool) -> Iterable[str]:
    """Yield the models whose account is one for all workers: not those that each worker has for itself."""
    for name, ready in prepared.asked.items():
        is_placed = has_own and name in models
        if callable(getattr(ready.model, "account", None)) and not is_placed:
            yield name


def _room(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Return how many workers fit on a node."""
    return min((int(node.get(name, 0.0) / amount + 1e-9) for name, amount in needs.items()), default=_MANY_CALLS)


def _nodes(ray: Any) -> list[Mapping[str, float]]:
    """Return what each node has that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _no_room(what: str, needs: Resources) -> WorkersLostError:
    return WorkersLostError(
        f"{what}: it asks for {_in_words(needs.amounts())}",
        fix="start a node that has it, or ask for less under `resources`",
    )


def _in_words(amounts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items())


class _Hiring:
    """Starts the actors of one crew."""

    def __init__(self, ray: Any, kit: Any, needs: Resources) -> None:
        self._ray = ray
        self._kit = kit
        self._needs = needs
        self._actor = ray.remote(RayWorker).options(
            num_cpus=needs.num_cpus,
            num_gpus=needs.num_gpus,
            resources=dict(needs.custom) or None,
            max_restarts=0,
            max_concurrency=_MANY_CALLS,
        )

    async def hire(self) -> Link:
        """Start a worker, once a node has room. Raises WorkerLost, or WorkersLostError for one that cannot start."""
        link = _RayLink(self._ray, self._actor.remote(self._kit))
        starting = asyncio.ensure_future(link.start())
        with contextlib.ExitStack() as stack:
            stack.callback(link.dismiss)
            stack.callback(starting.cancel)
            checks = 0
            while not (await asyncio.wait([starting], timeout=_TELL_OF_WAIT_S))[0]:
                checks = 0 if await asyncio.to_thread(self._tell_of_wait) else checks + 1
                if checks == _MOST_CHECKS:
                    raise _no_room("no node of the cluster has room any more for a worker", self._needs)
            starting.result()
            stack.pop_all()
        return link

    def _tell_of_wait(self) -> bool:
        """Say what a worker waits for; return whether any node could ever have it."""
        needs = self._needs.amounts()
        nodes, free = _nodes(self._ray), self._ray.available_resources()
        has_node = any(_room(node, needs) for node in nodes)
        told = (f"{name} {free.get(name, 0.0):g} of {sum(node.get(name, 0.0) for node in nodes):g}" for name in needs)
        text = "a worker that asks for %s has not started yet; free in the cluster: %s%s"
        hint = "" if has_node else "; no node has that much"
        logger.warning(text, _in_words(needs), ", ".join(told), hint)
        return has_node


class _RayLink:
    """The way to an actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.place = "a node that has not answered"
        self._ray = ray
        self._actor = actor

    async def start(self) -> None:
        """Wait until the actor runs."""
        self.place = await self._answer(self._actor.start.remote())

    async def tell(self, order: bytes) -> None:
        """Send an order."""
        await self._answer(self._actor.tell.remote(order))

    async def hear(self) -> bytes:
        """Wait for a report."""
        report: bytes = await self._answer(self._actor.hear.remote())
        return report

    def dismiss(self) -> None:
        """End the process, whatever it does."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)

    async def _answer(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return await reference
        except errors.ActorDiedError as error:
            if "creation task" in str(error):
                raise _cannot_start(error) from error
            raise WorkerLost(f"{self.place}: {_cause(error)}") from error
        except errors.RayTaskError as error:  # before RayError: what the worker's own code raised
            raise RuntimeError(f"the worker on {self.place} failed: {error}") from error
        except errors.RayError as error:
            raise WorkerLost(f"{self.place}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """Return the line of Ray's long message that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "because" in line or "unavailable" in line), lines[0] if lines else "")


def _cannot_start(error: Exception) -> InsideLLMsError:
    last = str(error).strip().splitlines()[-1]
    return WorkersLostError(f"a worker cannot start: {last}", fix=_INSTALL)
