"""The four works, and one that is for cards: what each of them is, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Work:
    """Federated averaging of one network over equal clients.

    Attributes:
        name: what the peers call it.
        network: ``small-cnn``; ``pfl-cnn`` (wider, a layer deeper); ``resnet`` (trained in full); ``frozen`` (the head
            of a ResNet-18); ``linear``.
        clients: population.
        examples: of each client.
        shape: of one example.
        classes: of the labels.
        cohort_size: clients a round.
        rounds: of all training.
        epochs: passes of a client over its examples, each round.
        batch_size: examples a step.
        client_lr: step size.
    """

    name: str
    network: Literal["small-cnn", "pfl-cnn", "resnet", "frozen", "linear"]
    clients: int
    examples: int
    shape: tuple[int, ...]
    classes: int
    cohort_size: int
    rounds: int
    epochs: int
    batch_size: int
    client_lr: float

    @property
    def examples_a_round(self) -> int:
        """Examples that a cohort goes through in a round, every pass counted."""
        return self.cohort_size * self.examples * self.epochs

    @property
    def is_head_only(self) -> bool:
        """Whether nothing but a head trains."""
        return self.network in ("frozen", "linear")


IMAGE = (3, 64, 64)

WORKS = {
    work.name: work
    for work in (
        Work("w1", "small-cnn", 100, 60, (1, 28, 28), 10, 20, rounds=20, epochs=1, batch_size=10, client_lr=0.05),
        Work("w2", "resnet", 8, 100, IMAGE, 2, 8, rounds=2, epochs=1, batch_size=20, client_lr=0.02),
        Work("w3a", "frozen", 50, 100, IMAGE, 2, 50, rounds=10, epochs=1, batch_size=16, client_lr=0.005),
        Work("w3b", "frozen", 50, 100, IMAGE, 2, 50, rounds=1, epochs=10, batch_size=16, client_lr=0.005),
        Work("w3ac", "linear", 50, 100, (512,), 2, 50, rounds=10, epochs=1, batch_size=16, client_lr=0.005),
        Work("w3bc", "linear", 50, 100, (512,), 2, 50, rounds=1, epochs=10, batch_size=16, client_lr=0.005),
        Work("w4", "linear", 2000, 20, (64,), 10, 200, rounds=20, epochs=1, batch_size=10, client_lr=0.1),
    )
}
"""The works that peers run, too, by name; the peers' ``common.SPEC`` says the same."""

G1 = Work("g1", "pfl-cnn", 100, 50, (3, 32, 32), 10, 50, rounds=6, epochs=1, batch_size=10, client_lr=0.1)
"""What pfl-research times on a card, its CIFAR-10 benchmark of equal clients: 50 of them a round with 50 images each.

Its 1,000 clients are 100 here, which changes no round.
"""

EVERY_WORK = {**WORKS, G1.name: G1}
"""All works by name."""

TITLES = {
    "w1": "100 clients × 60 images of 28 × 28, small CNN, cohort 20, 20 rounds",
    "w2": "8 clients × 100 images of 64 × 64, ResNet-18 in full, 2 rounds",
    "w3a": "50 clients × 100 images of 64 × 64, frozen ResNet-18, FedAvg of the head, 10 rounds",
    "w3b": "the same, each client's head alone, 10 epochs",
    "w3": "w3a and w3b together: both arms of one study",
    "w3ac": "w3a given the features",
    "w3bc": "w3b given the features",
    "w3c": "w3ac and w3bc together",
    "g1": "100 clients × 50 images of 3 × 32 × 32, CNN of 1.6 million weights, cohort 50, 6 rounds",
    "w4": "2,000 clients × 20 vectors of 64, softmax regression, cohort 200, 20 rounds",
}
"""Each work, and each pair that is added up, in words."""

PAIRS = {"w3": ("w3a", "w3b"), "w3c": ("w3ac", "w3bc")}
"""Works that are two arms of one study."""


def groups(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Put the two arms on one frozen network together: Headstart runs them in one process, on the same features.

    >>> groups(["w1", "w3a", "w3b", "w3bc"])
    [('w1',), ('w3a', 'w3b'), ('w3bc',)]
    """
    chosen = list(names)
    pair = PAIRS["w3"]
    if not set(pair) <= set(chosen):
        return [(name,) for name in chosen]
    return [pair if name == pair[0] else (name,) for name in chosen if name != pair[1]]


def example_bytes(work: Work) -> int:
    """Return the bytes of one example at the cut: of its features where the network is frozen.

    >>> example_bytes(WORKS["w3a"]) == example_bytes(WORKS["w3ac"]) == 2048
    True
    """
    return 4 * (512 if work.network == "frozen" else math.prod(work.shape))
