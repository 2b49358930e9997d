"""The server's half of a probe: sums in, heads out, scores in, and what they mean."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch

from headstart.core.errors import ClientError
from headstart.core.files import write_json
from headstart.core.plain import plain
from headstart.core.trees import Tree, map_tree, num_bytes
from headstart.evidence.answer_words import DOING
from headstart.models.model import Model, cut_at
from headstart.report.foretold import gain_lines, not_foretold
from headstart.report.network_lines import DELTA
from headstart.sites.begin import send_start
from headstart.sites.checks import Expected, Possible
from headstart.sites.claims import believed, doubt_comparison
from headstart.sites.ledger import epsilon
from headstart.sites.messages import Heads, Sums
from headstart.sites.probe import heads as probe
from headstart.sites.probe.foretell import foretell, total_to_send
from headstart.sites.said import Compared, Noisy
from headstart.sites.secure.exchange import Exchange
from headstart.sites.server import Server
from headstart.sites.settings import MOST_TIMES
from headstart.sites.transport import Answer, Failed
from headstart.sites.work import Begun
from headstart.study.written.schema import DecisionSettings, Metric
from headstart.training.client_data import ClientData

A = TypeVar("A")


def run_probe(server: Server, begun: Begun | None = None, decision: DecisionSettings | None = None) -> dict[str, Any]:
    """Ask the question in two messages, and write ``probe.json``.

    Args:
        server: with the sites that are there, and what it asks of their sums.
        begun: the start that they hold; None sends one.
        decision: what matters; None takes the study's.

    Raises:
        ClientError: no client sends sums, or too few to hide each other.
    """
    begin, lost = time.monotonic(), {one.client: one.reason for one in server.lost}
    secure, noise, bound = server.asks.secure, server.asks.noise, server.asks.bound
    now = begun or send_start(server)
    model, _ = cut_at(now.trunk.network, now.trunk.weights, "head")
    decision, request = decision or server.file.settings.decision, Sums(now.setup, noise, bound, masks=None)
    sums, total = _sums(server, model, request, lost, secure=secure)
    _possible(server, bound).check_total(total, list(sums.values()))
    solved, trees = probe.solve(model, total, server.lab.dtype), [one.tree for one in sums.values()]
    sent = {**solved.heads, **total_to_send(total, len(trees))}
    compared = _compared(server, Heads(now.setup, cast("Metric", decision.metric), noise, bound), sent, lost)
    scores = {name: one.scores for name, one in compared.items() if one.scores}
    # Who sent no sums has no examples in them to leave out.
    foretold = foretell([one.leads for name, one in compared.items() if name in sums], decision)
    result = {
        "study": server.file.settings.name,
        "run": server.ask.run,
        **probe.decide(scores, min_effect=decision.min_effect),
        "prediction": foretold and plain(asdict(foretold)),
        "scores": {name: {"examples": one.examples, **one.scores} for name, one in compared.items()},
        **_between(trees, secure=secure),
        "logme": _finite(solved.logme),
        "penalty": solved.penalty,
        "bytes_up": max(one.num_bytes for one in sums.values()),
        "bytes_down": num_bytes(sent),
        "min_effect": decision.min_effect,
        "secure": secure,
        "noise": min(one.said.noise for one in sums.values()),
        "bound": bound,
        "senders": sorted(sums),
        "epsilon": _finite(epsilon([min(one.said.noise for one in sums.values())])),
        "delta": DELTA,
        "left_out": lost,
        "seconds": time.monotonic() - begin,
    }
    write_json(server.out / "probe.json", result)
    for line in _sentence(result).splitlines():
        server.tell(line)
    return result


def _between(trees: Sequence[Tree], *, secure: bool) -> dict[str, float | None]:
    """Say how clients differ; under masks nobody can."""
    if secure:
        return {"skew": None, "shift": None}
    return {"skew": probe.skew(np.stack([tree["train/counts"].numpy() for tree in trees])), "shift": probe.shift(trees)}


def _senders(server: Server) -> list[int]:
    """Return the addresses of the sites that may send sums."""
    return [address for address, site in server.sites.items() if site.sends]


def _sums(
    server: Server, model: Model, request: Sums, lost: dict[str, str], *, secure: bool
) -> tuple[dict[str, Answer[Noisy]], Tree]:
    """Ask for sums; return whose came, and their total."""
    who, expected = _senders(server), _expected(server, model, request, secure=secure)

    def check(came: Sequence[Answer[Noisy] | Failed]) -> list[Answer[Noisy] | Failed]:
        return expected.check(believed(came, lambda one: _doubt_noise(one.said, request.noise)))

    with server.ask.noting("sums"):
        if secure:
            hidden = Exchange(server).collect(who, lambda masks: replace(request, masks=masks), {}, check)
            return _named(server, [*hidden.answers, *hidden.lost], lost), hidden.total
        found = _named(server, check(server.send(request, {}, who)), lost)
    _check_lost("sums", len(found), lost, fewest=1, asked=len(who))
    return found, _total([one.tree for one in found.values()])


def _compared(server: Server, request: Heads, heads: Tree, lost: dict[str, str]) -> dict[str, Compared]:
    """Ask for scores of heads; somebody must have examples to score them on."""
    who = _senders(server)
    with server.ask.noting("heads"):
        came = server.send(request, heads, who)
        came = believed(came, lambda one: doubt_comparison(one.said, server.sites[one.site]))
        found = {name: one.said for name, one in _named(server, came, lost).items()}
    _check_lost("scores", sum(bool(one.scores) for one in found.values()), lost, fewest=1, asked=len(who))
    return found


def _doubt_noise(said: Noisy, asked: float) -> str:
    """Say why sums with so much noise on them are of no use: as little as they say hides nothing, as much all."""
    most = MOST_TIMES * max(1.0, asked)
    return (
        ""
        if asked <= said.noise <= most
        else f"field 'noise' must be from {asked:g} to {most:g}, received {said.noise:g}"
    )


def _expected(server: Server, model: Model, request: Sums, *, secure: bool) -> Expected:
    """Return what sums must look like, by making some of dummy examples; under masks no site's can be looked into."""

    def sums(client: ClientData) -> Tree:
        found = probe.sums(model, client, client)
        return map_tree(torch.Tensor.long, found) if secure else found

    return Expected.of(sums, server.lab.federation.examples, _possible(server, request.bound, masked=secure))


def _possible(server: Server, bound: float, *, masked: bool = False) -> Possible:
    return Possible(probe.feature_sums, server.sites, bound, masked)


def _named(server: Server, came: Sequence[Answer[A] | Failed], lost: dict[str, str]) -> dict[str, Answer[A]]:
    """Return answers by client; why there is none goes into ``lost``."""
    server.ask.take(came)
    lost |= {server.sites[one.site].client: one.reason for one in came if isinstance(one, Failed)}
    return {server.sites[one.site].client: one for one in came if isinstance(one, Answer)}


def _check_lost(what: str, came: int, lost: Mapping[str, str], *, fewest: int, asked: int) -> None:
    if came < fewest:
        why = "; ".join(f"'{name}': {reason}" for name, reason in lost.items())
        why = why or "none may send them, or none has validation examples"
        raise ClientError(f"probe: {what} of {came} of {asked} clients came ({why}); run it again without those lost")


def _total(sums: Sequence[Tree]) -> Tree:
    return {name: torch.stack([tree[name] for tree in sums]).sum(0) for name in sums[0]}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _sentence(found: Mapping[str, Any]) -> str:
    """Say a probe's verdict in a few lines."""
    means, (low, high) = found["means"], found["interval"]
    scores = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    claim = "" if found["claims_significance"] else " (of so few clients the interval says little beyond these)"
    return (
        f"verdict: {found['verdict']}{claim}\n"
        f"mean balanced accuracy on the clients' own validation data: {scores}\n"
        f"federation adds {found['ceiling']:+.3f} at most (interval {low:+.3f} to {high:+.3f}, "
        f"{found['clients']} clients); skew of classes {_told(found['skew'])}, shift of features "
        f"{_told(found['shift'])}, LogME {_told(found['logme'])}\n"
        f"{_foretold(found)}\n"
        f"{found['bytes_up']} bytes up and {found['bytes_down']} down per client, {found['seconds']:.1f} s"
    )


def _told(value: float | None) -> str:
    return "not told" if value is None else f"{value:.2f}"


def _foretold(found: Mapping[str, Any]) -> str:
    prediction = found["prediction"]
    if prediction is None:
        return f"nothing is foretold: {not_foretold(found)}"
    return "\n".join([f"foretold: {DOING[str(prediction['family'])]}", *gain_lines(prediction)])
