"""Who is in an answer over sites, and what each of them counts; who is not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headstart.core.errors import ClientError
from headstart.evidence.moments import Moments
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.sites.counts import Count, Counted, moments_of
from headstart.sites.server import Server
from headstart.sites.settings import allows
from headstart.sites.told import Told
from headstart.sites.transport import Answer, Failed


@dataclass(frozen=True)
class Gathered:
    """What the clients of an answer said.

    Attributes:
        clients: in the answer.
        moments: of each, in their order; empty where the metric cannot be counted.
        left_out: clients that are not in the answer, and why.
        kept_back: by client, classes whose examples are too few to be counted.
    """

    clients: tuple[str, ...]
    moments: tuple[Moments, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    kept_back: Mapping[str, int] = field(default_factory=dict)


def gather(server: Server, runs: Told, metric: str) -> Gathered:
    """Ask the clients that told all scores what they count, and look at it.

    Raises:
        ClientError: nobody is left.
    """
    reasons = {name: _why_not(server, runs, name, metric) for name in _everyone(server, runs)}
    able = [name for name, reason in reasons.items() if not reason]
    left_out = {name: reason for name, reason in reasons.items() if reason}
    # Of other metrics only clients' scores are compared.
    counted = metric in RIGHT_OR_WRONG
    found = _counted(server, runs, able, left_out, by_class=metric == "balanced_accuracy") if counted else {}
    clients = tuple(found) if counted else tuple(able)
    if not clients:
        raise ClientError(f"no client can be counted; the first, {next(f'{n}: {why}' for n, why in left_out.items())}")
    kept_back = {name: said.kept_back for name, (said, _) in found.items() if said.kept_back}
    return Gathered(clients, tuple(sums for _, sums in found.values()), left_out, kept_back)


def _everyone(server: Server, runs: Told) -> list[str]:
    """Name the clients that are there, were lost, or ran before."""
    here = [site.client for site in server.sites.values()]
    return sorted({*here, *runs.clients, *(one.client for one in server.lost)})


def _why_not(server: Server, runs: Told, client: str, metric: str) -> str:
    """Say why a client cannot be in the answer; empty if it can."""
    site = next((site for site in server.sites.values() if site.client == client), None)
    if site is None:
        return "it is not there now"
    if not allows(site.policy, "metrics"):
        return f"it lets no more than '{site.policy}' leave, and 'metrics' is needed"
    lacking = runs.lacking(client, metric)
    return f"it told no score of {lacking}" if lacking else ""


def _counted(
    server: Server, runs: Told, clients: Sequence[str], left_out: dict[str, str], *, by_class: bool
) -> dict[str, tuple[Counted, Moments]]:
    """Return what clients count, by client; one whose counts cannot be is left out by its name."""
    found: dict[str, tuple[Counted, Moments]] = {}
    arms, classes = [arm.name for arm in runs.arms], len(server.agreement.classes) if by_class else None
    message = Count(runs.runs, by_class)
    for one in server.send(message, {}, [server.address_of(name) for name in clients]) if clients else []:
        client = server.sites[one.site].client
        try:
            said = _said(one, server.sites[one.site].sizes.get("test", 0))
            found[client] = said, moments_of(said, arms, len(runs.seeds), classes=classes)
        except ClientError as error:
            left_out[client] = str(error)
    return {name: found[name] for name in sorted(found)}


def _said(one: Answer[Counted] | Failed, examples: int) -> Counted:
    """Return what a site counted of so many test examples."""
    if isinstance(one, Failed):
        raise ClientError(one.reason)
    if sum(one.said.count) > examples:
        raise ClientError(f"its count's 'count' must be at most its {examples} test examples together")
    return one.said
