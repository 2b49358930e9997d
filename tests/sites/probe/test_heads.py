"""Global heads from the sums of all clients, noisy ones too."""

import math

import pytest
import torch

from headstart.federate.closed_form import pack_symmetric
from headstart.sites.probe.heads import solve
from headstart.testing import open_world


@pytest.mark.parametrize(("count", "is_known"), [(30.0, True), (-300.0, False)])
def test_noise_that_leaves_fewer_than_no_examples_leaves_no_evidence(count: float, is_known: bool) -> None:
    model = open_world("head").model
    size, draw = model.network.num_features + 1, torch.Generator().manual_seed(0)
    rows = torch.randn(60, size, generator=draw, dtype=torch.float64)
    moment = torch.randn(size, 3, generator=draw, dtype=torch.float64)
    counts = torch.tensor([20.0, 10.0, count], dtype=torch.float64)
    part = {"gram": pack_symmetric(rows.mT @ rows), "moment": moment, "counts": counts}
    found = solve(model, {f"{name}/{key}": value for name in ("train", "val") for key, value in part.items()})
    assert math.isfinite(found.logme) == is_known
    assert all(value.isfinite().all() for value in found.heads.values())
