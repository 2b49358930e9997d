from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.core.device import CPU, placed
from headstart.engine.features import host_rows
from headstart.engine.features.host_rows import HostRows, on_device
from headstart.engine.predict import predict
from headstart.engine.ways.fleet import Fleet
from headstart.federate import FedAvg
from headstart.models.cut import Trainable
from headstart.testing import open_world
from headstart.testing.compare import assert_same, quick
from headstart.testing.federate import run


def test_rows_are_sent_in_batches(card: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(12).view(4, 3)
    assert on_device(values, CPU) is values
    monkeypatch.setattr(host_rows, "fits", lambda num_bytes, device: num_bytes < values.nbytes)
    kept = on_device(values, card)
    assert isinstance(kept, HostRows)
    assert kept.cpu() is values
    assert (len(kept), kept.shape, kept.values.device, kept.device) == (4, (4, 3), CPU, card)
    for rows in (torch.tensor([3, 0]), torch.tensor([3, 0]).to(card), slice(1, 3), [2]):
        right = values[rows.cpu() if isinstance(rows, torch.Tensor) else rows]
        assert kept[rows].device.type == card.type
        assert torch.equal(kept[rows].cpu(), right)


@pytest.mark.parametrize("cut", ["head", 1, "all"])
def test_training_and_prediction_do_not_know(
    card: torch.device, monkeypatch: pytest.MonkeyPatch, cut: Trainable
) -> None:
    monkeypatch.setattr(host_rows, "fits", lambda num_bytes, device: device.type == "cpu")
    here, there = open_world(cut), open_world(cut, device=card, engine=Fleet())
    assert isinstance(there.activations.at(there.model), HostRows)
    method = quick(FedAvg(trainable=cut))
    assert_same(str(cut), placed(run(method, there).shared, CPU), run(method, here).shared, 1e-4)
    rows = np.array([5, 3, 8])
    found, right = (predict(world.model, world.params, world.activations, rows) for world in (there, here))
    np.testing.assert_allclose(found, right, atol=1e-5)
