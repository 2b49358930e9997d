"""What every network promises, wherever it is cut."""

import copy
import dataclasses

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from headstart.core import trees
from headstart.core.errors import ModelError
from headstart.models import ModelSpec, build
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.heads import head_gradient
from headstart.models.losses import CROSS_ENTROPY
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from tiny_networks import Built

WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.0])


def cuts(built: Built) -> list[Trainable]:
    return ["head", *range(1, built.network.depth + 1), "all"]


def logits_at(network: Network, params: trees.Params, built: Built) -> dict[Trainable, torch.Tensor]:
    """Return what a network gives for the inputs, by where it is cut."""
    models = {trainable: cut_at(network, params, trainable) for trainable in cuts(built)}
    return {k: model.logits(tree, model.activations(built.inputs)) for k, (model, tree) in models.items()}


def owned(built: Built) -> Network:
    """The network as an ordinary module that owns its weights."""
    network = copy.deepcopy(built.network)
    network.load_state_dict(built.params, strict=False)
    return network


@torch.no_grad()
def full_logits(built: Built) -> torch.Tensor:
    logits: torch.Tensor = owned(built)(built.inputs)
    return logits


def batch_at(model: Model, built: Built) -> Batch:
    return Batch(model.activations(built.inputs), built.labels, WEIGHTS)


def test_weights_are_named_by_block_and_head(built: Built) -> None:
    assert {name.split(".")[0] for name in built.params} <= {"blocks", "head"}
    assert built.params["head.weight"].shape == (3, built.network.num_features)
    assert built.params["head.bias"].tolist() == [0.0, 0.0, 0.0]
    assert all(value.dtype == torch.float32 for value in built.params.values())


def test_features_are_flat_vectors(built: Built) -> None:
    model, params = cut_at(built.network, built.params, "head")
    features = model.activations(built.inputs)
    assert features.shape == (4, built.network.num_features)
    assert features.std(0).max() > 0, "the features do not depend on the input"
    assert sorted(params) == ["head.bias", "head.weight"]


def test_activations_then_logits_equal_the_full_forward_at_every_cut(built: Built) -> None:
    found = logits_at(built.network, built.params, built)
    torch.testing.assert_close(found, dict.fromkeys(found, full_logits(built)), atol=1e-6, rtol=1e-6)


def test_weights_live_in_the_trees_and_not_in_the_skeleton(built: Built) -> None:
    skeleton = copy.deepcopy(built.network)
    for parameter in skeleton.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    found = logits_at(skeleton, built.params, built)
    torch.testing.assert_close(found, dict.fromkeys(found, full_logits(built)), atol=1e-6, rtol=1e-6)


def test_frozen_and_trainable_partition_the_weights(built: Built) -> None:
    parameters = {name for name, _ in built.network.named_parameters()}
    models = [cut_at(built.network, built.params, trainable) for trainable in cuts(built)]
    assert [model.weights(params).keys() for model, params in models] == [built.params.keys()] * len(models)
    assert [model.frozen.keys() & params.keys() for model, params in models] == [set()] * len(models)
    assert all(params.keys() <= parameters for _, params in models), "a buffer never trains"
    assert models[-1][1].keys() == parameters, "'all' trains every parameter"


def test_recut_round_trip(built: Built) -> None:
    model, params = cut_at(built.network, built.params, "head")
    whole, everything = model.recut(params, "all")
    again, same = whole.recut(everything, "head")
    assert (again.cut, again.frozen_key) == (model.cut, model.frozen_key)
    assert same.keys() == params.keys()
    assert all(torch.equal(same[name], params[name]) for name in params)


def test_gradient_equals_autograd_on_the_whole_network(built: Built) -> None:
    network = owned(built)
    losses = functional.cross_entropy(network(built.inputs), built.labels, reduction="none")
    ((losses * WEIGHTS).sum() / WEIGHTS.sum()).backward()
    # A mask token of a transformer is never reached.
    expected = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in network.named_parameters()}
    scaled = {name: value / (value.abs().max() + 1e-3) for name, value in expected.items()}
    models = {trainable: cut_at(built.network, built.params, trainable) for trainable in cuts(built)}
    gradients = {k: model.gradient(params, batch_at(model, built)) for k, (model, params) in models.items()}
    found = {k: {n: v / (expected[n].abs().max() + 1e-3) for n, v in tree.items()} for k, tree in gradients.items()}
    right = {k: trees.select(scaled, params) for k, (_, params) in models.items()}
    torch.testing.assert_close(found, right, atol=1e-5, rtol=0)


def test_gradient_leaves_its_arguments_alone(built: Built) -> None:
    model, params = cut_at(built.network, built.params, "all")
    before = {name: value.clone() for name, value in built.params.items()}
    model.gradient(params, batch_at(model, built))
    after = model.weights(params)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(value.requires_grad for value in params.values())


def test_frozen_key_follows_the_function_below_the_cut(built: Built) -> None:
    model, _params = cut_at(built.network, built.params, "head")
    other_head = dict(built.params, **{"head.weight": built.params["head.weight"] + 1})
    assert cut_at(built.network, other_head, "head")[0].frozen_key == model.frozen_key
    assert cut_at(built.network, built.params, 1)[0].frozen_key != model.frozen_key
    changed = [dict(built.params, **{name: built.params[name] + 1e-3}) for name in list(model.frozen)[::5]]
    keys = [cut_at(built.network, params, "head")[0].frozen_key for params in changed]
    assert len({model.frozen_key, *keys}) == 1 + len(keys)


def test_frozen_key_ignores_what_lies_above_the_cut(built: Built) -> None:
    model, _ = cut_at(built.network, built.params, 1)
    changed = {name: value + 1e-3 if name not in below(model) else value for name, value in built.params.items()}
    assert cut_at(built.network, changed, 1)[0].frozen_key == model.frozen_key


def below(model: Model) -> set[str]:
    blocks = {f"blocks.{index}." for index in range(model.cut)}
    return {name for name in model.frozen if name.startswith(tuple(blocks))} if blocks else set()


def test_flops_can_be_counted_at_every_cut(built: Built) -> None:
    with FlopCounterMode(display=False) as whole:
        full_logits(built)
    with FlopCounterMode(display=False) as parts:
        found = logits_at(built.network, built.params, built)
    assert parts.get_total_flops() == whole.get_total_flops() * len(found) > 0


def test_float64_trees_are_computed_in_float64(built: Built) -> None:
    double = {name: value.double() for name, value in built.params.items()}
    assert {logits.dtype for logits in logits_at(built.network, double, built).values()} == {torch.float64}


@pytest.mark.parametrize("trainable", [0, 3])
def test_more_blocks_than_there_are_is_an_error(trainable: int) -> None:
    network, params = build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    with pytest.raises(ModelError, match=rf"trainable: 'small-cnn' has 2 blocks, received {trainable}; give 1 to 2"):
        cut_at(network, params, trainable)


def test_all_of_a_network_without_weights_below_its_head_is_its_head() -> None:
    network, params = build(ModelSpec(backbone="linear"), shape=(5,), num_classes=2, from_scratch=True, seed=0)
    assert cut_at(network, params, "all")[0].is_head_only


def heads(clients: int, classes: int, features: int, dtype: torch.dtype) -> trees.Params:
    generator = torch.Generator().manual_seed(0)
    draw = {"generator": generator, "dtype": dtype}
    return {
        "head.weight": torch.randn(clients, classes, features, **draw),
        "head.bias": torch.randn(clients, classes, **draw),
    }


def stacked_batch(clients: int, rows: int, features: int, classes: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(clients, rows, generator=generator)
    weights[0, -1] = 0.0
    return Batch(
        torch.randn(clients, rows, features, generator=generator),
        torch.randint(0, classes, (clients, rows), generator=generator),
        weights,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacked_head_gradient_equals_each_client_and_autograd(dtype: torch.dtype) -> None:
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    params, batch = heads(3, 4, 5, dtype), stacked_batch(3, 6, 5, 4)
    batch = dataclasses.replace(batch, inputs=batch.inputs.to(dtype), weights=batch.weights.to(dtype))
    batches = [Batch(batch.inputs[i], batch.labels[i], batch.weights[i]) for i in range(3)]
    alone = [head_gradient(trees.unstack(params, i), own) for i, own in enumerate(batches)]
    expected = trees.stack([by_autograd(trees.unstack(params, i), own) for i, own in enumerate(batches)])
    torch.testing.assert_close(head_gradient(params, batch), expected, atol=tolerance, rtol=0)
    torch.testing.assert_close(trees.stack(alone), expected, atol=tolerance, rtol=0)


def by_autograd(params: trees.Params, batch: Batch) -> trees.Params:
    own = {name: value.clone().requires_grad_() for name, value in params.items()}
    logits = batch.inputs @ own["head.weight"].T + own["head.bias"]
    return dict(
        zip(
            own,
            torch.autograd.grad(CROSS_ENTROPY.mean(logits, batch.labels, batch.weights), list(own.values())),
            strict=True,
        )
    )


def test_a_client_of_a_stack_without_examples_has_gradient_zero() -> None:
    batch = stacked_batch(2, 3, 5, 4)
    batch.weights[1] = 0.0
    gradient = head_gradient(heads(2, 4, 5, torch.float32), batch)
    assert gradient["head.weight"][1].abs().max() == 0
    assert gradient["head.weight"][0].abs().max() > 0
