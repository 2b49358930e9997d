"""Until how many examples per client does sharing pay: foretold from few, and measured with more, on the same features.

``python benchmarks/until.py FEATURES.npz --least 650 --sizes 30 120 --measure 480`` reads ``X`` (examples, features),
``y`` (classes) and ``owner`` (clients), and prints one line for each draw and size. It trains nothing but ridge heads.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.machine import threads
from headstart.diagnosis.curves import Curves
from headstart.diagnosis.heads import LeftOut, Part, Shared


def main() -> None:
    """Print what is foretold from each size, then what heads reach at each."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("--least", type=int, default=100, help="examples of a client that takes part")
    parser.add_argument("--sizes", type=int, nargs="+", default=(30, 120))
    parser.add_argument("--measure", type=int, nargs="*", default=())
    parser.add_argument("--draws", type=int, default=12)
    said = parser.parse_args()
    found = np.load(said.features)
    owners = [k for k in np.unique(found["owner"]) if k >= 0 and (found["owner"] == k).sum() >= said.least]
    parts = [(found["X"][found["owner"] == k], found["y"][found["owner"] == k]) for k in owners]
    classes = int(found["y"].max()) + 1
    with threads(1):
        for size in said.sizes:
            for draw in range(said.draws):
                curves = Curves.measure(*_pool(_few(parts, size, draw), classes), classes)
                if curves:
                    print(f"from {size}, draw {draw}: until {curves.until}, band {curves.low} to {curves.high}")
        for size in said.measure:
            errors = np.mean([_errors(_few(parts, size, draw), classes) for draw in range(3)], axis=0)
            print(f"at {size}: squared error local {errors[0]:.4f}, shared {errors[1]:.4f}, personal {errors[2]:.4f}")


def _few(parts: list[Part], size: int, draw: int) -> list[Part]:
    orders = [np.random.default_rng([draw, k]).permutation(len(labels))[:size] for k, (_, labels) in enumerate(parts)]
    return [(features[rows], labels[rows]) for (features, labels), rows in zip(parts, orders, strict=True)]


def _pool(parts: list[Part], classes: int) -> tuple[list[Part], Shared]:
    return parts, Shared.of(parts, classes)


def _errors(parts: list[Part], classes: int) -> np.ndarray[Any, Any]:
    pool = _pool(parts, classes)[1]
    found = [LeftOut.of(part, (part[0][:0], part[1][:0]), pool, classes).squared.mean(axis=1) for part in parts]
    errors: np.ndarray[Any, Any] = np.mean(found, axis=0)
    return errors


if __name__ == "__main__":
    main()
