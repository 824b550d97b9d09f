"""Which cluster of Ray asks the models of a run."""

import msgspec

from insideLLMs.core.errors import OptionError


class RayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster at `address`, or a local one; `workers` bounds how many there are of each kind."""

    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"workers is {self.workers}; it must be at least 1")
        if self.address is not None and not self.address.strip():
            raise OptionError("the address of the cluster is empty", fix="give HOST:6379, or leave --ray-address out")
        if self.address is not None and self.address.startswith("ray://"):
            raise OptionError(
                "a cluster cannot be used through Ray's client (ray://)",
                fix="run on a node of the cluster with --ray-address HOST:6379, or submit the command as a Ray job",
            )
