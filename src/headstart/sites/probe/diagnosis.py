"""A study's look at the data before any arm runs, over sites: what a probe finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.core.errors import HeadstartError
from headstart.core.plain import plain
from headstart.diagnosis import skew
from headstart.report.foretold import not_foretold
from headstart.sites.begin import first_start
from headstart.sites.probe.server import run_probe
from headstart.sites.work import AtSites
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Arm
from headstart.study.written.schema import DecisionSettings

_WIDEST = 2048
"""Features whose sums a study asks for before it begins: time grows with the third power of them."""

_TOO_WIDE = (
    f"the network makes {{}} features, and sums of more than {_WIDEST} take minutes; 'headstart probe' asks for them"
)


def diagnosis(work: AtSites, pipeline: Pipeline, arms: Sequence[Arm], decision: DecisionSettings) -> Mapping[str, Any]:
    """Return what ``diagnosis.json`` says: what is foretold, where sums of features may leave; else why not."""
    server = work.server
    sizes = np.array([len(client.train) for client in server.lab.federation.clients])
    known: dict[str, Any] = {"quantity_skew": skew.quantity(sizes)} if sizes.any() else {}
    start = first_start(pipeline, arms)
    if start is None:
        return {**known, "prediction": _nothing("no features that are good before training")}
    wide = pipeline.lab.skeleton(from_scratch=start.build().from_scratch).num_features
    if wide > _WIDEST:
        return {**known, "prediction": _nothing(_TOO_WIDE.format(wide))}
    if not any(site.sends for site in server.sites.values()):
        return {**known, "prediction": _nothing("no site lets sums of features leave")}
    try:
        # What it says for itself would stand beside what the study says of it.
        found = run_probe(replace(server, tell=lambda _: None), work.start(pipeline, start), decision)
    except HeadstartError as error:
        return {**known, "prediction": _nothing(str(error))}
    said: dict[str, Any] = plain({**known, **_told(found)})
    return said


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    measured = {} if found["skew"] is None else {"label_skew": {"total_variation": found["skew"]}}
    prediction = found["prediction"] or _nothing(not_foretold(found))
    return {**measured, "prediction": prediction}


def _nothing(why: str) -> dict[str, Any]:
    """Return a prediction of nothing, with the reason."""
    return {"family": None, "reasons": [f"Nothing is foretold: {why}."]}
