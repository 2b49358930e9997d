"""The standard slate: the arms of a study that names none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from headstart.core.errors import SettingError
from headstart.costs.arm import ArmCosts
from headstart.data.federation import Federation
from headstart.models.spec import ModelSpec, is_bare, is_checkpoint
from headstart.start import Need
from headstart.study.written.arms import Arm, Stage

_PASSES = 20
"""Passes over a client's training data that an arm's gradient steps make in all, so that practice is equal."""


@dataclass(frozen=True)
class Slate:
    """Arms to run, and those that the data, the model or a device rules out.

    Attributes:
        arms: to run, in order.
        ruled_out: arms that are not run, with the reason.
        costs: of every arm, those that a device rules out too; empty before they are measured.
    """

    arms: tuple[Arm, ...]
    ruled_out: Mapping[str, str] = field(default_factory=dict)
    costs: Mapping[str, ArmCosts] = field(default_factory=dict)


STANDARD = (
    "zero-shot",
    "local",
    "pooled",
    "pooled-personal",
    "finetune-head",
    "finetune-lp-ft",
    "finetune-full",
    "local-ridge",
    "local-lda",
    "fedavg",
    "fedavg-pretrained",
    "fedadam-pretrained",
    "fedavg-finetune",
    "ridge",
    "ridge-personal",
    "ridge-fedadam",
)
"""Names of the standard slate, in order."""


def standard_slate(*, checkpoint: bool, central: bool, same_classes: bool, bare: bool = False) -> Slate:
    """Return the standard slate for what a study has.

    The good start is the checkpoint, or else pre-training on the central pool. Arms that are nothing without
    one are ruled out when there is neither; the references and ``fedavg-finetune`` then start at random. Arms of
    heads on fixed features do so too where the network is bare: their features are the inputs themselves.

    Args:
        checkpoint: whether the backbone comes with trained weights.
        central: whether the server has a labelled pool.
        same_classes: whether this pool has the clients' classes.
        bare: whether the network is nothing but a head.

    >>> slate = standard_slate(checkpoint=False, central=False, same_classes=False)
    >>> [arm.name for arm in slate.arms]
    ['local', 'pooled', 'pooled-personal', 'fedavg', 'fedavg-finetune']
    """
    good = "pretrained" if checkpoint else "pretrain" if central else None
    lacking = frozenset() if good else _NEED_GOOD_START - (_HEADS if bare else frozenset())
    arms = [arm for arm in _arms(good or "random") if arm.name not in lacking]
    ruled_out = dict.fromkeys((name for name in STANDARD if name in lacking), _NO_TRAINED if bare else _NO_START)
    if good and not (central and same_classes):
        arms = [arm for arm in arms if arm.name != "zero-shot"]
        ruled_out["zero-shot"] = _NO_HEAD
    return Slate(tuple(arms), ruled_out)


def slate_for(model: ModelSpec, federation: Federation) -> Slate:
    """Return the standard slate for a model and a federation."""
    pool = federation.central
    labelled = pool is not None and bool(np.any(pool.labels >= 0))
    same = pool is not None and pool.task == federation.task
    checkpoint, bare = is_checkpoint(model), is_bare(model)
    return standard_slate(checkpoint=checkpoint, central=labelled, same_classes=same, bare=bare)


def check_starts(arms: Iterable[Arm], *, checkpoint: bool, central: bool) -> None:
    """Check that every arm's start has what it starts from.

    Raises:
        SettingError: ``pretrained`` without a checkpoint, or ``pretrain`` without a central pool.
    """
    has: dict[Need, bool] = {"checkpoint": checkpoint, "text checkpoint": checkpoint, "labels": central}
    for arm in arms:
        method = arm.start.method
        for need in arm.start.build().needs:
            # Whether a pool's texts are there is known when it is read.
            if not has.get(need, True):
                what, way_out = _NEEDED[need]
                raise SettingError(f"arms.{arm.name}.start: needs {what}, received {method!r}; {way_out}")


_NEEDED: dict[Need, tuple[str, str]] = {
    "checkpoint": (
        "a backbone with trained weights",
        "set model.backbone to a checkpoint (local directory or Hub name), or start with 'pretrain' or 'random'",
    ),
    "text checkpoint": (
        "a text checkpoint",
        "set model.backbone to one (local directory, Hub name or 'minilm')",
    ),
    "labels": (
        "a labelled central pool",
        "add a [data.central] table, or start with 'pretrained' or 'random'",
    ),
}
"""What a start needs, in words, and the way out where it is not there."""

_NEED_GOOD_START = frozenset(STANDARD) - {"local", "pooled", "pooled-personal", "fedavg", "fedavg-finetune"}
_HEADS = frozenset({"finetune-head", "local-ridge", "local-lda", "ridge", "ridge-personal", "ridge-fedadam"})
"""Arms that train or solve a head on features as they are."""

_NO_TRAINED = (
    "needs a trained start: the backbone is no checkpoint and there is no labelled central pool; "
    "set model.backbone to a checkpoint, or add [data.central]"
)
_NO_START = f"{_NO_TRAINED}; heads on a table's own columns need neither with backbone = 'linear'"
_NO_HEAD = "needs a labelled central pool with the clients' classes; add one as [data.central]"


def _arms(good: str) -> list[Arm]:
    pooled = Stage("federate", "pooled", {"epochs": _PASSES})
    rounds = {"rounds": _PASSES, "local_epochs": 1}
    fedavg, fedadam = (Stage("federate", name, rounds) for name in ("fedavg", "fedadam"))
    half = Stage("federate", "fedavg", {**rounds, "rounds": _PASSES // 2})
    rest = Stage("adapt", "lp_ft", {"head_epochs": _PASSES // 4, "epochs": _PASSES // 4})
    full, probe = (Stage("adapt", name, {"epochs": _PASSES}) for name in ("full_finetune", "linear_probe"))
    lp_ft = Stage("adapt", "lp_ft", {"head_epochs": _PASSES // 2, "epochs": _PASSES // 2})
    local = Stage("adapt", "full_finetune", {"epochs": _PASSES, "accept": False})
    return [
        Arm("zero-shot", good),
        Arm("local", "random", adapt=local),
        Arm("pooled", good, pooled),
        Arm("pooled-personal", good, [pooled, "ridge"], "personal_ridge"),
        Arm("finetune-head", good, adapt=probe),
        Arm("finetune-lp-ft", good, adapt=lp_ft),
        Arm("finetune-full", good, adapt=full),
        Arm("local-ridge", good, adapt="local_ridge"),
        Arm("local-lda", good, adapt="local_lda"),
        Arm("fedavg", "random", fedavg),
        Arm("fedavg-pretrained", good, fedavg),
        Arm("fedadam-pretrained", good, fedadam),
        Arm("fedavg-finetune", good, half, rest),
        Arm("ridge", good, "ridge"),
        Arm("ridge-personal", good, "ridge", "personal_ridge"),
        Arm("ridge-fedadam", good, ["ridge", fedadam]),
    ]
