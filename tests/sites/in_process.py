"""Sites in this process: the same answers as over the network, their tensors turned into bytes and back."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits

from headstart.core.errors import HeadstartError
from headstart.core.progress import Silent
from headstart.core.trees import Tree
from headstart.sites.answers import Kind, reply
from headstart.sites.flower.parcels import pack, unpack
from headstart.sites.messages import Hello
from headstart.sites.server import Server, open_server
from headstart.sites.settings import Minima
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Crossed, Failed, Request
from headstart.sites.work import AtSites
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.records import noticed
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile

STUDY = """
name  = "sites"
seeds = [0]
[data]
source = "{source}"
client = "site"
[data.central]
source = "glyphs"
max_examples = 80
[model]
backbone = "small-cnn"
[training]
batch_size = 8
momentum   = 0.9
client_lr  = 0.02
[decision]
baseline = "local"
metric   = "balanced_accuracy"
[tuning]
trials = 1
[engine]
name = "serial"
[arms.fedavg]
start    = {{ method = "pretrain", epochs = 2 }}
federate = {{ method = "fedavg", rounds = 3, local_epochs = 1 }}
[arms.ridge]
start    = {{ method = "pretrain", epochs = 2 }}
federate = "ridge"
[arms.finetune]
start = {{ method = "pretrain", epochs = 2 }}
adapt = {{ method = "linear_probe", epochs = 3 }}
[arms.local]
start = "random"
adapt = {{ method = "full_finetune", epochs = 2, accept = false }}
[arms.both]
start    = {{ method = "pretrain", epochs = 2 }}
federate = [{{ method = "ridge" }}, {{ method = "fedadam", rounds = 2, local_epochs = 1, trainable = "head" }}]
adapt    = "personal_ridge"
"""

NAMES = ("north", "east", "south", "west")

Spoil = Callable[[Request, str, Tree], tuple[str, Tree]]


def write_sites(folder: Path, names: Sequence[str] = NAMES, each: int = 60) -> Path:
    """Write handwritten digits: one file of all, and one per site."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))[: each * len(names)]
    images = [{"bytes": _png(digits.images[i]), "path": f"{i}.png"} for i in order]
    owner = [names[i % len(names)] for i in range(len(order))]
    table = pa.table({"image": images, "label": digits.target[order], "site": owner})
    pq.write_table(table, folder / "all.parquet")
    for name in names:
        pq.write_table(table.filter(pa.compute.equal(table["site"], name)), folder / f"{name}.parquet")
    (folder / "study.toml").write_text(STUDY.format(source=folder / "all.parquet"))
    return folder


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 15).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


LOOSE = Minima(examples=1, class_examples=1)
"""Sites of these tests are tiny, and of one operator."""


class InProcess:
    """A transport without a network; ``spoil`` may change or lose what a site answers."""

    def __init__(self, sites: Sequence[Site], spoil: Spoil | None = None, minima: Minima = LOOSE) -> None:
        self.sites, self.spoil, self.asked = [replace(site, minima=minima) for site in sites], spoil, []

    @property
    def addresses(self) -> list[int]:
        return list(range(len(self.sites)))

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        for request in requests:
            self.asked.append((self.sites[request.site].name, request.kind, json.loads(request.text).get("round")))
            yield self.one(request)

    def one(self, request: Request) -> Answer[str] | Failed:
        down = len(request.text.encode()) + len(pack(request.tree))
        try:
            said, sent = reply(self.sites[request.site], request.kind, request.text, unpack(pack(request.tree)))
            if self.spoil:
                said, sent = self.spoil(request, said, sent)
            packed = pack(sent)
            crossed = Crossed(down, len(said.encode("utf-8", "replace")) + len(packed))
            return Answer(request.site, said, unpack(packed), len(packed), crossed=crossed)
        except (HeadstartError, TimeoutError) as error:
            how = "late" if isinstance(error, TimeoutError) else "refused"
            return Failed(request.site, str(error), how=how, crossed=Crossed(down))


def sites_of(folder: Path, state: Path, names: Sequence[str] = NAMES, **options: Any) -> list[Site]:
    """Return the sites whose files lie in a folder."""
    return [Site(name, folder / f"{name}.parquet", state / name, **options) for name in names]


def accept(file: StudyFile, sites: Sequence[Site]) -> None:
    """Let sites answer a study, where their data can be read so."""
    for site in sites:
        with suppress(HeadstartError):
            site.accept(Hello(file.data, file.settings.name, tuple(sorted({*file.settings.seeds, 0})), file.model))


def opened(file: StudyFile, ask: InProcess, out: Path, **options: Any) -> Server:
    accept(file, ask.sites)
    return open_server(file, ask, ask.addresses, out=out, **options)


def at_sites(server: Server) -> Study:
    """Return the study whose clients are the sites."""
    return Study.open(server.file, lab=server.lab, work=AtSites(server))


def run_arm(server: Server, arm: Arm, seed: int = 0) -> dict[str, Any]:
    """Run one arm as it is written; return what each client told, who was left out, and what is noticed."""
    pipeline = at_sites(server).pipeline(NodeStore(server.out), seed, Silent())
    trunk = pipeline.trunk(arm)
    facts = pipeline.leaf(trunk, arm.adapt, pipeline.final_views).facts
    told = {client.id: _told(facts, at) for at, client in enumerate(pipeline.federation.clients)}
    lost = {one["client"] for one in facts["excluded"]}
    return {
        "clients": {name: {"metrics": found} for name, found in told.items() if name not in lost},
        "excluded": [*map(asdict, trunk.excluded), *facts["excluded"]],
        "rounds": trunk.shared.federated.rounds if trunk.shared.federated else 0,
        "learnt": [one._asdict() for one in noticed(arm, pipeline, trunk, facts, trials=1) or ()],
        "accepted": facts["accepted"],
        "curve": list(trunk.curve),
        "run": pipeline.leaf_key(trunk.key, arm.adapt, pipeline.final_views),
    }


def _told(facts: dict[str, Any], at: int) -> dict[str, dict[str, list[float]]]:
    """Return what one client told, by view and metric."""
    found = {
        view: {name: [values[at]] for name, values in each.items() if values[at] is not None}
        for view, each in facts["metrics"].items()
    }
    return {view: each for view, each in found.items() if each}


def arm_of(file: StudyFile, name: str) -> Arm:
    return next(arm for arm in file.arms if arm.name == name)


def simulated(file: StudyFile, name: str, out: Path) -> dict[str, float]:
    """Return each client's log loss on its test data in a simulation."""
    plan = Study.open(file)
    pipeline = Pipeline(plan.lab, NodeStore(out), 0, file.settings.decision.metric)
    facts = pipeline.result(arm_of(file, name), ["val", "test"]).facts
    ids = [client.id for client in pipeline.federation.clients]
    return dict(zip(ids, facts["metrics"]["test"]["log_loss"], strict=True))


def losses(found: dict[str, Any]) -> dict[str, float]:
    """Return each client's log loss on its test data, as its site said it."""
    return {client: facts["metrics"]["test"]["log_loss"][0] for client, facts in found["clients"].items()}


def spoils(kind: Kind, change: Callable[[str, Tree], tuple[str, Tree]]) -> Spoil:
    """Change what the second site answers to one kind of request."""

    def spoil(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
        return change(said, tree) if request.kind == kind and request.site == 1 else (said, tree)

    return spoil


def lost(said: str, tree: Tree) -> tuple[str, Tree]:
    raise TimeoutError("it did not answer within 600 s")
