"""The atlas: does the prediction name the best family, and does the answer, on many federations with a known truth?

    python benchmarks/atlas.py --rows atlas.jsonl [--processes 2] [--only NAME …] [--limit N] [--seed N]
    python benchmarks/atlas.py --rows atlas.jsonl --predict
    python benchmarks/atlas.py --rows atlas.jsonl --draw --docs

The first call runs every federation's study and keeps a line for each; a line that is there is not run again. The
second predicts all of them before any training, in minutes. The third draws the map and writes the page. Data sets are
read from ``$HEADSTART_DATA`` and features found with ``$HEADSTART_WEIGHTS``; without them the federations are those that
come with scikit-learn. Features are found once a data set and kept in the product's cache.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import atlas_sets
from atlas_plans import Plan, deal, plans
from atlas_sets import Pool, open_pool

Row = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which federations to run.

    Attributes:
        rows: file of the lines that are finished.
        only: names, or beginnings of names, of federations; empty for all.
        limit: federations of a data set at most; None for all.
        seed: of the draw of federations, and of their deals.
    """

    rows: Path
    only: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0

    def plans(self, pool: Pool) -> list[Plan]:
        """Return the federations of a data set that are wanted."""
        found = [plan for plan in plans(pool, self.seed) if not self.only or plan.name.startswith(self.only)]
        return found[: self.limit]

    def wants(self, data: str) -> bool:
        """Say whether any federation of a data set may be wanted."""
        return not self.only or any(name.startswith(data) or data.startswith(name) for name in self.only)


def read(path: Path) -> list[Row]:
    """Return the finished lines; a torn one, of a run that was killed, is none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def main() -> None:
    """Run, predict, draw or write, as asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="file of the results, a line for each federation")
    parser.add_argument("--only", nargs="+", default=(), help="federations by name, or by its beginning")
    parser.add_argument("--limit", type=int, help="federations of a data set at most")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of federations")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    wanted = Wanted(options.rows, tuple(options.only), options.limit, options.seed)
    names = [name for name in atlas_sets.names() if wanted.wants(name)]
    if why := atlas_sets.missing():
        print(why, file=sys.stderr)
    begin = time.monotonic()
    count = sum(in_processes(partial(run_data, wanted), names, options.processes))
    print(f"{count} federations in {time.monotonic() - begin:.0f} s")


def in_processes(work: Any, names: Sequence[str], processes: int) -> Iterator[Any]:
    """Do one data set's work after another, in as many processes as asked."""
    if processes == 1:
        yield from map(work, names)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(work, names)


def run_data(wanted: Wanted, data: str) -> int:
    """Run the federations of a data set that have no line yet; return how many that were."""
    from atlas_study import run

    torch.set_num_threads(1)
    pool, done = open_pool(data), {(row["name"], row["seed"]) for row in read(wanted.rows)}
    todo = [plan for plan in wanted.plans(pool) if (plan.name, wanted.seed) not in done]
    for plan in todo:
        found = {"name": plan.name, "seed": wanted.seed, **asdict(plan), "modality": pool.modality, **run(deal(pool, plan, wanted.seed))}
        append(wanted.rows, found)
        print(f"{found['seconds']:6.1f} s  {plan.name:<42} best {found['best']:<10} answer {found['answer']}", flush=True)
    return len(todo)


def append(path: Path, row: Row) -> None:
    """Add a line in one write, so that processes may share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
