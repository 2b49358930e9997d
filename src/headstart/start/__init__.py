"""Where shared weights come from: one file each, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.start.domain_pretrain import DomainPretrain
from headstart.start.pretrain import Pretrain
from headstart.start.pretrained import Pretrained
from headstart.start.protocol import Build, Pool, Start
from headstart.start.random import Random

METHODS: dict[str, Entry] = {
    "random": Entry(Random),
    "pretrained": Entry(Pretrained),
    "pretrain": Entry(Pretrain),
    "domain_pretrain": Entry(DomainPretrain),
}

__all__ = ["METHODS", "Build", "DomainPretrain", "Pool", "Pretrain", "Pretrained", "Random", "Start"]
