"""Steps that are the same but for their numbers, taken faster than one operation after another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

from headstart.core.trees import Tree
from headstart.models.batch import Batch

Step = Callable[[Tree, Tree, Tree, Batch], None]
"""One step: from where the client began, its parameters, its optimiser's state, and a batch.

It writes new parameters and a new state in the places of the old ones, and depends on the numbers in these tensors
alone: on no value that Python reads of them, and on nothing that changes from step to step.
"""


class Replay(Protocol):
    """Takes a client's steps, or those of a stack of clients."""

    def __call__(
        self, name: Hashable, step: Step, start: Tree, params: Tree, state: Tree, batches: Iterable[Batch]
    ) -> tuple[Tree, Tree]:
        """Return parameters and optimiser state after one step per batch; the arguments stay as they are.

        Args:
            name: says what a step does: equal names mean equal steps.
            step: one.
            start: where the client began.
            params: from where it goes.
            state: its optimiser's.
            batches: one for each step.
        """
        ...
