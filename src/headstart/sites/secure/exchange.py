"""The server's half of a secure total: it collects keys, hands shares on, collects values, and asks once for the rest.

A site may be lost at every step. Before its shares came it has no part in the total; after, the others take its masks
off; and once its value came it is in the total, whether it is still there or not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.claims import believed
from headstart.sites.messages import Asks, Masks
from headstart.sites.secure.fixed import as_vector, from_fixed
from headstart.sites.secure.means import most_examples
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Revealed, Shared, Shares
from headstart.sites.secure.party import FEWEST
from headstart.sites.secure.unmask import Unmasked
from headstart.sites.server import Server
from headstart.sites.transport import Answer, Failed

A = TypeVar("A")
B = TypeVar("B")
Came = list[Answer[A] | Failed]


@dataclass(frozen=True, eq=False)
class Collected(Generic[A]):
    """What came of an exchange.

    Attributes:
        total: of the values that came, float64.
        answers: whose values are in it.
        lost: the others, and why.
        weights: of those in it, in a mean, by client.
    """

    total: Tree
    answers: Sequence[Answer[A]]
    lost: Sequence[Failed]
    weights: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Exchange:
    """One total of the values of some sites.

    Attributes:
        server: whom it speaks for.
        name: that no other exchange has had.
    """

    server: Server
    name: str = field(default_factory=lambda: secrets.token_hex(16))
    _lost: list[Failed] = field(default_factory=list)

    def collect(
        self, to: Sequence[int], request: Callable[[Masks], Asks[A]], tree: Tree, check: Callable[[Came[A]], Came[A]]
    ) -> Collected[A]:
        """Return the total of what some sites send.

        Args:
            to: their addresses.
            request: for each of them, with its masks.
            tree: that goes along.
            check: looks at the form of what came.

        Raises:
            ClientError: too few are left to hide each other, or to take the masks off.
        """
        asked = self._keys(to)
        sealed = self._shares(asked)
        # Only who has shared its secrets is asked, with what the others sealed for it.
        messages = {
            self._at(name): request(Masks(self.name, {by: each[name] for by, each in sealed.items()}))
            for name in sealed
        }
        values = self._good("values", check(self.server.send_each(messages, tree)), asked.threshold, len(to))
        revealed = self._revealed(asked, list(sealed), list(values), len(to))
        vectors = {name: as_vector(one.tree) for name, one in values.items()}
        total = Unmasked(asked, list(sealed), vectors, revealed).total()
        like = next(iter(values.values())).tree
        weights = {name: min(self._size(name), asked.most) / asked.most for name in values}
        return Collected(from_fixed(total, like), list(values.values()), self._lost, weights)

    def _keys(self, to: Sequence[int]) -> Shares:
        """Collect everybody's keys."""
        came: Came[Keyed] = self.server.send(Keys(self.name), {}, to)
        keys = {name: one.said for name, one in self._good("keys", came, FEWEST, len(to)).items()}
        threshold = max(FEWEST, len(keys) // 2 + 1)
        return Shares(self.name, threshold, most_examples([self._size(name) for name in keys]), keys)

    def _shares(self, asked: Shares) -> dict[str, Mapping[str, str]]:
        """Collect what everybody has sealed for everybody."""
        came: Came[Shared] = self.server.send(asked, {}, [self._at(name) for name in asked.keys])
        came = believed(came, lambda one: "" if one.said.sealed.keys() == asked.keys.keys() else _OTHERS)
        found = self._good("shares", came, asked.threshold, len(asked.keys))
        return {name: one.said.sealed for name, one in found.items()}

    def _revealed(self, asked: Shares, members: Sequence[str], alive: Sequence[str], many: int) -> dict[str, Revealed]:
        """Ask those whose values came for what takes the masks off; who is lost here is in the total all the same."""
        came: Came[Revealed] = self.server.send(Reveal(self.name, tuple(alive)), {}, [self._at(name) for name in alive])
        dead = {*members} - {*alive}
        came = believed(
            came, lambda one: "" if one.said.own.keys() == {*alive} and one.said.mask.keys() == dead else _OTHERS
        )
        good = {self._name(one): one.said for one in came if isinstance(one, Answer)}
        why = [*self._lost, *(one for one in came if isinstance(one, Failed))]
        self._check("the last shares", len(good), asked.threshold, many, why)
        return good

    def _good(self, what: str, came: Came[B], fewest: int, many: int) -> dict[str, Answer[B]]:
        """Return answers by client, if there are enough; the others are lost."""
        self._lost.extend(one for one in came if isinstance(one, Failed))
        found = {self._name(one): one for one in came if isinstance(one, Answer)}
        self._check(what, len(found), fewest, many, self._lost)
        return found

    def _check(self, what: str, came: int, fewest: int, many: int, lost: Sequence[Failed]) -> None:
        if came < fewest:
            why = "; ".join(f"'{self._name(one)}': {one.reason}" for one in lost) or "no more were asked"
            raise ClientError(
                f"secure sums: {what} of {came} of {many} clients came, and it takes {fewest} ({why}); run it again "
                "with more of them, or without --secure"
            )

    def _name(self, one: Answer[B] | Failed) -> str:
        return self.server.sites[one.site].client

    def _at(self, name: str) -> int:
        return self.server.address_of(name)

    def _size(self, name: str) -> int:
        """Return how many training examples a site said it has."""
        return self.server.sites[self._at(name)].sizes.get("train", 0)


_OTHERS = "field names must be those of the exchange"
