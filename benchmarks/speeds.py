"""How fast this machine multiplies and copies. Run as a script it prints one line of JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

SIZES = (256, 512, 1024, 2048)
"""Rows of the square matrices that are multiplied; the fastest size counts."""

COPY_FLOATS = 64 * 2**20
"""Floats copied: 256 MB, more than a cache holds."""


@dataclass(frozen=True)
class Speeds:
    """What the machine reaches, best of several tries.

    Attributes:
        gemm_one: float32 matrix product on one core, GFLOP/s.
        gemm: on all cores.
        copy: bytes read and written on all cores, GB/s.
        cores: number of them.
    """

    gemm_one: float
    gemm: float
    copy: float
    cores: int


def measure() -> Speeds:
    """Measure for a few seconds."""
    cores = len(os.sched_getaffinity(0))
    one = max(_gemm(size, 1) for size in SIZES)
    return Speeds(one, max(one, *(_gemm(size, cores) for size in SIZES)), _copy(cores), cores)


def _gemm(size: int, threads: int) -> float:
    torch.set_num_threads(threads)
    left, right, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return 2 * size**3 / _least(lambda: torch.mm(left, right, out=out)) / 1e9


def _copy(threads: int) -> float:
    torch.set_num_threads(threads)
    source = torch.randn(COPY_FLOATS)
    target = torch.empty_like(source)
    return 2 * 4 * COPY_FLOATS / _least(lambda: target.copy_(source)) / 1e9


def _least(work: Callable[[], object], seconds: float = 0.5) -> float:
    """Return the seconds of the fastest try within ``seconds``, at least three tries."""
    best, tries, end = float("inf"), 0, time.perf_counter() + seconds
    work()
    while tries < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best, tries = min(best, time.perf_counter() - begin), tries + 1
    return best


if __name__ == "__main__":
    print(json.dumps(asdict(measure())))
