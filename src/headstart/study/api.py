"""One arm in Python, for one seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from headstart.core.machine import suitable_threads, threads
from headstart.core.progress import Silent
from headstart.core.trees import Params
from headstart.data.federation import Federation
from headstart.evidence.learnt import Finding
from headstart.models.network import Network
from headstart.study.run.nodes import NodeStore
from headstart.study.run.records import noticed
from headstart.study.study import Study
from headstart.study.written.arms import Arm


@dataclass(frozen=True)
class Result:
    """One arm, one seed.

    Attributes:
        clients: per client and metric, on the client's own test examples.
        metrics: their means over seen clients.
        curve: validation over rounds.
        network: the skeleton.
        weights: all weights that the federated stages ended with.
        findings: what is to be noticed on training and validation data; the first says so where the training failed.
    """

    clients: Mapping[str, Mapping[str, float | None]]
    metrics: Mapping[str, float]
    curve: Sequence[Mapping[str, Any]]
    network: Network
    weights: Params
    findings: Sequence[Finding] = ()


def run(
    arm: Arm,
    federation: Federation,
    *,
    backbone: str | nn.Module = "small-cnn",
    model: Mapping[str, Any] | None = None,
    seed: int = 0,
    metric: str | None = None,
) -> Result:
    """Run one arm for one seed; nothing is kept on disk.

    Args:
        arm: what to run.
        federation: see :func:`headstart.from_arrays` and :func:`headstart.open_federation`.
        backbone: a built-in network, a Transformers checkpoint, or a module of your own.
        model: further settings of ``[model]``, such as ``{"head": "fc"}``.
        seed: of everything random.
        metric: that decides whether a client accepts its adapted parameters; None takes ``accuracy``, or what is usual
            for another task.

    Raises:
        HeadstartError: the arm does not fit the federation or the backbone.

    >>> import numpy as np, headstart
    >>> generator = np.random.default_rng(0)
    >>> labels = generator.integers(0, 2, 120)
    >>> inputs = generator.standard_normal((120, 4)) + 3 * labels[:, None]
    >>> federation = headstart.from_arrays(inputs, labels, clients=np.arange(120) % 3)
    >>> result = run(Arm("ridge", start="random", federate="ridge"), federation, backbone="linear")
    >>> result.metrics["accuracy"] > 0.9, sorted(result.clients)
    (True, ['0', '1', '2'])
    """
    if metric is None and federation.task.is_classification:
        metric = "accuracy"
    study = Study(federation, [arm], backbone=backbone, model=model, seeds=[seed], metric=metric, baseline=arm.name)
    with tempfile.TemporaryDirectory() as folder, threads(suitable_threads(study.lab.num_weights)):
        pipeline = study.pipeline(NodeStore(Path(folder)), seed, Silent())
        trunk = pipeline.trunk(arm)
        leaf = pipeline.leaf(trunk, arm.adapt, ("val", "test"))
    scores: Mapping[str, list[float | None]] = leaf.facts["metrics"].get("test", {})
    found = {name: values for name, values in scores.items() if name != "num_examples"}
    clients = {
        client.id: {name: values[i] for name, values in found.items()} for i, client in enumerate(federation.clients)
    }
    seen = [clients[client.id] for client in federation.seen_clients]
    metrics = {name: _mean([client[name] for client in seen]) for name in found}
    odd = noticed(arm, pipeline, trunk, leaf.facts, trials=0) or ()
    return Result(clients, metrics, trunk.curve, trunk.network, trunk.weights, odd)


def _mean(values: Sequence[float | None]) -> float:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else float("nan")
