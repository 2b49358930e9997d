"""What happened over the network: who answered, who did not and why, bytes and seconds, as the server noted them.

``network.jsonl`` has a line for every exchange of a real federation. What was asked twice, as a run that was cut off
begins a round again, counts once, by its last line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from headstart.report.network_lines import AtSite, Line, once
from headstart.report.network_words import covers, sentences

_Json = Mapping[str, Any]
_FAILED = ("late", "gone", "refused", "left out", "cut off")

_PARTS = {
    "together": "Coming together",
    "start": "Sending models",
    "round": "Rounds",
    "scores": "Scoring what rounds left",
    "adapt": "Adapting and scoring",
    "count": "Counting what arms told right",
    "sums": "Sums of a probe",
    "heads": "Heads of a probe",
}
_TRIALS = "Trials, and runs without a record"


@dataclass(frozen=True)
class _ArmRow:
    """What one arm and seed took; bytes are of all clients together."""

    arm: str
    seed: int
    rounds: int
    incomplete: int  # rounds that closed without everybody
    asked: int
    given: int
    down: int
    up: int
    counted_down: int | None
    counted_up: int | None
    median: float | None  # seconds of a round
    longest: float | None
    seconds: float
    protection: str


@dataclass(frozen=True)
class _SiteRow:
    """How it went with one client, over all that it was asked."""

    client: str
    asked: int
    given: int
    late: int
    gone: int
    refused: int
    left_out: int
    cut_off: int
    again: int
    down: int
    up: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _PartRow:
    """What one kind of exchange took."""

    name: str
    exchanges: int
    seconds: float
    down: int
    up: int


@dataclass(frozen=True)
class _Happened:
    """All of it."""

    says: tuple[str, ...]
    arms: tuple[_ArmRow, ...]
    clients: tuple[_SiteRow, ...]
    parts: tuple[_PartRow, ...]

    @property
    def hows(self) -> tuple[tuple[str, str], ...]:
        """The ways in which answers are missing, with the row's name for each; none where none is."""
        named = tuple((how.capitalize(), how.replace(" ", "_")) for how in _FAILED)
        return tuple(one for one in named if any(getattr(row, one[1]) for row in self.clients))


def network_of(lines: Sequence[Line], records: Sequence[_Json]) -> _Happened | None:
    """Return what happened over the network; None where nothing was noted, as of a simulation.

    Args:
        lines: of ``network.jsonl``.
        records: of the runs, whose nodes say which exchanges were theirs; none of a probe.
    """
    if not lines:
        return None
    counted = once(lines)
    known = {str(key) for record in records for key in record.get("nodes") or ()}
    arms = tuple(row for record in records if (row := _arm(record, counted)))
    planned = {(str(one["arm"]), int(one["seed"])): (one.get("costs") or {}).get("rounds") or 0 for one in records}
    noted = {(row.arm, row.seed): row.rounds for row in arms}
    return _Happened(sentences(lines, counted, noted, planned), arms, _sites(counted), _parts(counted, known))


def _arm(record: _Json, lines: Sequence[Line]) -> _ArmRow | None:
    keys, traffic = set(record.get("nodes") or ()), record.get("traffic") or {}
    own = [line for line in lines if line.stage in keys]
    rounds = [line for line in own if line.what == "round"]
    took = [line.seconds for line in rounds]
    if not own:
        return None
    return _ArmRow(
        arm=str(record["arm"]),
        seed=int(record["seed"]),
        rounds=len(rounds),
        incomplete=sum(line.is_short for line in rounds),
        asked=sum(len(line.clients) for line in own),
        given=sum(line.given for line in own),
        down=sum(line.down for line in own),
        up=sum(line.up for line in own),
        counted_down=traffic.get("download"),
        counted_up=traffic.get("upload"),
        median=median(took) if took else None,
        longest=max(took, default=None),
        seconds=sum(line.seconds for line in own),
        protection=covers(rounds),
    )


def _sites(lines: Sequence[Line]) -> tuple[_SiteRow, ...]:
    """Return a row for every client, those first of whom most is missing."""
    met: dict[str, list[tuple[Line, AtSite]]] = {}
    for line in lines:
        for name, one in line.clients.items():
            met.setdefault(name, []).append((line, one))
    rows = [_site(name, each) for name, each in met.items()]
    return tuple(sorted(rows, key=lambda row: (row.given - row.asked, row.client)))


def _site(name: str, met: Sequence[tuple[Line, AtSite]]) -> _SiteRow:
    hows = Counter(one["how"] for _, one in met)
    late, gone, refused, left_out, cut_off = (hows[how] for how in _FAILED)
    return _SiteRow(
        client=name,
        asked=len(met),
        given=hows["answered"],
        late=late,
        gone=gone,
        refused=refused,
        left_out=left_out,
        cut_off=cut_off,
        again=sum(one["again"] for _, one in met),
        down=sum(one["down"] for _, one in met),
        up=sum(one["up"] for _, one in met),
        reasons=_reasons(met),
    )


def _reasons(met: Iterable[tuple[Line, AtSite]]) -> tuple[str, ...]:
    """Return why answers were missing, each reason once, with what was asked and how often."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for line, one in met:
        if one["how"] != "answered":
            found.setdefault((one["how"], one["reason"]), Counter())[_asked(line)] += 1
    return tuple(
        f"{how} ({'; '.join(map(_times, asked.items()))}){f': {reason}' if reason else ''}"
        for (how, reason), asked in found.items()
    )


def _times(counted: tuple[str, int]) -> str:
    """Say what was asked in vain, and how often.

    >>> _times(("rounds, fedavg", 2)), _times(("scoring", 1))
    ('rounds, fedavg, 2 times', 'scoring')
    """
    what, times = counted
    return what if times == 1 else f"{what}, {times} times"


def _asked(line: Line) -> str:
    """Return what was asked, in a word or two.

    >>> _asked(Line("round", {}, 1.0, method="fedavg")), _asked(Line("count", {}, 1.0))
    ('rounds, fedavg', 'counting what arms told right')
    """
    name = _PARTS.get(line.what, line.what)
    method = f", {line.method}" if line.method else ""
    return f"{name[0].lower()}{name[1:]}{method}"


def _parts(lines: Sequence[Line], known: set[str]) -> tuple[_PartRow, ...]:
    """Return what each kind of exchange took; trials that no record rests on are a kind of their own."""
    by: dict[str, list[Line]] = {name: [] for name in (*_PARTS.values(), _TRIALS)}
    for line in lines:
        is_trial = line.stage and line.stage not in known
        by.setdefault(_TRIALS if is_trial else _PARTS.get(line.what, line.what), []).append(line)
    return tuple(
        _PartRow(name, len(each), *(sum(getattr(line, way) for line in each) for way in ("seconds", "down", "up")))
        for name, each in by.items()
        if each
    )
