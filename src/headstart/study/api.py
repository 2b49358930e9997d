"""The same in Python: arms, a run, a study."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.core.cache import cache_folder, calibrations
from headstart.core.errors import SettingError
from headstart.core.machine import suitable_threads, threads
from headstart.core.progress import Progress
from headstart.core.trees import Params
from headstart.costs.devices import parse_device
from headstart.data.federation import Federation
from headstart.data.settings import DataSettings
from headstart.engine.ways.fleet import Fleet
from headstart.evidence.verdict import Verdict
from headstart.models.network import Network
from headstart.models.spec import ModelSpec, is_checkpoint
from headstart.study.lab import Lab
from headstart.study.open import open_plan
from headstart.study.plan import Plan
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import run_study
from headstart.study.texts import with_tokens
from headstart.study.written.arms import ArmSpec, parse_arm, with_defaults
from headstart.study.written.load import load_study
from headstart.study.written.schema import DecisionSettings, ModelSettings, StudySettings, TuningSettings
from headstart.study.written.slate import Slate, check_starts, slate_for

Stage = str | Mapping[str, Any]
"""A method's name, or a mapping with ``method`` and its settings, as in a study file."""


@dataclass(frozen=True)
class Arm:
    """One choice per stage.

    Attributes:
        name: letters, digits, ``-``, ``_`` and ``.``.
        start: where the shared weights come from.
        federate: what server and clients learn together: nothing, a stage, or stages in order.
        adapt: what each client then does alone.

    >>> Arm("both", start="pretrain", federate={"method": "fedavg", "rounds": 5}, adapt="lp_ft").spec.adapt.method
    'lp_ft'
    """

    name: str
    start: Stage
    federate: Stage | Sequence[Stage] = ()
    adapt: Stage = "keep"

    @property
    def spec(self) -> ArmSpec:
        """The arm, checked.

        Raises:
            SettingError: a method or a setting is unknown, or a value breaks its rule.
        """
        federate = self.federate if isinstance(self.federate, str | Mapping) else list(self.federate)
        return parse_arm(self.name, {"start": self.start, "federate": federate, "adapt": self.adapt})


@dataclass(frozen=True)
class Result:
    """One arm, one seed.

    Attributes:
        clients: per client and metric, on the client's own test examples.
        metrics: their means over seen clients.
        curve: validation over rounds.
        network: the skeleton.
        weights: all weights that the federated stages ended with.
    """

    clients: Mapping[str, Mapping[str, float | None]]
    metrics: Mapping[str, float]
    curve: Sequence[Mapping[str, Any]]
    network: Network
    weights: Params


def run(
    arm: Arm,
    federation: Federation,
    *,
    backbone: str = "small-cnn",
    seed: int = 0,
    metric: str = "accuracy",
) -> Result:
    """Run one arm for one seed; nothing is kept on disk.

    Args:
        arm: what to run.
        federation: see :func:`headstart.from_arrays` and :func:`headstart.open_federation`.
        backbone: a built-in network or a Transformers checkpoint.
        seed: of everything random.
        metric: that decides whether a client accepts its adapted parameters.

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
    spec, model = arm.spec, ModelSpec(backbone=backbone)
    check_starts([spec], checkpoint=is_checkpoint(model), central=federation.central is not None)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(with_tokens(federation, model), model, Fleet(folder=calibrations(cache_folder())))
        pipeline = Pipeline(lab, NodeStore(Path(folder)), seed, metric)
        with threads(suitable_threads(pipeline.lab.num_weights)):
            trunk = pipeline.trunk(spec)
            leaf = pipeline.leaf(trunk, spec.adapt, ("val", "test"))
    found: Mapping[str, list[float | None]] = leaf.facts["metrics"].get("test", {})
    clients = {
        client.id: {name: values[i] for name, values in found.items()} for i, client in enumerate(federation.clients)
    }
    seen = [clients[client.id] for client in federation.seen_clients]
    metrics = {name: _mean([client[name] for client in seen]) for name in found}
    return Result(clients, metrics, trunk.curve, trunk.network, trunk.weights)


@dataclass(frozen=True)
class Study:
    """Arms side by side on one federation, to a verdict.

    Attributes:
        federation: clients and central pool.
        arms: to compare; empty for the standard slate.
        name: of the study.
        backbone: a built-in network or a Transformers checkpoint.
        trainable: where federated stages cut the model in arms that don't start at random.
        seeds: one run of every arm each.
        trials: configurations tried per arm, on validation data.
        training: defaults of all stages, such as ``{"batch_size": 16}``.
        baseline: the arm that others are compared with.
        metric: what is compared.
        min_effect: the smallest difference that matters.
        confidence: of the intervals.
        devices: tables of quantities with units, such as ``{"clinic": {"uplink": "none"}}``.

    >>> Study.load("missing.toml")
    Traceback (most recent call last):
    headstart.core.errors.SettingError: study file: must exist, received 'missing.toml'; check the path
    """

    federation: Federation
    arms: Sequence[Arm] = ()
    name: str = "study"
    backbone: str = "small-cnn"
    trainable: Any = "head"
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    trials: int = 1
    training: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = "fedavg"
    metric: Any = "balanced_accuracy"
    min_effect: float = 0.01
    confidence: float = 0.95
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @staticmethod
    def load(path: Path | str) -> Plan:
        """Open a study file; give the result to :func:`headstart.run_study`."""
        return open_plan(load_study(path))

    def run(self, out: Path | str, progress: Progress | None = None) -> Verdict:
        """Run what is not finished in the folder ``out``, and judge.

        Raises:
            SettingError: a setting breaks a rule.
        """
        return run_study(self.plan(), Path(out), progress=progress).verdict

    def plan(self) -> Plan:
        """Return the study ready to run."""
        settings, slate = self._settings(), self._slate()
        names = [*(arm.name for arm in slate.arms), *slate.ruled_out]
        if self.baseline not in names:
            raise SettingError(
                f"baseline: must be one of the arms, received {self.baseline!r}; valid: {', '.join(names)}"
            )
        arms = tuple(with_defaults(arm, self.training, self.trainable) for arm in slate.arms)
        devices = tuple(parse_device(name, table) for name, table in self.devices.items())
        federation = with_tokens(self.federation, settings.model.spec())
        lab = Lab(federation, settings.model.spec(), Fleet(folder=calibrations(cache_folder())))
        return Plan(settings, lab, arms, slate.ruled_out, devices, f'name = "{self.name}"\n')

    def _slate(self) -> Slate:
        model = ModelSpec(backbone=self.backbone)
        if not self.arms:
            return slate_for(model, self.federation)
        arms = tuple(arm.spec for arm in self.arms)
        check_starts(arms, checkpoint=is_checkpoint(model), central=self.federation.central is not None)
        return Slate(arms, {})

    def _settings(self) -> StudySettings:
        return StudySettings(
            name=self.name,
            seeds=tuple(self.seeds),
            data=DataSettings(source=f"python:{self.federation.key}"),
            model=ModelSettings(backbone=self.backbone, trainable=self.trainable),
            tuning=TuningSettings(trials=self.trials),
            training=dict(self.training),
            decision=DecisionSettings(
                baseline=self.baseline,
                metric=self.metric,
                min_effect=self.min_effect,
                confidence=self.confidence,
            ),
        )


def _mean(values: Sequence[float | None]) -> float:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else float("nan")
