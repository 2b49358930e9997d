"""What a reader should know of how a user's own network was understood: among the notes of the study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from headstart.core.device import placed
from headstart.engine.ways.calibration import why_no_stack
from headstart.engine.ways.families import MOST_STACKED_WEIGHTS
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.models.own import remarks_on
from headstart.study.lab import Lab


def with_remarks(lab: Lab) -> Lab:
    """Return the lab with notes on its own network first among those on the data; another one as it is.

    Raises:
        ModelError: the network fails on such inputs, or cannot be taken apart rightly.
    """
    if lab.own is None:
        return lab
    said = remarks_on(lab.own, lab.spec, lab.federation.examples.shape, lab.federation.task.num_outputs)
    notes = (*said, *_on_stacks(lab), *lab.federation.notes)
    return replace(lab, federation=replace(lab.federation, notes=notes))


def _on_stacks(lab: Lab) -> Iterator[str]:
    """Say why clients cannot train at once, where the network is small enough for that."""
    network, weights = lab.build(0, from_scratch=False)
    model, params = cut_at(network, placed(weights, lab.device), "all")
    if model.is_head_only or model.num_trainable > MOST_STACKED_WEIGHTS:
        return
    inputs = lab.activations.few(model, 2)
    labels = network.loss.any_truth(len(inputs), network.num_classes).to(inputs.device)
    weights_of_rows = torch.ones(len(inputs), device=inputs.device)
    if reason := why_no_stack(model, params, Batch(inputs, labels, weights_of_rows, full=True)):
        yield f"its layers train one client after another, never as a stack: {reason}"
