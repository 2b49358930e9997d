"""What sharing should gain, from sums alone: a site leaves its own examples out one by one, and sends means.

The sums of everyone's features come to the sites for that, which shows each of them the sum of the others': with fewer
than three who sent sums, that would be another's own, and nothing is foretold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from headstart.core.trees import Tree
from headstart.diagnosis.heads import LeftOut, Part, Shared
from headstart.diagnosis.predict import Prediction, predict
from headstart.diagnosis.signals import BALANCED, HEAD_OF, Lead, Sharing, Signals
from headstart.evidence.metrics import measure
from headstart.federate.closed_form import unpack_symmetric
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.sites.probe.noise import clip_rows
from headstart.study.diagnosis import share_that_matters
from headstart.study.written.schema import DecisionSettings
from headstart.training.client_data import ClientData

_FEWEST = 3
"""Clients whose sums must be in the total before it goes out."""

_GRAM, _MOMENT = "total/gram", "total/moment"


def total_to_send(total: Tree, clients: int) -> Tree:
    """Return the sums of everyone's training features as they go out; nothing where too few are in them."""
    if clients < _FEWEST:
        return {}
    return {_GRAM: total["train/gram"], _MOMENT: total["train/moment"]}


def leads_at(
    model: Model, sent: Tree, train: ClientData, val: ClientData, metric: str, bound: float | None
) -> dict[Sharing, Lead]:
    """Return how far ahead of its own head each family's is at a client; empty where that cannot be said.

    It takes examples, the sums, and noise on them that leaves numbers.

    Args:
        model: cut at the head.
        sent: what :func:`total_to_send` returned, among other tensors.
        train: the client's training examples, which are in the total.
        val: its validation examples.
        metric: of the decision.
        bound: length to which rows were clipped; None where they were not.
    """
    own, held = (_part(data.everything(model), bound) for data in (train, val))
    if _GRAM not in sent or not len(own[1]):
        return {}
    moment: Tensor = sent[_MOMENT].double()
    shared = Shared.of_sums(unpack_symmetric(sent[_GRAM].double(), len(moment)), moment)
    found = LeftOut.of(own, held, shared, moment.shape[1])
    # Sums under much noise are no squares' sums, and their head no numbers.
    if not np.isfinite(found.squared).all():
        return {}
    return {sharing: Lead.of(found, sharing, balanced=metric in BALANCED) for sharing in HEAD_OF}


def _part(batch: Batch, bound: float | None) -> Part:
    inputs = batch.inputs if bound is None else clip_rows(batch.inputs, bound)
    return np.asarray(inputs.cpu().numpy()), np.asarray(batch.labels.cpu().numpy())


def foretell(leads: Sequence[Mapping[Sharing, Lead]], decision: DecisionSettings) -> Prediction | None:
    """Return which family should be best, and what sharing should gain; None where no client could say.

    Args:
        leads: of every client that answered.
        decision: its metric and what matters.
    """
    told = [one for one in leads if all(sharing in one for sharing in HEAD_OF)]
    if not told:
        return None
    signals = {sharing: Signals.of([one[sharing] for one in told]) for sharing in HEAD_OF}
    metric = "balanced_accuracy" if decision.metric in BALANCED else "accuracy"
    least = share_that_matters(decision, measure(decision.metric))
    return predict(signals, metric=metric, min_effect=least)
