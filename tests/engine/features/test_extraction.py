"""How a frozen part is computed: only ways that agree with the model's own function are taken."""

import pytest
import torch
from torch import Tensor, nn

from headstart.core.trees import Params
from headstart.engine.features import extraction
from headstart.engine.features.distinct import every_row
from headstart.engine.features.extraction import LARGEST_BATCH, Pass, Recipe, agree, all_cores, build, choose
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


def tried(model: Model, inputs: Tensor, seconds: float) -> Recipe:
    """Choose where every pass is worth a trial, and channels last takes so many seconds, other layouts one."""

    def clock(part: Network, _: Tensor) -> float:
        return seconds if type(part.prepare).__name__ == "_ChannelsLast" else 1.0

    return choose(model, inputs, worth_a_trial=0, clock=clock)


def test_a_batch_norm_is_folded(inputs: Tensor) -> None:
    assert choose(foldable(), inputs) == Recipe(folded=True)
    assert choose(foldable(torch.float64), inputs) == Recipe(folded=True)
    assert choose(model_of(nn.Flatten()), inputs) == Recipe()


def test_a_fold_that_changes_the_function_is_not_taken(inputs: Tensor) -> None:
    model = model_of(Residual(), nn.Flatten())
    assert not agree(build(model, Recipe(folded=True), inputs)(inputs, 0, 2), model.activations(inputs))
    assert choose(model, inputs) == Recipe(folded=False)


@pytest.mark.parametrize(("seconds", "taken"), [(0.5, True), (1.1, True), (1.5, False)])
def test_channels_last_is_taken_unless_it_is_clearly_slower(inputs: Tensor, seconds: float, taken: bool) -> None:
    assert tried(foldable(), inputs, seconds) == Recipe(folded=True, channels_last=taken)


def test_a_layout_that_changes_the_function_is_not_taken(inputs: Tensor) -> None:
    class Strides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) * x.stride(1)

    assert tried(model_of(Strides()), inputs, 0.1) == Recipe()


def test_a_table_has_no_layout() -> None:
    assert tried(model_of(nn.Linear(4, 3), features=3), torch.zeros(9, 4), 0.1) == Recipe()


def test_a_short_pass_is_not_worth_a_trial(inputs: Tensor) -> None:
    def never(*_: object) -> float:
        raise AssertionError("a trial")

    assert choose(foldable(), inputs, clock=never) == Recipe(folded=True)


def test_agreement_is_relative_to_the_largest_number() -> None:
    right = torch.tensor([1000.0, 0.0])
    assert agree(right + 0.05, right)
    assert not agree(right + 0.2, right)
    assert not agree(right.double() + 0.05, right.double())
    assert not agree(torch.full((2,), torch.nan), right)
    assert agree(torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [({}, LARGEST_BATCH), ({"most_rows": 20}, 20), ({"most_bytes": 7 * 2 * 9 * 4}, 7), ({"most_bytes": 1}, 1)],
    ids=str,
)
def test_batches_are_bounded_by_rows_and_by_memory(inputs: Tensor, bounds: dict[str, int], rows: int) -> None:
    part = build(foldable(), Recipe(), inputs)
    assert Pass(part, inputs, every_row(50), **bounds).batch == rows  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(True), Recipe(True, True)], ids=str)
def test_a_pass_writes_what_the_model_gives(inputs: Tensor, dtype: torch.dtype, recipe: Recipe) -> None:
    model = model_of(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), dtype=dtype)
    one = Pass(build(model, recipe, inputs), inputs, every_row(50), most_rows=7)
    target = torch.empty(one.shape, dtype=one.dtype).numpy()
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
