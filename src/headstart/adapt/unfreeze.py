"""Unfreezing from the top: as many of the last blocks as validation data ask for, perhaps none.

Howard, Ruder: Universal Language Model Fine-tuning for Text Classification. ACL 2018. https://arxiv.org/abs/1801.06146
(section 3.3: the last layers first).

Differs from the paper: the blocks train together from the first step; how many is a setting, searched on validation
data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import NonNegativeInt, PositiveInt

from headstart.core.registry import Scale, UpTo
from headstart.core.trees import Params
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class Unfreeze:
    """Train the head and the last ``depth`` blocks.

    Attributes:
        depth: blocks that train; 0 leaves the head alone. Tuning tries 0 to ``deepest``.
        deepest: most blocks that tuning tries.
        epochs: passes over the client's training data.
        local: how steps are taken.
        accept: keep the result only if it is better on the client's validation data.
    """

    depth: NonNegativeInt = field(default=0, metadata={"search": UpTo("deepest")})
    deepest: PositiveInt = 2
    epochs: PositiveInt = field(default=5, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """The head, or the last ``depth`` blocks too."""
        return self.depth or "head"

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train what lies above the cut."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")
