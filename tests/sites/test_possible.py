"""Sums of honest sites pass whatever they hold; those that no examples have are found, with noise on them too."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.trees import Tree
from headstart.federate import METHODS
from headstart.federate.closed_form import FeatureSums
from headstart.models.batch import Batch
from headstart.sites.checks import Possible
from headstart.sites.possible import doubt_parts, length
from headstart.sites.probe.noise import add_noise, deviation
from headstart.sites.transport import Answer, Failed
from headstart.training.design import class_sums, one_hot, present, with_intercept
from sites.answered import SAID

METHOD_NAMES = ("ridge", "lda", "ncm", "fedcof")


def _batch(seed: int, rows: int, width: int, classes: int, spread: float = 1.0) -> Batch:
    """Draw features of very different scales, some of them constant or the same, and labels of some classes."""
    draw = torch.Generator().manual_seed(seed)
    scales = 10 ** (4 * torch.rand(width, generator=draw) - 2)
    features = torch.randn(rows, width, generator=draw).relu() * scales * spread
    features[:, 0], features[:, -1] = 0, features[:, 1]
    labels = torch.randint(0, max(1, classes - 1), (rows,), generator=draw)
    return Batch(features.float(), labels, torch.ones(rows))


def _sent(name: str, batch: Batch, classes: int) -> Tree:
    """Return what a method's client sends of these examples."""
    design, targets = with_intercept(batch), one_hot(batch, classes)
    features = batch.inputs.double() * present(batch)
    rows, columns = torch.triu_indices(design.shape[1], design.shape[1])
    if name == "ridge":
        return {"gram": (design.mT @ design)[rows, columns], "moment": design.mT @ targets}
    rows, columns = torch.triu_indices(features.shape[1], features.shape[1])
    second = {"second_moment": (features.mT @ features)[rows, columns]} if name == "lda" else {}
    return {**second, **class_sums(batch, classes)}


def _says(name: str, tree: Tree) -> FeatureSums:
    found: FeatureSums = METHODS[name].build({}).feature_sums(tree)
    return found


@pytest.mark.parametrize("name", METHOD_NAMES)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 30), width=st.integers(2, 20), classes=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_sums_of_any_examples_are_possible(name: str, seed: int, rows: int, width: int, classes: int) -> None:
    sent = _sent(name, _batch(seed, rows, width, classes), classes)
    assert doubt_parts({"train": _says(name, sent)}, {"train": rows}) == ""


@pytest.mark.parametrize("name", METHOD_NAMES)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_with_noise_on_them_too(name: str, seed: int, noise: float) -> None:
    sent = add_noise(_sent(name, _batch(seed, 20, 8, 3, spread=0.05), 3), noise, 10.0)
    assert doubt_parts({"train": _says(name, sent)}, {"train": 20}, deviation(sent, noise, 10.0)) == ""


Lie = Callable[[FeatureSums], FeatureSums]
LIES: dict[str, tuple[Lie, str]] = {
    "flipped twenty times": (lambda of: replace(of, moment=-20 * of.moment), "squares"),
    "twenty times": (lambda of: replace(of, moment=20 * of.moment), "squares"),
    "counts flipped": (lambda of: replace(of, counts=-of.counts), "examples together"),
    "more counts": (lambda of: replace(of, counts=of.counts * 2), "examples together"),
    "parts of examples": (lambda of: replace(of, counts=of.counts + torch.tensor([0.5, -0.5, 0])), "whole numbers"),
    "a class below zero": (lambda of: replace(of, counts=of.counts + torch.tensor([50.0, -50, 0])), "fewer than 0"),
    "squares flipped": (lambda of: replace(of, second=None if of.second is None else -of.second), "squares"),
    "features of nobody": (
        lambda of: replace(of, moment=of.moment + torch.tensor([0.0, 0, 9])),
        "classes without examples",
    ),
}


@pytest.mark.parametrize("name", METHOD_NAMES)
@pytest.mark.parametrize("lie", LIES)
def test_what_no_examples_have_is_found(name: str, lie: str) -> None:
    change, reason = LIES[lie]
    true = _says(name, _sent(name, _batch(0, 40, 6, 3), 3))
    if true.second is None and reason == "squares":
        return  # nearest class means come without squares: see the length of features
    found = doubt_parts({"train": change(true)}, {"train": 40})
    assert found.startswith("no examples have its sums of train: ")
    assert reason in found or (true.has_ones and "add up to all" in found)


def test_a_lie_larger_than_the_noise_is_found() -> None:
    true = _says("ridge", _sent("ridge", _batch(0, 4000, 6, 3), 3))
    noisy = {"gram": torch.zeros(1), "moment": true.moment}
    moment = add_noise(noisy, 0.5, 2.0)["moment"]
    assert doubt_parts({"train": replace(true, moment=moment)}, {"train": 4000}, deviation(noisy, 0.5, 2.0)) == ""
    flipped = replace(true, moment=-20 * moment)
    assert doubt_parts({"train": flipped}, {"train": 4000}, deviation(noisy, 0.5, 2.0)) != ""


def test_features_far_longer_than_the_others_are_left_out() -> None:
    """Sums of features twenty times as long, turned, are those of examples; but of no network's."""
    site = replace(SAID["hello"], sizes={"train": 40, "val": 0, "test": 0})
    for name in METHOD_NAMES:
        possible = Possible(lambda tree, name=name: {"train": _says(name, tree)}, dict.fromkeys(range(4), site))
        came: list[Answer[None] | Failed] = [
            Answer(at, None, _sent(name, _batch(at, 40, 6, 3, spread=20 if at == 2 else 1), 3)) for at in range(4)
        ]
        found = possible.check(came)
        assert [isinstance(one, Failed) for one in found] == [False, False, True, False], name


def test_the_length_of_features_leaves_the_ones_out() -> None:
    batch = Batch(torch.full((5, 4), 3.0), torch.zeros(5, dtype=torch.int64), torch.ones(5))
    for name in METHOD_NAMES:
        assert length(_says(name, _sent(name, batch, 2))) == pytest.approx(6.0)
