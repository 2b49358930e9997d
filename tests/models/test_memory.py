"""What a step is said to keep is what autograd keeps."""

import pytest
import torch

from headstart.models.lora import Lora
from headstart.models.memory import bytes_kept
from headstart.models.model import cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.float64, 8)])
def test_adapters_of_a_small_network(dtype: torch.dtype, size: int) -> None:
    """Two layers: what each reads, its narrow product, and what lies after each ReLU and before the head."""
    spec = ModelSpec(backbone="mlp", hidden=(100, 50))
    network, weights = build(spec, shape=(20,), num_classes=3, from_scratch=True, seed=0)
    model, _ = cut_at(network, {name: value.to(dtype) for name, value in weights.items()}, Lora(rank=2))
    one, many = (bytes_kept(model, torch.rand(count, 20, dtype=dtype), dtype) for count in (2, 10))
    assert many == one
    assert one >= (20 + 2 + 100 + 2 + 50) * size
    assert one <= 2 * (20 + 2 + 100 + 2 + 50) * size
