"""What a federation has come to, in files and in words."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.core.files import write_json
from headstart.core.trees import num_bytes
from headstart.flower import probe
from headstart.flower.server import Server, send_start


def write_arm(server: Server, found: Mapping[str, Any]) -> None:
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


def run_probe(server: Server) -> dict[str, Any]:
    """Ask the question in two messages, and write ``probe.json``."""
    begin, told = time.monotonic(), {}
    values = send_start(server)
    sums, up = {}, 0
    for reply in server.send("sums", server.members, values, {}):
        name = server.name_of(reply.site)
        if reply.error:
            told[name] = reply.error
        else:
            sums[name], up = reply.tree, max(up, reply.num_bytes)
    solved = probe.solve(list(sums.values()), server.lab.dtype)
    scores = {}
    for reply in server.send("heads", [one for one in server.members if one.id in sums], values, solved.head):
        name = server.name_of(reply.site)
        if reply.error:
            told[name] = reply.error
        else:
            scores[name] = dict(reply.values)
    found = {
        **probe.decide(scores, min_effect=server.file.settings.decision.min_effect),
        "scores": scores,
        "skew": probe.skew(solved.counts),
        "penalty": solved.penalty,
        "bytes_up": up,
        "bytes_down": num_bytes(solved.head),
        "left_out": told,
        "seconds": time.monotonic() - begin,
    }
    server.out.mkdir(parents=True, exist_ok=True)
    write_json(server.out / "probe.json", found)
    server.tell(probe_sentence(found))
    return json.loads(json.dumps(found))


def probe_sentence(found: Mapping[str, Any]) -> str:
    """Say a probe's verdict in a few lines."""
    means, (low, high) = found["means"], found["interval"]
    scores = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    return (
        f"verdict: {found['verdict']}\n"
        f"mean balanced accuracy on the clients' own validation data: {scores}\n"
        f"federation adds {found['ceiling']:+.3f} at most (interval {low:+.3f} to {high:+.3f}, "
        f"{found['clients']} clients); skew of classes {found['skew']:.2f}\n"
        f"{found['bytes_up']} bytes up and {found['bytes_down']} down per client, {found['seconds']:.1f} s"
    )
