"""What the server asks of sites: a frozen class for each request, which says by what it is answered.

They travel as JSON; an unknown field, a missing one or one of another type is refused with its name.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    Field,
    JsonValue,
    NonNegativeInt,
)
from pydantic.dataclasses import dataclass

from headstart.core.errors import SettingError, nearest
from headstart.data.agreement import Agreement
from headstart.data.settings import DataSettings
from headstart.evidence.metrics import Scoring
from headstart.models.spec import ModelSpec
from headstart.sites.limits import Label
from headstart.sites.said import CONFIG, Agreed, Compared, Done, Evaluated, Noisy, Present, SealedShare
from headstart.sites.settings import MOST_SEEDS, Bound, Noise
from headstart.study.written.arms import METHODS
from headstart.study.written.arms import Kind as StageKind
from headstart.study.written.arms import Stage as Written
from headstart.study.written.schema import Metric

A = TypeVar("A")

Name = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Asks(Generic[A]):
    """A request that is answered by an ``A``."""


@dataclass(frozen=True, config=CONFIG)
class Setup:
    """What a site opens: how its data are read, and the model that they go through.

    Attributes:
        data: the study's settings; source and choice of rows are the site's own.
        agreement: what belongs to the federation.
        model: the backbone.
        dtype: of weights and arithmetic.
        seed: of everything random.
        digest: of the model, as sent before.
        from_scratch: whether it is the variant for random weights.
    """

    data: DataSettings
    agreement: Agreement
    model: ModelSpec
    dtype: Literal["float32", "float64"]
    seed: int
    digest: _Digest
    from_scratch: bool


@dataclass(frozen=True, config=CONFIG)
class Method:
    """A method's name and the settings that were given."""

    name: str
    settings: dict[str, JsonValue]

    @classmethod
    def of(cls, stage: Written) -> Method:
        """Say a study's stage."""
        return cls(stage.method, dict(stage.settings))

    def build(self, kind: StageKind) -> Any:
        """Build it.

        Raises:
            SettingError: there is no such method, or a setting breaks its rule.
        """
        if self.name not in METHODS[kind]:
            raise SettingError(f"{kind}: unknown method {self.name!r}; {nearest(self.name, METHODS[kind])}")
        return METHODS[kind][self.name].build(self.settings)


@dataclass(frozen=True, config=CONFIG)
class Stage:
    """A federated stage: its method, and the name under which sites keep their private trees."""

    method: Method
    key: Name


@dataclass(frozen=True, config=CONFIG)
class Masks:
    """Under which a site hides its values, in one exchange of keys.

    Attributes:
        exchange: its name.
        sealed: what those who take part have sealed for this site, by name.
    """

    exchange: Name
    sealed: dict[Label, SealedShare]


@dataclass(frozen=True, config=CONFIG)
class Hello(Asks[Present]):
    """Who is there?

    Attributes:
        data: how the study reads data.
        study: its name.
        seeds: of everything random, all that its runs may have.
        model: the backbone; None leaves it to the networks that are built in.
    """

    data: DataSettings
    study: Annotated[str, Field(max_length=200)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    model: ModelSpec | None = None


@dataclass(frozen=True, config=CONFIG)
class Agree(Asks[Agreed]):
    """Can you read your data by what the federation has agreed on?"""

    data: DataSettings
    agreement: Agreement


@dataclass(frozen=True, config=CONFIG)
class Start(Asks[Done]):
    """Take the model that comes along.

    Attributes:
        digest: of the whole.
        base: digest of the model from which it differs in what comes along; empty if all of it does.
    """

    digest: _Digest
    base: _Digest | Literal[""]


@dataclass(frozen=True, config=CONFIG)
class Update(Asks[Done]):
    """Do a round's work with the shared tree that comes along, and send the update.

    Attributes:
        setup: with the model that was received.
        stage: the method, and where its private trees are kept.
        round: number.
        scored: whether to say how good the shared tree is on validation data, where that may leave.
        noise: least noise on an update that is a sum, in sensitivities.
        bound: length to which rows are clipped where there is noise.
        masks: under which the update is hidden; None sends it as it is.
        fewest: answers that the round takes at least, whose noise together is that of a method under noise.
    """

    setup: Setup
    stage: Stage
    round: NonNegativeInt
    scored: bool = False
    noise: Noise = 0.0
    bound: Bound = 10.0
    masks: Masks | None = None
    fewest: Annotated[int, Field(ge=1, le=2**20)] = 1


@dataclass(frozen=True, config=CONFIG)
class Adapt(Asks[Evaluated]):
    """Adapt, keep the result, evaluate it.

    Attributes:
        setup: with the model that was received.
        method: how to adapt.
        metric: that decides what a client keeps; one that comes along, for a site runs nobody else's function.
        positive: position of the class that is looked for.
        specificity: at which sensitivity is read.
        views: on which the result is evaluated; without ``test`` it is a trial, of which the site keeps nothing.
        stage: whose private tree and whose shared tree, which comes along, belong to what was received; None if the
            model is all.
        rounds: of that stage.
        began: digest of the start, as sent before; empty where nothing was trained after it.
        run: names arm, seed, data, settings and views; under it the site keeps what it predicts of its test examples.
    """

    setup: Setup
    method: Method
    metric: Metric
    views: tuple[Literal["val"]] | tuple[Literal["val"], Literal["test"]]
    stage: Stage | None
    rounds: NonNegativeInt
    began: _Digest | Literal[""]
    run: Name
    positive: NonNegativeInt | None = None
    specificity: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @property
    def scoring(self) -> Scoring:
        """How predictions are scored."""
        return Scoring(metric=self.metric, positive=self.positive, specificity=self.specificity)


@dataclass(frozen=True, config=CONFIG)
class Sums(Asks[Noisy]):
    """Send sums of frozen features.

    Attributes:
        setup: with the model that was received.
        noise: least noise on them, in sensitivities.
        bound: length to which rows are clipped where there is noise.
        masks: under which they are hidden; None sends them as they are.
    """

    setup: Setup
    noise: Noise
    bound: Bound
    masks: Masks | None


@dataclass(frozen=True, config=CONFIG)
class Heads(Asks[Compared]):
    """Compare the heads that come along, and those of everyone's sums where these do.

    Attributes:
        setup: with the model that was received.
        metric: of the decision.
        noise: as it was asked for with the sums.
        bound: likewise.
    """

    setup: Setup
    metric: Metric
    noise: Noise
    bound: Bound
