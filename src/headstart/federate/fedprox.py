"""FedProx.

Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks. MLSys 2020.
https://arxiv.org/abs/1812.06127 (Algorithm 2, equation 2).

Differs from the paper: clients take a fixed number of epochs instead of an inexactness criterion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat

from headstart.training import Batch, LocalTraining, Model, Params, Scale, trees


@dataclass(frozen=True, kw_only=True)
class Proximal(LocalTraining):
    """Every client's loss has the term ``proximal_mu / 2 ||w - shared||²``."""

    proximal_mu: Annotated[NonNegativeFloat, Scale(10)] = 0.01
    is_plain: ClassVar[bool] = False

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Add the pull towards where the client began."""
        # The gradient first: beside its activations the pull would take the room of one more model.
        gradient = model.gradient(params, batch)
        return trees.add(gradient, trees.scale(trees.subtract(params, start), self.proximal_mu))
