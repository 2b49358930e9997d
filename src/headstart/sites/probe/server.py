"""The server's half of a probe: sums in, heads out, scores in, and what they mean."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from headstart.core.errors import ClientError
from headstart.core.files import write_json
from headstart.core.trees import Tree, map_tree, num_bytes
from headstart.models.model import Model, cut_at
from headstart.sites.arms import send_start
from headstart.sites.checks import Expected
from headstart.sites.messages import Heads, Masks, Sums
from headstart.sites.probe import heads as probe
from headstart.sites.probe.masks import unmask
from headstart.sites.probe.noise import epsilon
from headstart.sites.server import Server
from headstart.sites.settings import DELTA, RunSettings
from headstart.sites.transport import Answer, Failed
from headstart.training.client_data import ClientData

A = TypeVar("A")


def run_probe(
    server: Server, *, secure: bool = False, noise: float = RunSettings.noise, bound: float = RunSettings.bound
) -> dict[str, Any]:
    """Ask the question in two messages, and write ``probe.json``.

    Args:
        server: with the sites that are there.
        secure: hide each client's sums under masks, so that only their total can be read.
        noise: on each client's sums, in sensitivities; clients may add more.
        bound: length to which rows are clipped where there is noise, above 1.

    Raises:
        ClientError: no client sends sums, or one was lost whose masks the others have used.
    """
    begin, lost = time.monotonic(), dict[str, str]()
    now = send_start(server)
    model, _ = cut_at(now.trunk.network, now.trunk.weights, "head")
    who = {address: site for address, site in server.sites.items() if site.sends}
    masks = Masks({site.client: site.key for site in who.values()}, secrets.token_hex(16)) if secure else None
    came = server.send(Sums(now.setup, noise, bound, masks), {}, list(who))
    sums = _named(server, _expected(server, model, secure=secure).check(came), lost)
    _check_lost("sums", sums, lost, max(1, len(who)) if secure else 1, len(who))
    trees = [one.tree for one in sums.values()]
    solved = probe.solve(model, unmask(trees) if secure else _total(trees), server.lab.dtype)
    compared = _named(server, server.send(Heads(now.setup), solved.heads, list(who)), lost)
    scores = {name: one.said.scores for name, one in compared.items() if one.said.scores}
    _check_lost("scores", scores, lost, 1, len(who))
    result = {
        **probe.decide(scores, min_effect=server.file.settings.decision.min_effect),
        "scores": {name: {"examples": one.said.examples, **one.said.scores} for name, one in compared.items()},
        "skew": None if secure else probe.skew(np.stack([tree["train/counts"].numpy() for tree in trees])),
        "shift": None if secure else probe.shift(trees),
        "logme": _finite(solved.logme),
        "penalty": solved.penalty,
        "bytes_up": max(one.num_bytes for one in sums.values()),
        "bytes_down": num_bytes(solved.heads),
        "epsilon": _finite(epsilon(min(one.said.noise for one in sums.values()))),
        "delta": DELTA,
        "left_out": lost,
        "seconds": time.monotonic() - begin,
    }
    write_json(server.out / "probe.json", result)
    server.tell(_sentence(result))
    return result


def _expected(server: Server, model: Model, *, secure: bool) -> Expected:
    """Return what sums must look like, by making some of dummy examples."""

    def sums(client: ClientData) -> Tree:
        found = probe.sums(model, client, client)
        return map_tree(torch.Tensor.long, found) if secure else found

    return Expected.of(sums, server.lab.federation.examples, compares_norms=False)


def _named(server: Server, came: Sequence[Answer[A] | Failed], lost: dict[str, str]) -> dict[str, Answer[A]]:
    """Return answers by client; why there is none goes into ``lost``."""
    lost |= {server.sites[one.site].client: one.reason for one in came if isinstance(one, Failed)}
    return {server.sites[one.site].client: one for one in came if isinstance(one, Answer)}


def _check_lost(what: str, found: Mapping[str, Any], lost: Mapping[str, str], fewest: int, asked: int) -> None:
    if len(found) < fewest:
        why = (
            "; ".join(f"'{name}': {reason}" for name, reason in lost.items())
            or "none may send them, or none has validation examples"
        )
        raise ClientError(
            f"probe: {what} of {len(found)} of {asked} clients came ({why}); run it again without those lost"
        )


def _total(sums: Sequence[Tree]) -> Tree:
    return {name: torch.stack([tree[name] for tree in sums]).sum(0) for name in sums[0]}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _sentence(found: Mapping[str, Any]) -> str:
    """Say a probe's verdict in a few lines."""
    means, (low, high) = found["means"], found["interval"]
    scores = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    claim = "" if found["claims_significance"] else " (so few clients: no significance is claimed)"
    return (
        f"verdict: {found['verdict']}{claim}\n"
        f"mean balanced accuracy on the clients' own validation data: {scores}\n"
        f"federation adds {found['ceiling']:+.3f} at most (interval {low:+.3f} to {high:+.3f}, "
        f"{found['clients']} clients); skew of classes {_told(found['skew'])}, shift of features "
        f"{_told(found['shift'])}, LogME {_told(found['logme'])}\n"
        f"{found['bytes_up']} bytes up and {found['bytes_down']} down per client, {found['seconds']:.1f} s"
    )


def _told(value: float | None) -> str:
    return "not told" if value is None else f"{value:.2f}"
