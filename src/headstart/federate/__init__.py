"""Federated methods: one file each, both halves in it, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.federate.fedavg import FedAvg
from headstart.federate.fedavgm import Momentum
from headstart.federate.fedit import BothMatrices
from headstart.federate.fedopt import Adagrad, Adam, Yogi
from headstart.federate.fedprox import Proximal
from headstart.federate.fedsa_lora import OwnB
from headstart.federate.ffa_lora import FrozenA
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.ncm import NearestClassMean
from headstart.federate.pooled import Pooled
from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.ridge import Ridge
from headstart.federate.simsiam import Siamese, SimSiam
from headstart.training import Lora

_TOGETHER = "clients train together with {words}, "

METHODS: dict[str, Entry] = {
    "fedavg": Entry(FedAvg, says=_TOGETHER + "their updates averaged"),
    "fedavgm": Entry(FedAvg, {"server": Momentum}, says=_TOGETHER + "the server keeping its momentum"),
    "fedadagrad": Entry(FedAvg, {"server": Adagrad}, says=_TOGETHER + "the server stepping with Adagrad"),
    "fedadam": Entry(FedAvg, {"server": Adam}, says=_TOGETHER + "the server stepping with Adam"),
    "fedyogi": Entry(FedAvg, {"server": Yogi}, says=_TOGETHER + "the server stepping with Yogi"),
    "fedprox": Entry(FedAvg, {"local": Proximal}, says=_TOGETHER + "each pulled towards the shared model"),
    "fedit": Entry(FedAvg, {"trainable": BothMatrices}, says=_TOGETHER + "on narrow adapters"),
    "ffa_lora": Entry(FedAvg, {"trainable": FrozenA}, says=_TOGETHER + "on one half of narrow adapters"),
    "fedsa_lora": Entry(
        FedAvg,
        {"trainable": Lora, "sharing": OwnB},
        says=_TOGETHER + "on narrow adapters, one half of them each client's own",
    ),
    "ridge": Entry(Ridge, says="clients solve one shared ridge regression in a single round"),
    "ncm": Entry(NearestClassMean, says="clients share class means once"),
    "lda": Entry(LinearDiscriminant, says="clients share class means and one covariance once"),
    "simsiam": Entry(
        SimSiam, {"local": Siamese}, says="clients train a body together on their pictures without labels"
    ),
    "pooled": Entry(Pooled, says="all data is pooled in one place"),
}

__all__ = [
    "METHODS",
    "Begin",
    "FedAvg",
    "Federate",
    "LinearDiscriminant",
    "NearestClassMean",
    "Pooled",
    "Ridge",
    "Schedule",
    "SimSiam",
]
