"""The step of many clients' adapters over one BERT: client by client against one batch, taken in turns.

python benchmarks/adapted.py --clients 16 --texts 8 --tokens 128 --width 768 --layers 12 --device cuda
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.lora import Lora
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.registry import build
from headstart.models.spec import ModelSpec

CLASSES = 4


@dataclass(frozen=True)
class Adapted:
    """Clients whose adapters take a step.

    Attributes:
        model: a BERT whose queries and values are adapted.
        stack: each client's adapters and head.
        batch: each client's texts, as states at the cut.
    """

    model: Model
    stack: Params
    batch: Batch

    def together(self) -> Params:
        """Return the gradients of all clients by one batch."""
        return self.model.gradient(self.stack, self.batch)

    def one_by_one(self) -> list[Params]:
        """Return the same client by client."""
        return [self.model.gradient(trees.unstack(self.stack, i), self._of(i)) for i in range(len(self.batch.labels))]

    def _of(self, client: int) -> Batch:
        batch = self.batch
        return Batch(batch.inputs[client], batch.labels[client], batch.weights[client], full=True)

    def largest_difference(self) -> float:
        """Return how far apart the two are, in shares of the largest number of each weight."""
        together, each = self.together(), trees.stack(self.one_by_one())
        off = {name: (value - together[name]).abs().max() / value.abs().max() for name, value in each.items()}
        return max(float(value) for value in off.values())


def adapted_clients(
    *, clients: int, texts: int, tokens: int, width: int, layers: int, rank: int = 8, device: str = "cpu"
) -> Adapted:
    """Return clients with random texts, and adapters that are not fresh, over random weights."""
    network, weights = _bert(width, layers, tokens)
    model, params = cut_at(network.to(device), {name: v.to(device) for name, v in weights.items()}, Lora(rank=rank))
    generator = torch.Generator().manual_seed(0)
    stack = {name: 0.1 * torch.randn((clients, *v.shape), generator=generator).to(device) for name, v in params.items()}
    words = torch.randint(5, 1000, (clients * texts, tokens), generator=generator, dtype=torch.int32).to(device)
    inputs = model.activations(words).unflatten(0, (clients, texts))
    labels = torch.randint(CLASSES, (clients, texts), generator=generator).to(device)
    return Adapted(model, stack, Batch(inputs, labels, torch.ones(clients, texts, device=device), full=True))


def _bert(width: int, layers: int, tokens: int) -> tuple[Network, Params]:
    config = transformers.BertConfig(
        vocab_size=1000,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        max_position_embeddings=max(512, tokens),
    )
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        return build(ModelSpec(backbone=folder), shape=(), num_classes=CLASSES, from_scratch=True, seed=0)


def seconds(work: Callable[[], Any], device: str) -> float:
    """Time some work once."""
    begin = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def measure(adapted: Adapted, device: str, turns: int = 3) -> dict[str, float]:
    """Return the least seconds of each way, taken in turns, their ratio, and how far apart the results are."""
    off = adapted.largest_difference()
    ways = {"one by one": adapted.one_by_one, "one batch": adapted.together}
    times = [{name: seconds(work, device) for name, work in ways.items()} for _ in range(turns)]
    least = {name: min(each[name] for each in times) for name in ways}
    return {**least, "ratio": least["one by one"] / least["one batch"], "largest difference": off}


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in {"clients": 16, "texts": 8, "tokens": 128, "width": 768, "layers": 12}.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--device", default="cpu")
    options = vars(parser.parse_args())
    for name, value in measure(adapted_clients(**options), options["device"]).items():
        print(f"{name:20} {value:.4g}")


if __name__ == "__main__":
    main()
