"""Collab by hand, and on clients of several minds."""

import numpy as np
import pytest
import torch

from headstart import Arm, Federation, from_arrays, run
from headstart.engine.rounds import run_rounds
from headstart.engine.settled import settled
from headstart.engine.ways.serial import Serial
from headstart.federate import Collab
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same

CLASSES = 4


def minds(of: list[int], size: int, held_out: float = 0.0) -> Federation:
    """Clients each of whom names the classes as its group does."""
    generator, owner = np.random.default_rng(0), np.repeat(np.arange(len(of)), size)
    kind = generator.integers(0, CLASSES, len(owner))
    inputs = 2 * np.eye(CLASSES, 8)[kind] + generator.normal(size=(len(owner), 8))
    orders = np.stack([np.roll(np.arange(CLASSES), number) for number in range(max(of) + 1)])
    return from_arrays(inputs, orders[np.array(of)[owner], kind], clients=owner.tolist(), held_out_clients=held_out)


def accuracies(arm: Arm, federation: Federation) -> dict[str, float]:
    found = run(arm, federation, backbone="linear")
    each = [float(scores["accuracy"] or 0) for scores in found.clients.values()]
    return {"mean": float(np.mean(each)), "worst": min(each)}


def test_heads_are_ridge_regression_of_each_group_and_each_client_takes_its_own() -> None:
    """By hand: leave-one-out by solving without each example, heads by numpy."""
    world, method = open_world("head", dtype=torch.float64), Collab(groups=2)
    found = run_rounds(
        method, world.model, world.params, world.federation.seen_clients, world.activations, engine=Serial(), seed=0
    )
    rows = {c.id: c.train for c in world.federation.clients if len(c.train)}
    everyone = np.concatenate([own for name, own in rows.items() if name in found.privates])
    design, targets = examples(world, everyone)
    gram = design.T @ design
    errors = {}
    for power in range(-12, 5):
        penalty = np.trace(gram) / len(gram) * 10 ** (power / 2)
        inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
        share = np.trace(inverse @ gram) / len(design)
        head = inverse @ design.T @ targets
        if share <= 0.7:
            errors[((targets - design @ head) ** 2).sum() / (1 - share) ** 2] = head, share
    head, share = errors[min(errors)]
    assert found.shared["heads"][0].numpy() == pytest.approx(head, abs=1e-7)
    assert float(found.shared["leverage"][0]) == pytest.approx(share, abs=1e-9)
    now = settled(
        method,
        world.model,
        world.params,
        found,
        world.federation.clients,
        world.activations,
        engine=Serial(),
        seed=0,
    )
    assert set(now.privates) == set(rows)
    for name, own in rows.items():
        x, y = examples(world, own)
        options = {"own": alone(x, y)}
        for at in range(3):
            shared, used = now.shared["heads"][at].numpy(), float(now.shared["leverage"][at])
            options[str(at)] = ((y - x @ shared) ** 2).sum() / (1 - used) ** 2, shared
        best = min(options.values(), key=lambda option: option[0])[1]
        expected = {"head.weight": torch.from_numpy(best[:-1].T), "head.bias": torch.from_numpy(best[-1])}
        assert_same(name, now.privates[name], expected, 1e-6)


def examples(world: World, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = world.activations.at(world.model)[torch.from_numpy(rows)].double().numpy()
    return np.c_[features, np.ones(len(rows))], np.eye(3)[world.federation.examples.labels[rows]]


def alone(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The client's own head of least leave-one-out error, by solving without every example in turn."""
    tried = []
    for power in range(-12, 5):
        penalty = (x**2).sum() / x.shape[1] * 10 ** (power / 2) * np.eye(x.shape[1])

        def solve(keep: np.ndarray, penalty: np.ndarray = penalty) -> np.ndarray:
            head: np.ndarray = np.linalg.solve(x[keep].T @ x[keep] + penalty, x[keep].T @ y[keep])
            return head

        left = sum(((y[i] - x[i] @ solve(np.arange(len(x)) != i)) ** 2).sum() for i in range(len(x)))
        tried.append((left, -power, solve(np.ones(len(x), dtype=bool))))
    left, _, head = min(tried, key=lambda one: (round(one[0], 9), one[1]))
    return left, head


def test_everyone_is_as_well_off_as_alone_where_groups_disagree() -> None:
    federation = minds([0, 1, 2, 3] * 5, 80, held_out=0.2)
    collab = accuracies(Arm("collab", start="random", federate="collab"), federation)
    ridge = accuracies(Arm("ridge", start="random", federate="ridge"), federation)
    local = accuracies(Arm("local", start="random", adapt={"method": "local_ridge", "accept": False}), federation)
    assert collab["mean"] > local["mean"] > ridge["mean"] + 0.2
    assert collab["worst"] >= local["worst"]


def test_one_group_is_ridge_for_all() -> None:
    federation = minds([0] * 6, 60)
    found = [accuracies(Arm(name, start="random", federate=name), federation)["mean"] for name in ("collab", "ridge")]
    assert found[0] == pytest.approx(found[1], abs=0.02)


def test_one_client_learns_alone() -> None:
    assert accuracies(Arm("collab", start="random", federate="collab"), minds([0], 60))["mean"] > 0.7
