"""One process of the benchmark: runs works in Headstart on one engine and prints a line of JSON rows."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

import headstart
from headstart.core import trees
from headstart.core.device import CPU, find_device, rounding
from headstart.core.machine import suitable_threads, threads
from headstart.engine.protocol import Engine
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from sources import Peers, Seeded, Source
from table import OURS, Row
from tasks import Timing, activations_of, prepare, train
from works import EVERY_WORK, Work

ENGINES = {"serial": Serial, "fleet": Fleet}


def run(names: list[str], engine: Engine, setting: str, source: Source, device: torch.device = CPU) -> list[Row]:
    """Run works on the same examples one after another; the frozen part is computed for the first of them."""
    works = [EVERY_WORK[name] for name in names]
    data = [source.load(work) for work in works]
    activations = activations_of(data[0], device)
    rows: list[Row] = []
    for work, its_data in zip(works, data, strict=True):
        task = prepare(work, its_data, device)
        num_weights = trees.num_bytes({**task.model.frozen, **task.params}) // 4
        with threads(suitable_threads(num_weights)):
            timing = train(task, activations, engine)
        row = as_row(work, setting, timing, source.maxdiff(work, timing.weights))
        rows.append(charged(row, rows[0]) if rows else row)
    return rows


def as_row(work: Work, setting: str, timing: Timing, maxdiff: float | None) -> Row:
    """Return a run's row; whoever started this process knows its memory."""
    return Row(
        work=work.name,
        system=OURS,
        setting=setting,
        seconds_per_round=timing.median_round,
        total_seconds=timing.total_seconds,
        cpu_seconds=timing.cpu_seconds,
        peak_mb=0.0,
        maxdiff=maxdiff,
        extraction_seconds=timing.extraction_seconds,
        extraction_cpu_seconds=timing.extraction_cpu_seconds,
        version=headstart.__version__,
    )


def charged(row: Row, first: Row) -> Row:
    """Charge a later work with the extraction that the first one did, as if it stood alone."""
    return replace(
        row,
        total_seconds=row.total_seconds - row.extraction_seconds + first.extraction_seconds,
        cpu_seconds=(row.cpu_seconds or 0) - row.extraction_cpu_seconds + first.extraction_cpu_seconds,
        extraction_seconds=first.extraction_seconds,
        extraction_cpu_seconds=first.extraction_cpu_seconds,
    )


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="+", choices=EVERY_WORK)
    parser.add_argument("--engine", choices=ENGINES, default="fleet")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    source: Source = Peers(chosen.peers) if chosen.peers else Seeded()
    device = find_device(chosen.device)
    # As in a study, float32 is exact on a card, too.
    with rounding(device, "float32"):
        rows = run(chosen.works, ENGINES[chosen.engine](), chosen.engine, source, device)
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
