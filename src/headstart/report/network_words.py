"""What happened over the network, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart.report.network_lines import DELTA, Line, spent
from headstart.report.units import duration, size

_Runs = Mapping[tuple[str, int], int]
"""Rounds by arm and seed."""


def sentences(lines: Sequence[Line], counted: Sequence[Line], noted: _Runs, planned: _Runs) -> tuple[str, ...]:
    """Say in sentences how it went.

    Args:
        lines: all.
        counted: those that count.
        noted: rounds that the lines tell of.
        planned: rounds that the records tell of.
    """
    return (*_overall(counted), *_stops(lines, counted), *_unnoted(noted, planned), *_protection(counted))


def covers(lines: Sequence[Line]) -> str:
    """Say what hid the clients' answers of some exchanges: masks, noise and the epsilon that it comes to."""
    if not lines:
        return ""
    masks = ["masks"] if all(line.masks for line in lines) else []
    least = min((noise for line in lines for noise in line.noises.values()), default=0.0)
    noise = [f"noise {least:.3g}{_epsilon(lines)}"] if least else []
    return " and ".join([*masks, *noise]) or "none"


def _epsilon(lines: Sequence[Line]) -> str:
    found = spent(lines)
    return "" if found is None else f", epsilon {found:.3g}"


def _overall(lines: Sequence[Line]) -> list[str]:
    clients = {name for line in lines for name in line.clients}
    rounds = [line for line in lines if line.what == "round"]
    short = sum(line.is_short for line in rounds)
    took = duration(sum(line.seconds for line in lines))
    down, up = (size(sum(getattr(line, way) for line in lines)) for way in ("down", "up"))
    exchanges, many = _many(len(lines), "exchange"), _many(len(clients), "client")
    said = [f"{exchanges} with {many} took {took}: {down} went down and {up} came up."]
    if not rounds:
        return said
    whole = "Every round closed with an answer from everybody who was asked."
    return [*said, f"{short} of {len(rounds)} rounds closed without everybody." if short else whole]


def _many(count: int, what: str) -> str:
    """Count things.

    >>> _many(1, "client"), _many(2, "client")
    ('1 client', '2 clients')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


def _stops(lines: Sequence[Line], counted: Sequence[Line]) -> list[str]:
    """Say what stops cost, and lines that broke."""
    runs, again = len({line.run for line in lines}), len(lines) - len(counted)
    resent = sum(one["again"] for line in counted for one in line.clients.values())
    said = [f"The server's program was started {runs} times."] if runs > 1 else []
    if again:
        all_of, kept = (sum(line.down + line.up for line in each) for each in (lines, counted))
        verb = "was" if again == 1 else "were"
        said.append(
            f"{_many(again, 'exchange')} {verb} asked again after a stop, to count once; {size(all_of - kept)} went "
            "before."
        )
    if resent:
        said.append(f"{_many(resent, 'message')} went again, to clients that had gone or whose line broke.")
    return said


def _unnoted(noted: _Runs, planned: _Runs) -> list[str]:
    """Say of which arms not all rounds are noted."""
    lacking = {run: rounds for run, rounds in noted.items() if rounds < planned[run]}
    if not lacking:
        return []
    names = ", ".join(
        f"{arm}, seed {seed} ({rounds} of {planned[arm, seed]})" for (arm, seed), rounds in lacking.items()
    )
    return [f"Not all rounds are noted here, as they ran before notes were kept or their lines are lost: {names}."]


def _protection(lines: Sequence[Line]) -> list[str]:
    """Say what hid the clients' sums and updates from the server."""
    sent = [line for line in lines if line.what in ("round", "sums")]
    if not sent:
        return []
    hidden, noisy = sum(line.masks for line in sent), [line for line in sent if any(line.noises.values())]
    words = []
    if hidden:
        words.append(f"Masks hid each client's sums and updates from the server in {hidden} of {len(sent)} exchanges.")
    if noisy:
        whole = _epsilon(noisy).lstrip(", ") or "an epsilon that was not reckoned"
        words.append(
            f"Clients added noise in {len(noisy)} of {len(sent)} exchanges: all of it together comes to {whole} (delta "
            f"{DELTA:g}) for one example of one client, towards whoever sees single answers."
        )
    return words or ["There were no masks and no noise: the server saw each client's sums and updates."]
