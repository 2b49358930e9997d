"""How the tests run: on all cores, one thread in each process.

Both are said here, before anything imports PyTorch, so that xdist's workers and the tests' own subprocesses inherit
them. What the environment says already is left as it is.
"""

import gc
import os

import pytest

MOST_WORKERS = 8
"""Each holds PyTorch and Transformers, about 1 GB; the tests gain little from more."""

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return a worker for each core if all tests run, and none for a part of them, which starts sooner alone.

    So one folder, file or test runs in this process, where a debugger works; ``-n 2`` asks for workers all the same.
    """
    asked = {(config.invocation_params.dir / name).resolve() for name in config.args}
    is_all = bool(asked & {config.rootpath, config.rootpath / "tests"})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if is_all and cores > 1 else 0


def pytest_collection_finish() -> None:
    """Leave what imports have made out of every later search for garbage, which else takes a quarter of a second."""
    gc.collect()
    gc.freeze()
