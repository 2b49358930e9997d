"""What a work cannot go below: its arithmetic at the speed of a matrix product here, or its bytes at that of a copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from headstart.models.network import Network
from speeds import Speeds
from tasks import build_network
from works import Work, example_bytes

COUNTED = 2
"""Examples in the step that is counted."""


@dataclass(frozen=True)
class Cost:
    """Least arithmetic and memory traffic.

    Attributes:
        flop: floating-point operations of the matrix products and convolutions; nothing else is counted.
        bytes: every example read once a round, and the parameters read and written once a round.
    """

    flop: float
    bytes: float

    def seconds(self, gemm: float, copy: float) -> float:
        """Return the least seconds at ``gemm`` GFLOP/s and ``copy`` GB/s.

        >>> Cost(flop=2e9, bytes=1e9).seconds(gemm=10, copy=10)
        0.2
        """
        return max(self.flop / gemm, self.bytes / copy) / 1e9


@dataclass(frozen=True)
class Bound:
    """Least seconds of a work on one machine, all its cores used.

    Attributes:
        extraction: the examples once through the frozen part; 0 where nothing is frozen.
        a_round: one round of training.
        total: extraction and all rounds.
    """

    extraction: float
    a_round: float
    total: float


def bound(work: Work, speeds: Speeds) -> Bound:
    """Return what a work takes at least."""
    extraction = extraction_cost(work).seconds(speeds.gemm, speeds.copy)
    a_round = round_cost(work).seconds(speeds.gemm, speeds.copy)
    return Bound(extraction, a_round, extraction + work.rounds * a_round)


@cache
def round_cost(work: Work) -> Cost:
    """Return what one round of training takes."""
    network = build_network(work)
    cut = network.depth if work.is_head_only else 0
    parameters = network.head.parameters() if work.is_head_only else network.parameters()
    moved = 2 * 4 * sum(value.numel() for value in parameters)
    read = work.cohort_size * work.examples * example_bytes(work)
    return Cost(work.examples_a_round * step_flop(network, work, cut), read + moved)


@cache
def extraction_cost(work: Work) -> Cost:
    """Return what one pass of all examples through the frozen part takes."""
    if work.network != "frozen":
        return Cost(0.0, 0.0)
    network, examples = build_network(work), work.clients * work.examples
    moved = examples * (4 * math.prod(work.shape) + example_bytes(work))
    return Cost(examples * forward_flop(network, work.shape), moved)


def step_flop(network: Network, work: Work, cut: int) -> float:
    """Count one example's forward and backward operations above the cut."""
    with torch.no_grad():
        inputs = network(torch.zeros(COUNTED, *work.shape), 0, cut)
    with FlopCounterMode(display=False) as counter:
        network(inputs, cut).sum().backward()
    return float(counter.get_total_flops()) / COUNTED


def forward_flop(network: Network, shape: tuple[int, ...]) -> float:
    """Count one example's operations through all blocks."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(COUNTED, *shape), 0, network.depth)
    return float(counter.get_total_flops()) / COUNTED
