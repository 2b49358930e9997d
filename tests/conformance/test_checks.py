"""The checks themselves: each finds the method that breaks its rule."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch

from headstart.adapt import Finetune, PersonalRidge
from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.engine.ways.fleet import Fleet
from headstart.federate import Begin, FedAvg
from headstart.federate.fedper import OwnHead
from headstart.federate.sharing import Sharing
from headstart.models.model import Model
from headstart.testing import check_adapt, check_federate, open_world, small_federation
from headstart.testing.compare import assert_same
from headstart.training.client_data import ClientData


@dataclass(frozen=True, kw_only=True)
class Head(FedAvg):
    trainable: Any = "head"


@dataclass(frozen=True, kw_only=True)
class ChangesShared(Head):
    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        update = FedAvg.client_update(self, model, shared, private, data)
        shared["head.bias"] += 1
        return update


@dataclass(frozen=True, kw_only=True)
class Remembers(Head):
    calls: list[int] = field(default_factory=list)

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        self.calls.append(1)
        update, private = FedAvg.client_update(self, model, shared, private, data)
        return trees.scale(update, len(self.calls)), private


@dataclass(kw_only=True)
class Thawed:
    trainable: Any = "head"
    reduce: ClassVar[str] = "mean"
    pooled: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Renames(Head):
    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        return trees.map_tree(lambda value: value.double(), trees.add(shared, update)), state


@dataclass(frozen=True, kw_only=True)
class HeadOnlyForNewcomers(Head):
    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        return trees.select(shared, ["head.weight"])


@dataclass(frozen=True, kw_only=True)
class LooksAtNeighbours(Head):
    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        update, private = FedAvg.client_update(self, model, shared, private, data)
        stacked = update["head.weight"].dim() == 3
        return trees.map_tree(lambda u: u - 0.1 * u.mean(0) if stacked else u, update), private


@dataclass(frozen=True, kw_only=True)
class GlobalRandomness(Head):
    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        update, private = FedAvg.client_update(self, model, shared, private, data)
        return trees.map_tree(lambda u: u + 0.01 * torch.rand_like(u), update), private


@dataclass(frozen=True, kw_only=True)
class WrongSign(Head):
    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        return trees.scale(FedAvg.client_update(self, model, shared, private, data)[0], -1), private


@dataclass(frozen=True, kw_only=True)
class ServerRunsAway(Head):
    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        return trees.subtract(shared, update), state


@dataclass(frozen=True, kw_only=True)
class LosesPrivateState(Head):
    def init(self, model: Model, params: Params) -> Begin:
        return Begin(params, {"count": torch.zeros(())}, {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        return FedAvg.client_update(self, model, shared, {}, data)[0], {}


@dataclass(frozen=True, kw_only=True)
class SaysShared(Head):
    sharing: Sharing = OwnHead()
    trainable: Any = "all"
    personal: ClassVar[bool] = False


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (ChangesShared(), "changed its argument 'params'"),
        (Remembers(), "called twice"),
        (Thawed(), "frozen dataclass"),
        (Renames(), "the shared tree of two rounds"),
        (HeadOnlyForNewcomers(), "personal_params"),
        (LooksAtNeighbours(), "serial and Fleet"),
        (GlobalRandomness(), "called twice"),
        (WrongSign(), "has loss"),
        (ServerRunsAway(), "against the mean update"),
        (SaysShared(), "a newcomer, where personal is False"),
        (LosesPrivateState(), "the private tree of two rounds"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_check_federate_finds(method: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_federate(method)


@dataclass(frozen=True, kw_only=True)
class Probe:
    change: Callable[[Params, Params, ClientData], Params]
    accept: bool = True
    changes_nothing: ClassVar[bool] = False
    takes_own: ClassVar[bool] = False
    needs_norms: ClassVar[bool] = False
    trainable: ClassVar[str] = "head"

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        return self.change(params, Finetune(epochs=1)(model, params, data), data)


def changes_received(received: Params, adapted: Params, data: ClientData) -> Params:
    received["head.bias"] += 1
    return adapted


def drops_bias(received: Params, adapted: Params, data: ClientData) -> Params:
    return trees.select(adapted, ["head.weight"])


def moves_without_data(received: Params, adapted: Params, data: ClientData) -> Params:
    return trees.map_tree(lambda value: value + 0.1, adapted)


def rolls_dice(received: Params, adapted: Params, data: ClientData) -> Params:
    if not len(getattr(data, "indices", [1])):
        return adapted
    return trees.map_tree(lambda value: value + torch.rand_like(value), adapted)


def hides_nan(received: Params, adapted: Params, data: ClientData) -> Params:
    return trees.map_tree(torch.nan_to_num, trees.map_tree(lambda value: value / 0, adapted))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changes_received, "changed the parameters received"),
        (drops_bias, "has the names"),
        (moves_without_data, "without examples"),
        (rolls_dice, "two runs"),
        (hides_nan, "not finite|without examples"),
    ],
)
def test_check_adapt_finds(change: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_adapt(Probe(change=change))


def test_check_adapt_finds_what_does_not_stack() -> None:
    def first_client_only(received: Params, adapted: Params, data: ClientData) -> Params:
        stacked = adapted["head.bias"].dim() == 2
        return trees.map_tree(lambda v: v[:1].expand_as(v) if stacked else v, adapted)

    with pytest.raises(AssertionError, match="serial and Fleet"):
        check_adapt(Probe(change=first_client_only))


def test_an_engine_can_be_checked_too() -> None:
    """A method of one's own, an engine of one's own: all four ways are open."""
    check_federate(Head(), engine=Fleet(), dtype=torch.float64, backbone="mlp")
    check_adapt(PersonalRidge(), engine=Fleet(), dtype=torch.float64, backbone="linear")


def test_assert_same_names_what_differs() -> None:
    left = {"w": torch.zeros(2)}
    for right, complaint in [
        ({"v": torch.zeros(2)}, "names"),
        ({"w": torch.zeros(3)}, r"\(2,\).*\(3,\)"),
        ({"w": torch.zeros(2).double()}, "float64"),
        ({"w": torch.full((2,), 1e-3)}, "differs by 0.001"),
        ({"w": torch.full((2,), float("nan"))}, "differs by nan"),
    ]:
        with pytest.raises(AssertionError, match=complaint):
            assert_same("trees", left, right, 1e-5)
    assert_same("trees", left, {"w": torch.full((2,), 1e-6)}, 1e-5)


def test_the_world_has_what_goes_wrong() -> None:
    federation = small_federation()
    sizes = [len(client.train) for client in federation.clients]
    assert 0 in sizes
    assert 1 in sizes
    assert len(set(sizes)) == len(sizes)
    assert any(not len(client.val) for client in federation.clients)
    assert not all(client.seen for client in federation.clients)
    rows = [i for client in federation.clients for part in ("train", "val", "test") for i in client.indices(part)]
    assert sorted(rows) == list(range(len(federation.examples)))
    assert open_world("head").params.keys() == {"head.weight", "head.bias"}
