"""A shared model, a client's own, and what is no model to hand out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import Arm
from headstart.core.errors import SettingError
from headstart.export.leaving import check_leaves, take_out
from tiny_exports import SCRATCH, leave, opened, table

LORA = Arm(
    "lora",
    start="random",
    federate={"method": "fedavg", "rounds": 1, "client_lr": 0.1},
    adapt={"method": "lora", "epochs": 3, "client_lr": 0.5, "accept": False},
)
PRIVATE = Arm("private", start="random", federate={"method": "fedsa_lora", "rounds": 2, "client_lr": 0.5})


def test_the_shared_model_predicts_as_the_engine_does(tmp_path: Path) -> None:
    own = leave(tmp_path, table(), "mlp", SCRATCH)
    np.testing.assert_allclose(own.module()(own.inputs).detach(), own.expected, atol=1e-6)


def test_adapters_of_a_client_are_merged(tmp_path: Path) -> None:
    own, shared = (leave(tmp_path, table(), "mlp", LORA, client) for client in ("south", None))
    assert own.adapted
    assert own.weights.keys() == shared.weights.keys()
    assert not torch.equal(own.weights["blocks.0.0.weight"], shared.weights["blocks.0.0.weight"])
    np.testing.assert_allclose(own.module()(own.inputs).detach(), own.expected, atol=1e-6)


def test_a_client_that_refuses_its_adaptation_has_what_it_received(tmp_path: Path) -> None:
    worse = Arm(
        "worse", start="random", federate="ridge", adapt={"method": "linear_probe", "client_lr": 1e4, "epochs": 1}
    )
    clear = table()
    clear = table(labels=(clear.examples.inputs[:, 0] > 0).astype(int))
    own = leave(tmp_path, clear, "linear", worse, "north")
    assert not own.adapted
    assert torch.equal(own.weights["head.weight"], leave(tmp_path, clear, "linear", worse).weights["head.weight"])


def test_clients_with_weights_of_their_own_share_no_model(tmp_path: Path) -> None:
    run = opened(tmp_path, table(), "mlp", PRIVATE)
    with pytest.raises(SettingError, match="'private', which leaves every client weights of its own; give one"):
        take_out(run, None)
    north, south = (take_out(run, name).weights["blocks.0.0.weight"] for name in ("north", "south"))
    assert not torch.equal(north, south)


def test_a_head_that_nobody_shares_is_not_handed_out(tmp_path: Path) -> None:
    alone = Arm("alone", start="random", adapt={"method": "full_finetune", "epochs": 1})
    with pytest.raises(SettingError, match="'alone', which shares no head for this task"):
        leave(tmp_path, table(), "mlp", alone)
    with pytest.raises(SettingError, match="client: must be one of the study, received 'west'; valid: north, south"):
        leave(tmp_path, table(), "mlp", alone, "west")


def test_arms_that_remember_examples_stay(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="must predict from weights alone, received 'a', whose 'knn' remembers"):
        check_leaves(Arm("a", start="random", federate="ridge", adapt="knn"))
    check_leaves(SCRATCH)


def test_each_client_is_scaled_its_own_way_where_the_study_says_so(tmp_path: Path) -> None:
    federation = table(standardize="client")
    assert leave(tmp_path, federation, "mlp", SCRATCH).scaling is None
    own = leave(tmp_path, federation, "mlp", SCRATCH, "south").scaling
    assert own is federation.scalings["south"]
    same = table()
    assert leave(tmp_path, same, "mlp", SCRATCH).scaling is same.scalings["north"]
