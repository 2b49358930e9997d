"""A short calibration: what a client's step costs on this machine, one way and another; kept by machine and model."""

from __future__ import annotations

import contextlib
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from headstart.core import trees
from headstart.core.content import hash_json
from headstart.core.errors import EngineError
from headstart.core.files import read_json, write_json
from headstart.core.forks import fork
from headstart.core.machine import can_fork, num_cores, threads
from headstart.core.trees import Params
from headstart.engine.protocol import Job
from headstart.engine.ways.placement import Timings, name_of
from headstart.models.batch import Batch
from headstart.models.model import Model

SECONDS = 0.1
"""How long one way is tried, at least twice."""

MOST_STACKED_WEIGHTS = 500_000
"""Weights of a network above which stacking has nothing to gain: its products are large enough."""

MOST_SLOWDOWN = 1.5
"""What a step may cost beside others like it; more is somebody else's work, which must not rule processes out."""

STACKED_WEIGHTS, FEWEST_STACKED = 2**21, 16
"""Size of a stack that is tried: small networks pay only in large ones."""

_NEAR = 1e-2
"""How far gradients of a stack may be off by rounding, in shares of the largest number."""


def timings_of(job: Job, name: str, folder: Path | None) -> Timings:
    """Return what steps cost, from the folder if they have been measured before.

    Args:
        job: whose model and batch size.
        name: of these timings, see :func:`name_of_timings`.
        folder: where timings are kept; None to measure anew.
    """
    path = folder / f"{name}.json" if folder else None
    known = read_json(path) if path and path.exists() else None
    if known:
        return Timings(**known)
    found = measure(job)
    if path:
        write_json(path, asdict(found))
    return found


def name_of_timings(job: Job) -> str:
    """Name the timings of a job by all they depend on: the machine, the model, the examples' shape, the batch size."""
    model, shape = job.model, list(job.clients.activations.few(job.model, 1).shape[1:])
    weights = [[name, list(value.shape)] for name, value in model.network.named_parameters()]
    machine = [platform.machine(), platform.processor(), _cpu(), num_cores(), torch.__version__]
    kinds = [str(job.dtype), str(job.clients.rows.device), _num_stacked(job), job.model.num_trainable]
    return hash_json([machine, model.network.name, weights, model.cut, shape, *kinds, job.batch_size])


def _num_stacked(job: Job) -> int:
    """Return the clients of a stack that is tried: the cohort, if that is few."""
    return min(job.cohort_size, max(FEWEST_STACKED, STACKED_WEIGHTS // max(1, job.model.num_trainable)))


def _cpu() -> str:
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line for line in lines if line.startswith(("model name", "Model"))), "")
    return ""


def measure(job: Job) -> Timings:
    """Time a step of one client with one thread and with all, in both layouts, and of a stack."""
    params, batch = try_batch(job)
    models = {last: tuned(job, channels_last=last) for last in (False, True)}
    models = {last: model for last, model in models.items() if _works(model, params, batch)}
    loop = {}
    for count in sorted({1, num_cores()}):
        for last, model in models.items():
            with threads(count):
                loop[name_of(count, channels_last=last)] = _seconds_of(_step(model, params, batch))
    alone = {last: loop[name_of(1, channels_last=last)] for last in models}
    best = min(alone, key=alone.__getitem__)
    with threads(1):
        slowdown = min(_contended(_step(models[best], params, batch)) / alone[best], MOST_SLOWDOWN)
        return Timings(loop, _stacked(job.model, params, batch, _num_stacked(job)), slowdown)


def tuned(job: Job, *, channels_last: bool) -> Model:
    """Return the job's model with faster layers."""
    return job.model.tuned(job.clients.activations.few(job.model, 2), channels_last=channels_last)


def try_batch(job: Job) -> tuple[Params, Batch]:
    """Return weights and a batch that cost what real ones do."""
    inputs = job.clients.activations.few(job.model, job.batch_size)
    rows = torch.arange(job.batch_size, device=inputs.device) % len(inputs)
    network = job.model.network
    labels = network.loss.any_truth(job.batch_size, network.num_classes).to(inputs.device)
    params = {name: value.to(inputs.device, job.dtype) for name, value in job.model.trainable.items()}
    return params, Batch(inputs[rows], labels, torch.ones(job.batch_size, device=inputs.device), full=True)


def _step(model: Model, params: Params, batch: Batch) -> Callable[[], Any]:
    arranged = model.arranged(params)
    return lambda: model.gradient(arranged, batch)


def _works(model: Model, params: Params, batch: Batch) -> bool:
    """Say whether a layout can be used; the usual one must be, and says what is wrong where it cannot."""
    try:
        _step(model, params, batch)()
    except RuntimeError:  # a user's own module may view what lies otherwise in memory
        if not model.channels_last:
            raise
        return False
    return True


def _stacked(model: Model, params: Params, batch: Batch, clients: int) -> float | None:
    """Time a stack's step per client; None where it cannot pay, or the network's modules cannot be stacked."""
    if model.num_trainable > MOST_STACKED_WEIGHTS or why_no_stack(model, params, batch):
        return None
    stack, many = trees.broadcast(params, clients), _many(batch, clients)
    with _without_warnings():
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


def _contended(step: Callable[[], Any]) -> float:
    """Time a step while every other core does the same, in processes of their own."""
    if not can_fork():
        return _seconds_of(step)
    others: list[BaseProcess] = []
    try:
        # Where the system gives no process, none would be a worker either.
        with contextlib.suppress(EngineError):
            others += (fork(_repeat, step) for _ in range(num_cores() - 1))
        return _seconds_of(step)
    finally:
        for other in others:
            other.kill()
            other.join()


def _repeat(step: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        step()


def _seconds_of(work: Callable[[], Any]) -> float:
    """Return the least time that some work took."""
    best, begin = float("inf"), time.perf_counter()
    for turn in range(1000):
        before = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        # The first time everything is new.
        best = min(best, now - before) if turn else best
        if turn and now - begin > SECONDS:
            break
    return best
