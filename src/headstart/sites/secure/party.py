"""The site's half of a secure total: keys, shares, values under masks, and once what takes the masks off a total.

A value is hidden twice: under a mask with each other site, which cancel in the total, and under one of its own. When
its value came, the others give the shares of its own mask; when it did not, those of its key. Nobody ever gives both,
so that a value that comes late stays hidden.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from headstart.core.trees import Tree
from headstart.sites.messages import Masks
from headstart.sites.refusals import Refused
from headstart.sites.secure.fixed import Vector, as_tree, to_fixed
from headstart.sites.secure.journal import Entrusted, Journal, Kept, Secrets
from headstart.sites.secure.keys import SEED_BYTES, Context, mark_of, public_of
from headstart.sites.secure.messages import Keyed, Keys, Reveal, Revealed, Shared, Shares
from headstart.sites.secure.peers import Peers
from headstart.sites.secure.shares import opened, seal, split
from headstart.sites.secure.streams import add_stream

FEWEST = 3
"""Clients of a total: of two, each could take its own value off and read the other's."""


@dataclass(frozen=True)
class Party:
    """One site.

    Attributes:
        name: of the client.
        journal: what it remembers.
        peers: whose keys it believes.
    """

    name: str
    journal: Journal
    peers: Peers

    def keys(self, said: Keys) -> Keyed:
        """Make keys for one exchange.

        Raises:
            Refused: its name was used before.
        """
        new = Secrets(*(secrets.token_bytes(SEED_BYTES) for _ in range(3)))
        self.journal.begin(said.exchange, Kept("keyed", new))
        return self.peers.sign(said.exchange, self.name, *_public(new))

    def shares(self, said: Shares) -> Shared:
        """Share the secrets.

        Raises:
            Refused: there are too few to hide among, so few could take masks off that these could tell two stories,
                or a key is not its site's.
        """
        kept = self.journal.at(said.exchange, "keyed")
        own = _secrets(kept)
        self._check(said, own)
        masks, owns = (split(seed, said.threshold, list(said.keys)) for seed in (own.mask, own.own))
        context = Context(said)
        found = {
            name: seal(context.sealing(own.seal, name, sender=self.name, receiver=name), owns[name], masks[name])
            for name in said.keys
        }
        self.journal.put(said.exchange, replace(kept, stage="shared", asked=said))
        return Shared(found)

    def _check(self, said: Shares, own: Secrets) -> None:
        many = len(said.keys)
        if many < FEWEST:
            raise Refused(f"secure sums need {FEWEST} clients or more, received {many}: two could read each other's")
        if not max(FEWEST, many // 2 + 1) <= said.threshold <= many:
            raise Refused(
                f"secure sums: threshold must be {FEWEST} or more, above half of the {many} clients and at most all, "
                f"received {said.threshold}"
            )
        mine = said.keys.get(self.name)
        if mine is None or (mine.mask, mine.seal, mine.own) != _public(own):
            raise Refused(f"secure sums: the keys of '{self.name}' are not those that it said")
        self.peers.check(said.exchange, self.name, said.keys)

    def weight(self, said: Masks, examples: int) -> float:
        """Return how much this site counts in a mean, in (0, 1], in units of the heaviest.

        Raises:
            Refused: the exchange is unknown, or over.
        """
        asked = _asked(self.journal.at(said.exchange, "shared"))
        return min(examples, asked.most) / asked.most

    def masked(self, tree: Tree, said: Masks) -> Tree:
        """Return values as they may leave, in fixed point under masks; once in an exchange.

        Args:
            tree: floating-point values.
            said: what the other sites have sealed for this one.

        Raises:
            Refused: a number does not fit, a site takes part that is unknown, too few do, or shares do not open.
        """
        kept = self.journal.at(said.exchange, "shared")
        asked, own = _asked(kept), _secrets(kept)
        held = self._held(said, asked, own.seal)
        vector = to_fixed(tree, len(asked.keys))
        self._hide(vector, Context(asked), own, held)
        # Before the values leave: nothing else is ever hidden under these masks.
        self.journal.put(said.exchange, replace(kept, stage="masked", held=held))
        return as_tree(vector, tree)

    def _held(self, said: Masks, asked: Shares, sealing: bytes) -> dict[str, Entrusted]:
        """Return what the others shared with this site."""
        if unknown := sorted(said.sealed.keys() - asked.keys.keys()):
            raise Refused(f"secure sums: '{unknown[0]}' has no keys in this exchange")
        if self.name not in said.sealed or len(said.sealed) < asked.threshold:
            raise Refused(
                f"secure sums: shares of '{self.name}' and {asked.threshold} clients or more must be there, received "
                f"those of {len(said.sealed)}"
            )
        context, found = Context(asked), dict[str, Entrusted]()
        for sender, text in said.sealed.items():
            key = context.sealing(sealing, sender, sender=sender, receiver=self.name)
            own, mask = opened(key, text, sender)
            found[sender] = Entrusted(own, mask)
        return found

    def _hide(self, vector: Vector, context: Context, own: Secrets, others: Iterable[str]) -> None:
        """Add the own mask, and one with each of the others that shared its secrets, in place."""
        add_stream(vector, context.own_mask(own.own))
        for other in others:
            if other != self.name:
                add_stream(vector, context.pair_mask(own.mask, other), subtract=self.name > other)

    def reveal(self, said: Reveal) -> Revealed:
        """Return the shares that take the masks off the total of those whose values came; once.

        Raises:
            Refused: it said so before, has sent no values, or they are too few, or unknown.
        """
        kept = self.journal.at(said.exchange, "masked")
        asked, alive = _asked(kept), set(said.alive)
        if unknown := sorted(alive - kept.held.keys()):
            raise Refused(f"secure sums: '{unknown[0]}' has shared nothing in this exchange")
        if self.name not in alive or len(alive) < asked.threshold or len(alive) < len(said.alive):
            raise Refused(
                f"secure sums: a total must be of '{self.name}' and of {asked.threshold} clients or more, each once, "
                f"received {len(alive)}"
            )
        self.journal.put(said.exchange, Kept("revealed"))
        return Revealed(
            {name: held.own.hex() for name, held in kept.held.items() if name in alive},
            {name: held.mask.hex() for name, held in kept.held.items() if name not in alive},
        )


def _public(own: Secrets) -> tuple[str, str, str]:
    """Return what others are told of secrets: both public keys, and the hash of the own mask's seed."""
    return public_of(own.mask), public_of(own.seal), mark_of(own.own)


def _secrets(kept: Kept) -> Secrets:
    assert kept.secrets is not None  # until it has revealed
    return kept.secrets


def _asked(kept: Kept) -> Shares:
    assert kept.asked is not None  # since it has shared
    return kept.asked
