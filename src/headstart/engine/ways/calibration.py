"""A short calibration where no rule says which way is best: what a client's step costs here, one way and another."""

from __future__ import annotations

import contextlib
import math
import platform
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.core import trees
from headstart.core.content import hash_json
from headstart.core.damage import Damaged
from headstart.core.errors import EngineError
from headstart.core.files import read_json, write_json
from headstart.core.forks import fork
from headstart.core.machine import can_fork, num_cores, threads
from headstart.core.trees import Params
from headstart.engine.protocol import Job
from headstart.engine.ways.families import family_of
from headstart.engine.ways.grouped import why_not_grouped
from headstart.engine.ways.placement import Placement
from headstart.models.batch import Batch
from headstart.models.model import Model

NEEDS = {"seconds": dict}
"""What a file of step times must say where it has no checksum."""

_SECONDS = 0.03
"""How long one way is tried; a longer step is taken once, after one that makes everything warm."""

_MOST_SLOWDOWN = 1.5
"""What a step may cost beside others like it; more is somebody else's work, which must not rule processes out."""

_PART = 4
"""Of a large network's batch a quarter is tried: it tells one way from another just as well."""

_STACKED_WEIGHTS, _FEWEST_STACKED = 2**21, 16
"""Size of a stack that is tried: small networks pay only in large ones."""

_NEAR = 1e-2
"""How far gradients of a stack may be off by rounding, in shares of the largest number."""


def step_seconds(job: Job, placements: Sequence[Placement], folder: Path | None) -> dict[Placement, float]:
    """Return what one client's step costs in each way, as this machine knows it, or by a short trial.

    Args:
        job: whose model and batch size.
        placements: to be compared, each possible.
        folder: where times are kept; None to measure anew.
    """
    path = folder / f"{name_of_times(job)}.json" if folder else None
    known = _read(path) if path else {}
    missing = [one for one in placements if not isinstance(known.get(one.name), float)]
    if missing:
        known |= {one.name: seconds for one, seconds in measure(job, missing).items()}
        if path:
            write_json(path, {"seconds": known})
    return {one: known[one.name] for one in placements}


def _read(path: Path) -> dict[str, Any]:
    """Return the times that a file holds; none where it is damaged, which is said when a study is opened."""
    try:
        return dict((read_json(path, NEEDS) or {"seconds": {}})["seconds"])
    except Damaged:
        return {}


def name_of_times(job: Job) -> str:
    """Name step times by all they depend on: the machine, layers by kind and rounded size, the batch, rounded too.

    Two networks of the same kinds of layers and about their sizes have one name: which way is best is the same.
    """
    model, shape = job.model, list(job.clients.activations.few(job.model, 1).shape[1:])
    machine = [platform.machine(), platform.processor(), _cpu(), num_cores(), torch.__version__]
    kinds = [family_of(model), str(job.dtype), str(job.clients.rows.device), len(shape), bool(model.adapters)]
    sizes = [_rounded(size) for size in (math.prod(shape), job.batch_size, _num_stacked(job), model.num_trainable)]
    return hash_json([machine, kinds, sizes, _layers(model)])


def _layers(model: Model) -> list[Any]:
    """Count the layers above the cut by kind and rounded number of weights."""
    modules = [module for block in list(model.network.blocks)[model.cut :] for module in block.modules()]
    count = Counter((type(module).__name__, _rounded(_own(module))) for module in modules)
    return sorted([*kind, _rounded(number)] for kind, number in count.items())


def _own(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters(recurse=False))


def _rounded(size: int) -> int:
    """Return a size in half powers of two, rounded.

    >>> _rounded(100) == _rounded(105), _rounded(100) == _rounded(200)
    (True, False)
    """
    return round(2 * math.log2(size)) if size else -1


def _num_stacked(job: Job) -> int:
    """Return the clients of a stack that is tried: the cohort, if that is few."""
    return min(job.cohort_size, max(_FEWEST_STACKED, _STACKED_WEIGHTS // max(1, job.model.num_trainable)))


def _cpu() -> str:
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line for line in lines if line.startswith(("model name", "Model"))), "")
    return ""


def measure(job: Job, placements: Sequence[Placement]) -> dict[Placement, float]:
    """Time one client's step in each way; with one thread as it is when every core does one."""
    is_large = "large" in family_of(job.model)
    params, batch = _try_batch(job, max(2, job.batch_size // _PART) if is_large else job.batch_size)
    beside = is_large and any(one.way == "loop" for one in placements)
    return {one: _seconds(job, one, params, batch, beside=beside) for one in placements}


def _seconds(job: Job, placement: Placement, params: Params, batch: Batch, *, beside: bool) -> float:
    if placement.way == "stack":
        return _stacked(job.model, params, batch, _num_stacked(job))
    step = _step(tuned(job, channels_last=placement.channels_last), params, batch)
    with threads(placement.threads):
        alone = _seconds_of(step)
        if not beside or placement.way != "workers" or placement.workers < 2:
            return alone
        return min(_contended(step, placement.workers - 1), alone * _MOST_SLOWDOWN)


def why_not(job: Job, placement: Placement) -> str:
    """Say why a job cannot be done in a way; empty if it can."""
    if placement.way == "grouped":
        few = job.clients.activations.few(job.model, 2)
        return "one client is no group" if job.cohort_size < 2 else why_not_grouped(job.model, few)
    if placement.way == "stack":
        return "" if job.model.is_head_only else why_no_stack(job.model, *_try_batch(job, 2))
    if not placement.channels_last:
        return ""
    if job.clients.activations.few(job.model, 1).dim() != 4:
        return "its inputs are no pictures"
    return _why_no_layout(job)


def _why_no_layout(job: Job) -> str:
    """Say why pictures cannot be laid out by channel within a pixel: a user's own module may view them otherwise."""
    try:
        _step(tuned(job, channels_last=True), *_try_batch(job, 2))()
    except RuntimeError as error:
        return f"its modules do not know the layout: {error}"
    return ""


def tuned(job: Job, *, channels_last: bool) -> Model:
    """Return the job's model with faster layers."""
    return job.model.tuned(job.clients.activations.few(job.model, 2), channels_last=channels_last)


def _try_batch(job: Job, size: int) -> tuple[Params, Batch]:
    """Return weights and a batch that cost what real ones do."""
    inputs = job.clients.activations.few(job.model, size)
    rows = torch.arange(size, device=inputs.device) % len(inputs)
    network = job.model.network
    labels = network.loss.any_truth(size, network.num_classes).to(inputs.device)
    params = {name: value.to(inputs.device, job.dtype) for name, value in job.model.trainable.items()}
    return params, Batch(inputs[rows], labels, torch.ones(size, device=inputs.device), full=True)


def _step(model: Model, params: Params, batch: Batch) -> Callable[[], Any]:
    arranged = model.arranged(params)
    return lambda: model.gradient(arranged, batch)


def _stacked(model: Model, params: Params, batch: Batch, clients: int) -> float:
    """Time a stack's step per client."""
    stack, many = trees.broadcast(params, clients), _many(batch, clients)
    with threads(1), _without_warnings():
        return _seconds_of(_step(model, stack, many)) / clients


def why_no_stack(model: Model, params: Params, batch: Batch) -> str:
    """Say why clients cannot train as one stack: it fails, or gives other gradients; empty if they can."""
    alone = model.gradient(params, batch)
    try:
        with _without_warnings():
            stack = model.gradient(trees.broadcast(params, 2), _many(batch, 2))
    except Exception as error:  # a user's own module may do anything
        return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    largest = max(float(value.abs().max()) for value in alone.values())
    off = max(float((stack[name][0] - alone[name]).abs().max()) for name in alone)
    return "" if off <= _NEAR * largest else "its gradients in a stack are others than alone"


def _many(batch: Batch, clients: int) -> Batch:
    inputs, labels, weights = (v.expand(clients, *v.shape) for v in (batch.inputs, batch.labels, batch.weights))
    return Batch(inputs, labels, weights, full=True)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """PyTorch warns where it stacks an operation one client at a time; whether that pays is what the clock says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _contended(step: Callable[[], Any], others: int) -> float:
    """Time a step while others do the same, in processes of their own."""
    if not can_fork():
        return _seconds_of(step)
    beside: list[BaseProcess] = []
    try:
        # Where the system gives no process, none would be a worker either.
        with contextlib.suppress(EngineError):
            beside += (fork(_repeat, step) for _ in range(others))
        return _seconds_of(step)
    finally:
        for other in beside:
            other.kill()
            other.join()


def _repeat(step: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        step()


def _seconds_of(work: Callable[[], Any]) -> float:
    """Return the least time that some work took, after a first time that makes everything warm."""
    best, begin = math.inf, 0.0
    for turn in range(1000):
        before = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if turn == 0:
            begin = now
            continue
        best = min(best, now - before)
        if now - begin > _SECONDS:
            break
    return best
