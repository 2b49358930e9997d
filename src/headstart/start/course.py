"""The course of training on a pool: until its validation loss has not fallen for some epochs."""

from __future__ import annotations

from typing import NamedTuple

from headstart.start.protocol import Central
from headstart.training import ClientData, LocalTraining, Model, Params, Passes, Tell

_LOWERED = 1e-5
"""Share by which the validation loss must fall for anything to have been learnt."""


class Course(NamedTuple):
    """How training on a pool went.

    Attributes:
        best: parameters of least validation loss, perhaps the first.
        last: parameters after the last epoch.
        losses: on validation, before the first epoch and after each.
    """

    best: Params
    last: Params
    losses: tuple[float, ...]

    @property
    def has_lowered_loss(self) -> bool:
        """Whether any epoch's validation loss is lower than the first by more than rounding."""
        return any(loss < self.losses[0] * (1 - _LOWERED) for loss in self.losses)


def train_until_stale(
    model: Model, params: Params, central: Central, local: LocalTraining, epochs: int, patience: int, tell: Tell
) -> Course:
    """Train until the validation loss has not fallen for some epochs; the step size follows the epochs."""
    state = local.build().init(params)
    best, best_loss, stale = params, mean_loss(model, params, central.val), 0
    losses = [best_loss]
    for epoch in range(epochs):
        batches = central.train.batches(model, local.passes(1, stream=f"pretrain-{epoch}"))
        params, state = local.go_on(model, params, state, batches, local.lr_factor(epoch, epochs))
        loss = mean_loss(model, params, central.val)
        losses.append(loss)
        tell(f"epoch {epoch + 1} of {epochs}, validation loss {loss:.3f}")
        best, best_loss, stale = (params, loss, 0) if loss < best_loss else (best, best_loss, stale + 1)
        if stale >= patience:
            break
    return Course(best, params, tuple(losses))


def mean_loss(model: Model, params: Params, data: ClientData) -> float:
    """Return the mean loss over ``data``."""
    total, count = 0.0, 0
    for batch in data.batches(model, Passes(batch_size=256)):
        size = len(batch.labels)
        total += float(model.loss(model.logits(params, batch.inputs), batch)) * size
        count += size
    return total / max(count, 1)
