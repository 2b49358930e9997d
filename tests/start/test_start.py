"""Random, pretrained and pretrain, with a small central pool."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core.errors import SettingError, StartError
from headstart.core.task import Task, classification
from headstart.core.trees import Params
from headstart.data.federation import Federation
from headstart.engine.ways.serial import Serial
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.spec import ModelSpec
from headstart.start import METHODS, Central, Pretrain, Pretrained, Random
from headstart.start.course import mean_loss, train_until_stale
from headstart.start.protocol import silent
from headstart.study.lab import Lab
from headstart.testing import small_federation
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

THREE, FIVE = (classification(tuple(f"class {i}" for i in range(count))) for count in (3, 5))
LOCAL = LocalTraining(client_lr=0.05, batch_size=8, momentum=0.9)


def lab_with(classes: int = 3, renamed: bool = False, unlabelled: int = 0) -> Lab:
    """A federation of three classes, and a pool of the same kind of images."""
    clients, other = small_federation(0), small_federation(1, num_classes=classes)
    labels = other.examples.labels.copy()
    labels[:unlabelled] = -1
    names = tuple(f"{'other' if renamed else 'class'} {i}" for i in range(classes))
    pool = replace(other.examples, labels=labels, classes=names, ids=[f"p{i}" for i in range(len(labels))])
    federation = Federation(clients.examples, clients.clients, central=pool)
    return Lab(federation, ModelSpec(), Serial())


@dataclass
class Build:
    """Builds the small CNN; a "checkpoint" is other random weights. It remembers what it was asked."""

    lab: Lab
    asked: list[tuple[bool, int]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lab.federation.examples.shape

    def __call__(self, task: Task, *, from_scratch: bool) -> tuple[Network, Params]:
        self.asked.append((from_scratch, task.num_outputs))
        return self.lab.build(0 if from_scratch else 99, from_scratch=True, task=task)


def same_weights(left: Params, right: Params, prefix: str) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left if name.startswith(prefix))


def test_random_asks_for_a_network_from_scratch_and_nothing_else() -> None:
    build = Build(lab_with())
    assert Random.from_scratch
    network, weights = Random()(build, THREE, None, 0)
    assert build.asked == [(True, 3)]
    assert network.num_classes == 3
    assert_same("random", weights, build(THREE, from_scratch=True)[1])


def test_pretrained_without_a_pool_is_the_checkpoint() -> None:
    build = Build(lab_with())
    _, weights = Pretrained()(build, THREE, None, 0)
    assert build.asked == [(False, 3)]
    assert_same("checkpoint", weights, build(THREE, from_scratch=False)[1])


def test_pretrained_fits_the_head_alone_on_a_pool_of_the_same_classes() -> None:
    lab = lab_with()
    build = Build(lab)
    pool = lab.pool(0)
    assert pool is not None
    network, weights = Pretrained(epochs=5, local=LOCAL)(build, THREE, pool, 0)
    before = build(THREE, from_scratch=False)[1]
    assert same_weights(weights, before, "blocks.")
    assert not same_weights(weights, before, "head.")
    assert pool_loss(network, weights, pool) < pool_loss(network, before, pool)


def test_pretrained_leaves_a_pool_of_other_classes_alone() -> None:
    lab = lab_with(renamed=True)
    build = Build(lab)
    _, weights = Pretrained()(build, THREE, lab.pool(0), 0)
    assert_same("other classes", weights, build(THREE, from_scratch=False)[1])


def pool_loss(network: Network, weights: Params, pool: Central) -> float:
    model, params = cut_at(network, weights, "all")
    return mean_loss(model, params, pool.val)


@pytest.mark.parametrize(
    ("method", "option", "rule"),
    [
        ("pretrained", {"augment": "flip"}, "augment: acts on pixels"),
        ("domain_pretrain", {"augment": "flip"}, "augment: is for training with labels"),
        ("domain_pretrain", {"label_smoothing": 0.1}, "label_smoothing: is for training with labels"),
        ("domain_pretrain", {"dropout": 0.1}, "dropout: is for training with labels"),
    ],
)
def test_options_that_would_do_nothing_are_refused(method: str, option: dict[str, object], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        METHODS[method].build(option)


def test_a_cosine_is_what_starts_do_by_default() -> None:
    assert METHODS["pretrain"].settings()["lr_schedule"].default == "cosine"
    assert METHODS["pretrained"].settings()["lr_schedule"].default == "cosine"


def test_pretrain_needs_a_pool() -> None:
    with pytest.raises(
        SettingError, match=r"'pretrain' needs a labelled central pool, received none; add a \[data.central\]"
    ):
        Pretrain()(Build(lab_with()), THREE, None, 0)


@pytest.mark.parametrize("origin", ["random", "checkpoint"])
def test_pretrain_trains_everything_from_its_origin(origin: str) -> None:
    lab = lab_with()
    build, pool = Build(lab), lab.pool(0)
    assert pool is not None
    method = Pretrain(origin=origin, epochs=5, local=LOCAL)
    assert method.from_scratch == (origin == "random")
    network, weights = method(build, THREE, pool, 0)
    assert build.asked == [(origin == "random", 3)]
    before = build(THREE, from_scratch=origin == "random")[1]
    assert all(not torch.equal(weights[name], before[name]) for name in weights)
    assert pool_loss(network, weights, pool) < pool_loss(network, before, pool)


def test_pretrain_of_other_classes_keeps_the_backbone_and_puts_on_a_new_head() -> None:
    lab = lab_with(classes=5, renamed=True)
    build, pool = Build(lab), lab.pool(0)
    network, weights = Pretrain(epochs=3, local=LOCAL)(build, THREE, pool, 0)
    assert build.asked == [(True, 5)]
    assert (network.num_classes, tuple(weights["head.weight"].shape)) == (3, (3, 128))
    assert not weights["head.bias"].any()
    assert not same_weights(weights, build(FIVE, from_scratch=True)[1], "blocks.")
    again = Pretrain(epochs=3, local=LOCAL)(build, THREE, pool, 7)[1]
    assert same_weights(weights, again, "blocks.")
    assert not torch.equal(weights["head.weight"], again["head.weight"]), "the new head is drawn from the seed"


def test_pretrain_of_a_cut_leaves_the_blocks_below_alone() -> None:
    lab = lab_with()
    build = Build(lab)
    _, weights = Pretrain(epochs=2, trainable=1, local=LOCAL)(build, THREE, lab.pool(0), 0)
    before = build(THREE, from_scratch=True)[1]
    assert same_weights(weights, before, "blocks.0.")
    assert not same_weights(weights, before, "blocks.1.")


def test_pretrain_is_deterministic() -> None:
    first, second = (
        Pretrain(epochs=3, local=LOCAL)(Build(lab := lab_with()), THREE, lab.pool(0), 0)[1] for _ in range(2)
    )
    assert_same("two runs", first, second)


def test_early_stopping_keeps_the_epoch_of_least_validation_loss() -> None:
    """A step size that first helps and then harms: what comes back is the best epoch's."""
    lab = lab_with()
    pool = lab.pool(0)
    assert pool is not None
    network, weights = lab.build(0, from_scratch=True)
    model, params = cut_at(network, weights, "all")
    losses: list[float] = []
    local = replace(LOCAL, client_lr=0.3)
    best = train_until_stale(
        model, params, pool, local, 12, 3, lambda text: losses.append(float(text.split()[-1]))
    ).best
    first = mean_loss(model, params, pool.val)
    assert mean_loss(model, best, pool.val) == pytest.approx(min(first, *losses), abs=6e-4)
    assert losses[-1] > min(first, *losses), "the last epoch was not the best, so there was something to keep"


def test_patience_ends_training() -> None:
    """Steps so small that nothing improves: as many epochs as patience allows, and the start comes back."""
    lab = lab_with()
    pool = lab.pool(0)
    assert pool is not None
    network, weights = lab.build(0, from_scratch=True)
    model, params = cut_at(network, weights, "head")
    told: list[str] = []
    harmful = replace(LOCAL, client_lr=1e4)
    best = train_until_stale(model, params, pool, harmful, 20, 3, told.append).best
    assert len(told) == 3
    assert told[0].startswith("epoch 1 of 20, validation loss ")
    assert_same("nothing was better", best, params)


def test_mean_loss_is_the_mean_over_examples() -> None:
    lab = lab_with()
    pool = lab.pool(0)
    assert pool is not None
    network, weights = lab.build(0, from_scratch=True)
    model, params = cut_at(network, weights, "head")
    everything = pool.train.everything(model)
    expected = functional.cross_entropy(model.logits(params, everything.inputs), everything.labels)
    assert mean_loss(model, params, pool.train) == pytest.approx(float(expected), rel=1e-5)


def test_a_pool_is_split_without_overlap_and_without_unlabelled_rows() -> None:
    lab = lab_with(unlabelled=20)
    pool = lab.pool(0)
    assert pool is not None
    train, val = pool.train.indices, pool.val.indices
    assert sorted([*train, *val]) == list(range(20, len(lab.federation.central)))
    assert len(val) == int(0.15 * (len(train) + len(val)))
    assert pool.is_same
    assert np.array_equal(lab.pool(0).train.indices, train)
    assert not np.array_equal(lab.pool(1).train.indices, train)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent("epoch 1")
    assert capsys.readouterr().out == ""


def lab_of_noise(classes: int = 20) -> Lab:
    """A pool of many classes with few examples each, in which nothing is to be seen."""
    lab = lab_with()
    pool = lab.federation.central
    labels = np.random.default_rng(0).permutation(np.arange(len(pool)) % classes)
    pool = replace(pool, labels=labels, classes=tuple(f"kind {i}" for i in range(classes)))
    return replace(lab, federation=replace(lab.federation, central=pool))


@pytest.mark.parametrize(
    ("lab", "changes", "reason"),
    [
        (lab_with(), {"client_lr": 1e4}, "start.client_lr: .*with 10000 it diverged or got stuck.*smaller client_lr"),
        (
            lab_with(),
            {"client_lr": 1e-9},
            "start.client_lr: .*1e-09 was too slow in 4 epochs.*larger client_lr",
        ),
        (lab_of_noise(), {"client_lr": 0.05}, r"data.central: .*too few for 20 classes \(\d.\d for each"),
    ],
    ids=["diverged", "too slow", "too few examples"],
)
def test_pretraining_that_learns_nothing_says_why(lab: Lab, changes: dict[str, float], reason: str) -> None:
    pool = lab.pool(0)
    method = Pretrain(epochs=4, local=replace(LOCAL, **changes))
    with pytest.raises(StartError, match=reason):
        method(Build(lab), THREE, pool, 0)
