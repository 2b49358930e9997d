"""Who writes down the operations of a step, to do them again by one launch.

PyTorch: CUDA semantics, CUDA graphs. https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch


class Recorder(Protocol):
    """Records the operations of a step."""

    def warm(self, step: Callable[[], None]) -> None:
        """Take a step where it will be recorded."""
        ...

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step without taking it, and return what takes it.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs; all share one pool of memory, which none needs between its replays.

    Args:
        device: a card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, step: Callable[[], None]) -> None:
        """Take a step on the stream of records."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            step()
        here.wait_stream(self._stream)

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step; the stream from before is the current one again even where that fails."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may read data ahead meanwhile, which the usual mode of capture forbids.
        recording = torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._device), torch.cuda.stream(torch.cuda.current_stream(self._device)), recording:
            step()
        return graph.replay
