from __future__ import annotations

import pytest

from headstart.engine.received import Federated, Received, Traffic
from headstart.study.run.curve import Curve, is_curve_point
from headstart.testing.world import open_world


@pytest.mark.parametrize(
    ("rounds", "every", "points"),
    [(3, None, [0, 1, 2, 3]), (7, 3, [0, 3, 6, 7]), (25, None, [*range(0, 25, 2), 25]), (2, 5, [0, 2])],
)
def test_a_curve_has_about_ten_points_or_those_asked_for(rounds: int, every: int | None, points: list[int]) -> None:
    assert [done for done in range(rounds + 1) if is_curve_point(done, rounds, every)] == points


def test_a_point_says_round_stage_scores_and_bytes() -> None:
    world = open_world("head")
    curve = Curve(world.federation.seen_clients, world.activations, "fedavg", bytes_before=5)
    now = Federated({}, {}, {}, Traffic(3, 4), (), 2)
    point = curve.point(Received(world.model, world.params), now)
    assert list(point) == ["round", "stage", "val_score", "val_loss", "val_accuracy", "bytes"]
    assert (point["round"], point["stage"], point["bytes"]) == (2, "fedavg", 12)
    assert isinstance(point["val_accuracy"], float)
    assert 0 <= point["val_accuracy"] <= 1
