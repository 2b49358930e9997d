"""Doing a piece, in whichever process has opened the study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from headstart.core.errors import HeadstartError
from headstart.core.progress import Silent
from headstart.study.run.ahead import compute_ahead
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.trials import score_trials
from headstart.study.spread.answer import Answer, read_errors
from headstart.study.spread.piece import Kind, Piece

_Do = Callable[[Piece, Pipeline], object]


def do_piece(piece: Piece, pipeline: Pipeline) -> Answer:
    """Compute a piece's nodes, as far as they are not in the store; what stops one is told, not raised.

    Args:
        piece: what is to be computed.
        pipeline: of its seed.
    """
    pipeline.failed.update(read_errors(piece.failed))
    known = set(pipeline.failed)
    with suppress(HeadstartError):
        _DO[piece.kind](piece, pipeline)
    return Answer({key: error for key, error in pipeline.failed.items() if key not in known})


def _federate(piece: Piece, pipeline: Pipeline) -> object:
    return pipeline.trunk(piece.arms[0])


def _start(piece: Piece, pipeline: Pipeline) -> object:
    return pipeline.start(piece.arms[0].start)


def _heads(piece: Piece, pipeline: Pipeline) -> None:
    compute_ahead([(arm, pipeline, piece.views) for arm in piece.arms])


def _trials(piece: Piece, pipeline: Pipeline) -> object:
    return score_trials(piece.arms, pipeline, Silent())


def _result(piece: Piece, pipeline: Pipeline) -> object:
    return pipeline.result(piece.arms[0], piece.views)


_DO: dict[Kind, _Do] = {
    "start": _start,
    "federate": _federate,
    "heads": _heads,
    "trials": _trials,
    "result": _result,
}
