"""Federated methods: one file each, both halves in it, and the table of their names."""

from __future__ import annotations

from headstart.core.registry import Entry
from headstart.federate.apfl import Apfl, Mixing
from headstart.federate.collab import Collab
from headstart.federate.ditto import Ditto
from headstart.federate.fedavg import FedAvg
from headstart.federate.fedavgm import Momentum
from headstart.federate.fedbabu import FedBabu
from headstart.federate.fedbn import OwnNorms
from headstart.federate.fedcof import CovarianceFromMeans
from headstart.federate.feddyn import Dynamic, FedDyn
from headstart.federate.fedit import BothMatrices
from headstart.federate.fedopt import Adagrad, Adam, Yogi
from headstart.federate.fedper import OwnHead
from headstart.federate.fedpft import ParametricTransfer
from headstart.federate.fedprox import Proximal
from headstart.federate.fedrep import FedRep
from headstart.federate.fedsa_lora import OwnB
from headstart.federate.ffa_lora import FrozenA
from headstart.federate.ifca import Ifca
from headstart.federate.lda import LinearDiscriminant
from headstart.federate.merge_once import MergeOnce
from headstart.federate.mr_mtl import MeanRegularized
from headstart.federate.ncm import NearestClassMean
from headstart.federate.pfedme import Moreau, PFedMe
from headstart.federate.pooled import Pooled
from headstart.federate.protocol import Begin, Federate, Schedule, keeps_own
from headstart.federate.ridge import Ridge
from headstart.federate.scaffold import Corrected, Scaffold
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
    "merge_once": Entry(
        MergeOnce,
        says="clients fine-tune alone and are averaged once, each keeping its own model beside the mean",
    ),
    "ifca": Entry(Ifca, says="clients train together with {words}, each in the group whose model fits it best"),
    "mr_mtl": Entry(MeanRegularized, says="clients train models of their own, each pulled towards the mean of all"),
    "apfl": Entry(
        Apfl,
        {"local": Mixing},
        says=_TOGETHER + "and each a model of its own, of which it uses a mixture with the shared one",
    ),
    "pfedme": Entry(
        PFedMe, {"local": Moreau}, says="clients keep models of their own near a shared one that follows them"
    ),
    "collab": Entry(
        Collab, says="clients are grouped by what their heads lose on each other's data, each with its group"
    ),
    "ridge": Entry(Ridge, says="clients solve one shared ridge regression in a single round"),
    "ncm": Entry(NearestClassMean, says="clients share class means once"),
    "lda": Entry(LinearDiscriminant, says="clients share class means and one covariance once"),
    "fedcof": Entry(CovarianceFromMeans, says="clients share class means once, whose spread says the covariance"),
    "fedpft": Entry(
        ParametricTransfer, says="clients share a Gaussian for each class once, and the server trains a head on draws"
    ),
    "simsiam": Entry(
        SimSiam, {"local": Siamese}, says="clients train a body together on their pictures without labels"
    ),
    "pooled": Entry(Pooled, says="all data is pooled in one place"),
}

__all__ = [
    "METHODS",
    "Begin",
    "Collab",
    "CovarianceFromMeans",
    "FedAvg",
    "FedDyn",
    "Federate",
    "Ifca",
    "LinearDiscriminant",
    "MergeOnce",
    "NearestClassMean",
    "ParametricTransfer",
    "Pooled",
    "Ridge",
    "Scaffold",
    "Schedule",
    "SimSiam",
    "keeps_own",
]
