"""Ray as the link to a cluster: joined where one runs, or started for one study on this machine's cores.

Ray starts processes and moves what they say; it decides nothing. What it prints of its own is left out: a study's
lines are all that a user sees.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from headstart.core.errors import EngineError, SettingError, require
from headstart.core.machine import num_cores
from headstart.study.spread.cluster.address import AUTO, endpoint
from headstart.study.spread.cluster.cores import settled
from headstart.study.spread.cluster.link import Lost, Machine, UnknownHere
from headstart.study.spread.cluster.worker import Worker

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""No usage is told to anybody, nothing is printed of what will change in Ray, workers run in this environment."""

_CONNECT_SECONDS = 10.0
_PREFIX = "headstart-ray-"


class Actor(Worker):
    """A worker in a process that Ray began.

    Args:
        cores: that it takes for itself.
    """

    def __init__(self, cores: int) -> None:
        super().__init__(settled(cores))


@dataclass(frozen=True, eq=False)
class RayLink:
    """A cluster on which Ray runs.

    Attributes:
        ray: the package.
        ends: called when the cluster is left.
    """

    ray: ModuleType
    ends: Callable[[], object]

    def machines(self) -> Sequence[Machine]:
        """Return the machines that live and offer cores."""
        found = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        return [
            Machine(
                node["NodeID"],
                node["NodeManagerHostname"],
                int(node["Resources"]["CPU"]),
                float(node["Resources"].get("GPU", 0)),
            )
            for node in found
        ]

    def put(self, value: Any) -> Any:
        """Hand a value to the cluster once."""
        return self.ray.put(value)

    def hire(self, machine: Machine, cores: int, cards: float) -> Any:
        """Begin a worker on a machine."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        where = NodeAffinitySchedulingStrategy(machine.id, soft=False)
        # Only what it is called crosses the wire: the worker's machine imports it.
        actor = self.ray.remote(Actor).options(num_cpus=cores, num_gpus=cards, scheduling_strategy=where)
        return actor.remote(cores)

    def ask(self, worker: Any, what: str, *values: Any) -> Any:
        """Let a worker call one of its methods."""
        return getattr(worker, what).remote(*values)

    def wait(self, references: Sequence[Any], seconds: float | None = None) -> Sequence[Any]:
        """Return those that are there."""
        if not references:
            return []
        ready, _ = self.ray.wait(list(references), num_returns=1, timeout=seconds)
        return list(ready)

    def get(self, reference: Any) -> Any:
        """Return a value that is there."""
        found = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except found.RayActorError as error:
            _check_imports(error)
            raise Lost from error
        except (found.ObjectLostError, found.NodeDiedError, found.WorkerCrashedError, found.OutOfMemoryError) as error:
            raise Lost from error
        except found.RayTaskError as error:
            cause = error.cause
            raise EngineError(f"cluster: a worker failed: {type(cause).__name__}: {cause}") from error

    def dismiss(self, worker: Any) -> None:
        """End a worker at once."""
        with suppress(self.ray.exceptions.RayError, ValueError):
            self.ray.kill(worker)

    def close(self) -> None:
        """Leave the cluster."""
        self.ray.shutdown()
        self.ends()


def _check_imports(error: Exception) -> None:
    """Tell a worker that cannot be imported from one that died."""
    said = str(error)
    if "failed to import on the worker" in said or "No module named" in said:
        address = next((word for word in said.replace(",", " ").split() if word.startswith("ip=")), "ip=?")[3:]
        raise UnknownHere(
            f"cluster: every machine must have this version of headstart, received one without it at {address}; "
            "install it there, in the Python that runs 'ray start'"
        ) from error


@contextmanager
def joined(address: str) -> Iterator[RayLink]:
    """Join a cluster, and leave it in the end; one that was started here ends with it.

    Args:
        address: ``auto`` for the cluster that runs on this machine, or else one that is started on its cores;
            ``HOST:PORT`` of a cluster that this machine belongs to; ``ray://HOST:PORT`` of any other.

    Raises:
        SettingError: nothing answers there.
        MissingExtra: Ray is not installed.
    """
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    ray = require("ray", "cluster")
    _hush()
    found = _running_here() if address == AUTO else address
    link = _remote(ray, found) if found else _local(ray)
    try:
        yield link
    finally:
        link.close()


def _local(ray: ModuleType) -> RayLink:
    """Start a cluster on this machine's cores."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        _init(ray, num_cpus=num_cores(), include_dashboard=False, _temp_dir=str(folder))
    except Exception as error:  # Ray raises many kinds
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineError(
            f"cluster: Ray could not be started on this machine ({_first_line(error)}); try again when it has less to "
            "do, or leave --cluster out and give --jobs"
        ) from error
    return RayLink(ray, lambda: shutil.rmtree(folder, ignore_errors=True))


def _remote(ray: ModuleType, address: str) -> RayLink:
    _check_answers(address)
    try:
        _init(ray, address=address)
    except Exception as error:  # Ray raises many kinds
        raise SettingError(
            f"cluster: must be a cluster that this machine can join, received '{address}' "
            f"({_first_line(error)}); run this on a machine of the cluster, or give ray://HOST:10001"
        ) from error
    return RayLink(ray, lambda: None)


def _init(ray: ModuleType, **settings: Any) -> None:
    ray.init(log_to_driver=False, logging_level="FATAL", **settings)


def _running_here() -> str | None:
    """Return the address of the cluster that this machine belongs to, as 'ray start' notes it; None without one."""
    note = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"  # noqa: S108
    if (said := os.environ.get("RAY_ADDRESS", AUTO)) not in (AUTO, "local"):
        return said
    address = note.read_text().strip() if note.is_file() and os.access(note, os.R_OK) else ""
    return address if address and _why_silent(address) is None else None


def _why_silent(address: str) -> OSError | None:
    """Return why nothing answers at an address; None where something does."""
    try:
        socket.create_connection(endpoint(address), _CONNECT_SECONDS).close()
    except OSError as error:
        return error
    return None


def _check_answers(address: str) -> None:
    """Refuse an address where nothing answers: Ray would wait for long, and then end the process."""
    if why := _why_silent(address):
        raise SettingError(
            f"cluster: nothing answers at '{address}' ({why}); start the head with 'ray start --head', and look at "
            "the address and the firewall"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _hush() -> None:
    """Keep Ray from printing the deaths of workers, which it does whatever it is told; they are dealt with here."""
    from ray._private import worker

    worker.listen_error_messages = lambda *_: None


def _sweep() -> None:
    """Delete what clusters of processes that were killed left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and folder.stat().st_uid == os.getuid() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(folder, ignore_errors=True)
