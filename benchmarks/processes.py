"""Fresh processes: each run of Headstart, the machine's speeds, the plain forward passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import MB, Memory, Sampler
from speeds import Speeds
from summary import Pass
from table import Row

HERE = Path(__file__).parent
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that would keep a run from using all cores."""


def headstart(works: Sequence[str], engine: str, folder: Path | None, device: str = "cpu") -> Iterator[Row]:
    """Run works on one engine and device, with the data of the peers' folder or from a seed.

    Raises:
        RuntimeError: the process failed.
    """
    found, peak = script("one.py", *works, "--engine", engine, "--device", device, *_peers(folder))
    for row in found:
        yield replace(Row(**row), peak_mb=round(peak.resident / MB, 1))


def speeds() -> Speeds:
    """Measure how fast this machine multiplies and copies."""
    return Speeds(**script("speeds.py")[0])


def forward(runtime: str, folder: Path | None) -> Pass:
    """Time one plain forward pass over the frozen work's images."""
    return Pass(runtime=runtime, **script("forward.py", runtime, *_peers(folder))[0])


def script(name: str, *arguments: str) -> tuple[Any, Memory]:
    """Run a script of this folder; return what its last line says, and its peak memory.

    Raises:
        RuntimeError: the process failed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in LIMITS}
    command = [sys.executable, str(HERE / name), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    with process, Sampler(process.pid) as sampler:
        printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} {' '.join(arguments)} ended with status {process.returncode}")
    return json.loads(printed.strip().splitlines()[-1]), sampler.peak


def _peers(folder: Path | None) -> list[str]:
    return ["--peers", str(folder)] if folder else []
