import pytest
import torch

from headstart.adapt import Finetune, LoraMix
from headstart.engine.clients import OneClient
from headstart.engine.order import keyed_order
from headstart.models.lora import Lora
from headstart.study.run.tuning import trial_stages
from headstart.study.written.arms import Stage
from headstart.testing.world import open_world
from headstart.training.local import LocalTraining

LOCAL = LocalTraining(client_lr=0.3)


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_a_mixture_lies_on_the_way_from_what_was_received_to_what_was_trained(weight: float) -> None:
    world = open_world(Lora(), dtype=torch.float64)
    client = world.federation.clients[3]
    data = OneClient(world.activations, client.id, client.train, keyed_order, (0, "adapt"))
    own = world.model.weights(Finetune(depth=Lora(), epochs=3, local=LOCAL)(world.model, world.params, data))
    mix = LoraMix(epochs=3, local=LOCAL, weight=weight)(world.model, world.params, data)
    received, found = world.model.weights(world.params), world.model.weights(mix)
    assert any(not torch.equal(own[name], received[name]) for name in own)
    expected = {name: before + weight * (own[name] - before) for name, before in received.items()}
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weight", [0.5, 0.8, 1.0])
def test_tuning_never_leaves_the_way(weight: float) -> None:
    stages = trial_stages(Stage("adapt", "lora_mix", {"weight": weight}), 32, 0)
    drawn = [float(stage.build().weight) for stage in stages]
    assert min(drawn) >= weight / 2
    assert max(drawn) <= 1
    assert len(set(drawn)) == 32
