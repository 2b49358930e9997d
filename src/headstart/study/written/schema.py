"""The study file's tables, as typed and frozen settings; an unknown key is an error everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from headstart.core.content import hash_json
from headstart.core.device import Precision
from headstart.core.settings import Says
from headstart.data.settings import DataSettings
from headstart.evidence.contrast import FEWEST_SEEDS
from headstart.evidence.race import Until
from headstart.models.spec import BatchNorms, ModelSpec, Pooling
from headstart.training.local import Epsilon

Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "auprc",
    "f1",
    "sensitivity_at_specificity",
    "hamming_accuracy",
    "log_loss",
    "brier",
    "calibration_error",
    "mae",
    "rmse",
    "r2",
    "spearman",
    "c_index",
]
_Own = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"),
    Says("must be a metric that comes along, or a function of yours as package.module:function"),
]
_Share = Annotated[float, Field(ge=0, le=1)]
Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?|mps)$"),
    Says("must be auto, cpu, cuda, or cuda: with a card's number, such as cuda:1", "auto takes a card if there is one"),
]
NEW: Mapping[str, Mapping[str, Any]] = {
    "decision": {"clients": None, "positive": None, "specificity": 0.95},
    "evaluation": {"losses": False},
    "model": {
        "random_features": None,
        "random_bandwidth": 1.0,
        "head": None,
        "cuts": (),
        "weights": None,
        "batch_norm": "frozen",
        "mean": None,
        "std": None,
        "tokenizer": None,
    },
}
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
        backbone: a built-in network, a Transformers checkpoint (Hub name or local directory), or
            ``package.module:build``, a function of yours that returns an ``nn.Module``, or such a class. Without a
            download come ``efficientnet-lite0`` of images and ``minilm`` of texts.
        hidden: widths of the hidden layers of ``mlp``.
        trainable: where federated stages cut the model in arms with a trained start: ``head``, ``all`` or the
            number of last blocks.
        pooling: how a text checkpoint makes one feature vector of its tokens: ``mean`` or ``cls``, the first.
        max_tokens: tokens of a text that are read; None reads as many as the checkpoint can.
        random_features: number of random features of the network's own that the head reads in their place; None for
            none.
        random_bandwidth: of the Gaussian kernel that they approximate, in lengths of a feature vector.
        head: name of the last linear layer, such as ``fc``; this and what follows are for networks of your own. None
            looks for it.
        cuts: names of the modules with which a new block begins, such as ``["layer1", "layer2"]``; empty looks for
            them.
        weights: file of its weights, for starts that are not random.
        batch_norm: BatchNorms keep the statistics that they came with (``frozen``), or are GroupNorms (``group``).
        mean: of each channel, taken from pixels scaled to [0, 1]; None takes ImageNet's for three channels, 0.5 for
            others.
        std: by which they are divided then; None likewise.
        tokenizer: of texts: Hub name, local directory, or ``minilm``.
    """

    backbone: str = ModelSpec.backbone
    hidden: tuple[PositiveInt, ...] = ModelSpec.hidden
    trainable: Literal["head", "all"] | PositiveInt = "head"
    pooling: Pooling = ModelSpec.pooling
    max_tokens: Annotated[int, Field(ge=3)] | None = ModelSpec.max_tokens
    random_features: PositiveInt | None = ModelSpec.random_features
    random_bandwidth: PositiveFloat = ModelSpec.random_bandwidth
    head: str | None = ModelSpec.head
    cuts: tuple[str, ...] = ModelSpec.cuts
    weights: str | None = ModelSpec.weights
    batch_norm: BatchNorms = ModelSpec.batch_norm
    mean: tuple[float, ...] | None = ModelSpec.mean
    std: tuple[PositiveFloat, ...] | None = ModelSpec.std
    tokenizer: str | None = ModelSpec.tokenizer

    def spec(self, **resolved: str | None) -> ModelSpec:
        """Return what the models part reads, perhaps with some paths resolved."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "trainable"}
        return ModelSpec(**{**said, **resolved})


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
        metric: what is compared, mean over clients; one that comes along, or a function of your own,
            ``package.module:function``. Another task than classification has a default of its own.
        min_effect: a smaller difference does not matter; of errors in the target's unit 5 % of its standard deviation
            where nothing is said.
        confidence: of the intervals, in (0.5, 1).
        clients: of whom the answer speaks: of ``these`` clients, or of clients ``like these``, of which they are a
            sample. None takes ``these`` for at most 20 clients, none of them held out.
        positive: the class that is looked for, of which F1, AUPRC and sensitivity are; None takes the last of two.
        specificity: at which sensitivity is read: each client's threshold leaves that share of its validation
            negatives below.
    """

    baseline: str | None = None
    metric: Metric | _Own = "balanced_accuracy"
    min_effect: Annotated[float, Field(ge=0)] = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    clients: Literal["these", "like these"] | None = None
    positive: str | None = None
    specificity: Annotated[float, Field(gt=0, lt=1)] = 0.95


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """``[evaluation]``: what is measured beside each client's own test data.

    Attributes:
        global_test_examples: examples of all clients' test data that each client is tested on; 0 for none.
        eval_every: rounds between two points of the learning curve; None makes about ten points.
        losses: whether to keep log loss and confidence of each test example beside the predicted class, and of two
            classes the probability of the last; of these always what the metric needs.
    """

    global_test_examples: NonNegativeInt = 1000
    eval_every: PositiveInt | None = None
    losses: bool = False


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """``[engine]``: how the work is done.

    Attributes:
        name: ``fleet`` (the fastest way on this machine) or ``serial`` (one client by one); the numbers agree.
        way: how the fleet trains: ``stack`` (all clients at once), ``grouped`` (a few as one network), ``loop`` (one
            by one), ``workers`` (in processes; one by one where a graphics card is seen), or ``auto`` (what suits the
            network, chosen once for a run folder). Heads are stacked but by ``workers``.
        workers: processes at most; None takes the number of cores.
        device: where networks are trained and asked: ``cpu``, ``cuda``, ``cuda:1``, or ``auto``, which takes a card of
            CUDA's where there is one. A run folder may go on on another.
        precision: how a network's layers multiply: ``float32``, or on a card's units ``tf32`` or ``bf16``.
        dtype: of weights and features.
        threads: of PyTorch; None takes one for networks of less than a million weights, PyTorch's choice for others.
        max_bad_clients: share of a cohort that may fail before the run stops.
    """

    name: Literal["fleet", "serial"] = "fleet"
    way: Literal["auto", "stack", "grouped", "loop", "workers"] = "auto"
    workers: PositiveInt | None = None
    device: Device = "auto"
    precision: Precision = "float32"
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
        minutes: of one call, after which nothing more is begun; the answer is then that of what is finished. In one
            process no deep arm begins of which a run is expected to take longer than is left. None sets no limit.
        max_seeds: seeds at the most, beyond those of ``seeds`` the numbers that follow; None takes ``seeds``.
    """

    minutes: Annotated[float, Field(gt=0)] | None = None
    max_seeds: Annotated[int, Field(gt=0, le=1000)] | None = None


@dataclass(frozen=True, kw_only=True)
class PrivacySettings:
    """``[privacy]``: every arm that takes steps, once more for each epsilon, with single examples hidden.

    Attributes:
        epsilon: what each single example of each client is promised; arms are named ``NAME-eps2`` and so on. Empty adds
            no arms.
        example_clip: L2 norm to which the gradient of a single example is shortened.
        delta: of the promises; None takes one over a client's examples to the power of 1.1, at most 1e-5.
    """

    epsilon: tuple[Epsilon, ...] = ()
    example_clip: Annotated[float, Field(gt=0)] = 1.0
    delta: Annotated[float, Field(gt=0, le=1e-3)] | None = None


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
        privacy: at which epsilons arms are run once more.
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
    privacy: PrivacySettings = PrivacySettings()

    @property
    def races(self) -> bool:
        """Whether it may stop early: with fewer than three seeds nothing can be decided, and all of it runs.

        So it does where arms are run at several epsilons: most of them are there to be beaten.
        """
        return self.study.until == "decided" and len(self.seeds) >= FEWEST_SEEDS and not self.privacy.epsilon

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
    engine = {"dtype": settings.engine.dtype, "precision": settings.engine.precision}
    return hash_json({**shared, **_without_exact(engine)})


def _without_exact(engine: Mapping[str, str]) -> dict[str, str]:
    """Leave out a precision that is exact: what is computed so has the names that it always had."""
    return {name: value for name, value in engine.items() if name != "precision" or value != "float32"}


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
