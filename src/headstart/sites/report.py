"""What a federation has come to, in files and in words."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from headstart.core import trees
from headstart.core.errors import ClientError
from headstart.core.files import write_json
from headstart.core.plain import finite
from headstart.core.trees import Tree, num_bytes
from headstart.models.model import cut_at
from headstart.sites.arms import send_start
from headstart.sites.messages import Reply
from headstart.sites.probe import heads as probe
from headstart.sites.probe.masks import unmask
from headstart.sites.probe.noise import DELTA, epsilon
from headstart.sites.server import Server


def say_arm(server: Server, found: Mapping[str, Any]) -> None:
    """Say each client's score, and who was left out."""
    metric, scores = server.file.settings.decision.metric, []
    for name, facts in sorted(found["clients"].items()):
        score = (facts.get("metrics", {}).get("test", {}).get(metric) or [None])[0]
        server.tell(f"  {name:<20} {'–' if score is None else f'{score:.4f}'}")
        scores += [] if score is None else [score]
    for one in found["excluded"]:
        server.tell(f"  left out: {one['client']}, round {one['round']}: {one['reason']}")
    mean = f"{np.mean(scores):.4f}" if scores else "not told"
    server.tell(f"{found['arm']}: mean client {metric} {mean}")


def run_probe(server: Server, *, secure: bool = False, noise: float = 0.0, bound: float = 10.0) -> dict[str, Any]:
    """Ask the question in two messages, and write ``probe.json``.

    Args:
        server: with the sites that are there.
        secure: hide each client's sums under masks, so that only their total can be read.
        noise: on each client's sums, in sensitivities; clients may add more.
        bound: length to which rows are clipped where there is noise.

    Raises:
        ClientError: no client sends sums, or one was lost whose masks the others have used.
    """
    begin, told = time.monotonic(), dict[str, str]()
    stage = send_start(server)
    model, _ = cut_at(stage.network, stage.weights, "head")
    values = {**stage.values, "noise": noise, "bound": bound}
    who = [one for one in server.members if one.sends]
    if secure:
        values |= {"keys": {one.id: one.key for one in who}, "round_name": secrets.token_hex(16)}
    found = _answers(server, server.send("sums", who, values, {}), told)
    _check_sums(found, told, len(who), secure)
    total = _total([reply.tree for reply in found.values()], secure)
    solved = probe.solve(model, total, server.lab.dtype)
    replies = server.send("heads", who, {k: v for k, v in values.items() if k != "keys"}, solved.heads)
    scores = {name: dict(reply.values) for name, reply in _answers(server, replies, told).items()}
    result = {
        **probe.decide(scores, min_effect=server.file.settings.decision.min_effect),
        "scores": scores,
        "skew": None if secure else probe.skew(np.stack([r.tree["train/counts"].numpy() for r in found.values()])),
        "shift": None if secure else probe.shift([reply.tree for reply in found.values()]),
        "logme": finite(solved.logme),
        "penalty": solved.penalty,
        "bytes_up": max(reply.num_bytes for reply in found.values()),
        "bytes_down": num_bytes(solved.heads),
        "epsilon": finite(epsilon(min(float(reply.values.get("noise", 0)) for reply in found.values()))),
        "delta": DELTA,
        "left_out": told,
        "seconds": time.monotonic() - begin,
    }
    write_json(server.out / "probe.json", result)
    server.tell(probe_sentence(result))
    return result


def _answers(server: Server, replies: Iterable[Reply], told: dict[str, str]) -> dict[str, Reply]:
    """Return answers by client; why there is none goes into ``told``."""
    named = {server.name_of(reply.site): reply for reply in replies}
    told |= {name: reply.error for name, reply in named.items() if reply.error}
    return {name: reply for name, reply in named.items() if not reply.error}


def _check_sums(found: Mapping[str, Reply], told: Mapping[str, str], asked: int, secure: bool) -> None:
    if not found or (secure and len(found) < asked):
        lost = "; ".join(f"'{name}': {reason}" for name, reason in told.items()) or "none was asked"
        raise ClientError(
            f"probe: sums of {len(found)} of {asked} clients came ({lost}); run it again without those lost"
        )
    shapes = {tuple((name, tuple(v.shape)) for name, v in sorted(reply.tree.items())) for reply in found.values()}
    if len(shapes) > 1 or not (secure or all(trees.is_finite(reply.tree) for reply in found.values())):
        raise ClientError(
            "probe: the clients' sums must be finite and of one shape, received others; nothing was solved"
        )


def _total(sums: list[Tree], secure: bool) -> Tree:
    if secure:
        return unmask(sums)
    return {name: torch.stack([tree[name] for tree in sums]).sum(0) for name in sums[0]}


def probe_sentence(found: Mapping[str, Any]) -> str:
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
