"""One of six sites attacks: what the others' models are worth with each way to combine what sites send.

python benchmarks/hostile.py [--seeds 3] [--rounds 20] [--skew 0] [--attacks negated ...] [--ways mean ...]

Handwritten digits (scikit-learn's), dealt to six sites of uneven size; the real federation's own server and sites, in
one process, no network. ``skew`` is the share of each site's examples that are of two classes of its own. The numbers
are the mean test accuracy of the five honest sites, mean over seeds; behind them, how often the hostile site was left
out of a round.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from sklearn.datasets import load_digits

from headstart.core.trees import Tree, map_tree
from headstart.report import load_run
from headstart.sites.answers import reply
from headstart.sites.messages import Hello
from headstart.sites.server import open_server
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Failed, Request
from headstart.sites.work import AtSites
from headstart.study.study import Study
from headstart.study.written.load import load_study

NAMES = ("ada", "ben", "cleo", "dan", "eve", "fay")
SHARES = (0.10, 0.25, 0.15, 0.20, 0.12, 0.18)
BAD = 4
"""The hostile site: eve."""

STUDY = """
name  = "hostile"
seeds = [{seed}]
[data]
source = "{folder}/ada.parquet"
client = "site"
[model]
backbone = "small-cnn"
[training]
batch_size = 16
momentum   = 0.9
client_lr  = 0.02
[engine]
name = "serial"
[tuning]
trials = 1
[arms.fedavg]
start    = "random"
federate = {{ method = "fedavg", rounds = {rounds}, local_epochs = 2, aggregate = "{way}" }}
[arms.ridge]
start    = "random"
federate = "ridge"
[decision]
baseline = "fedavg"
"""

Change = Callable[[Request, str, Tree], tuple[str, Tree]]


def _sizes(said: str, times: int) -> str:
    """Claim so many times as many training examples."""
    table = json.loads(said)
    if "train" in table.get("sizes", {}):
        table["sizes"]["train"] *= times
    return json.dumps(table)


def _claims(times: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def attack(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
        if request.kind in ("hello", "agree"):
            return _sizes(said, times), tree
        return said, map_tree(change, tree) if request.kind == "update" else tree

    return attack


def _noise(value: torch.Tensor) -> torch.Tensor:
    return (
        torch.randn(value.shape, generator=torch.Generator().manual_seed(0)).to(value)
        * value.norm()
        / max(1, value.numel()) ** 0.5
    )


def _flipped(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
    """Send moments times -20."""
    is_asked = request.kind == "update"
    return said, {name: -20 * value if is_asked and name == "moment" else value for name, value in tree.items()}


ATTACKS: Mapping[str, Change | None] = {
    "none": None,
    "labels": None,
    "negated": _claims(1, torch.neg),
    "times 9": _claims(1, lambda value: 9 * value),
    "negated times 9": _claims(1, lambda value: -9 * value),
    "times 100": _claims(1, lambda value: 100 * value),
    "noise": _claims(1, lambda value: 5 * _noise(value)),
    "claims 5": _claims(5, torch.neg),
    "claims 10000": _claims(10_000, torch.neg),
    "moments": _flipped,
}
"""What the hostile site does; ``labels`` trains on labels turned by one."""


@dataclass
class InOneProcess:
    """A transport without a network."""

    sites: Sequence[Site]
    change: Change | None

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Ask each in turn."""
        for request in requests:
            said, tree = reply(self.sites[request.site], request.kind, request.text, request.tree)
            if request.site == BAD and self.change:
                said, tree = self.change(request, said, tree)
            yield Answer(request.site, said, tree)


def deal(folder: Path, seed: int, skew: float, *, flip: bool) -> None:
    """Write a file per site."""
    digits, rng = load_digits(), np.random.default_rng(seed)
    free = list(rng.permutation(len(digits.target)))
    for number, (name, share) in enumerate(zip(NAMES, SHARES, strict=True)):
        size = int(share * len(digits.target))
        own = {number, (number + 1) % 10}
        mine = [row for row in free if digits.target[row] in own][: int(skew * size)]
        mine += [row for row in free if row not in set(mine)][: size - len(mine)]
        free = [row for row in free if row not in set(mine)]
        labels = digits.target[mine]
        if flip and number == BAD:
            labels = (labels + 1) % 10
        images = [{"bytes": _png(digits.images[row]), "path": f"{row}.png"} for row in mine]
        table = {"image": images, "label": labels, "site": [name] * len(mine)}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((pixels * 15).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def run(attack: str, way: str, seed: int, rounds: int, skew: float, told: Callable[[str], None]) -> tuple[float, int]:
    """Return the honest sites' mean accuracy, and how often the hostile one was left out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deal(folder, seed, skew, flip=attack == "labels")
        aggregate = "mean" if way in ("ridge", "without") else way
        (folder / "study.toml").write_text(STUDY.format(folder=folder, rounds=rounds, way=aggregate, seed=seed))
        file = load_study(folder / "study.toml")
        sites = [Site(one, folder / f"{one}.parquet", folder / "state" / one) for one in NAMES]
        for site in sites:
            site.accept(Hello(file.data, file.settings.name, (seed,), file.model))
        asked = [at for at in range(len(NAMES)) if way != "without" or at != BAD]
        ask = InOneProcess(sites, ATTACKS[attack])
        server = open_server(file, ask, asked, out=folder / "out", tell=told)
        study = Study.open(file, lab=server.lab, work=AtSites(server))
        study.run(folder / "out", arms=["ridge" if way == "ridge" else "fedavg"])
        run = load_run(folder / "out")
    scores = run.scores("accuracy")
    honest = [value for client, value in zip(scores.clients, scores.values[0, 0], strict=True) if client != NAMES[BAD]]
    return float(np.nanmean(honest)), sum(one["client"] == NAMES[BAD] for one in run.records[0]["excluded"])


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--skew", type=float, default=0.0)
    parser.add_argument("--attacks", nargs="+", choices=tuple(ATTACKS), default=[n for n in ATTACKS if n != "moments"])
    parser.add_argument("--ways", nargs="+", default=["mean", "median", "trimmed_mean", "krum"])
    parser.add_argument("--tell", action="store_true", help="print what the server says")
    wanted = parser.parse_args()
    told = print if wanted.tell else lambda _: None
    print("| the sixth site | " + " | ".join(wanted.ways) + " |", flush=True)
    for attack in wanted.attacks:
        cells = []
        for way in wanted.ways:
            each = [run(attack, way, seed, wanted.rounds, wanted.skew, told) for seed in range(wanted.seeds)]
            out = sum(lost for _, lost in each)
            cells.append(f"{np.mean([score for score, _ in each]):.3f}" + (f" (out {out} times)" if out else ""))
        print(f"| {attack} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
