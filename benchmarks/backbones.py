"""What frozen backbones are worth on small pictures, and what they cost: a ridge head on 300 of them.

``python benchmarks/backbones.py SOURCE --sizes 64 96 128 --backbones efficientnet-lite0 $HEADSTART_WEIGHTS/…`` prints a
line for each backbone and size: accuracy on 400 others, and milliseconds of processor time per picture, one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from torch import Tensor

from headstart.data import DataSettings, PartitionSettings, open_federation
from headstart.models import ModelSpec, build
from headstart.models.model import Model, cut_at

TRAIN, TEST, BATCH = 300, 400, 32
PENALTY = 100.0
"""Of the ridge head; chosen once, for all."""


def main() -> None:
    """Measure and print."""
    asked = arguments()
    torch.set_num_threads(1)
    print(f"{'backbone':32} {'size':>4}  accuracy  ms/picture")
    for size in asked.sizes:
        images, labels = pictures(asked.source, size)
        for backbone in asked.backbones:
            spec = ModelSpec(backbone=backbone)
            network, params = build(spec, shape=images.shape[1:], num_classes=2, from_scratch=False, seed=0)
            features, seconds = features_of(cut_at(network, params, "head")[0], images)
            accuracy = RidgeClassifier(alpha=PENALTY).fit(features[:TRAIN], labels[:TRAIN])
            score = accuracy.score(features[TRAIN:], labels[TRAIN:])
            print(f"{Path(backbone).name:32} {size:4}  {score:8.3f}  {1000 * seconds / len(images):10.1f}")


def pictures(source: str, size: int) -> tuple[Tensor, np.ndarray]:
    """Read pictures and their labels, in an order of their own."""
    settings = DataSettings(
        source=source,
        image_size=size,
        max_examples=TRAIN + TEST,
        partition=PartitionSettings(method="iid", num_clients=2),
    )
    examples = open_federation(settings, Path()).examples
    order = np.random.default_rng(0).permutation(len(examples.labels))
    return torch.from_numpy(np.asarray(examples.inputs)[order]), examples.labels[order]


def features_of(model: Model, images: Tensor) -> tuple[np.ndarray, float]:
    """Return features, and the seconds of the processor that they took."""
    model.activations(images[:BATCH])  # The first batch finds memory and kernels.
    begin = time.process_time()
    features = torch.cat([model.activations(batch) for batch in images.split(BATCH)])
    return features.numpy(), time.process_time() - begin


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128])
    parser.add_argument("--backbones", nargs="+", default=["efficientnet-lite0"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
