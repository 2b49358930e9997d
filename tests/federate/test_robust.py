"""Robust aggregates: one bad client of five moves none of them far; all agree on equal updates."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart import federate
from headstart.federate.robust import AGGREGATES


@pytest.mark.parametrize("name", AGGREGATES)
@given(size=st.floats(1e2, 1e8))
def test_one_bad_client_does_not_pull(name: str, size: float) -> None:
    good = torch.tensor([[1.0, 2.0], [1.1, 2.1], [0.9, 1.9], [1.0, 2.05]])
    updates = {"w": torch.cat([good, torch.tensor([[size, -size]])])}
    found = AGGREGATES[name](updates, 0.2)["w"]
    assert torch.allclose(found, torch.tensor([1.0, 2.0]), atol=0.11)


@pytest.mark.parametrize("name", AGGREGATES)
@pytest.mark.parametrize("clients", [1, 2, 3, 8])
def test_equal_updates_stay(name: str, clients: int) -> None:
    update = torch.arange(6.0).view(2, 3)
    assert torch.equal(AGGREGATES[name]({"w": update.expand(clients, 2, 3)}, 0.4)["w"], update)


def test_the_median_is_of_every_coordinate() -> None:
    updates = {"w": torch.tensor([[1.0, 9.0], [2.0, 8.0], [3.0, 1.0], [4.0, 2.0]])}
    assert torch.equal(AGGREGATES["median"](updates, 0.0)["w"], torch.tensor([2.5, 5.0]))


@pytest.mark.parametrize("method", ["fedavg", "fedavgm", "fedadam", "fedprox"])
def test_every_averaging_method_takes_it(method: str) -> None:
    built = federate.METHODS[method].build({"aggregate": "krum", "bad_share": 0.1})
    assert (built.schedule.aggregate, built.schedule.bad_share) == ("krum", 0.1)
