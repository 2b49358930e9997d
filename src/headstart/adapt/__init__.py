"""What a client does alone: one file each, and the table of their names."""

from __future__ import annotations

from headstart.adapt.gradient import FullFinetune, LastBlocks, LinearProbe
from headstart.adapt.keep import Keep
from headstart.adapt.knn import Knn
from headstart.adapt.lora import LoraFinetune
from headstart.adapt.lora_mix import LoraMix
from headstart.adapt.lp_ft import LpFt
from headstart.adapt.personal_ridge import PersonalRidge
from headstart.adapt.protocol import Adapt, Remembers, remembers
from headstart.adapt.unfreeze import Unfreeze
from headstart.core.registry import Entry

METHODS: dict[str, Entry] = {
    "keep": Entry(Keep),
    "linear_probe": Entry(LinearProbe),
    "full_finetune": Entry(FullFinetune),
    "last_blocks": Entry(LastBlocks),
    "unfreeze": Entry(Unfreeze),
    "lp_ft": Entry(LpFt),
    "lora": Entry(LoraFinetune),
    "lora_mix": Entry(LoraMix),
    "personal_ridge": Entry(PersonalRidge),
    "knn": Entry(Knn),
}

__all__ = [
    "METHODS",
    "Adapt",
    "FullFinetune",
    "Keep",
    "Knn",
    "LastBlocks",
    "LinearProbe",
    "LoraFinetune",
    "LoraMix",
    "LpFt",
    "PersonalRidge",
    "Remembers",
    "Unfreeze",
    "remembers",
]
