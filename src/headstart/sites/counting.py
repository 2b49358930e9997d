"""A site's own half of the answer: it keeps what runs predict of its test examples, and counts what they tell right."""

from __future__ import annotations

import numpy as np
import torch

from headstart.engine.adaptation import Evaluation
from headstart.evidence.metrics import Scoring
from headstart.evidence.moments import moments, whole
from headstart.evidence.outcomes import Outcomes
from headstart.sites.counts import Count, Counted
from headstart.sites.refusals import Refused
from headstart.sites.site import Opened, Site
from headstart.study.run.facts import own_predictions


def keep_predictions(site: Site, run: str, own: Opened, evaluation: Evaluation) -> None:
    """Keep what is predicted of the site's test examples, by which arms are compared later."""
    examples, rows = own.lab.activations.examples, {"test": [own.client.test]}
    found = own_predictions(evaluation, rows, examples, Scoring(), losses=False) or {}
    truth = torch.from_numpy(examples.labels[own.client.test])
    site.shelf.put_predictions(run, found["test/predicted"], truth, own.lab.federation.key)


def count(site: Site, said: Count) -> Counted:
    """Count what runs told right of the site's test examples; which ones stays here.

    Raises:
        Refused: a run was never made here or with other data, or the examples are too few.
    """
    kept = [[site.shelf.predictions(run) for run in arm] for arm in said.runs]
    first = kept[0][0]
    if any(not torch.equal(one[part], first[part]) for arm in kept for one in arm for part in ("data", "labels")):
        raise Refused(f"the data of '{site.name}' are others now than at an earlier run; run its arms again")
    labels, fewest = first["labels"].numpy(), site.minima
    if len(labels) < fewest.examples:
        raise Refused(f"'{site.name}' has fewer than {fewest.examples} test examples, of which it says nothing")
    outcomes = Outcomes(
        arms=tuple(map(str, range(len(kept)))),
        seeds=tuple(range(len(kept[0]))),
        clients=(site.name,),
        seen=np.ones(1, dtype=bool),
        owner=np.zeros(len(labels), dtype=np.int64),
        labels=labels,
        predicted=np.array([[one["predicted"].numpy() for one in arm] for arm in kept]),
    )
    found = moments(outcomes, 0)
    return Counted.of(found if said.by_class else whole(found), fewest.class_examples)
