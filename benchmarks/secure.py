"""What a secure total costs: seconds of one site and of the server, and bytes of one site, with all there and one lost.

python benchmarks/secure.py [--sites 4 16] [--numbers 100000 10000000] [--lost 0 1]

The sites' and the server's own halves in one process and one thread, no network: what a site computes for an exchange
(keys, shares, values under masks, the last shares; the median of all sites), what the server does to take the masks
off, what a site sends beside its values and what it receives beside the request, as JSON. Values themselves are 8 bytes
a number, where an open update has 4.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch

from headstart.core.trees import Tree
from headstart.sites.messages import Masks
from headstart.sites.secure.fixed import as_vector, from_fixed
from headstart.sites.secure.journal import Journal
from headstart.sites.secure.messages import Keys, Reveal, Shares
from headstart.sites.secure.party import FEWEST, Party
from headstart.sites.secure.peers import Peers
from headstart.sites.secure.unmask import Unmasked
from headstart.sites.wire import write

T = TypeVar("T")


@dataclass
class _Clock:
    """Seconds and bytes of each site."""

    seconds: dict[str, float] = field(default_factory=dict)
    up: dict[str, int] = field(default_factory=dict)
    down: dict[str, int] = field(default_factory=dict)

    def ask(self, name: str, asked: object, work: Callable[[], T]) -> T:
        """Time what one site does for one request."""
        begin = time.perf_counter()
        said = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
        self.down[name] = self.down.get(name, 0) + len(write(asked))
        self.up[name] = self.up.get(name, 0) + (0 if isinstance(said, dict) else len(write(said)))
        return said


def measured(sites: int, numbers: int, lost: int, folder: Path) -> str:
    """Return a row: of one exchange, in which the last sites are lost before their values come."""
    names = [f"site-{number:02}" for number in range(sites)]
    parties = {name: Party(name, Journal(folder / name), Peers()) for name in names}
    clock, exchange = _Clock(), secrets.token_hex(16)
    keys = Keys(exchange)
    said = {name: clock.ask(name, keys, lambda one=one: one.keys(keys)) for name, one in parties.items()}
    asked = Shares(exchange, max(FEWEST, sites // 2 + 1), 1, said)
    sealed = {name: clock.ask(name, asked, lambda one=one: one.shares(asked)) for name, one in parties.items()}
    values: dict[str, Tree] = {}
    tree = {"w": torch.linspace(-1, 1, numbers)}
    for name in names[: sites - lost]:
        masks = Masks(exchange, {by: one.sealed[name] for by, one in sealed.items()})
        values[name] = clock.ask(name, masks, lambda name=name, masks=masks: parties[name].masked(tree, masks))
    last = Reveal(exchange, tuple(values))
    revealed = {name: clock.ask(name, last, lambda name=name: parties[name].reveal(last)) for name in values}
    begin = time.perf_counter()
    vectors = {name: as_vector(value) for name, value in values.items()}
    total = from_fixed(Unmasked(asked, names, vectors, revealed).total(), tree)
    server = time.perf_counter() - begin
    torch.testing.assert_close(total["w"], tree["w"].double() * len(values), rtol=0, atol=1e-8)
    one = {name: clock.seconds[name] for name in values}
    return (
        f"| {sites} | {numbers:,} | {lost} | {median(one.values()):.2f} | {server:.2f} | "
        f"{max(clock.up.values()) / 1e3:.1f} | {max(clock.down.values()) / 1e3:.1f} | {8 * numbers / 1e6:.1f} |"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--numbers", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--lost", type=int, nargs="+", default=[0, 1])
    said = parser.parse_args(words)
    torch.set_num_threads(1)
    print("| sites | numbers | lost | s a site | s the server | kB up | kB down | MB of values |")
    print("|---|---|---|---|---|---|---|---|")
    for sites in said.sites:
        for numbers in said.numbers:
            for lost in said.lost:
                with tempfile.TemporaryDirectory() as folder:
                    print(measured(sites, numbers, lost, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
