"""The models that sites hold: each is sent once, and of a later one what differs from the one before."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from headstart.core.content import SIGNED, hash_tree
from headstart.core.progress import Tell
from headstart.core.trees import Params, num_bytes
from headstart.sites.messages import Start
from headstart.sites.server import Server

_MOST = 2
"""Models that the server keeps at hand, from which the next may differ in little."""


@dataclass(eq=False)
class Held:
    """What all sites were sent.

    Attributes:
        server: whose sites.
    """

    server: Server
    _digests: set[str] = field(default_factory=set)
    _last: dict[str, Params] = field(default_factory=dict)

    def send(self, weights: Params, tell: Tell) -> str:
        """Let every site hold a model; return its digest.

        Args:
            weights: of the model.
            tell: told that it is sent, if it is.

        Raises:
            ClientError: too many sites did not take it.
        """
        digest = hash_tree(weights, SIGNED)
        if digest not in self._digests:
            self._send(weights, digest, tell)
            self._digests.add(digest)
        self._keep(digest, weights)
        return digest

    def _send(self, weights: Params, digest: str, tell: Tell) -> None:
        base, changed = min(
            [("", weights), *((name, _changed(weights, held)) for name, held in self._last.items())],
            key=lambda one: num_bytes(one[1]),
        )
        server = self.server
        tell(f"model of {num_bytes(changed) / 1e6:.2f} MB to {len(server.sites)} sites")
        excluded = server.excluded(server.send(Start(digest, base), changed), 0)
        server.check_lost(excluded)
        for one in excluded:
            server.tell(f"a site did not take the model: '{one.client}': {one.reason}")

    def _keep(self, digest: str, weights: Params) -> None:
        self._last.pop(digest, None)
        self._last[digest] = weights
        for name in list(self._last)[:-_MOST]:
            del self._last[name]


def _changed(weights: Params, held: Params) -> Params:
    """Return what differs; all of it, where the other model has tensors that this one lacks."""
    if set(held) - set(weights):
        return weights
    return {n: v for n, v in weights.items() if n not in held or not torch.equal(held[n], v)}
