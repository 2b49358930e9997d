"""What :mod:`card` checks and times: each step as pieces, which fail one by one."""

from __future__ import annotations

import importlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

import networks
from headstart.core.device import CPU, Precision, check_precision, find_device, lowered, placed, rounding
from headstart.core.errors import SettingError
from headstart.core.machine import num_cores
from headstart.core.trees import Tree
from headstart.data.examples import Examples
from headstart.engine.features.activations import Activations
from headstart.engine.protocol import Engine
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.placement import Way
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg, Federate, Ridge, Schedule
from headstart.models.lora import Lora
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages
from headstart.testing import open_world
from sources import Seeded
from tasks import activations_of, prepare, train
from works import EVERY_WORK, G1, Work

Found = dict[str, Any]
Piece = tuple[Found, Callable[[], Found]]
"""What a piece is, and what finds its numbers."""

CLOSE = 1e-4
"""How far weights may be off after one round in float32."""


@dataclass(frozen=True)
class Place:
    """Where pieces run.

    Attributes:
        device: a card, or the processor.
        small: whether sizes are for a try without a card.
    """

    device: torch.device
    small: bool

    @classmethod
    def of(cls, device: str, *, small: bool) -> Place:
        """Find a device by its name."""
        return cls(find_device(device), small)

    @property
    def precisions(self) -> Iterator[Precision]:
        """Those that the device has."""
        for precision in get_args(Precision):
            try:
                check_precision(self.device, precision)
            except SettingError:
                continue
            yield precision

    def size(self, large: int, small: int) -> int:
        """Return a size."""
        return small if self.small else large

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def begin(self) -> None:
        """Forget the most memory that was in use."""
        if self.device.type == "cuda":
            torch.cuda.init()  # or some versions say "Invalid device argument"
            torch.cuda.reset_peak_memory_stats(self.device)

    def memory(self) -> Found:
        """Return the most memory of the card that was in use at once."""
        if self.device.type != "cuda":
            return {}
        return {"card_mb": torch.cuda.max_memory_allocated(self.device) // 2**20}

    def seconds(self, work: Callable[[], Any]) -> float:
        """Time some work once."""
        self.wait()
        begin = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - begin


def which(place: Place) -> Iterator[Piece]:
    """Say which card, which versions, and how fast it multiplies."""
    yield {"what": "versions"}, lambda: {"torch": torch.__version__, "python": platform.python_version()}
    yield {"what": "machine"}, lambda: {"cores": num_cores(), "device": place.device.type}
    if place.device.type == "cuda":
        yield {"what": "card"}, lambda: _card(place.device)
    for precision in place.precisions:
        yield {"what": "product", "precision": precision}, lambda p=precision: _product(place, p)


def _card(device: torch.device) -> Found:
    one = torch.cuda.get_device_properties(device)
    return {"card": one.name, "gb": round(one.total_memory / 2**30), "cuda": torch.version.cuda}


def _product(place: Place, precision: Precision) -> Found:
    side = place.size(8192, 512)
    left, right = (torch.randn(side, side, device=place.device) for _ in range(2))
    with rounding(place.device, precision), lowered(place.device, precision):
        least = min(place.seconds(lambda: left @ right) for _ in range(5))
    return {"tflops": 2 * side**3 / least / 1e12}


def equal(place: Place) -> Iterator[Piece]:
    """Compare weights after one round with the processor's."""
    once = Schedule(rounds=1)
    methods: dict[str, Federate] = {
        "small-cnn": FedAvg(trainable="all", schedule=once),
        "head": FedAvg(trainable="head", schedule=once),
        "ridge": Ridge(),
        "lora": FedAvg(trainable=Lora(rank=2), schedule=once),
    }
    for name, method in methods.items():
        for engine in ("serial", "fleet"):
            yield {"what": name, "engine": engine}, lambda m=method, e=engine: difference(*_after(place, m, e))
    # Batches' own statistics make rounding grow with every step: one step of two clients.
    work = replace(EVERY_WORK["w2"], clients=2, cohort_size=2, examples=20, rounds=1)
    yield {"what": "resnet18", "engine": "fleet"}, lambda: difference(*_trained(place, work))


def _after(place: Place, method: Any, engine: str) -> tuple[Tree, Tree]:
    """Return what a round comes to on the processor, one client by one, and on the device."""
    found = []
    for device, one in ((CPU, Serial()), (place.device, Serial() if engine == "serial" else Fleet())):
        world = open_world(method.trainable, device=device, engine=one)
        with rounding(device, "float32"):
            run = run_rounds(
                method, world.model, world.params, world.federation.seen_clients, world.activations, engine=one, seed=0
            )
        found.append(placed(run.shared, CPU))
    return found[0], found[1]


def _trained(place: Place, work: Work) -> tuple[Tree, Tree]:
    data = Seeded().load(work)
    found = []
    for device, engine in ((CPU, Serial()), (place.device, Fleet())):
        with rounding(device, "float32"):
            timing = train(prepare(work, data, device), activations_of(data, device), engine)
        found.append({name: torch.from_numpy(np.asarray(value)) for name, value in timing.weights.items()})
    return found[0], found[1]


def difference(one: Tree, other: Tree) -> Found:
    """Say how far two trees are apart at most, and whether that is close."""
    apart = max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
    largest = max(float(value.double().abs().max()) for value in one.values())
    return {"largest_difference": apart, "largest_number": largest, "equal": apart <= CLOSE * max(1.0, largest)}


def g1(place: Place) -> Iterator[Piece]:
    """Time a round of pfl-research's benchmark by each way and precision."""
    work = _sized(place, G1)
    ways: dict[str, Engine] = {"serial": Serial(), **{way: Fleet(way=way) for way in _ways(place)}, "auto": Fleet()}
    for precision in place.precisions:
        for way, engine in ways.items():
            yield {"way": way, "precision": precision}, lambda e=engine, p=precision: _round(place, work, e, p)


def _ways(place: Place) -> Iterator[Way]:
    """Return the ways there are; processes are for the processor."""
    yield from (way for way in get_args(Way) if way != "workers" or place.device.type == "cpu")


def _round(place: Place, work: Work, engine: Engine, precision: Precision = "float32") -> Found:
    """Train a work; the first rounds, in which everything is new, count for the total alone."""
    data = Seeded().load(work)
    task, activations = prepare(work, data, place.device, precision), activations_of(data, place.device)
    with rounding(place.device, precision):
        timing = train(task, activations, engine)
    later = timing.round_seconds[min(2, work.rounds - 1) :]
    return {
        "seconds_per_round": statistics.median(later),
        "first_round": timing.round_seconds[0],
        "total_seconds": timing.total_seconds,
        "extraction_seconds": timing.extraction_seconds,
    }


def works(place: Place) -> Iterator[Piece]:
    """Time the four works with the engine's own choice."""
    for name in ("w1", "w2", "w3a", "w3b", "w3ac", "w4"):
        work = _sized(place, EVERY_WORK[name])
        for precision in ("float32",) if work.network == "linear" else tuple(place.precisions):
            facts = {"work": name, "precision": precision}
            yield facts, lambda w=work, p=precision: _round(place, w, Fleet(), p)


def _sized(place: Place, work: Work) -> Work:
    if not place.small:
        return work
    few = min(4, work.clients)
    return replace(work, clients=few, examples=8, cohort_size=few, rounds=min(work.rounds, 3), epochs=1, batch_size=4)


def lora(place: Place) -> Iterator[Piece]:
    """Time the step of many clients' adapters: client by client, and as one batch."""
    sizes = {"clients": 3, "texts": 2, "tokens": 16, "width": 64, "layers": 2} if place.small else {
        "clients": 16, "texts": 8, "tokens": 128, "width": 768, "layers": 12,
    }  # fmt: skip
    for precision in place.precisions:
        yield {"what": "step", "precision": precision, **sizes}, lambda p=precision: _adapters(place, sizes, p)


def _adapters(place: Place, sizes: dict[str, int], precision: Precision) -> Found:
    adapted = importlib.import_module("adapted")
    clients = adapted.adapted_clients(**sizes, device=str(place.device))
    clients.model.network.precision = precision
    with rounding(place.device, precision):
        found: Found = adapted.measure(clients, str(place.device))
    return found


def frozen(place: Place) -> Iterator[Piece]:
    """Time the frozen pass of a ResNet-18 at 224 pixels beside a bare one, both from bytes in the machine's memory."""
    count, side = place.size(16_384, 64), place.size(224, 64)
    images = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    for precision in place.precisions:
        model = _resnet(precision)
        yield {"what": "product", "precision": precision}, lambda m=model: _product_pass(place, m, images)
        yield {"what": "bare", "precision": precision}, lambda m=model: _bare_pass(place, m, torch.from_numpy(images))


def _resnet(precision: Precision) -> Model:
    torch.manual_seed(0)
    network = networks.resnet18(2, running=True)
    network.prepare = PrepareImages(3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    network.precision = precision
    return cut_at(network, networks.weights_of(network), "head")[0]


def _product_pass(place: Place, model: Model, images: np.ndarray) -> Found:
    """Compute all features as a study does; a few rows before make the card ready."""
    ids = [str(index) for index in range(len(images))]
    examples = Examples("image", images, np.zeros(len(images), dtype=np.int64), ids, ("a", "b"))
    few = replace(examples, inputs=images[:256], labels=examples.labels[:256], ids=ids[:256])
    Activations(few, device=place.device).at(model)
    comparing = place.seconds(lambda: examples.row_hashes)
    seconds = place.seconds(lambda: Activations(examples, device=place.device).at(model))
    return {
        "images_per_second": len(images) / seconds,
        "seconds": seconds,
        "seconds_to_hash": comparing,
    }


@torch.no_grad()
def _bare_pass(place: Place, model: Model, images: Tensor) -> Found:
    """Compute the same by a plain loop: pinned batches, one after another."""
    network: Network = model.network.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = images.pin_memory() if place.device.type == "cuda" else images

    def run(some: Tensor) -> None:
        for batch in some.split(256):
            network(batch.to(place.device, non_blocking=True), 0, network.depth).cpu()

    with rounding(place.device, network.precision):
        run(images[:512])
        seconds = place.seconds(lambda: run(images))
        resident = images[:256].to(place.device)
        product = place.seconds(lambda: [network(resident, 0, network.depth) for _ in range(10)])
    return {
        "images_per_second": len(images) / seconds,
        "seconds": seconds,
        "images_per_second_on_the_device": 10 * len(resident) / product,
    }


def tests(place: Place) -> Iterator[Piece]:
    """Run the tests that are about a card: on this one, if there is one."""
    folder = Path(__file__).parent.parent / "tests"
    for part in ("core", "engine/features") if place.small else ("core", "engine", "conformance", "start", "study"):
        yield {"what": part}, lambda p=part: _tested(folder / p)


def _tested(folder: Path) -> Found:
    words = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "card", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ}, cwd=folder.parents[1])
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"passed": done.returncode in (0, 5), "said": lines[-1], "failed": failed[:20]}


STEPS: dict[str, Callable[[Place], Iterator[Piece]]] = {
    "which": which,
    "equal": equal,
    "g1": g1,
    "lora": lora,
    "frozen": frozen,
    "works": works,
    "tests": tests,
}
"""All steps by name."""
