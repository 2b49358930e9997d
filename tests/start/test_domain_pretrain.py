from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.errors import SettingError, StartError
from headstart.core.ragged import Ragged
from headstart.core.task import Task
from headstart.core.trees import Params
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.engine.ways.serial import Serial
from headstart.models.checkpoints.masked import NOT_HIDDEN, Texts, masked_gradient, masked_loss, masker
from headstart.models.network import Network
from headstart.models.spec import ModelSpec
from headstart.start import DomainPretrain
from headstart.study.lab import Lab
from headstart.study.texts import with_tokens
from headstart.training.local import LocalTraining
from tiny_texts import save_encoder

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return ModelSpec(backbone=str(save_encoder(tmp_path_factory.mktemp("bert"))))


def _lab(spec: ModelSpec, *, labelled: bool) -> Lab:
    labels = np.arange(120) % 2
    texts = Ragged.of_texts(f"the {what} was very very good . a {what} was not" for what in ("film", "book") * 60)
    every = Examples("text", texts, labels, [f"t{i}" for i in range(120)], ("good", "bad"))
    clients = [Client("c", *np.split(np.arange(20), [10, 14]))]
    pool = every.take(np.arange(20, 120))
    if not labelled:
        from dataclasses import replace

        pool = replace(pool, labels=np.full(100, -1))
    return Lab(with_tokens(Federation(every.take(np.arange(20)), clients, pool), spec), spec, Serial())


def _start(lab: Lab, method: DomainPretrain) -> tuple[Network, Params, list[str]]:
    told: list[str] = []

    def build(task: Task, *, from_scratch: bool) -> tuple[Network, Params]:
        return lab.build(0, from_scratch=from_scratch, task=task)

    return *method(build, lab.federation.task, lab.pool(0), 0, told.append), told


METHOD = DomainPretrain(epochs=3, local=LocalTraining(client_lr=0.02, optimizer="adamw", batch_size=8))


@pytest.mark.parametrize("labelled", [True, False])
def test_guessing_gets_better_and_only_a_labelled_pool_fits_the_head(spec: ModelSpec, labelled: bool) -> None:
    lab = _lab(spec, labelled=labelled)
    _, weights, told = _start(lab, METHOD)
    losses = [float(text.rsplit(" ", 1)[1]) for text in told if "masked" in text]
    assert losses[-1] < losses[0]
    plain = lab.build(0, from_scratch=False)[1]
    assert not torch.equal(
        weights["blocks.1.layer.attention.self.query.weight"], plain["blocks.1.layer.attention.self.query.weight"]
    )
    assert torch.equal(weights["head.weight"], plain["head.weight"]) is not labelled


def test_equal_seeds_give_equal_weights(spec: ModelSpec) -> None:
    first, again = (_start(_lab(spec, labelled=False), METHOD)[1] for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_passes_that_never_guess_better_are_refused(spec: ModelSpec) -> None:
    wild = DomainPretrain(epochs=2, local=LocalTraining(client_lr=50.0, batch_size=8))
    with pytest.raises(StartError, match=r"^start.client_lr: .* masked words .*, and with 50 no pass of 2 did; give"):
        _start(_lab(spec, labelled=False), wild)


def test_it_needs_texts(spec: ModelSpec) -> None:
    with pytest.raises(SettingError, match="needs a central pool of texts, received none"):
        METHOD(lambda **_: (None, {}), 2, None, 0)  # type: ignore[arg-type,return-value]


def test_hidden_tokens_are_those_of_the_collator(spec: ModelSpec) -> None:
    tokens = Ragged.of([np.array([2, 8, 9, 10, 11, 12, 3], dtype=np.int32), np.array([2, 8, 3], dtype=np.int32)] * 30)
    batch = masker(spec, 0.3, 0)(tokens)
    hidden = batch.labels != NOT_HIDDEN
    assert 0.1 < float(hidden[:, 1:6].float().mean()) < 0.4
    assert not hidden[:, 0].any()
    assert (batch.tokens[1::2, 3:] == -1).all()
    assert torch.equal(masker(spec, 0.3, 0)(tokens).tokens, batch.tokens)


def test_the_gradient_is_that_of_the_loss(spec: ModelSpec, tmp_path: Path) -> None:
    lab = _lab(spec, labelled=False)
    network, weights = lab.build(0, from_scratch=False)
    pool = lab.pool(0)
    assert pool is not None
    assert isinstance(pool.texts, Texts)
    batch = masker(spec, 0.3, 0)(pool.texts.tokens[:8])
    body = {name: value.double() for name, value in weights.items() if not name.startswith("head.")}
    slope, name, step = masked_gradient(network, body, batch), "blocks.2.layer.output.dense.bias", 1e-5
    nudge = torch.zeros_like(body[name])
    nudge[3] = step
    up, down = (float(masked_loss(network, {**body, name: body[name] + s * nudge}, batch)) for s in (1, -1))
    assert float(slope[name][3]) == pytest.approx((up - down) / (2 * step), rel=1e-5)
