"""What a step has beside its examples, where a client's settings ask for it: draws, and a factor of its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.engine.order import keyed_draws
from headstart.models.model import Model
from headstart.training.client_data import Passes


@dataclass(frozen=True)
class Beside:
    """The same for a client alone and in a stack.

    Attributes:
        ids: of the clients.
        counts: steps that each of them takes, by client.
        model: whose features are dropped.
        passes: what is asked for.
        key: seed and round.
        rounds: of the stage.
        device: where the examples are.
    """

    ids: Sequence[str]
    counts: Array
    model: Model
    passes: Passes
    key: tuple[Key, ...]
    rounds: int
    device: torch.device

    def draws(self, step: int, size: int) -> Tensor | None:
        """Return draws for the ``size`` examples of a step, ``(clients, size, draws)``; None where nobody asks."""
        passes = self.passes
        count = passes.draws + (self.model.network.num_features if passes.feature_draws else 0)
        if not count:
            return None
        drawn = keyed_draws(self.ids, (size, count), *self.key, passes.stream, "draws", step)
        return torch.from_numpy(drawn).to(self.device)

    def lr_factor(self, step: int) -> Tensor | None:
        """Return what each client's step size is multiplied by, ``(clients,)``; None for 1."""
        factor = self.passes.lr_factor
        if factor is None:
            return None
        # A client that is done waits for the others, whatever its factor.
        each = [factor(self._round * own + min(step, own - 1), self.rounds * own) for own in self._counts]
        return torch.tensor(each, device=self.device)

    @property
    def _counts(self) -> list[int]:
        return [max(1, own) for own in self.counts.tolist()]

    @property
    def _round(self) -> int:
        """Rounds of the stage that are over; an adaptation is one round."""
        number = self.key[-1] if self.key else 0
        return number if isinstance(number, int) and "round" in self.key else 0
