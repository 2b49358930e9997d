"""What the runs over some sites have told so far, read back from the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.core.damage import Damaged
from headstart.core.files import read_json_lines
from headstart.evidence.scores import COLUMNS, Scores, from_rows
from headstart.sites.arms import run_name
from headstart.sites.server import Server
from headstart.study.written.arms import Arm

_Line = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Told:
    """Arms that ran over these sites, with the seeds that all of them have.

    Attributes:
        arms: of the study, in its order.
        seeds: ascending.
        lines: what each run came to, by arm and seed.
        every_line: those of other seeds too.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    lines: Mapping[tuple[str, int], _Line]
    every_line: Sequence[_Line]

    @property
    def runs(self) -> tuple[tuple[str, ...], ...]:
        """Names of the runs, for every arm its seeds."""
        return tuple(tuple(self.lines[arm.name, seed]["run"] for seed in self.seeds) for arm in self.arms)

    @property
    def results(self) -> list[tuple[_Line, _Line]]:
        """Every run as the study's judge takes it: what stands of it, and no facts beside."""
        return [(line, {}) for line in self.every_line]

    @property
    def lacking_seeds(self) -> dict[str, list[int]]:
        """Name, by arm, the seeds that other arms have and it has not."""
        ran = {(line["arm"], line["seed"]) for line in self.every_line}
        seeds = sorted({seed for _, seed in ran})
        lacking = {arm.name: [seed for seed in seeds if (arm.name, seed) not in ran] for arm in self.arms}
        return {arm: own for arm, own in lacking.items() if own}

    @property
    def clients(self) -> list[str]:
        """Clients that any run names."""
        return sorted({name for line in self.lines.values() for name in line["clients"]})

    def lacking(self, client: str, metric: str) -> str:
        """Name a run in which a client told no score on its test data; empty if there is none."""
        for (arm, seed), line in self.lines.items():
            if _value(line["clients"].get(client, {}), "test", metric) is None:
                return f"'{arm}' with seed {seed}"
        return ""

    def scores(self, clients: Sequence[str], metric: str, view: str) -> Scores:
        """Gather some clients' scores on one view."""
        names = [arm.name for arm in self.arms]
        return from_rows(self._rows(clients, metric, view), metric, view, names, self.seeds, clients)

    def _rows(self, clients: Sequence[str], metric: str, view: str) -> Iterator[dict[str, Any]]:
        for (arm, seed), line in self.lines.items():
            for name in clients:
                value = _value(line["clients"].get(name, {}), view, metric)
                yield dict(zip(COLUMNS, (arm, seed, name, True, view, metric, value), strict=True))


def told(server: Server) -> Told:
    """Read what runs have told, those alone that had these data and settings; a later one stands for an earlier."""
    arms, lines = {arm.name: arm for arm in server.file.arms}, dict[tuple[str, int], _Line]()
    for line in read_json_lines(server.out / "federation.jsonl", bad=lambda error: server.tell(_lost(error))):
        arm = arms.get(line["arm"])
        if arm and line.get("run") == run_name(server, arm, line["seed"]):
            lines[line["arm"], line["seed"]] = line
    ran = tuple(arm for arm in server.file.arms if any(name == arm.name for name, _ in lines))
    each = [{seed for name, seed in lines if name == arm.name} for arm in ran]
    seeds = tuple(sorted(set.intersection(*each))) if each else ()
    return Told(ran, seeds, {key: line for key, line in lines.items() if key[1] in seeds}, list(lines.values()))


def _lost(error: Damaged) -> str:
    return f"{error.path.name} is damaged ({error.why}): the run that stood there counts as never made; run it again"


def _value(facts: _Line, view: str, metric: str) -> float | None:
    values = facts.get("metrics", {}).get(view, {}).get(metric) or [None]
    return None if values[0] is None else float(values[0])
