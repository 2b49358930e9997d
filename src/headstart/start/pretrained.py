"""A checkpoint's backbone, and a head for the clients' classes.

Kumar, Raghunathan, Jones, Ma, Liang: Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution.
ICLR 2022. https://arxiv.org/abs/2202.10054 (a head fitted on frozen features before anything else moves).

Differs from the paper: the head is fitted on the server's central pool, if it has the clients' classes; else it is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import PositiveInt

from headstart.start.course import train_until_stale
from headstart.start.protocol import Build, Central, Need, Start, silent
from headstart.training import LocalTraining, Network, Params, Task, Tell, cut_at


@dataclass(frozen=True, kw_only=True)
class Pretrained(Start):
    """Load the checkpoint, freeze the backbone, fit the head on the central pool.

    Attributes:
        epochs: passes over the pool at most.
        patience: epochs without improvement before stopping.
        local: how steps are taken.
    """

    epochs: PositiveInt = 200
    patience: PositiveInt = 20
    local: LocalTraining = LocalTraining(client_lr=0.005, momentum=0.9, lr_schedule="cosine")

    from_scratch: ClassVar[bool] = False
    needs: ClassVar[tuple[Need, ...]] = ("checkpoint",)

    def __post_init__(self) -> None:
        """Check that every option does something.

        Raises:
            SettingError: pictures are to change of which only features are read.
        """
        self.local.refuse(["augment"], "acts on pixels, and this start fits a head on frozen features")

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the checkpoint's weights with a head for the clients' classes."""
        network, weights = build(task, from_scratch=False)
        return network, weights if central is None else fit_head(network, weights, central, tell, self)


def fit_head(
    network: Network, weights: Params, central: Central, tell: Tell, settings: Pretrained = Pretrained()
) -> Params:
    """Return the weights with a head that is fitted on the pool, if that has the clients' classes."""
    if not central.is_same:
        return weights
    model, head = cut_at(network, weights, "head")
    course = train_until_stale(model, head, central, settings.local, settings.epochs, settings.patience, tell)
    return model.weights(course.best)
