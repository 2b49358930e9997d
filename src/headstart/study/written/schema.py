"""The study file's tables, as typed and frozen settings; an unknown key is an error everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from headstart.core.content import hash_json
from headstart.core.settings import Says
from headstart.data.settings import DataSettings
from headstart.evidence.contrast import FEWEST_SEEDS
from headstart.evidence.race import Until
from headstart.models.spec import ModelSpec, Pooling

Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error"]
_Share = Annotated[float, Field(ge=0, le=1)]
NEW: Mapping[str, Mapping[str, Any]] = {"decision": {"clients": None}, "evaluation": {"losses": False}}
"""Settings that came after run folders had been made, with their defaults, which enter no hash."""

FORMER: Mapping[str, Any] = {"min_effect": 0.01, "baseline": "fedavg"}
"""Settings of the decision whose default was another once."""

_Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
    Says("must be letters, digits, '-', '_' and '.', no path"),
]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """``[model]``: the backbone.

    Attributes:
        backbone: a built-in network, or a Transformers checkpoint: Hub name or local directory. Without a download
            come ``efficientnet-lite0`` of images and ``minilm`` of texts.
        hidden: widths of the hidden layers of ``mlp``.
        trainable: where federated stages cut the model in arms with a trained start: ``head``, ``all`` or the
            number of last blocks.
        pooling: how a text checkpoint makes one feature vector of its tokens: ``mean`` or ``cls``, the first.
        max_tokens: tokens of a text that are read; None reads as many as the checkpoint can.
    """

    backbone: str = ModelSpec.backbone
    hidden: tuple[PositiveInt, ...] = ModelSpec.hidden
    trainable: Literal["head", "all"] | PositiveInt = "head"
    pooling: Pooling = ModelSpec.pooling
    max_tokens: Annotated[int, Field(ge=3)] | None = ModelSpec.max_tokens

    def spec(self, backbone: str | None = None) -> ModelSpec:
        """Return what the models part reads, perhaps with the backbone's path resolved."""
        return ModelSpec(
            backbone=backbone or self.backbone, hidden=self.hidden, pooling=self.pooling, max_tokens=self.max_tokens
        )


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """``[tuning]``: the same for every arm, on validation data only.

    Attributes:
        trials: settings tried per arm; 1 means those written, untuned. None tries 4, or 1 where no client has
            validation data.
        seed: keys what is tried.
    """

    trials: PositiveInt | None = None
    seed: NonNegativeInt = 0


@dataclass(frozen=True, kw_only=True)
class DecisionSettings:
    """``[decision]``: fixed before the runs.

    Attributes:
        baseline: the arm that others are compared with; None takes ``fedavg-pretrained`` where the study has a good
            start, a checkpoint or a labelled pool, and ``fedavg`` elsewhere.
        metric: what is compared, mean over clients.
        min_effect: a smaller difference does not matter.
        confidence: of the intervals, in (0.5, 1).
        clients: of whom the answer speaks: of ``these`` clients, or of clients ``like these``, of which they are a
            sample. None takes ``these`` for at most 20 clients, none of them held out.
    """

    baseline: str | None = None
    metric: Metric = "balanced_accuracy"
    min_effect: _Share = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    clients: Literal["these", "like these"] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """``[evaluation]``: what is measured beside each client's own test data.

    Attributes:
        global_test_examples: examples of all clients' test data that each client is tested on; 0 for none.
        eval_every: rounds between two points of the learning curve; None makes about ten points.
        losses: whether to keep log loss and confidence of each test example beside the predicted class; always with
            the metric ``log_loss``.
    """

    global_test_examples: NonNegativeInt = 1000
    eval_every: PositiveInt | None = None
    losses: bool = False


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """``[engine]``: how the work is done.

    Attributes:
        name: ``fleet`` (the fastest way on this machine) or ``serial`` (one client by one); the numbers agree.
        way: how the fleet trains: ``stack`` (all clients at once), ``loop`` (one by one), ``workers`` (in
            processes), or ``auto`` (by a short calibration, kept for this machine). Heads are stacked but by
            ``workers``.
        workers: processes at most; None takes the number of cores.
        dtype: of weights and features.
        threads: of PyTorch; None takes one for networks of less than a million weights, PyTorch's choice for others.
        max_bad_clients: share of a cohort that may fail before the run stops.
    """

    name: Literal["fleet", "serial"] = "fleet"
    way: Literal["auto", "stack", "loop", "workers"] = "auto"
    workers: PositiveInt | None = None
    dtype: Literal["float32", "float64"] = "float32"
    threads: PositiveInt | None = None
    max_bad_clients: _Share = 0.5


@dataclass(frozen=True, kw_only=True)
class RunningSettings:
    """``[study]``: what is run of the study.

    Attributes:
        until: ``decided`` runs cheap arms first, drops those that validation data show to be beaten, and stops when the
            question is decided; ``all`` runs every arm with every seed.
        headroom: how much better than a family's heads its deep arms are taken to be at the most: those of a family
            whose heads are surely further behind are not run. An assumption, outside the stated confidence; None runs
            them.
    """

    until: Until = "decided"
    headroom: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    """``[budget]``: what a study may cost.

    Attributes:
        minutes: after which nothing more is begun; the answer is then that of what is finished. None sets no limit.
        max_seeds: seeds at the most, beyond those of ``seeds`` the numbers that follow; None takes ``seeds``.
    """

    minutes: Annotated[float, Field(gt=0)] | None = None
    max_seeds: Annotated[int, Field(gt=0, le=1000)] | None = None


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """A whole study file, as written.

    Attributes:
        name: names the run folder.
        seeds: one run of every arm each; distinct.
        data: the federation.
        model: the backbone.
        devices: tables of quantities with units, by name.
        tuning: trials per arm.
        training: defaults of federated and client-side settings, such as ``batch_size``.
        arms: tables by name; empty means the standard slate.
        decision: how the verdict is reached.
        evaluation: what is measured.
        engine: how the work is done.
        study: what is run.
        budget: what it may cost.
    """

    name: _Name
    seeds: tuple[NonNegativeInt, ...] = (0, 1, 2, 3, 4)
    data: DataSettings
    model: ModelSettings = ModelSettings()
    devices: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    tuning: TuningSettings = TuningSettings()
    training: Mapping[str, object] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    decision: DecisionSettings = DecisionSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    engine: EngineSettings = EngineSettings()
    study: RunningSettings = RunningSettings()
    budget: BudgetSettings = BudgetSettings()

    @property
    def races(self) -> bool:
        """Whether it may stop early: with fewer than three seeds nothing can be decided, and all of it runs."""
        return self.study.until == "decided" and len(self.seeds) >= FEWEST_SEEDS

    def as_json(self) -> dict[str, Any]:
        """Return plain values, defaults filled in."""
        return asdict(self)


def study_hash(settings: StudySettings) -> str:
    """Hash what every run of a study shares: records of two studies don't mix.

    The name, the seeds, the arms, the devices and the decision are left out: a study may gain arms and seeds
    and keep its finished runs, and each record says its arm's settings itself.
    """
    values = _without_new(settings.as_json())
    shared = {key: values[key] for key in ("data", "model", "tuning", "evaluation")}
    return hash_json({**shared, "dtype": settings.engine.dtype})


def decision_hash(settings: StudySettings | Mapping[str, Any]) -> str:
    """Hash the ``[decision]`` table, which is fixed before the runs."""
    values = settings.as_json() if isinstance(settings, StudySettings) else settings
    return hash_json(_without_new(values)["decision"])


def _without_new(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that came later and have their defaults: what is said without them is said as before."""
    return {
        name: {key: value for key, value in table.items() if key not in NEW[name] or value != NEW[name][key]}
        if name in NEW
        else table
        for name, table in values.items()
    }
