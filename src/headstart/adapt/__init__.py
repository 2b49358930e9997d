"""What a client does alone: one file each, and the table of their names."""

from __future__ import annotations

from headstart.adapt.adabn import AdaBN
from headstart.adapt.gradient import Everything, Finetune, Head, LastBlocks
from headstart.adapt.keep import Keep
from headstart.adapt.knn import Knn
from headstart.adapt.local_lda import LocalDiscriminant
from headstart.adapt.local_ridge import LocalRidge
from headstart.adapt.lora import Adapters
from headstart.adapt.lora_mix import LoraMix
from headstart.adapt.lp_ft import LpFt
from headstart.adapt.own_or_shared import OwnOrShared
from headstart.adapt.personal_ridge import PersonalRidge
from headstart.adapt.protocol import Adapt, Remembers, remembers
from headstart.adapt.tent import Tent
from headstart.adapt.unfreeze import Unfreeze
from headstart.core.registry import Entry

METHODS: dict[str, Entry] = {
    "keep": Entry(Keep, on_device=True, says="each client uses its model as it is"),
    "linear_probe": Entry(
        Finetune, {"depth": Head}, {"epochs": 10}, on_device=True, says="each client trains its own last layer"
    ),
    "full_finetune": Entry(Finetune, {"depth": Everything}, says="each client trains all weights on its own data"),
    "last_blocks": Entry(Finetune, {"depth": LastBlocks}, says="each client trains the last blocks"),
    "unfreeze": Entry(
        Finetune,
        {"depth": Unfreeze},
        says="each client trains its own last layer, and the last blocks if validation data ask for it",
    ),
    "lp_ft": Entry(LpFt, says="each client trains its last layer, then all weights"),
    "lora": Entry(Finetune, {"depth": Adapters}, says="each client trains its own narrow adapters and last layer"),
    "lora_mix": Entry(LoraMix, says="each client goes part of the way to narrow adapters of its own"),
    "personal_ridge": Entry(
        PersonalRidge, on_device=True, says="each client solves its own last layer, pulled towards the shared one"
    ),
    "local_ridge": Entry(LocalRidge, says="each client solves its own last layer from its own examples alone"),
    "local_lda": Entry(LocalDiscriminant, says="each client's last layer follows from its own class means"),
    "own_or_shared": Entry(
        OwnOrShared, says="each client takes the model it trained alone where that is better for it"
    ),
    "knn": Entry(Knn, says="each client asks its own nearest examples beside the shared model"),
    "adabn": Entry(AdaBN, says="each client normalises by the statistics of its own inputs, without labels"),
    "tent": Entry(Tent, says="each client makes predictions on its own inputs surer, without labels"),
}

__all__ = [
    "METHODS",
    "AdaBN",
    "Adapt",
    "Everything",
    "Finetune",
    "Head",
    "Keep",
    "Knn",
    "LastBlocks",
    "LocalDiscriminant",
    "LocalRidge",
    "LoraMix",
    "LpFt",
    "OwnOrShared",
    "PersonalRidge",
    "Remembers",
    "Tent",
    "Unfreeze",
    "remembers",
]
