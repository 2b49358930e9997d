import pytest
import torch

from headstart.adapt import Everything, Finetune, Unfreeze
from headstart.engine.clients import OneClient
from headstart.models.model import cut_at
from headstart.study.run.tuning import ranges, trial_stages
from headstart.study.written.arms import Stage
from headstart.testing.world import open_world


def _adapted(method: object) -> dict[str, torch.Tensor]:
    world = open_world("head")
    model, params = world.model.recut(world.params, method.trainable)  # type: ignore[attr-defined]
    client = world.federation.clients[3]
    from headstart.engine.order import keyed_order

    data = OneClient(world.activations, client.id, client.train, keyed_order, (0, "adapt"))
    return model.weights(method(model, params, data))  # type: ignore[operator]


def _deepest() -> int:
    return open_world("head").model.network.depth


@pytest.mark.parametrize("epochs", [1, 3])
def test_depth_0_is_the_linear_probe(epochs: int) -> None:
    found, right = _adapted(Finetune(depth=Unfreeze(depth=0), epochs=epochs)), _adapted(Finetune(epochs=epochs))
    assert all(torch.equal(found[name], right[name]) for name in right)


@pytest.mark.parametrize("epochs", [1, 3])
def test_every_block_is_full_fine_tuning(epochs: int) -> None:
    found, right = (
        _adapted(Finetune(depth=Unfreeze(depth=_deepest()), epochs=epochs)),
        _adapted(Finetune(depth=Everything(), epochs=epochs)),
    )
    assert all(torch.equal(found[name], right[name]) for name in right)
    assert cut_at(open_world("head").model.network, right, _deepest())[0].cut == 0


def test_tuning_tries_every_depth_up_to_the_deepest() -> None:
    stages = trial_stages(Stage("adapt", "unfreeze", {"deepest": 3}), 40, 0)
    assert {stage.settings.get("depth", 0) for stage in stages} == {0, 1, 2, 3}
    found = ranges(Stage("adapt", "unfreeze", {"weight_decay": 0.01}))
    assert set(found) == {"depth", "epochs", "client_lr", "weight_decay"}
