from typing import Any

import numpy as np
import pytest

from headstart_edge import order

LABELS = np.random.default_rng(0).integers(0, 3, size=23)


@pytest.mark.parametrize("changes", [{}, {"local_steps": 7}, {"balance": "sampling"}, {"batch_size": 40}], ids=str)
def test_the_order_is_the_simulations(changes: dict[str, Any]) -> None:
    simulation = pytest.importorskip("headstart.engine.order")
    from headstart.training.client_data import Passes

    settings = {"epochs": 2, "batch_size": 5, **changes}
    passes = Passes(
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        steps=settings.get("local_steps"),
        balance=settings.get("balance", "none"),
        stream="adapt",
    )
    (expected,) = simulation.keyed_order(["device"], [LABELS], passes, (3, "adapt"))
    found = [batch.tolist() for _, batch in order.batches(LABELS, settings, 3, "device")]
    assert found == [[int(row) for row in step if row >= 0] for step in expected]


def test_what_is_held_back_depends_on_seed_and_name_alone() -> None:
    first = order.shuffled(50, 3, "device")
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() == order.shuffled(50, 3, "device").tolist()
    assert first.tolist() != order.shuffled(50, 4, "device").tolist()
    assert first.tolist() != order.shuffled(50, 3, "other").tolist()
