"""LoRA on the client.

Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
https://arxiv.org/abs/2106.09685 (section 4).

Differs from the paper: a classification head trains too; no dropout in the adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import PositiveInt

from headstart.core.registry import Scale
from headstart.core.trees import Params
from headstart.models.lora import Lora
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class LoraFinetune:
    """Train low-rank adapters and the head.

    Attributes:
        epochs: passes over the client's training data.
        local: how steps are taken.
        adapter: which layers have adapters, and of which size.
        accept: keep the result only if it is better on the client's validation data.
    """

    epochs: PositiveInt = field(default=5, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    adapter: Lora = Lora()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """Adapters and the head."""
        return self.adapter

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train adapters and head."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")
