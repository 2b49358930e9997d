"""Every start on a card, one that is there or one that pretends, comes to the weights of the processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.device import CPU, placed
from headstart.core.ragged import Ragged
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.engine.ways.serial import Serial
from headstart.models.spec import ModelSpec
from headstart.study.lab import Lab
from headstart.study.run.starts import first_weights
from headstart.study.texts import with_tokens
from headstart.study.written.arms import Stage
from headstart.testing import small_federation
from headstart.testing.compare import assert_same
from tiny_texts import draw_texts, save_encoder

SMALL = {"client_lr": 0.02, "batch_size": 16}


def _images(classes: int) -> Lab:
    clients, other = small_federation(0), small_federation(1, num_classes=classes)
    pool = replace(other.examples, ids=[f"p{i}" for i in range(len(other.examples))])
    return Lab(Federation(clients.examples, clients.clients, central=pool), ModelSpec(), Serial())


def _texts(folder: Path) -> Lab:
    labels = np.arange(60) % 2
    texts = Ragged.of_texts(draw_texts(labels))
    every = Examples("text", texts, labels, [f"t{i}" for i in range(60)], ("good", "bad"))
    clients = [Client("c", *np.split(np.arange(20), [10, 14]))]
    spec = ModelSpec(backbone=str(save_encoder(folder)))
    return Lab(
        with_tokens(Federation(every.take(np.arange(20)), clients, every.take(np.arange(20, 60))), spec), spec, Serial()
    )


def _check(lab: Lab, card: torch.device, stage: Stage) -> None:
    here, there = (first_weights(one, stage, 0, lambda _: None) for one in (lab, replace(lab, device=card)))
    assert {value.device.type for value in there.values()} == {card.type}
    assert_same(stage.method, placed(there, CPU), here, 1e-4)


@pytest.mark.parametrize("head", ["small", "default"])
def test_random_weights_are_drawn_on_the_processor(card: torch.device, head: str) -> None:
    _check(_images(3), card, Stage("start", "random", {"head": head}))


@pytest.mark.parametrize("classes", [3, 5])
def test_pretraining_and_a_new_head_for_another_task(card: torch.device, classes: int) -> None:
    _check(_images(classes), card, Stage("start", "pretrain", {"epochs": 2, **SMALL}))


@pytest.mark.parametrize(
    "stage",
    [
        Stage("start", "pretrained", {"epochs": 3}),
        Stage("start", "domain_pretrain", {"epochs": 1, "client_lr": 0.02, "optimizer": "adamw", "batch_size": 8}),
    ],
    ids=lambda stage: stage.method,
)
def test_starts_of_a_text_checkpoint(card: torch.device, tmp_path: Path, stage: Stage) -> None:
    pytest.importorskip("transformers")
    _check(_texts(tmp_path), card, stage)
