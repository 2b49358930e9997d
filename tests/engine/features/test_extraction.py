"""How a frozen part is computed: only ways that agree with the model's own function are taken."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from headstart.core.trees import Params
from headstart.engine.features import extraction
from headstart.engine.features.distinct import every_row
from headstart.engine.features.extraction import Pass, Recipe, agree, all_cores, build, choose
from headstart.models.model import Model, cut_at
from headstart.models.network import Network


class Residual(nn.Module):
    """A convolution whose output is read by a BatchNorm, and by a sum that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        return self.norm(x) + x


def model_of(*blocks: nn.Module, features: int = 18, dtype: torch.dtype = torch.float32) -> Model:
    network = Network(list(blocks), num_features=features, num_classes=2, prepare=lambda x: x.float(), name="net")
    weights: Params = {name: value.clone() for name, value in network.state_dict().items()}
    for name, value in weights.items():
        if name.endswith("running_mean"):
            value += 0.5
    return cut_at(network, {n: v.to(dtype) if v.is_floating_point() else v for n, v in weights.items()}, "head")[0]


def foldable(dtype: torch.dtype = torch.float32) -> Model:
    return model_of(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), dtype=dtype)


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(50, 2, 3, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[bool, float]:
    """How long a way takes, by whether it is channels last; every pass is worth a trial."""
    times = {False: 1.0, True: 1.0}

    def pretend(part: Network, _: Tensor) -> float:
        return times[type(part.prepare).__name__ == "_ChannelsLast"]

    monkeypatch.setattr(extraction, "_seconds", pretend)
    monkeypatch.setattr(extraction, "WORTH_A_TRIAL", 0)
    return times


def test_a_batch_norm_is_folded(inputs: Tensor) -> None:
    assert choose(foldable(), inputs) == Recipe(folded=True)
    assert choose(foldable(torch.float64), inputs) == Recipe(folded=True)
    assert choose(model_of(nn.Flatten()), inputs) == Recipe()


def test_a_fold_that_changes_the_function_is_not_taken(inputs: Tensor) -> None:
    model = model_of(Residual(), nn.Flatten())
    assert not agree(build(model, Recipe(folded=True), inputs)(inputs, 0, 2), model.activations(inputs))
    assert choose(model, inputs) == Recipe(folded=False)


def test_channels_last_is_taken_unless_it_is_clearly_slower(inputs: Tensor, seconds: dict[bool, float]) -> None:
    for time, taken in [(0.5, True), (1.1, True), (1.5, False)]:
        seconds[True] = time
        assert choose(foldable(), inputs) == Recipe(folded=True, channels_last=taken)


def test_a_layout_that_changes_the_function_is_not_taken(inputs: Tensor, seconds: dict[bool, float]) -> None:
    class Strides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) * x.stride(1)

    seconds[True] = 0.1
    assert choose(model_of(Strides()), inputs) == Recipe()


def test_a_table_has_no_layout(seconds: dict[bool, float]) -> None:
    seconds[True] = 0.1
    assert choose(model_of(nn.Linear(4, 3), features=3), torch.zeros(9, 4)) == Recipe()


def test_a_short_pass_is_not_worth_a_trial(inputs: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> float:
        raise AssertionError("a trial")

    monkeypatch.setattr(extraction, "_seconds", never)
    choose(foldable(), inputs)


def test_agreement_is_relative_to_the_largest_number() -> None:
    right = torch.tensor([1000.0, 0.0])
    assert agree(right + 0.05, right)
    assert not agree(right + 0.2, right)
    assert not agree(right.double() + 0.05, right.double())
    assert not agree(torch.full((2,), torch.nan), right)
    assert agree(torch.zeros(2), torch.zeros(2))


def test_batches_are_bounded_by_rows_and_by_memory(inputs: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def batch() -> int:
        return Pass(build(foldable(), Recipe(), inputs), inputs, every_row(50)).batch

    assert batch() == extraction.LARGEST_BATCH
    monkeypatch.setattr(extraction, "BATCH_BYTES", 7 * 2 * 9 * 4)
    assert batch() == 7
    monkeypatch.setattr(extraction, "BATCH_BYTES", 1)
    assert batch() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(True), Recipe(True, True)], ids=str)
def test_a_pass_writes_what_the_model_gives(inputs: Tensor, dtype: torch.dtype, recipe: Recipe) -> None:
    model = model_of(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), dtype=dtype)
    one = Pass(build(model, recipe, inputs), inputs, every_row(50))
    one.batch = 7
    target = np.empty(one.shape, one.numpy_dtype)
    assert list(one.write(target)) == [7, 14, 21, 28, 35, 42, 49, 50]
    torch.testing.assert_close(torch.from_numpy(target), model.activations(inputs))
    target[:] = 0
    assert list(one.write(target, start=49)) == [50]
    assert not target[:49].any()
    assert list(one.write(target, start=50)) == []


def test_a_pass_on_one_channel_is_really_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    class Look(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.stride())
            return x

    model = model_of(Look(), nn.Flatten(), features=16)
    build(model, Recipe(channels_last=True), torch.zeros(1, 1, 4, 4))(torch.zeros(2, 1, 4, 4), 0, 2)
    assert seen[-1] == (16, 1, 4, 1)


def test_a_worker_process_keeps_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "num_cores", lambda: 99)
    assert all_cores() == 99
    monkeypatch.setattr("multiprocessing.parent_process", lambda: "a process")
    assert all_cores() == torch.get_num_threads()
