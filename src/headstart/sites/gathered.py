"""Who is in an answer over sites, and what each of them counts; who is not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headstart.core.errors import ClientError
from headstart.data.federation import Federation
from headstart.evidence.gathered import Gathered
from headstart.evidence.metrics import measure
from headstart.evidence.moments import Moments
from headstart.evidence.outcomes import RIGHT_OR_WRONG
from headstart.evidence.summed import Sums
from headstart.sites.counts import Count, Counted, moments_of
from headstart.sites.server import Server
from headstart.sites.settings import LEAST_ROWS, allows
from headstart.sites.transport import Answer, Failed

if TYPE_CHECKING:
    from headstart.study.run.folder import RunFolder

_UNCOUNTED = "No client's test examples can be counted ({}): clients are compared by their scores alone."

_Runs = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Arms, and for each of them the names of its runs, one a seed."""


@dataclass(eq=False)
class Counting:
    """Asks sites what they count of their own test examples; the same is asked once.

    Attributes:
        server: whose sites.
    """

    server: Server
    _known: dict[tuple[_Runs, bool], _Round] = field(default_factory=dict)

    def gather(self, folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Gathered:
        """Return what the clients that told all scores count of the runs of some arms.

        Where nobody can count, their scores alone are compared.

        Raises:
            ClientError: nobody tells scores.
        """
        silent = self._silent(folder, federation, arms, metric)
        # Of other metrics only clients' scores are compared.
        runs, by_class = _runs(folder, arms) if metric in RIGHT_OR_WRONG else [], measure(metric).by_class
        rounds = [self._round(one, by_class=by_class) for one in runs]
        uncounted = {name: why for one in rounds for name, why in one.left_out.items()}
        clients = [name for name in self._here if name not in {*silent, *uncounted}]
        if not clients and uncounted:
            first = next(f"{name}: {why}" for name, why in uncounted.items())
            return Gathered(None, self._told(silent), (_UNCOUNTED.format(first), *_left_out(silent)))
        groups = [[one.moments[name] for name in clients] for one in rounds]
        kept_back = {name: count for one in rounds for name, count in one.kept_back.items() if name in clients}
        cautions = (*_left_out({**uncounted, **silent}), *_kept_back(kept_back))
        return Gathered(Sums(tuple(clients), groups) if groups else None, self._told({**uncounted, **silent}), cautions)

    def _told(self, left_out: Mapping[str, str]) -> tuple[str, ...]:
        """Name the clients in the answer.

        Raises:
            ClientError: there is none.
        """
        clients = tuple(name for name in self._here if name not in left_out)
        if not clients:
            raise ClientError(
                f"no client tells its scores; the first, {next(f'{n}: {w}' for n, w in left_out.items())}"
            )
        return clients

    @property
    def _here(self) -> list[str]:
        return sorted(site.client for site in self.server.sites.values())

    def _silent(self, folder: RunFolder, federation: Federation, arms: Sequence[str], metric: str) -> Mapping[str, str]:
        """Say which clients told no score of a run, and why they could not."""
        reasons = {one.client: one.reason for one in self.server.lost}
        for site in self.server.sites.values():
            if not allows(site.policy, "metrics"):
                reasons[site.client] = f"it lets no more than '{site.policy}' leave, and 'metrics' is needed"
        for line, facts in folder.results():
            values = facts["metrics"].get("test", {}).get(metric, []) if line["arm"] in arms else []
            for client, value in zip(federation.clients, values, strict=False):
                if value is None:
                    silent = f"it told no score of '{line['arm']}' with seed {line['seed']}"
                    reasons.setdefault(client.id, (facts.get("kept_back") or {}).get(client.id) or silent)
        return reasons

    def _round(self, runs: _Runs, *, by_class: bool) -> _Round:
        key = runs, by_class
        if key not in self._known:
            self._known[key] = self._asked(*runs, by_class=by_class)
        return self._known[key]

    def _asked(self, arms: tuple[str, ...], runs: tuple[tuple[str, ...], ...], *, by_class: bool) -> _Round:
        """Ask all who may tell; one whose counts cannot be is left out by its name."""
        server, found = self.server, _Round()
        able = [address for address, site in server.sites.items() if allows(site.policy, "metrics")]
        classes = len(server.agreement.classes) if by_class else None
        for one in server.send(Count(runs, by_class), {}, able) if able else []:
            site = server.sites[one.site]
            try:
                said = _said(one, site.sizes.get("test", 0))
                found.moments[site.client] = moments_of(said, arms, len(runs[0]), classes=classes)
                if said.kept_back:
                    found.kept_back[site.client] = said.kept_back
            except ClientError as error:
                found.left_out[site.client] = str(error)
        return found


@dataclass(eq=False)
class _Round:
    """What came of one request: sums by client, classes kept back, and who is left out."""

    moments: dict[str, Moments] = field(default_factory=dict)
    kept_back: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def _runs(folder: RunFolder, arms: Sequence[str]) -> list[_Runs]:
    """Return the runs of a folder by what they can be compared on: those with the most seeds first."""
    keys = {(line["arm"], line["seed"]): line["key"] for line in folder.records.all() if line["arm"] in arms}
    seeds = {arm: frozenset(seed for name, seed in keys if name == arm) for arm in arms}
    found = []
    for common in sorted({each for each in seeds.values() if each}, key=len, reverse=True):
        able = tuple(arm for arm in arms if common <= seeds[arm])
        found.append((able, tuple(tuple(keys[arm, seed] for seed in sorted(common)) for arm in able)))
    return found


def _said(one: Answer[Counted] | Failed, examples: int) -> Counted:
    """Return what a site counted of so many test examples."""
    if isinstance(one, Failed):
        raise ClientError(one.reason)
    if sum(one.said.count) > examples:
        raise ClientError(f"its count's 'count' must be at most its {examples} test examples together")
    return one.said


def _left_out(reasons: Mapping[str, str]) -> list[str]:
    return [f"Not in the answer: {name}: {reason}." for name, reason in sorted(reasons.items())]


def _kept_back(counts: Mapping[str, int]) -> list[str]:
    return [
        f"Not counted at {name}: {count} of its classes, with fewer than {LEAST_ROWS} test examples each."
        for name, count in sorted(counts.items())
    ]
