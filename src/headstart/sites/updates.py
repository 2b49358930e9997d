"""Updates of averaging methods as a site sends them: clipped, and under noise of its own.

The distributed Gaussian mechanism: of ``m`` sites that answer a round each adds ``noise_multiplier / sqrt(m)`` clip
norms, so that their sum has the noise of DP-FedAvg (:mod:`headstart.engine.clipped`) though no server adds any.
"""

from __future__ import annotations

from headstart.core import trees
from headstart.core.content import hash_tree
from headstart.core.trees import Tree
from headstart.engine.clipped import clip_factors
from headstart.federate.protocol import Schedule
from headstart.sites.gate import Gate
from headstart.sites.messages import Update
from headstart.sites.randomness import system_noise
from headstart.sites.settings import UPDATE_SENSITIVITY
from headstart.sites.wire import write


def leaving(gate: Gate, said: Update, schedule: Schedule, shared: Tree, update: Tree) -> Tree:
    """Return an update as it leaves: as it is, clipped, or clipped and under noise.

    Args:
        gate: of the site; the same request gets the same noise again.
        said: the request.
        schedule: of the method that it names.
        shared: the tree that came along.
        update: to it.

    Raises:
        Refused: its noise would be more than the operator's budget allows.
    """
    if schedule.clip_norm is None:
        return update
    clipped = _clipped(update, schedule.clip_norm)
    noise = schedule.own_noise(said.fewest)
    if not noise:
        return clipped
    level = noise / UPDATE_SENSITIVITY
    name = "/".join(["noisy", write(said.setup), write(said.stage), str(said.round), repr(noise), hash_tree(shared)])
    return gate.noisy_update(name, level, lambda: _noisy(clipped, noise * (schedule.clip_norm or 0.0)))


def _clipped(update: Tree, norm: float) -> Tree:
    return trees.scale(update, float(clip_factors(trees.map_tree(lambda value: value[None], update), norm)[0]))


def _noisy(update: Tree, deviation: float) -> Tree:
    return trees.map_tree(lambda value: value + system_noise(value, deviation), update)
