"""A site takes the model that was announced."""

from pathlib import Path

import pytest
import torch

from headstart.core.content import SIGNED, hash_tree
from headstart.core.errors import ClientError
from headstart.sites.messages import Start
from headstart.sites.shelf import Shelf

MODEL = {"head.weight": torch.ones(2, 3), "head.bias": torch.zeros(2)}


def test_what_differs_is_enough(tmp_path: Path) -> None:
    shelf, first = Shelf(tmp_path), hash_tree(MODEL, SIGNED)
    shelf.put_weights(MODEL, Start(first, ""))
    changed = {"head.bias": torch.ones(2)}
    whole = hash_tree({**MODEL, **changed}, SIGNED)
    shelf.put_weights(changed, Start(whole, first))
    assert hash_tree(shelf.weights(whole), SIGNED) == whole
    assert hash_tree(shelf.weights(first), SIGNED) == first


def test_a_model_that_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="its digest does not fit; nothing was kept"):
        Shelf(tmp_path).put_weights(MODEL, Start("0" * 64, ""))
    assert not list(tmp_path.iterdir())


def test_a_model_that_never_came_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="the model 000000000000 was not received; send it first"):
        Shelf(tmp_path).weights("0" * 64)


def test_a_round_that_is_asked_for_twice_begins_with_the_same_private_tree(tmp_path: Path) -> None:
    shelf, stage, first = Shelf(tmp_path), "0" * 64, {"w": torch.zeros(1)}
    assert shelf.private(stage, 0, first) == first
    shelf.put_private(stage, 0, first, {"w": torch.ones(1)})
    assert [float(shelf.private(stage, number, first)["w"]) for number in (0, 1)] == [0.0, 1.0]


def test_the_key_of_masks_serves_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    public = shelf.new_key()
    assert shelf.secret().public_key().public_bytes_raw().hex() == public
    with pytest.raises(ClientError, match="was used already; begin the probe again"):
        shelf.secret()


def test_what_a_run_predicted_is_kept_by_its_name_and_overwritten(tmp_path: Path) -> None:
    shelf, labels, run = Shelf(tmp_path / "state"), torch.tensor([0, 1, 1]), "0" * 32
    with pytest.raises(ClientError, match="the run 000000000000 predicted nothing here; run its arm again"):
        shelf.predictions(run)
    for predicted in (torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1])):
        shelf.put_predictions(run, predicted, labels, "ab" * 16)
    found = shelf.predictions(run)
    assert (found["predicted"].tolist(), found["labels"].tolist()) == ([1, 1, 1], [0, 1, 1])
