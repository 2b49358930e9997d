import pytest
import torch

from headstart.core.errors import ModelError
from headstart.models import ModelSpec, build, new_head
from headstart.models.model import cut_at
from headstart.models.registry import HEAD_STD, NETWORKS


def test_the_built_in_names() -> None:
    assert sorted(NETWORKS) == ["linear", "mlp", "resnet-18", "small-cnn"]


@pytest.mark.parametrize("backbone", sorted(NETWORKS))
def test_weights_are_keyed_by_the_seed_alone(backbone: str) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        return build(ModelSpec(backbone=backbone), shape=(3, 32, 32), num_classes=2, from_scratch=True, seed=seed)[1]

    first, state = weights(0), torch.random.get_rng_state()
    torch.rand(3)
    again, other = weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    torch.random.set_rng_state(state)


def test_building_leaves_the_global_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    network, params = build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    new_head(network, params, 5, seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_new_head_keeps_the_backbone_and_starts_small() -> None:
    network, params = build(ModelSpec(), shape=(3, 32, 32), num_classes=10, from_scratch=True, seed=0)
    before = params["head.weight"].clone()
    fresh, replaced = new_head(network, params, 2, seed=3)
    assert (fresh.num_classes, fresh.name) == (2, network.name)
    assert replaced["head.weight"].shape == (2, network.num_features)
    assert torch.equal(replaced["head.bias"], torch.zeros(2))
    assert replaced["head.weight"].std().item() == pytest.approx(HEAD_STD, rel=0.1)
    assert all(torch.equal(replaced[name], params[name]) for name in params if name.startswith("blocks."))
    assert torch.equal(params["head.weight"], before), "the old tree is untouched"
    inputs = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    old, new = cut_at(network, params, "head")[0], cut_at(fresh, replaced, "head")[0]
    assert old.frozen_key == new.frozen_key
    assert torch.equal(old.activations(inputs), new.activations(inputs))


def test_a_tree_does_not_share_memory_with_its_network() -> None:
    network, params = build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    before = {name: value.clone() for name, value in params.items()}
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    assert all(torch.equal(params[name], before[name]) for name in params)


@pytest.mark.parametrize("classes", [1, 0, -1])
def test_a_head_needs_two_classes(classes: int) -> None:
    network, params = build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    with pytest.raises(ModelError, match=f"num_classes: .*at least 2.*received {classes};"):
        new_head(network, params, classes, seed=0)
    with pytest.raises(ModelError, match=f"num_classes: .*received {classes};"):
        build(ModelSpec(), shape=(1, 8, 8), num_classes=classes, from_scratch=True, seed=0)


def test_an_unknown_backbone_names_the_nearest_and_what_else_there_is() -> None:
    with pytest.raises(ModelError, match="unknown network 'smal-cnn'; did you mean 'small-cnn'") as caught:
        build(ModelSpec(backbone="smal-cnn"), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    assert "a local directory" in str(caught.value)
    assert "a Hub name" in str(caught.value)


def test_a_built_in_network_has_no_trained_weights() -> None:
    with pytest.raises(ModelError, match="'small-cnn' comes without trained weights; start with 'random'"):
        build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=False, seed=0)


def test_a_new_head_keeps_the_names_in_a_users_own_module() -> None:
    network, params = build(ModelSpec(backbone="mlp"), shape=(4,), num_classes=3, from_scratch=True, seed=0)
    network.names = {"head.weight": "fc.weight"}
    assert new_head(network, params, 5, seed=0)[0].names == {"head.weight": "fc.weight"}


@pytest.mark.parametrize(("shape", "received"), [((3, 32, 32), "images"), ((5,), "a table of 5 columns")])
def test_a_packaged_text_encoder_reads_texts_alone(shape: tuple[int, ...], received: str) -> None:
    with pytest.raises(ModelError, match=f"'minilm' reads texts, received {received}; take one of linear, mlp"):
        build(ModelSpec(backbone="minilm"), shape=shape, num_classes=2, from_scratch=False, seed=0)
