"""Sites of an exchange without data: their own halves, and a server that says what each is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.core.trees import Tree
from headstart.sites.messages import Masks
from headstart.sites.secure.fixed import as_vector, from_fixed
from headstart.sites.secure.journal import Journal
from headstart.sites.secure.messages import Keys, Reveal, Shares
from headstart.sites.secure.party import Party
from headstart.sites.secure.peers import Peers
from headstart.sites.secure.unmask import Unmasked

NAME = "0" * 32
NAMES = ("ada", "ben", "cleo", "dan", "eve", "fay")


def parties(folder: Path, names: Sequence[str] = NAMES, peers: Mapping[str, Peers] | None = None) -> dict[str, Party]:
    known = peers or {}
    return {name: Party(name, Journal(folder / name), known.get(name, Peers())) for name in names}


@dataclass
class Round:
    """One exchange as an honest server runs it; sites may be lost at every step."""

    sites: Mapping[str, Party]
    threshold: int = 4
    most: int = 10
    name: str = NAME

    def keyed(self, who: Iterable[str]) -> Shares:
        keys = {name: self.sites[name].keys(Keys(self.name)) for name in who}
        return Shares(self.name, self.threshold, self.most, keys)

    def shared(self, asked: Shares, who: Iterable[str]) -> dict[str, Masks]:
        """Return under which masks each of those who shared sends its values."""
        sealed = {name: self.sites[name].shares(asked).sealed for name in who}
        return {name: Masks(self.name, {by: each[name] for by, each in sealed.items()}) for name in sealed}

    def total(self, asked: Shares, masks: Mapping[str, Masks], values: Mapping[str, Tree], who: Iterable[str]) -> Tree:
        """Return the total of values that came, the rest said by some."""
        revealed = {name: self.sites[name].reveal(Reveal(self.name, tuple(values))) for name in who}
        vectors = {name: as_vector(tree) for name, tree in values.items()}
        like = next(iter(values.values()))
        return from_fixed(Unmasked(asked, list(masks), vectors, revealed).total(), like)
