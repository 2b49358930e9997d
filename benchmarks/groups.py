"""Clients of several minds: who learns with whom, and who is worse off for it.

    python benchmarks/groups.py [--clients 20] [--examples 120] [--train 0.5] [--groups 4 1 20]
    python benchmarks/groups.py --scale 500 --features 512

Fashion-MNIST, 14 x 14 pixels as columns, dealt to clients; each group names the classes in an order of its own, so that
its labels contradict the others'. One group is no contradiction, as many groups as clients leaves everybody alone.
``--train`` is the share of the examples that train; the others test.
With ``--scale`` nothing is trained: sums of so many clients are made up, and the grouping is timed.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import Arm, Federation, from_arrays, run
from headstart.core.arrays import Array
from headstart.core.machine import threads
from headstart.core.seeds import numpy_generator
from headstart.data.split_settings import SplitSettings
from headstart.diagnosis import diagnose
from headstart.diagnosis.company import Company
from headstart.federate import Collab
from headstart.federate.closed_form import pack_symmetric
from headstart.training.ridge import own_ridge
from measure import MB

SIDE = 14
ROUNDS = {"rounds": 20, "client_lr": 0.1, "local_epochs": 2}
ARMS = {
    "local": Arm("local", start="random", adapt={"method": "local_ridge", "accept": False}),
    "ridge": Arm("ridge", start="random", federate="ridge"),
    "fedavg": Arm("fedavg", start="random", federate={"method": "fedavg", **ROUNDS}),
    "ifca": Arm("ifca", start="random", federate={"method": "ifca", **ROUNDS}),
    "collab": Arm("collab", start="random", federate="collab"),
}
"""The first is what clients have alone."""


def read(folder: Path, count: int) -> tuple[Array, Array]:
    """Read so many pictures and labels, in a random order."""
    from PIL import Image
    from pyarrow import parquet

    table = parquet.read_table(folder / "images" / "fashion_mnist_half_train.parquet")
    rows = table.take(numpy_generator("groups").permutation(len(table))[:count])
    pictures = (Image.open(io.BytesIO(picture["bytes"])) for picture in rows["image"].to_pylist())
    inputs = [np.asarray(picture.resize((SIDE, SIDE)), dtype=np.float32).ravel() / 255 for picture in pictures]
    return np.stack(inputs), np.array(rows["label"].to_pylist())


def minds(inputs: Array, labels: Array, clients: int, groups: int, train: float = 0.5) -> tuple[Federation, Array]:
    """Deal examples to clients, each of which names the classes as its group does; return each client's group, too."""
    owner, generator = np.arange(len(labels)) % clients, numpy_generator("orders")
    orders = np.stack([np.arange(10), *(generator.permutation(10) for _ in range(groups - 1))])
    named, of = orders[owner % groups, labels], np.arange(clients) % groups
    names = [f"c{at:03}" for at in owner]
    return from_arrays(inputs, named, clients=names, split=SplitSettings(train=train, val=0.0, test=1 - train)), of


def accuracies(arm: Arm, federation: Federation) -> Array:
    """Return every client's accuracy on its test examples."""
    found = run(arm, federation, backbone="linear")
    return np.array([scores["accuracy"] for _, scores in sorted(found.clients.items())], dtype=float)


def company_of(federation: Federation) -> Company | None:
    """Return with whom the diagnosis says that clients should learn."""
    inputs, labels = np.asarray(federation.examples.inputs), federation.examples.labels
    clients = sorted(federation.clients, key=lambda client: client.id)
    parts = [(inputs[client.train], labels[client.train]) for client in clients]
    nothing = [(inputs[:0], labels[:0])] * len(parts)
    return diagnose(parts, nothing, federation.num_classes, clients=[client.id for client in clients]).company


def planted(folder: Path, clients: int, examples: int, groups: int, train: float) -> None:
    """Run every arm, and print a line for each."""
    federation, of = minds(*read(folder, clients * examples), clients, groups, train)
    company = company_of(federation)
    print(f"\n{clients} clients of {round(examples * train)} training examples, {groups} groups", end="")
    if company:
        advice = Counter(one.advice or "open" for one in company.clients)
        true = sorted(tuple(f"c{at:03}" for at in np.flatnonzero(of == number)) for number in range(groups))
        exact = "exactly these" if sorted(company.groups) == true else f"found {len(company.groups)}"
        print(f": {exact}; advice {', '.join(f'{name} {count}' for name, count in advice.most_common())}")
    print(f"{'arm':8} {'accuracy':>8} {'lowest':>8} {'at least as well off as alone':>30} {'seconds':>8}")
    alone = None
    for name, arm in ARMS.items():
        begin = time.perf_counter()
        found = accuracies(arm, federation)
        alone = found if alone is None else alone
        share = float((found >= alone).mean())
        print(f"{name:8} {found.mean():8.3f} {found.min():8.3f} {share:30.0%} {time.perf_counter() - begin:8.1f}")


def scaled(clients: int, features: int, outputs: int = 10, examples: int = 60) -> None:
    """Time the grouping of clients whose sums are made up, four minds among them."""
    generator, of = numpy_generator("scale", clients), np.arange(clients) % 4
    orders = np.stack([generator.permutation(outputs) for _ in range(4)])
    centres = generator.standard_normal((outputs, features)) / 4
    updates: list[dict[str, Any]] = []
    with threads(1):
        for at in range(clients):
            kind = generator.integers(0, outputs, examples)
            inputs = centres[kind] + generator.standard_normal((examples, features))
            design = torch.from_numpy(np.c_[inputs, np.ones(examples)])
            targets = torch.from_numpy(np.eye(outputs)[orders[of[at], kind]])
            head, left = own_ridge(design, targets)
            sums = {"gram": pack_symmetric(design.mT @ design), "moment": design.mT @ targets, "head": head}
            updates.append({**sums, "left": left, "square": targets.square().sum()})
        names = list(updates[0])
        stack = {name: torch.stack([one.pop(name) for one in updates]) for name in names}
        begin, method = time.process_time(), Collab()
        shared, _ = method.server_update(None, {}, {}, stack)  # type: ignore[arg-type]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    distinct = len({tuple(head.flatten().tolist()[:4]) for head in shared["heads"]})
    print(
        f"{clients} clients, {features} features, {outputs} classes: {time.process_time() - begin:.1f} s of a core, "
        f"{distinct} heads with that of all, peak {peak:.0f} MB"
    )


def main() -> None:
    """Read what is wanted, and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--examples", type=int, default=120)
    parser.add_argument("--train", type=float, default=0.5)
    parser.add_argument("--groups", type=int, nargs="+", default=[4, 1, 20])
    parser.add_argument("--scale", type=int)
    parser.add_argument("--features", type=int, default=512)
    wanted = parser.parse_args()
    if wanted.scale:
        scaled(wanted.scale, wanted.features)
        return
    for groups in wanted.groups:
        planted(Path(os.environ["HEADSTART_DATA"]), wanted.clients, wanted.examples, groups, wanted.train)


if __name__ == "__main__":
    main()
