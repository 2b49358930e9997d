"""From what arms need to pieces, each node in one of them; what the store has is in none."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.study.run.pipeline import Pipeline
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.spread.piece import Kind, Piece
from headstart.study.written.arms import Arm

_FIRST = 2.0**62
"""Size of heads: they are nearly free, so that they come before all that trains more."""


def head_pieces(arms: Sequence[Arm], pipeline: Pipeline, views: Sequence[str]) -> list[Piece]:
    """Return what arms of heads alone need with a seed, side by side in one process, after their starts.

    Args:
        arms: configurations.
        pipeline: of the seed.
        views: on which their last nodes are evaluated.
    """
    left = [arm for arm in arms if not _is_there(arm, pipeline, views)]
    if not left:
        return []
    starts = {piece.key: piece for arm in left for piece in _before(Arm(arm.name, arm.start), pipeline, _FIRST)}
    needs = tuple(key for piece in starts.values() for key in piece.makes)
    makes = tuple(dict.fromkeys(key for arm in left for key in _federated(arm, pipeline)))
    bundle = Piece("heads", pipeline.seed, tuple(left), tuple(views), makes=makes, needs=needs, size=_FIRST)
    return [*starts.values(), bundle]


def trial_pieces(trials: Sequence[Arm], pipeline: Pipeline, size: float) -> list[Piece]:
    """Return what trying an arm's configurations with a seed needs; those that others may end are one piece.

    Args:
        trials: the written one first.
        pipeline: of the seed.
        size: of one configuration.
    """
    if trials[0].adapt.build().changes_nothing:
        return [piece for arm in trials for piece in run_pieces(arm, pipeline, TRIAL_VIEWS, size)]
    if all(_is_there(arm, pipeline, TRIAL_VIEWS) for arm in trials):
        return []
    whole = size * len(trials)
    before = [piece for arm in trials for piece in _before(arm, pipeline, whole)]
    needs = tuple(dict.fromkeys(key for piece in before for key in piece.makes))
    return [*before, Piece("trials", pipeline.seed, tuple(trials), TRIAL_VIEWS, needs=needs, size=whole)]


def run_pieces(arm: Arm, pipeline: Pipeline, views: Sequence[str], size: float) -> list[Piece]:
    """Return what one configuration needs.

    Args:
        arm: the configuration.
        pipeline: of the seed.
        views: on which its last node is evaluated.
        size: about how much work it is.
    """
    if _is_there(arm, pipeline, views):
        return []
    before = _before(arm, pipeline, size)
    needs = tuple(key for piece in before for key in piece.makes)
    return [*before, Piece("result", pipeline.seed, (arm,), tuple(views), needs=needs, size=size)]


def start_pieces(arms: Sequence[Arm], pipeline: Pipeline) -> list[Piece]:
    """Return the starts that arms need with a seed."""
    return [piece for arm in arms for piece in _before(Arm(arm.name, arm.start), pipeline, _FIRST)]


def _before(arm: Arm, pipeline: Pipeline, size: float) -> list[Piece]:
    """Return an arm's start and federated stages, a piece each, as far as the store lacks them."""
    keys = (pipeline.start_key(arm.start), *_federated(arm, pipeline))
    found, needs = list[Piece](), tuple[str, ...]()
    for count, key in enumerate(keys):
        if not pipeline.store.has(key):
            part = Arm(arm.name, arm.start, arm.federate[:count])
            kind: Kind = "federate" if count else "start"
            found.append(Piece(kind, pipeline.seed, (part,), makes=(key,), needs=needs, size=size))
            needs = (*needs, key)
    return found


def _federated(arm: Arm, pipeline: Pipeline) -> list[str]:
    """Return the keys of an arm's federated stages."""
    keys = [pipeline.start_key(arm.start)]
    for stage in arm.federate:
        keys.append(pipeline.federate_key(keys[-1], stage))
    return keys[1:]


def _is_there(arm: Arm, pipeline: Pipeline, views: Sequence[str]) -> bool:
    return pipeline.store.has(pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, views))
