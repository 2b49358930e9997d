"""Checkpoints around a state_dict, as training scripts write them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.core.errors import ModelError
from headstart.models.unwrapped import state_of
from pickles import equal, net

STATE = dict(net().state_dict())
ADAM = torch.optim.Adam(net().parameters()).state_dict()


@pytest.mark.parametrize("name", ["state_dict", "model", "model_state_dict", "net", "ema", "weights of mine"])
def test_a_checkpoint_is_unwrapped_and_that_is_said(name: str) -> None:
    state, (said,) = state_of({"epoch": 3, name: net().state_dict(), "optimizer": ADAM})
    assert equal(state, STATE)
    assert said == f"the weights are under '{name}'; beside them, and not read: epoch, optimizer"


def test_two_layers_are_unwrapped() -> None:
    state, (said,) = state_of({"model": {"state_dict": STATE}})
    assert equal(state, STATE)
    assert said == "the weights are under 'model.state_dict'"


def test_lightnings_checkpoint() -> None:
    found = {"epoch": 1, "pytorch-lightning_version": "2.4", "state_dict": STATE, "optimizer_states": [ADAM]}
    state, (said,) = state_of(found)
    assert equal(state, STATE)
    assert said.endswith("not read: epoch, pytorch-lightning_version, optimizer_states")


def test_the_model_counts_before_its_average() -> None:
    other = {name: value + 1 for name, value in STATE.items()}
    state, (said,) = state_of({"ema": other, "model": STATE})
    assert equal(state, STATE)
    assert said.endswith("not read: ema")


def test_what_is_no_tensor_is_left_out_and_said() -> None:
    state, (said,) = state_of({**STATE, "_extra_state": None, "version": 2})
    assert equal(state, STATE)
    assert said == "no tensors, and left out: _extra_state, version"


def test_parameters_are_plain_tensors() -> None:
    state, _ = state_of({"w": nn.Parameter(torch.ones(2))})
    assert type(state["w"]) is torch.Tensor
    assert not state["w"].requires_grad


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (ADAM, "holds the state of an optimizer, and no weights"),
        ({"model": ADAM}, "holds the state of an optimizer under 'model'"),
        ({"optimizer": ADAM, "epoch": 1}, "holds no state_dict but optimizer, epoch"),
        ({}, "holds an empty state_dict"),
        ([torch.ones(1)], "holds no state_dict but a value of type 'list'"),
        (torch.ones(1), "of type 'Tensor'"),
        ({"generator": STATE, "critic": STATE}, r"several models \(generator, critic\), of which one must"),
        ({"w": torch.ones(2, 2).to_sparse()}, "holds 'w', a sparse_coo tensor, which is not read"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "holds 'w', a complex tensor, which is not read"),
        ({"w": torch.ones(2, device="meta")}, "holds 'w', a strided tensor on 'meta'"),
    ],
)
def test_what_has_no_weights_is_refused(found: object, word: str) -> None:
    with pytest.raises(ModelError, match=word):
        state_of(found)
