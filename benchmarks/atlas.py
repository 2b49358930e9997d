"""The atlas: does the prediction name the best family, and does the answer, on many federations with a known truth?

    python benchmarks/atlas.py --rows FILE [--processes 2] [--only NAME …] [--limit N] [--seed N]
    python benchmarks/atlas.py --rows FILE --predict
    python benchmarks/atlas.py --rows FILE --collect
    python benchmarks/atlas.py --draw --docs

The first call runs every federation's study and keeps a line for each; a line that is there is not run again. The
second predicts all of them before any training, in minutes. The third joins both in ``docs/atlas.jsonl``, and the
fourth draws the map and writes the page from that. Data sets are read from ``$HEADSTART_DATA`` and features found with
``$HEADSTART_WEIGHTS``; without them the federations are those that come with scikit-learn. Features are found once a
data set and kept in the product's cache.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

import atlas_sets
from atlas_map import draw
from atlas_page import page
from atlas_plans import Plan, deal, plans
from atlas_rows import append, joined, predicted_now, predictions_of, read, write
from atlas_sets import Pool, open_pool
from table import write_between

DOCS = Path(__file__).parents[1] / "docs"


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

    def todo(self, pool: Pool, path: Path) -> list[Plan]:
        """Return those that have no line in a file yet."""
        done = {(row["name"], row["seed"]) for row in read(path)}
        return [plan for plan in self.plans(pool) if (plan.name, self.seed) not in done]

    def wants(self, data: str) -> bool:
        """Say whether any federation of a data set may be wanted."""
        return not self.only or any(name.startswith(data) or data.startswith(name) for name in self.only)


def main() -> None:
    """Run, predict, collect, draw or write, as asked."""
    options = _parser().parse_args()
    if options.draw or options.docs:
        rows = [predicted_now(row) for row in read(DOCS / "atlas.jsonl")]
        write(DOCS / "atlas.jsonl", rows)
        if options.draw:
            draw(rows, DOCS / "images" / "atlas.png")
        if options.docs:
            write_between(DOCS / "atlas.md", "atlas", page(rows))
        return
    if options.rows is None:
        sys.exit("give --rows FILE, where a line for each federation is kept")
    if options.collect:
        write(DOCS / "atlas.jsonl", joined(read(options.rows), read(predictions_of(options.rows))))
        return
    wanted = Wanted(options.rows, tuple(options.only), options.limit, options.seed)
    every(predict_data if options.predict else run_data, wanted, options.processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, help="file of the studies, a line for each federation")
    parser.add_argument("--only", nargs="+", default=(), help="federations by name, or by its beginning")
    parser.add_argument("--limit", type=int, help="federations of a data set at most")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of federations")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--predict", action="store_true", help="predict what the file's federations will come to")
    parser.add_argument("--collect", action="store_true", help="join studies and predictions in docs/atlas.jsonl")
    parser.add_argument("--draw", action="store_true", help="draw docs/images/atlas.png from docs/atlas.jsonl")
    parser.add_argument("--docs", action="store_true", help="write docs/atlas.md from docs/atlas.jsonl")
    return parser


def every(work: Callable[[Wanted, str], int], wanted: Wanted, processes: int = 1) -> int:
    """Do a work for every data set that can be opened here; return of how many federations."""
    if why := atlas_sets.missing():
        print(why, file=sys.stderr)
    names = [name for name in atlas_sets.names() if wanted.wants(name)]
    begin = time.monotonic()
    count = sum(_in_processes(partial(work, wanted), names, processes))
    print(f"{count} federations in {time.monotonic() - begin:.0f} s")
    return count


def _in_processes(work: Callable[[str], int], names: Sequence[str], processes: int) -> Iterator[int]:
    if processes == 1:
        yield from map(work, names)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, names)


def run_data(wanted: Wanted, data: str) -> int:
    """Run the studies of a data set's federations that have no line yet; return how many that were."""
    from atlas_study import run

    torch.set_num_threads(1)
    pool = open_pool(data)
    todo = wanted.todo(pool, wanted.rows)
    for plan in todo:
        said = {"name": plan.name, "seed": wanted.seed, **asdict(plan), "modality": pool.modality}
        found = said | run(deal(pool, plan, wanted.seed))
        append(wanted.rows, found)
        print(
            f"{found['seconds']:6.1f} s  {plan.name:<42} best {found['best']:<10} answer {found['answer']}", flush=True
        )
    return len(todo)


def predict_data(wanted: Wanted, data: str) -> int:
    """Predict a data set's federations that have no prediction yet; return how many that were."""
    from atlas_predict import foretell

    torch.set_num_threads(1)
    pool, path = open_pool(data), predictions_of(wanted.rows)
    todo = wanted.todo(pool, path)
    for plan in todo:
        found = foretell(pool, plan, wanted.seed)
        append(path, found)
        print(f"{found['cpu_seconds']:6.2f} s  {plan.name:<42} {found['predicted']['family']}", flush=True)
    return len(todo)


if __name__ == "__main__":
    main()
