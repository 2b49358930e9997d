"""Where shared weights come from: one file each, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.start.domain_pretrain import DomainPretrain
from headstart.start.fractal import Fractal
from headstart.start.pretrain import Pretrain
from headstart.start.pretrained import Pretrained
from headstart.start.protocol import Build, Central, Need, Start
from headstart.start.random import Random

METHODS: dict[str, Entry] = {
    "random": Entry(Random, says="starts from random weights"),
    "pretrained": Entry(Pretrained, says="starts from a pre-trained model"),
    "pretrain": Entry(Pretrain, says="starts from a model trained on the central pool"),
    "domain_pretrain": Entry(DomainPretrain, says="starts from a language model that went on reading the central pool"),
    "fractal": Entry(Fractal, says="starts from a network that learnt to tell drawn fractals apart"),
}

__all__ = [
    "METHODS",
    "Build",
    "Central",
    "DomainPretrain",
    "Fractal",
    "Need",
    "Pretrain",
    "Pretrained",
    "Random",
    "Start",
]
