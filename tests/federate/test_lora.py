"""What averaging adapters does, and what it sends."""

from dataclasses import asdict

import pytest
import torch

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS
from headstart.models.lora import Lora
from headstart.models.model import Model
from headstart.study.written.arms import parse_arm
from headstart.testing.world import World, open_world

SETTINGS = {"rounds": 2, "rank": 3, "client_lr": 0.3}


def _world(name: str) -> World:
    return open_world(METHODS[name].build(SETTINGS).trainable, dtype=torch.float64)


def _merged_mean(model: Model, clients: list[Params]) -> tuple[Params, Params]:
    """Return the merged mean of the clients' adapters, and the mean of what each merges to."""
    mean = trees.scale(trees.weighted_sum(trees.stack(clients), torch.ones(len(clients))), 1 / len(clients))
    merged = trees.stack([model.weights(client) for client in clients])
    return model.weights(mean), trees.scale(trees.weighted_sum(merged, torch.ones(len(clients))), 1 / len(clients))


def _clients(world: World) -> list[Params]:
    generator = torch.Generator().manual_seed(0)
    return [
        trees.map_tree(lambda value: torch.randn(value.shape, generator=generator, dtype=value.dtype), world.params)
        for _ in range(3)
    ]


@pytest.mark.parametrize(("name", "exact"), [("ffa_lora", True), ("fedit", False)])
def test_averaging_is_exact_only_with_a_frozen_a(name: str, exact: bool) -> None:
    world = _world(name)
    left, right = _merged_mean(world.model, _clients(world))
    assert all(torch.allclose(left[layer], right[layer], rtol=0, atol=1e-10) for layer in left) is exact


def test_fedsa_leaves_every_client_its_own_b() -> None:
    method, world = METHODS["fedsa_lora"].build(SETTINGS), _world("fedsa_lora")
    found = run_rounds(
        method, world.model, world.params, world.federation.seen_clients, world.activations, engine=Serial(), seed=0
    )
    first, second = (found.privates[client] for client in ("c0", "c3"))
    assert all(name.endswith(".B") for name in first)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    assert all(not value.any() for value in found.newcomer.values())
    assert not any(name.endswith(".B") for name in found.shared)


def test_what_is_sent() -> None:
    """Per client and round: both matrices, one of them; the head always."""
    sent = {}
    for name in ("fedit", "ffa_lora", "fedsa_lora"):
        method, world = METHODS[name].build(SETTINGS), _world(name)
        shared = method.init(world.model, world.params).shared
        sent[name] = {part: sum(v.numel() for n, v in shared.items() if n.endswith(part)) for part in ("A", "B")}
    network = _world("fedit").model.network
    inputs, outputs = 64, network.num_features
    assert sent == {
        "fedit": {"A": 3 * inputs, "B": 3 * outputs},
        "ffa_lora": {"A": 0, "B": 3 * outputs},
        "fedsa_lora": {"A": 3 * inputs, "B": 0},
    }


def test_settings_are_flat() -> None:
    method = METHODS["fedit"].build({"rank": 2, "alpha": 4.0, "last": 1, "targets": ("query",)})
    assert asdict(method.trainable) == asdict(Lora(rank=2, alpha=4.0, last=1, targets=("query",)))
    assert "train_a" not in METHODS["fedit"].settings()


def test_a_study_file_may_list_the_layers() -> None:
    arm = parse_arm("a", {"start": "random", "federate": {"method": "fedit", "targets": ["query", "key"]}})
    assert arm.federate[0].build().trainable.targets == ("query", "key")


@pytest.mark.parametrize("targets", ["query", [1], [["query"]]])
def test_layers_are_named_in_a_list_of_texts(targets: object) -> None:
    with pytest.raises(SettingError, match=r"arms\.a\.federate\.targets"):
        parse_arm("a", {"start": "random", "federate": {"method": "fedit", "targets": targets}})
