import pytest
import torch

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Tree
from headstart.training.optimizers import Optimizer, build_optimizer

SETTINGS = [
    ("sgd", 0.0, 0.0),
    ("sgd", 0.9, 0.0),
    ("sgd", 0.0, 0.1),
    ("sgd", 0.9, 0.1),
    ("adam", 0.0, 0.0),
    ("adam", 0.0, 0.1),
    ("adamw", 0.0, 0.0),
    ("adamw", 0.0, 0.1),
]
LR = 0.05


def start(seed: int = 0, dtype: torch.dtype = torch.float64) -> Tree:
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(3, 2, generator=generator, dtype=dtype),
        "bias": torch.randn(3, generator=generator, dtype=dtype),
        "scale": torch.randn((), generator=generator, dtype=dtype),
    }


def gradient_at(params: Tree) -> Tree:
    """Of a bowl whose bottom is at 1, steeper along the weight."""
    return {name: (value - 1) * (3 if name == "weight" else 1) for name, value in params.items()}


def steps(optimizer: Optimizer, params: Tree, count: int = 10) -> Tree:
    state = optimizer.init(params)
    for _ in range(count):
        optimizer.step(gradient_at(params), state, params)
    return params


def reference(name: str, momentum: float, weight_decay: float, params: Tree, count: int = 10) -> Tree:
    leaves = {key: value.clone().requires_grad_() for key, value in params.items()}
    match name:
        case "sgd":
            torch_optimizer: torch.optim.Optimizer = torch.optim.SGD(
                leaves.values(), lr=LR, momentum=momentum, weight_decay=weight_decay
            )
        case "adam":
            torch_optimizer = torch.optim.Adam(leaves.values(), lr=LR, weight_decay=weight_decay)
        case _:
            torch_optimizer = torch.optim.AdamW(leaves.values(), lr=LR, weight_decay=weight_decay)
    for _ in range(count):
        for key, slope in gradient_at({key: value.detach() for key, value in leaves.items()}).items():
            leaves[key].grad = slope
        torch_optimizer.step()
    return {key: value.detach() for key, value in leaves.items()}


@pytest.mark.parametrize(("name", "momentum", "weight_decay"), SETTINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_steps_equal_those_of_torch(
    name: str, momentum: float, weight_decay: float, dtype: torch.dtype, tolerance: float
) -> None:
    ours = steps(build_optimizer(name, LR, momentum, weight_decay), start(dtype=dtype))
    expected = reference(name, momentum, weight_decay, start(dtype=dtype))
    assert {value.dtype for value in ours.values()} == {dtype}
    torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("name", "momentum", "weight_decay"), SETTINGS)
def test_a_stack_steps_as_its_clients_do(name: str, momentum: float, weight_decay: float) -> None:
    optimizer = build_optimizer(name, LR, momentum, weight_decay)
    stacked = steps(optimizer, trees.stack([start(seed) for seed in range(3)]))
    alone = trees.stack([steps(optimizer, start(client)) for client in range(3)])
    torch.testing.assert_close(stacked, alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_clients_of_a_stack_may_pause(name: str) -> None:
    """A client that rests for some steps, its state too, goes on as if there had been no rest."""
    optimizer = build_optimizer(name, LR, 0.9, 0.1)
    params = trees.stack([start(0), start(1)])
    state = optimizer.init(params)
    for step in range(10):
        active = torch.tensor([True, step % 2 == 0])
        before = trees.clone(params), trees.clone(state)
        optimizer.step(gradient_at(params), state, params)
        trees.restore(~active, params, before[0])
        trees.restore(~active, state, before[1])
    expected = trees.stack([steps(optimizer, start(client), count) for client, count in enumerate((10, 5))])
    torch.testing.assert_close(params, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_step_happens_in_place(name: str) -> None:
    optimizer = build_optimizer(name, LR, 0.9, 0.1)
    params = start()
    state = optimizer.init(params)
    places = {key: value.data_ptr() for key, value in (params | state).items()}
    optimizer.step(gradient_at(params), state, params)
    assert {key: value.data_ptr() for key, value in (params | state).items()} == places
    assert not any(torch.equal(params[key], value) for key, value in start().items())


def test_an_unknown_name() -> None:
    with pytest.raises(SettingError, match=r"optimizer: unknown optimiser 'adma'; did you mean 'adam'\?"):
        build_optimizer("adma", LR, 0.0, 0.0)
