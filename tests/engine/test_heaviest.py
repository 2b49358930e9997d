"""Of three clients or more, none weighs more than the others together; of two, each weighs by its examples."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headstart.core import trees
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.heaviest import Heaviest
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.evidence.learnt import Conduct, findings
from headstart.evidence.measured import measure
from headstart.evidence.tally import ClientTally, Tally
from headstart.federate import METHODS
from headstart.models import ModelSpec, build
from headstart.models.model import cut_at


def _mean(sizes: Sequence[int], values: Sequence[float], block: int = 2) -> float:
    """Return the mean as a cohort makes it, some clients at a time."""
    heaviest, summed = Heaviest(), {"w": torch.zeros((), dtype=torch.float64)}
    for begin in range(0, len(sizes), block):
        weights = torch.tensor(sizes[begin : begin + block], dtype=torch.float64)
        updates = {"w": torch.tensor(values[begin : begin + block], dtype=torch.float64)}
        summed = trees.add(summed, trees.weighted_sum(updates, weights))
        heaviest.note(updates, weights, np.arange(begin, begin + len(weights)))
    return float(heaviest.mean(summed)["w"])


@given(
    sizes=st.lists(st.integers(1, 10_000), min_size=1, max_size=9),
    block=st.integers(1, 4),
    data=st.data(),
)
def test_a_mean_is_that_of_capped_weights(sizes: list[int], block: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-5, 5), min_size=len(sizes), max_size=len(sizes)))
    weights = np.array(sizes, float)
    if len(sizes) >= 3:
        top = int(weights.argmax())
        weights[top] = min(weights[top], weights.sum() - weights[top])
        assert weights.max() <= weights.sum() / 2 + 1e-9
    assert _mean(sizes, values, block) == pytest.approx(float(np.average(values, weights=weights)), abs=1e-6)


def _run(
    sizes: Sequence[int], engine: Serial | Fleet | None = None, way: str = "mean"
) -> tuple[float, tuple[str, ...]]:
    """Return how far a head moves towards the first class, which the first client alone has, and who was halved."""
    rng, ends = np.random.default_rng(0), np.cumsum([0, *sizes])
    inputs = rng.standard_normal((ends[-1], 3)).astype(np.float32)
    labels = (np.arange(ends[-1]) >= sizes[0]).astype(np.int64)
    examples = Examples("table", inputs, labels, [str(row) for row in range(len(labels))], ("a", "b"), ("x", "y", "z"))
    nothing = np.empty(0, np.int64)
    clients = [Client(f"c{i}", np.arange(ends[i], ends[i + 1]), nothing, nothing) for i in range(len(sizes))]
    network, weights = build(ModelSpec(backbone="linear"), shape=(3,), num_classes=2, from_scratch=True, seed=0)
    model, params = cut_at(network, weights, "head")
    method = METHODS["fedavg"].build({"rounds": 2, "client_lr": 0.1, "trainable": "head", "aggregate": way})
    found = run_rounds(method, model, params, clients, Activations(examples), engine=engine or Serial(), seed=0)
    bias = found.shared["head.bias"] - params["head.bias"]
    return float(bias[0] - bias[1]), found.halved


def test_a_client_that_holds_more_than_half_is_named_and_counts_half() -> None:
    moved, halved = _run([400, 20, 30])
    assert halved == ("c0",)
    assert _run([50, 20, 30])[1] == ()
    # Of two it would weigh by its examples, and carry the head nearly all the way.
    assert 0 < moved < _run([400, 50])[0]


def test_of_two_each_weighs_by_its_examples() -> None:
    assert _run([400, 20])[1] == ()


def test_robust_aggregates_weigh_all_alike_and_name_nobody() -> None:
    assert _run([400, 20, 30], way="median")[1] == ()


def test_all_engines_cap_alike() -> None:
    (serial, named), (fleet, too) = _run([90, 20, 30], Serial()), _run([90, 20, 30], Fleet())
    assert serial == pytest.approx(fleet, abs=1e-5)
    assert named == too == ("c0",)


def test_it_is_said_when_it_binds() -> None:
    part = Tally((30, 30), (25, 25), 60, 20.0)
    tally = ClientTally(train=part, began=None, val=part, mixed_rows=120, is_constant=False, changed=0)
    conduct = Conduct(
        trains=True, is_trained=True, by_steps=True, may_refuse=False, kept=None, clients=3, halved=("c0",)
    )
    (found,) = findings(measure([tally]), conduct)
    assert found.kind == "half"
    assert found.words == "'c0' holds more than half of a round's examples; its weight there is capped at half"
    assert not found.failed
