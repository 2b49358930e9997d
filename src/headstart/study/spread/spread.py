"""What arms are sure to need, done by many processes before it is asked for in its turn.

The process that runs the study decides and records everything, arm after arm, as it does alone: it finds the nodes in
the store, whoever left them there, and an error of another process where it would meet its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from headstart.core.errors import HeadstartError
from headstart.study.run.tuning import is_head_only
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.spread.answer import Answer
from headstart.study.spread.board import Board, never
from headstart.study.spread.hands import Hands
from headstart.study.spread.piece import Piece
from headstart.study.spread.pieces import head_pieces, run_pieces, start_pieces, trial_pieces
from headstart.study.written.arms import Arm

if TYPE_CHECKING:
    from headstart.study.run.runner import Runner


class _Step(NamedTuple):
    """An arm's trials with a seed, or its run."""

    is_run: bool
    arm: str
    seed: int


@dataclass(eq=False)
class Spread:
    """Has hands do what arms need.

    Attributes:
        runner: decides and records.
        hands: who works.
        board: what they work at.
    """

    runner: Runner
    hands: Hands
    board: Board
    _wanted: dict[_Step, Arm] = field(default_factory=dict)
    _left: dict[_Step, set[str]] = field(default_factory=dict)
    _begun: set[_Step] = field(default_factory=set)

    def want(self, arms: Sequence[Arm], seeds: Sequence[int], *, runs: bool = True) -> None:
        """Have arms' trials done, and their runs as soon as trials have chosen.

        Args:
            arms: those that had to stop are left out.
            seeds: of each.
            runs: whether runs of arms that have trials are wanted, too; of those that have none they are.
        """
        for arm in arms:
            for seed in seeds if arm.name not in self.runner.stopped else ():
                self._want(arm, seed, is_run=runs or not self.runner.has_trials(arm), is_tried=not runs)
        self._put()

    def make_starts(self, arms: Sequence[Arm], seeds: Sequence[int]) -> None:
        """Have all starts made that arms need with some seeds."""
        for seed in seeds:
            self.board.add(start_pieces(arms, self.runner.pipeline(seed)))
        while self._go_on():
            pass

    def wait(self, arm: Arm, seeds: Sequence[int]) -> None:
        """Wait for what was wanted of an arm, or until it is too late for more."""
        every = {one for seed in seeds for one in (seed, *self.runner.group(arm, seed))}
        while any(step.arm == arm.name and step.seed in every for step in self._left) and self._go_on():
            pass

    def _want(self, arm: Arm, seed: int, *, is_run: bool, is_tried: bool) -> None:
        if is_run:
            self._wanted[_Step(True, arm.name, seed)] = arm
        if self.runner.has_trials(arm):
            for one in (seed,) if is_tried else self.runner.group(arm, seed):
                self._wanted[_Step(False, arm.name, one)] = arm

    def _put(self) -> None:
        """Put up what is wanted and can be said by now, heads of a seed together."""
        ready = [step for step in self._wanted if step not in self._begun and self._is_ready(step)]
        self._begun |= {*ready}
        deep = [step for step in ready if not is_head_only(self._wanted[step])]
        for step in deep:
            self._add([step], self._deep_pieces(step))
        for kind in dict.fromkeys((step.is_run, step.seed) for step in ready if step not in deep):
            heads = [step for step in ready if (step.is_run, step.seed) == kind and step not in deep]
            self._add(heads, self._head_pieces(heads))
        if ready:
            self._take()

    def _is_ready(self, step: _Step) -> bool:
        """Say whether a run's settings are chosen; trials need none."""
        arm = self._wanted[step]
        if not step.is_run or not self.runner.has_trials(arm):
            return True
        with suppress(HeadstartError):
            return self.runner.is_scored(arm, step.seed) and bool(self.runner.chosen(arm, step.seed))
        return False

    def _deep_pieces(self, step: _Step) -> list[Piece]:
        arm, pipeline = self._wanted[step], self.runner.pipeline(step.seed)
        size = float(self.runner.costs[arm.name].client_flops)
        if step.is_run:
            return run_pieces(self.runner.chosen(arm, step.seed)[0], pipeline, pipeline.final_views, size)
        return trial_pieces(self.runner.trials[arm.name], pipeline, size)

    def _head_pieces(self, steps: Sequence[_Step]) -> list[Piece]:
        is_run, _, seed = steps[0]
        pipeline, arms = self.runner.pipeline(seed), [self._wanted[step] for step in steps]
        if is_run:
            return head_pieces([self.runner.chosen(arm, seed)[0] for arm in arms], pipeline, pipeline.final_views)
        return head_pieces([one for arm in arms for one in self.runner.trials[arm.name]], pipeline, TRIAL_VIEWS)

    def _add(self, steps: Iterable[_Step], pieces: Sequence[Piece]) -> None:
        self.board.add(pieces)
        keys = {piece.key for piece in pieces} & self.board.pending
        # A run that is there already is told of in its turn.
        self._left |= {step: keys for step in steps if keys or not step.is_run}

    def _go_on(self) -> bool:
        """Wait until a piece ends; say whether there is anything to wait for."""
        if self.board.is_idle:
            return False
        self.runner.progress.tell(f"{self.hands.count} processes, {len(self.board.pending)} pieces of work")
        self.hands.go_on(self.board)
        while self.board.ended:
            self._heard(self.board.ended.popleft()[1])
        self._take()
        return True

    def _heard(self, answer: Answer) -> None:
        self.runner.failed.update(answer.failed)
        for line in answer.notes:
            self.runner.progress.warn(line)

    def _take(self) -> None:
        """Take up what is done: score trials, tell of runs, and put up what follows."""
        pending = self.board.pending
        done = [step for step, keys in self._left.items() if keys.isdisjoint(pending)]
        for step in done:
            del self._left[step]
            # What is wrong with an arm is met, and noted, in its turn.
            with suppress(HeadstartError):
                self._done(step)(self._wanted[step], step.seed)
        if done:
            self._put()

    def _done(self, step: _Step) -> Callable[[Arm, int], object]:
        return self.runner.tell if step.is_run else self.runner.score


def spread_of(runner: Runner, is_late: Callable[[], bool] = never, *, has_deadline: bool = False) -> Spread | None:
    """Return what has a runner's hands work, as long as it is not late; None where it has none.

    Where time may run out, arms come in their order, so that those which come first are finished by then.
    """
    return Spread(runner, runner.hands, Board(is_late, is_sorted=not has_deadline)) if runner.hands else None
