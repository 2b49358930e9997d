"""FedBN.

Li, Jiang, Zhang, Kamp, Dou: FedBN: Federated Learning on Non-IID Features via Local Batch Normalization. ICLR 2021.
https://arxiv.org/abs/2102.07623 (Algorithm 1).

Differs from the paper: statistics of batches do not move here, they stay as the start has them, so that what each
client keeps is scale and shift; those of GroupNorm, LayerNorm and their like too, which the paper leaves out. A client
that has not taken part yet has the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.sharing import Sharing
from headstart.training import Model, Params, SettingError, Tree, norm_weights, trees


@dataclass(frozen=True, kw_only=True)
class OwnNorms(Sharing):
    """Every client keeps scales and shifts of its own in layers that normalise."""

    def split(self, model: Model, params: Params) -> tuple[Tree, Tree]:
        """Return what is shared, and what is private.

        Raises:
            SettingError: no layer that normalises trains.
        """
        norms = norm_weights(model.network)
        private = [name for name in params if name in norms]
        if not private:
            raise SettingError(
                f"federate.trainable: must let a layer that normalises train, received a cut of '{model.network.name}' "
                "above which there is none with a scale or shift; train more blocks, or take 'fedavg'"
            )
        return trees.select(params, [name for name in params if name not in norms]), trees.select(params, private)
