"""What happened over the network: who answered, who did not and why, bytes and seconds, as the server noted them.

``network.jsonl`` has a line for every exchange of a real federation. What was asked twice, as a run that was cut off
begins a round again, counts once, by its last line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

from headstart.core.damage import Damaged
from headstart.core.errors import SettingError
from headstart.core.files import read_json_lines
from headstart.core.sealed import Needs
from headstart.report.units import duration, number, size

NETWORK = "network.jsonl"

_Json = Mapping[str, Any]
_NEEDS: Needs = {"what": str, "clients": dict, "seconds": (int, float)}
_DELTA = 1e-5
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
_COUNTS_ONCE = ("round", "scores", "adapt")
"""Exchanges that belong to a stage, and are repeated only where a run was cut off."""


class AtSite(TypedDict):
    """How an exchange went with one client: what came, why nothing, bytes, how often it was asked again, noise."""

    how: str
    reason: str
    down: int
    up: int
    again: int
    noise: float | None


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


def read_network(folder: Path, key: str, value: str) -> tuple[tuple[_Json, ...], list[str]]:
    """Return the lines that are of the data, or of the run, that is meant; and what a reader should know of the file.

    Args:
        folder: of the run.
        key: of a line, ``data`` or ``run``.
        value: that it must have; lines of a run that never knew its data have none, and count.

    Raises:
        DataError: the file may not be read.
    """
    bad: list[Damaged] = []
    lines: list[_Json] = read_json_lines(folder / NETWORK, _NEEDS, bad.append)
    note = f"{NETWORK} is damaged ({bad[0].why}); what {len(bad)} of its lines said is not counted." if bad else ""
    return tuple(line for line in lines if line.get(key) == value), [note] if note else []


def network_of(lines: Sequence[_Json], records: Sequence[_Json]) -> _Happened | None:
    """Return what happened over the network; None where nothing was noted, as of a simulation.

    Args:
        lines: of ``network.jsonl``.
        records: of the runs, whose nodes say which exchanges were theirs; none of a probe.
    """
    if not lines:
        return None
    once = _once(lines)
    known = {str(key) for record in records for key in record.get("nodes") or ()}
    arms = tuple(row for record in records if (row := _arm(record, once)))
    says = (*_overall(once), *_sittings(lines, once), *_unnoted(arms, records), *_protection(once))
    return _Happened(says, arms, _sites(once), _parts(once, known))


def _once(lines: Sequence[_Json]) -> list[_Json]:
    """Return the lines, of those that are of the same round the last one."""
    latest: dict[Any, _Json] = {}
    for at, line in enumerate(lines):
        is_staged = line["what"] in _COUNTS_ONCE and line.get("stage")
        name = (line["what"], line["stage"], line.get("round")) if is_staged else at
        latest.pop(name, None)
        latest[name] = line
    return list(latest.values())


def _arm(record: _Json, lines: Iterable[_Json]) -> _ArmRow | None:
    keys, traffic = set(record.get("nodes") or ()), record.get("traffic") or {}
    own = [line for line in lines if line.get("stage") in keys]
    rounds = [line for line in own if line["what"] == "round"]
    took = [float(line["seconds"]) for line in rounds]
    if not own:
        return None
    return _ArmRow(
        arm=str(record["arm"]),
        seed=int(record["seed"]),
        rounds=len(rounds),
        incomplete=sum(_is_short(line) for line in rounds),
        asked=sum(len(line["clients"]) for line in own),
        given=sum(_given(line) for line in own),
        down=_bytes(own, "down"),
        up=_bytes(own, "up"),
        counted_down=traffic.get("download"),
        counted_up=traffic.get("upload"),
        median=median(took) if took else None,
        longest=max(took, default=None),
        seconds=_seconds(own),
        protection=_covers(rounds),
    )


def _given(line: _Json) -> int:
    return sum(one["how"] == "answered" for one in line["clients"].values())


def _is_short(line: _Json) -> bool:
    return _given(line) < len(line["clients"])


def _bytes(lines: Iterable[_Json], way: str) -> int:
    return sum(int(one[way]) for line in lines for one in line["clients"].values())


def _seconds(lines: Iterable[_Json]) -> float:
    return sum(float(line["seconds"]) for line in lines)


def _covers(lines: Sequence[_Json]) -> str:
    """Say what hid the clients' answers of some exchanges: masks, noise and the epsilon that it comes to."""
    if not lines:
        return ""
    masks = ["masks"] if all(line.get("masks") for line in lines) else []
    answers = [one for line in lines for one in line["clients"].values() if one["how"] == "answered"]
    least = min((float(one["noise"] or 0) for one in answers), default=0.0)
    spent = _most_spent(lines) if least else ""
    return " and ".join([*masks, *([f"noise {least:.3g}{spent}"] if least else [])]) or "none"


def _most_spent(lines: Iterable[_Json]) -> str:
    """Say the epsilon of all noisy answers of that client which spent most."""
    noises: dict[str, list[float]] = {}
    for line in lines:
        for name, one in line["clients"].items():
            if one["noise"]:
                noises.setdefault(name, []).append(float(one["noise"]))
    try:
        return f", epsilon {max(map(_epsilon, noises.values())):.3g}"
    except SettingError:  # the accountant is not installed
        return ""


def _epsilon(noises: Sequence[float]) -> float:
    from headstart.training.accountant import gaussian_epsilon

    return gaussian_epsilon(noises, _DELTA)


def _sites(lines: Sequence[_Json]) -> tuple[_SiteRow, ...]:
    """Return a row for every client, those first of whom most is missing."""
    met: dict[str, list[tuple[_Json, _Json]]] = {}
    for line in lines:
        for name, one in line["clients"].items():
            met.setdefault(str(name), []).append((line, one))
    rows = [_site(name, each) for name, each in met.items()]
    return tuple(sorted(rows, key=lambda row: (row.given - row.asked, row.client)))


def _site(name: str, met: Sequence[tuple[_Json, _Json]]) -> _SiteRow:
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
        again=sum(int(one["again"]) for _, one in met),
        down=sum(int(one["down"]) for _, one in met),
        up=sum(int(one["up"]) for _, one in met),
        reasons=_reasons(met),
    )


def _reasons(met: Iterable[tuple[_Json, _Json]]) -> tuple[str, ...]:
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


def _asked(line: _Json) -> str:
    """Return what was asked, in a word or two.

    >>> _asked({"what": "round", "method": "fedavg"}), _asked({"what": "count"})
    ('rounds, fedavg', 'counting what arms told right')
    """
    name = _PARTS.get(line["what"], str(line["what"]))
    method = f", {line['method']}" if line.get("method") else ""
    return f"{name[0].lower()}{name[1:]}{method}"


def _parts(lines: Sequence[_Json], known: set[str]) -> tuple[_PartRow, ...]:
    """Return what each kind of exchange took; trials that no record rests on are a kind of their own."""
    by: dict[str, list[_Json]] = {name: [] for name in (*_PARTS.values(), _TRIALS)}
    for line in lines:
        is_trial = line.get("stage") and line["stage"] not in known
        by.setdefault(_TRIALS if is_trial else _PARTS.get(line["what"], str(line["what"])), []).append(line)
    return tuple(
        _PartRow(name, len(each), _seconds(each), _bytes(each, "down"), _bytes(each, "up"))
        for name, each in by.items()
        if each
    )


def _overall(lines: Sequence[_Json]) -> list[str]:
    clients = {name for line in lines for name in line["clients"]}
    rounds = [line for line in lines if line["what"] == "round"]
    short = sum(map(_is_short, rounds))
    took, down, up = duration(_seconds(lines)), size(_bytes(lines, "down")), size(_bytes(lines, "up"))
    many = "1 client" if len(clients) == 1 else f"{len(clients)} clients"
    said = [f"{number(len(lines))} exchanges with {many} took {took}: {down} went down and {up} came up."]
    if not rounds:
        return said
    return [
        *said,
        f"{short} of {len(rounds)} rounds closed without everybody."
        if short
        else "Every round closed with an answer from everybody who was asked.",
    ]


def _sittings(lines: Sequence[_Json], once: Sequence[_Json]) -> list[str]:
    """Say what stops cost, and lines that broke."""
    runs, again = len({line.get("run") for line in lines}), len(lines) - len(once)
    resent = sum(int(one["again"]) for line in once for one in line["clients"].values())
    said = []
    if runs > 1:
        said.append(f"The server's program was started {runs} times.")
    if again:
        # Told apart by place: a line is no key.
        kept = {id(line) for line in once}
        lost = [line for line in lines if id(line) not in kept]
        both = size(_bytes(lost, "down") + _bytes(lost, "up"))
        said.append(f"{again} exchanges were asked again after a stop, and count once; {both} went for those before.")
    if resent:
        said.append(f"Messages were sent again {resent} times, to clients that had gone or whose line broke.")
    return said


def _unnoted(rows: Sequence[_ArmRow], records: Sequence[_Json]) -> list[str]:
    """Say of which arms not all rounds are noted."""
    planned = {(str(one["arm"]), int(one["seed"])): (one.get("costs") or {}).get("rounds") for one in records}
    lacking = [row for row in rows if row.rounds < (planned[row.arm, row.seed] or 0)]
    if not lacking:
        return []
    names = ", ".join(f"{row.arm}, seed {row.seed} ({row.rounds} of {planned[row.arm, row.seed]})" for row in lacking)
    return [f"Not all rounds are noted here, as they ran before notes were kept or their lines are lost: {names}."]


def _protection(lines: Sequence[_Json]) -> list[str]:
    """Say what hid the clients' sums and updates from the server."""
    sent = [line for line in lines if line["what"] in ("round", "sums")]
    if not sent:
        return []
    hidden = sum(bool(line.get("masks")) for line in sent)
    noisy = [line for line in sent if any(one["noise"] for one in line["clients"].values())]
    words = []
    if hidden:
        words.append(f"Masks hid each client's sums and updates from the server in {hidden} of {len(sent)} exchanges.")
    if noisy:
        words.append(
            f"Clients added noise in {len(noisy)} of {len(sent)} exchanges: all of it together comes to at most"
            f"{_most_spent(noisy).lstrip(',') or ' an epsilon that was not reckoned'} "
            f"(delta {_DELTA:g}) for one example of one client, towards whoever sees single answers."
        )
    return words or ["There were no masks and no noise: the server saw each client's sums and updates."]
