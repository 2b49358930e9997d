"""What the page can show of one client at a time: a line of each, and more of some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.core.plain import finite, plain
from headstart.report.run import Json, Run
from headstart.report.summary import ClientRow, client_means, local_arm, recommended
from headstart.report.units import Metric

_WHOLE = 60
"""Clients up to which all is shown of each."""
_MOST_BYTES, _MOST_NUMBERS = 1_300_000, 40_000
"""Of the lines of all clients, and the numbers shown of some besides."""
_CALIBRATION = "calibration_error"


def client_data(run: Run, listed: Sequence[ClientRow]) -> dict[str, Any] | None:
    """Return what the script shows of clients; None without any score.

    Args:
        run: that was read.
        listed: the clients that have a line of their own on the page; these are shown in whole.
    """
    scores = run.scores()
    if not scores.clients:
        return None
    arms, metric = _shown_arms(run), Metric(run.measure)
    told = _told(scores.clients, [row.name for row in listed], len(arms))
    at = {name: place for place, name in enumerate(scores.clients)}
    places = [at[name] for name in told]
    facts = {str(one.get("id")): one for one in run.federation.get("clients") or ()}
    value = {
        "names": told,
        "of": len(scores.clients),
        "seen": "".join("1" if scores.seen[place] else "0" for place in places),
        "sizes": {part: [(facts.get(name) or {}).get(part) for name in told] for part in ("train", "val", "test")},
        "arms": arms,
        "families": [_family(run, arm) for arm in arms],
        "scores": _columns(client_means(scores), arms, places, metric),
        "metric": {"label": metric.label, "unit": metric.unit, "sign": metric.sign, "share": metric.is_share},
        "calibration": _calibration(run, arms, told),
        "unsure": [arm for arm in arms if _has_no_probabilities(run, arm)],
        "classes": list(run.federation.get("classes") or ()),
        "more": _more(run, facts, [row.name for row in listed]),
        "counted": (run.verdict.get("confusions") or {}).get("classes"),
        "confused": [str(arm) for arm in (run.verdict.get("confusions") or {}).get("arms") or ()],
    }
    said: dict[str, Any] = plain(value)
    return said


def _shown_arms(run: Run) -> list[str]:
    """Name the arms that a client is shown under: the one to use, the families', the baseline, alone."""
    families = (run.verdict.get("families") or {}).values()
    wanted = [recommended(run), *(one.get("representative") for one in families), run.baseline, local_arm(run)]
    there = set(run.scores().arms)
    return list(dict.fromkeys(str(arm) for arm in wanted if arm in there)) or list(run.scores().arms[:3])


def _told(clients: Sequence[str], listed: Sequence[str], arms: int) -> list[str]:
    """Name the clients that have a line: all, or the listed and as many others as there is room for."""
    each = 24 + 5 * arms
    if sum(map(len, clients)) + each * len(clients) <= _MOST_BYTES:
        return list(clients)
    room, told = _MOST_BYTES, dict.fromkeys(listed)
    for name in (*listed, *clients):
        room -= len(name) + each
        if room < 0:
            break
        told[name] = None
    return list(told)


def _columns(
    means: Mapping[str, NDArray[np.float64]], arms: Sequence[str], places: Sequence[int], metric: Metric
) -> list[list[float | None]]:
    digits = 1 if metric.is_share else 4
    return [_rounded(metric.factor * means[arm][places], digits) for arm in arms]


def _rounded(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [finite(value) for value in np.round(values, digits).tolist()]


def _calibration(run: Run, arms: Sequence[str], told: Sequence[str]) -> list[list[float | None]]:
    """Each arm's calibration error at each client, in percent; empty where losses were not kept.

    An arm whose scores are no probabilities has none.
    """
    if len(told) > _WHOLE:
        return []
    scores = run.scores(_CALIBRATION)
    if not scores.clients or not set(told) <= set(scores.clients):
        return []
    means, places = client_means(scores), [scores.clients.index(name) for name in told]
    missing = np.full(len(scores.clients), np.nan)
    told_of = {arm: mean for arm, mean in means.items() if not _has_no_probabilities(run, arm)}
    return [_rounded(100 * told_of.get(arm, missing)[places], 1) for arm in arms]


def _has_no_probabilities(run: Run, arm: str) -> bool:
    """Whether a ridge regression on labels says an arm's scores last: they tell classes apart, and nothing more."""
    settings: Json = next((record.get("settings") or {} for record in run.of(arm)[:1]), {})
    adapt: Json = settings.get("adapt") or {}
    if adapt.get("method") in ("local_ridge", "personal_ridge"):
        return True
    last: Json = next(reversed(settings.get("federate") or ()), {})
    return adapt.get("method") in (None, "keep") and last.get("method") == "ridge" and not last.get("softmax")


def _family(run: Run, arm: str) -> str:
    return str(((run.verdict.get("arms") or {}).get(arm) or {}).get("family") or "")


def _more(run: Run, facts: Mapping[str, Json], listed: Iterable[str]) -> dict[str, Json]:
    """Return of some clients the classes, what was taken for what, and the gains with other families."""
    cells: Json = (run.verdict.get("confusions") or {}).get("clients") or {}
    gains: dict[str, list[Any]] = {}
    for one in run.verdict.get("each_client") or ():
        numbers = [_points(one.get(name)) for name in ("gain", "low", "high")]
        gains.setdefault(str(one["client"]), []).append([one["family"], *numbers, bool(one.get("sure"))])
    room = _MOST_NUMBERS
    found: dict[str, Json] = {}
    for name in dict.fromkeys((*cells, *listed)):
        labels: Json = (facts.get(name) or {}).get("labels") or {}
        own: dict[str, Any] = {"labels": labels, "cells": cells.get(name) or [], "gains": gains.get(name) or []}
        room -= 8 + sum(map(len, labels.values())) + sum(map(len, own["cells"]))
        if room < 0:
            break
        found[name] = {key: value for key, value in own.items() if value}
    return found


def _points(value: Any) -> float | None:
    number = finite(value)
    return None if number is None else round(100 * number, 1)
