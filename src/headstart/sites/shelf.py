"""What a site keeps on disk: the model received, private trees, own weights and predictions. Safetensors only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from headstart.core.content import SIGNED, hash_json, hash_tree
from headstart.core.errors import HeadstartError
from headstart.core.files import write_atomically, write_private
from headstart.core.trees import Params, Tree, part
from headstart.models.weights import load, save
from headstart.sites.messages import Start
from headstart.sites.refusals import Refused

_CHECKSUM = "checksum"
"""Of a tree and its file's name, in the file's metadata."""


@dataclass(frozen=True)
class Shelf:
    """A site's folder."""

    folder: Path

    def weights(self, key: str) -> Params:
        """Return the model of this digest.

        Raises:
            Refused: it was never received, or its file is not what was received.
        """
        path = self._weights(key)
        if not path.is_file():
            raise Refused(f"the model {key[:12]} was not received; send it first")
        found = _kept(path, "send it again")
        if hash_tree(found, SIGNED) != key:
            raise _damaged(path, "send it again")
        return found

    def put_weights(self, sent: Tree, said: Start) -> None:
        """Keep a model, if it is what the digest says.

        Args:
            sent: the tensors that came along.
            said: what they are.

        Raises:
            Refused: the model is another one than announced.
        """
        whole = {**(self.weights(said.base) if said.base else {}), **sent}
        if hash_tree(whole, SIGNED) != said.digest:
            raise Refused("the model received is not the one announced: its digest does not fit; nothing was kept")
        _keep(self._weights(said.digest), whole)

    def private(self, stage: str, round_number: int, first: Tree) -> Tree:
        """Return the private tree with which a round begins, however often it is asked for.

        Raises:
            Refused: its file is damaged, or of a later round: a stage cannot go on from what is not there.
        """
        path = self._private(stage)
        if not first or not round_number or not path.is_file():
            return first
        found = _kept(path, "begin the arm again")
        last = int(found.pop("round"))
        if round_number < last:
            raise Refused(f"this site is at round {last + 1} of this stage, not at {round_number + 1}; begin it again")
        return part(found, "after/" if round_number > last else "before/")

    def put_private(self, stage: str, round_number: int, before: Tree, after: Tree) -> None:
        """Keep the private tree of a round beside that of the round before, should the server ask again."""
        if not after:
            return
        tree = {f"before/{name}": value for name, value in before.items()}
        tree |= {f"after/{name}": value for name, value in after.items()}
        _keep(self._private(stage), {**tree, "round": torch.tensor(round_number)})

    def named(self, content: str) -> str:
        """Name some content so that only this site can tell which it is."""
        path = self.folder / "salt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda temporary: write_private(temporary, secrets.token_hex(16).encode()))
        return hash_json([path.read_text(), content])

    def answer(self, name: str) -> Tree | None:
        """Return what was answered before under noise; None where nothing was."""
        path = self._answer(name)
        return _kept(path, "ask again") if path.is_file() else None

    def put_answer(self, name: str, sent: Tree) -> None:
        """Keep an answer under noise, before it leaves."""
        _keep(self._answer(name), sent)

    def _answer(self, name: str) -> Path:
        return self.folder / f"answer-{name}.safetensors"

    def put_own(self, weights: Params) -> None:
        """Keep what this site predicts with from now on."""
        save(self.folder / "own.safetensors", weights)

    def predictions(self, run: str) -> Tree:
        """Return the classes that a run said of the site's test examples, and the true ones.

        Raises:
            Refused: it was never run here.
        """
        path = self._predictions(run)
        if not path.is_file():
            raise Refused(f"the run {run[:12]} predicted nothing here; run its arm again")
        return _kept(path, "run its arm again")

    def put_predictions(self, run: str, predicted: Tensor, labels: Tensor, data: str) -> None:
        """Keep what a run says of the site's test examples, in the place of what it said before.

        Args:
            run: its name.
            predicted: classes ``(rows,)``.
            labels: the true ones.
            data: names the site's data, in hex.
        """
        name = torch.tensor(list(bytes.fromhex(data)), dtype=torch.uint8)
        _keep(self._predictions(run), {"predicted": predicted, "labels": labels, "data": name})

    def _predictions(self, run: str) -> Path:
        return self.folder / f"predicted-{run}.safetensors"

    def _weights(self, key: str) -> Path:
        return self.folder / f"model-{key}.safetensors"

    def _private(self, stage: str) -> Path:
        return self.folder / f"private-{stage}.safetensors"


def _keep(path: Path, tree: Tree) -> None:
    """Write a tree with a checksum that names its file too, so that no other file stands for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, tree, {_CHECKSUM: _checksum(path, tree)})


def _kept(path: Path, way_out: str) -> Tree:
    """Read a tree that :func:`_keep` wrote.

    Raises:
        Refused: it is not what was written; the file goes.
    """
    try:
        tree, said = load(path)
    except HeadstartError:
        raise _damaged(path, way_out) from None
    if said.get(_CHECKSUM) != _checksum(path, tree):
        raise _damaged(path, way_out)
    return tree


def _checksum(path: Path, tree: Tree) -> str:
    return hash_json([path.name, hash_tree(tree)])


def _damaged(path: Path, way_out: str) -> Refused:
    """Return what to say of a damaged file, which goes."""
    path.unlink(missing_ok=True)
    return Refused(f"a file that this site kept ('{path.name}') was damaged and is gone; {way_out}")
