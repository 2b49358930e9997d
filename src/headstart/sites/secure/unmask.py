"""The server's arithmetic: from values under masks, and shares of what made these, to the total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.core.errors import ClientError
from headstart.sites.secure.fixed import Vector
from headstart.sites.secure.keys import Context, mark_of, public_of
from headstart.sites.secure.messages import Revealed, Shares
from headstart.sites.secure.shares import combined
from headstart.sites.secure.streams import add_stream


@dataclass(frozen=True, eq=False)
class Unmasked:
    """An exchange whose values came.

    Attributes:
        asked: with whom all shared their secrets.
        members: who did, so that their masks are in the others' values.
        values: of those whose values came, by name.
        revealed: shares, by who said them.
    """

    asked: Shares
    members: Sequence[str]
    values: Mapping[str, Vector]
    revealed: Mapping[str, Revealed]

    @cached_property
    def _context(self) -> Context:
        return Context(self.asked)

    def total(self) -> Vector:
        """Return the total of the values that came.

        Raises:
            ClientError: shares are false, and too few right ones are there.
        """
        found = np.zeros_like(next(iter(self.values.values())))
        for value in self.values.values():
            found += value
        for name in self.members:
            if name in self.values:
                self._take_own_off(found, name)
            else:
                self._take_pairs_off(found, name)
        return found

    def _take_own_off(self, total: Vector, name: str) -> None:
        """Take off the own mask of one whose value came."""
        shares = {by: said.own[name] for by, said in self.revealed.items()}
        seed = self._secret(name, shares, lambda seed: mark_of(seed) == self.asked.keys[name].own)
        add_stream(total, self._context.own_mask(seed), subtract=True)

    def _take_pairs_off(self, total: Vector, lost: str) -> None:
        """Take off the masks that the others have with one whose value did not come."""
        shares = {by: said.mask[lost] for by, said in self.revealed.items()}
        seed = self._secret(lost, shares, lambda seed: public_of(seed) == self.asked.keys[lost].mask)
        for name in self.values:
            add_stream(total, self._context.pair_mask(seed, name), subtract=name < lost)

    def _secret(self, name: str, shares: Mapping[str, str], fits: Callable[[bytes], bool]) -> bytes:
        raw = {by: bytes.fromhex(share) for by, share in shares.items()}
        secret = combined(raw, self.asked.threshold, list(self.asked.keys), fits)
        if secret is None:
            raise ClientError(
                f"secure sums: no {self.asked.threshold} of {len(raw)} shares give what '{name}' shared; a site that "
                "took part says what is false, which masks hide: run it without --secure to see whose"
            )
        return secret
