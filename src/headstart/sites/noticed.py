"""Whether an arm over sites has learnt anything: the simulation's checks, on what sites count and may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.evidence.learnt import Finding, findings
from headstart.evidence.measured import measure
from headstart.sites.said import Evaluated
from headstart.sites.server import Server
from headstart.study.run.records import conduct_of
from headstart.study.written.arms import Arm


def noticed(
    server: Server,
    arm: Arm,
    said: Sequence[Evaluated],
    excluded: Sequence[Mapping[str, Any]],
    halved: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Say what is to be noticed of an arm, a failure first.

    Args:
        server: of the federation.
        arm: as run.
        said: by the sites, each of itself.
        excluded: for each time that a client was left out, its name and why.
        halved: clients that counted half of a mean.
    """
    sites, told = len(server.sites), [one for one in said if one.learnt]
    counted = [one.learnt for one in told if one.learnt]
    if not counted:
        return (Finding("not checked", "no site lets scores leave by which to check whether it learnt anything"),)
    # Of sites that do not tell nobody knows what they kept.
    is_known = len(told) == sites and not arm.adapt.build().changes_nothing
    conduct = conduct_of(
        arm,
        [*excluded, *(one for each in told for one in each.excluded)],
        kept=sum(bool(one.accepted) for one in told) if is_known else None,
        clients=sites + len(server.lost),
        span=max(one.span for one in told),
        halved=halved,
    )
    return findings(measure(counted), conduct)
