"""One arm, one seed: the same numbers whatever the order of the clients and the number of threads.

Tolerance: to the last bit for two runs; 1e-5 on probabilities' metrics and weights otherwise, for sums in float32
depend on the order of their terms.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart import Arm, run
from headstart.data.federation import Federation
from headstart.study.api import Result
from headstart.testing import small_federation
from headstart.testing.compare import assert_same
from tiny_study import close

TRAINING = {"rounds": 3, "cohort_size": 3, "client_dropout": 0.2, "batch_size": 4}
ARMS = [
    Arm("fedavg", start="random", federate={"method": "fedavg", **TRAINING}),
    Arm("fedavg-head", start="random", federate={"method": "fedavg", "trainable": "head", **TRAINING}),
    Arm("fedprox-lp-ft", start="random", federate={"method": "fedprox", **TRAINING}, adapt="lp_ft"),
    Arm("pooled", start="random", federate={"method": "pooled", "epochs": 3}),
    Arm("ridge-personal", start="random", federate="ridge", adapt="personal_ridge"),
    Arm("lda-probe", start="random", federate="lda", adapt="linear_probe"),
    Arm("ncm-fedadam", start="random", federate=["ncm", {"method": "fedadam", "trainable": "head", **TRAINING}]),
    Arm("pretrain", start={"method": "pretrain", "epochs": 3}, adapt={"method": "last_blocks", "epochs": 2}),
]
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def federation() -> Federation:
    clients, pool = small_federation(0), small_federation(1).examples
    central = replace(pool, ids=[f"p{i}" for i in range(len(pool))])
    return replace(clients, central=central)


@pytest.fixture(params=ARMS, ids=lambda arm: arm.name)
def arm(request: pytest.FixtureRequest) -> Arm:
    found: Arm = request.param
    return found


def assert_equal_results(left: Result, right: Result, tolerance: float) -> None:
    assert_same("weights", left.weights, right.weights, tolerance)
    assert close(left.clients, right.clients, tolerance)
    assert close([*left.curve], [*right.curve], tolerance)


def test_two_runs(arm: Arm, federation: Federation) -> None:
    assert_equal_results(run(arm, federation), run(arm, federation), 0)


def test_two_orders_of_clients(arm: Arm, federation: Federation) -> None:
    shuffled = replace(federation, clients=[federation.clients[i] for i in (3, 0, 6, 2, 5, 1, 4)])
    assert shuffled.key == federation.key
    assert_equal_results(run(arm, federation), run(arm, shuffled), TOLERANCE)


def test_one_or_two_threads(arm: Arm, federation: Federation) -> None:
    with threads(1):
        one = run(arm, federation)
    with threads(2):
        two = run(arm, federation)
    assert_equal_results(one, two, TOLERANCE)


def test_other_seeds_are_other_runs(federation: Federation) -> None:
    first, second = (run(ARMS[0], federation, seed=seed) for seed in (0, 1))
    assert not torch.equal(first.weights["head.weight"], second.weights["head.weight"])


def test_global_randomness_is_neither_used_nor_changed(federation: Federation) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state()
    first = run(ARMS[2], federation)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert_equal_results(first, run(ARMS[2], federation), 0)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
