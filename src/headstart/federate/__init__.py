"""Federated methods: one file each, both halves in it, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.federate.fedavg import FedAvg
from headstart.federate.fedavgm import Momentum
from headstart.federate.fedit import BothMatrices
from headstart.federate.fedopt import Adagrad, Adam, Yogi
from headstart.federate.fedprox import FedProx
from headstart.federate.fedsa_lora import FedSALora
from headstart.federate.ffa_lora import FrozenA
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.ncm import NearestClassMean
from headstart.federate.pooled import Pooled
from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.ridge import Ridge

METHODS: dict[str, Entry] = {
    "fedavg": Entry(FedAvg),
    "fedavgm": Entry(FedAvg, {"server": Momentum}),
    "fedadagrad": Entry(FedAvg, {"server": Adagrad}),
    "fedadam": Entry(FedAvg, {"server": Adam}),
    "fedyogi": Entry(FedAvg, {"server": Yogi}),
    "fedprox": Entry(FedProx),
    "fedit": Entry(FedAvg, {"trainable": BothMatrices}),
    "ffa_lora": Entry(FedAvg, {"trainable": FrozenA}),
    "fedsa_lora": Entry(FedSALora),
    "ridge": Entry(Ridge),
    "ncm": Entry(NearestClassMean),
    "lda": Entry(LinearDiscriminant),
    "pooled": Entry(Pooled),
}

__all__ = [
    "METHODS",
    "Begin",
    "FedAvg",
    "FedProx",
    "FedSALora",
    "Federate",
    "LinearDiscriminant",
    "NearestClassMean",
    "Pooled",
    "Ridge",
    "Schedule",
]
