"""Federated methods: one file each, both halves in it, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.federate.apfl import Apfl, Mixing
from headstart.federate.ditto import Ditto
from headstart.federate.fedavg import FedAvg
from headstart.federate.fedavgm import Momentum
from headstart.federate.fedbabu import FedBabu
from headstart.federate.fedbn import OwnNorms
from headstart.federate.feddyn import Dynamic, FedDyn
from headstart.federate.fedit import BothMatrices
from headstart.federate.fedopt import Adagrad, Adam, Yogi
from headstart.federate.fedper import OwnHead
from headstart.federate.fedprox import Proximal
from headstart.federate.fedrep import FedRep
from headstart.federate.fedsa_lora import OwnB
from headstart.federate.ffa_lora import FrozenA
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.mr_mtl import MeanRegularized
from headstart.federate.ncm import NearestClassMean
from headstart.federate.pfedme import Moreau, PFedMe
from headstart.federate.pooled import Pooled
from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.ridge import Ridge
from headstart.federate.scaffold import Corrected, Scaffold
from headstart.training import Lora

_TOGETHER = "clients train together with {words}, "

METHODS: dict[str, Entry] = {
    "fedavg": Entry(FedAvg, says=_TOGETHER + "their updates averaged"),
    "fedavgm": Entry(FedAvg, {"server": Momentum}, says=_TOGETHER + "the server keeping its momentum"),
    "fedadagrad": Entry(FedAvg, {"server": Adagrad}, says=_TOGETHER + "the server stepping with Adagrad"),
    "fedadam": Entry(FedAvg, {"server": Adam}, says=_TOGETHER + "the server stepping with Adam"),
    "fedyogi": Entry(FedAvg, {"server": Yogi}, says=_TOGETHER + "the server stepping with Yogi"),
    "fedprox": Entry(FedAvg, {"local": Proximal}, says=_TOGETHER + "each pulled towards the shared model"),
    "scaffold": Entry(
        Scaffold, {"local": Corrected}, says=_TOGETHER + "every step corrected for what its client's data are alone in"
    ),
    "feddyn": Entry(
        FedDyn, {"local": Dynamic}, says=_TOGETHER + "each pulled to where its optimum and the shared one agree"
    ),
    "fedit": Entry(FedAvg, {"trainable": BothMatrices}, says=_TOGETHER + "on narrow adapters"),
    "ffa_lora": Entry(FedAvg, {"trainable": FrozenA}, says=_TOGETHER + "on one half of narrow adapters"),
    "fedsa_lora": Entry(
        FedAvg,
        {"trainable": Lora, "sharing": OwnB},
        says=_TOGETHER + "on narrow adapters, one half of them each client's own",
    ),
    "fedper": Entry(FedAvg, {"sharing": OwnHead}, says="clients train a body together under heads of their own"),
    "fedrep": Entry(FedRep, says="clients fit heads of their own to a body, then together the body to these"),
    "fedbabu": Entry(FedBabu, says="clients train a body together under a head that stays as it began"),
    "fedbn": Entry(FedAvg, {"sharing": OwnNorms}, says=_TOGETHER + "each with scales and shifts of its own"),
    "ditto": Entry(Ditto, says=_TOGETHER + "and each a model of its own that is pulled towards the shared one"),
    "mr_mtl": Entry(MeanRegularized, says="clients train models of their own, each pulled towards the mean of all"),
    "apfl": Entry(
        Apfl,
        {"local": Mixing},
        says=_TOGETHER + "and each a model of its own, of which it uses a mixture with the shared one",
    ),
    "pfedme": Entry(
        PFedMe, {"local": Moreau}, says="clients keep models of their own near a shared one that follows them"
    ),
    "ridge": Entry(Ridge, says="clients solve one shared ridge regression in a single round"),
    "ncm": Entry(NearestClassMean, says="clients share class means once"),
    "lda": Entry(LinearDiscriminant, says="clients share class means and one covariance once"),
    "pooled": Entry(Pooled, says="all data is pooled in one place"),
}

__all__ = [
    "METHODS",
    "Begin",
    "FedAvg",
    "FedDyn",
    "Federate",
    "LinearDiscriminant",
    "NearestClassMean",
    "Pooled",
    "Ridge",
    "Scaffold",
    "Schedule",
]
