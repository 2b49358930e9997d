"""A site takes the model that was announced, and keeps what rounds began with."""

import errno
from pathlib import Path

import pytest
import torch

from headstart.core.content import SIGNED, hash_tree
from headstart.core.disk import DiskError
from headstart.core.errors import ClientError
from headstart.models.weights import save
from headstart.sites.messages import Start
from headstart.sites.refusals import Refused
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


@pytest.mark.parametrize("damage", ["cut", "bit flipped", "another model", "emptied", "of another name"])
def test_a_model_that_was_damaged_at_a_site_is_not_trained_on(damage: str, tmp_path: Path) -> None:
    shelf, digest = Shelf(tmp_path), hash_tree(MODEL, SIGNED)
    shelf.put_weights(MODEL, Start(digest, ""))
    (path,) = tmp_path.iterdir()
    _damage(path, damage)
    with pytest.raises(ClientError, match="was damaged and is gone; send it again"):
        shelf.weights(digest)
    shelf.put_weights(MODEL, Start(digest, ""))
    assert hash_tree(shelf.weights(digest), SIGNED) == digest


def _damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "another model":
        save(path, {**MODEL, "head.bias": torch.ones(2)})
    elif how == "of another name":
        other = Shelf(path.parent / "other")
        other.put_answer("a", {"w": torch.ones(1)})
        (path.parent / "other" / "answer-a.safetensors").rename(path)
    else:
        changed = {"cut": content[:-9], "emptied": b"", "bit flipped": content[:-1] + bytes([content[-1] ^ 1])}
        path.write_bytes(changed[how])


@pytest.mark.parametrize("damage", ["cut", "bit flipped", "another model", "emptied", "of another name"])
@pytest.mark.parametrize("kind", ["private", "predictions", "answer"])
def test_what_was_damaged_at_a_site_is_not_believed(kind: str, damage: str, tmp_path: Path) -> None:
    shelf, tree, labels = Shelf(tmp_path), {"w": torch.ones(3)}, torch.zeros(4, dtype=torch.int64)
    shelf.put_private("s", 0, tree, tree)
    shelf.put_predictions("r", labels, labels, "00")
    shelf.put_answer("a", tree)
    reads = {
        "private": lambda: shelf.private("s", 1, tree),
        "predictions": lambda: shelf.predictions("r"),
        "answer": lambda: shelf.answer("a"),
    }
    names = {"private": "private-s", "predictions": "predicted-r", "answer": "answer-a"}
    path = tmp_path / f"{names[kind]}.safetensors"
    if damage == "of another name":
        Shelf(tmp_path).put_private("t", 0, {"w": torch.zeros(3)}, {"w": torch.zeros(3)})
        (tmp_path / "private-t.safetensors").rename(path)
    else:
        _damage(path, damage)
    with pytest.raises(ClientError, match=f"'{path.name}'\\) was damaged and is gone"):
        reads[kind]()
    assert not path.exists()


def test_a_round_that_is_asked_for_twice_begins_with_the_same_private_tree(tmp_path: Path) -> None:
    shelf, stage, first = Shelf(tmp_path), "0" * 64, {"w": torch.zeros(1)}
    assert shelf.private(stage, 0, first) == first
    shelf.put_private(stage, 0, first, {"w": torch.ones(1)})
    assert [float(shelf.private(stage, number, first)["w"]) for number in (0, 1)] == [0.0, 1.0]


def test_what_was_answered_under_noise_is_kept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "state")
    assert shelf.answer("0" * 32) is None
    shelf.put_answer("0" * 32, MODEL)
    assert hash_tree(shelf.answer("0" * 32) or {}) == hash_tree(MODEL)


def test_what_a_run_predicted_is_kept_by_its_name_and_overwritten(tmp_path: Path) -> None:
    shelf, labels, run = Shelf(tmp_path / "state"), torch.tensor([0, 1, 1]), "0" * 32
    with pytest.raises(ClientError, match="the run 000000000000 predicted nothing here; run its arm again"):
        shelf.predictions(run)
    for predicted in (torch.tensor([0, 0, 1]), torch.tensor([1, 1, 1])):
        shelf.put_predictions(run, predicted, labels, "ab" * 16)
    found = shelf.predictions(run)
    assert (found["predicted"].tolist(), found["labels"].tolist()) == ([1, 1, 1], [0, 1, 1])


def test_a_private_tree_of_later_rounds_is_not_gone_on_from(tmp_path: Path) -> None:
    """A server whose rounds were lost begins anew; one that fell back in the middle cannot go on."""
    shelf, stage, first = Shelf(tmp_path), "0" * 64, {"w": torch.zeros(1)}
    shelf.put_private(stage, 5, {"w": torch.ones(1)}, {"w": 2 * torch.ones(1)})
    assert shelf.private(stage, 0, first) == first
    with pytest.raises(Refused, match="this site is at round 6 of this stage, not at 4; begin it again"):
        shelf.private(stage, 3, first)
    assert [float(shelf.private(stage, number, first)["w"]) for number in (5, 6, 8)] == [1.0, 2.0, 2.0]


def test_a_full_disk_of_a_site_is_one_line_and_keeps_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, stage, first = Shelf(tmp_path), "0" * 64, {"w": torch.zeros(1)}
    shelf.put_private(stage, 0, first, {"w": torch.ones(1)})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for attempt in (
        lambda: shelf.put_private(stage, 1, first, first),
        lambda: shelf.put_own(first),
        lambda: shelf.put_predictions("0" * 32, torch.tensor([0]), torch.tensor([0]), "ab"),
    ):
        with pytest.raises(DiskError, match=r"cannot be written \(the disk is full"):
            attempt()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
