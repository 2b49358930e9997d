"""What server and sites say to each other: a frozen class for each request and answer, looked at when it arrives.

They travel as JSON; an unknown field, a missing one or one of another type is refused with its name.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    NonNegativeInt,
)
from pydantic.dataclasses import dataclass

from headstart.core.errors import SettingError, nearest
from headstart.data.agreement import Agreement
from headstart.data.examples import InputKind
from headstart.data.federation import Split
from headstart.data.settings import DataSettings, Range
from headstart.data.standardize import ColumnSums
from headstart.diagnosis.signals import Lead, Sharing
from headstart.evidence.tally import ClientTally
from headstart.models.spec import ModelSpec
from headstart.sites.limits import MOST_NAMES, Excluded, Label, Labels, Metrics, Pooled, Rows, Shape, Text
from headstart.sites.probe.heads import Head
from headstart.sites.settings import MOST_SEEDS, Bound, Noise, Policy, allows
from headstart.study.written.arms import METHODS
from headstart.study.written.arms import Kind as StageKind
from headstart.study.written.arms import Stage as Written
from headstart.study.written.schema import Metric

A = TypeVar("A")

CONFIG = ConfigDict(extra="forbid", strict=True)
Name = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Key = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Share = Annotated[float, Field(ge=0, le=1)]


def _all_or_none(scores: dict[Head, float]) -> dict[Head, float]:
    if scores and len(scores) != len(get_args(Head)):
        raise ValueError(f"must score every head: {', '.join(get_args(Head))}")
    return scores


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
    """The public keys of all who hide their sums, in hex, and a name that no other sums have had."""

    keys: dict[str, _Key]
    name: str


@dataclass(frozen=True, config=CONFIG)
class Present:
    """Who is there, what its data look like and, if its operator allows it, how many there are.

    Attributes:
        client: its id.
        version: of Headstart.
        kind: of inputs.
        classes: their names.
        columns: a table's, from which it would learn, the ``doubtful`` ones among them.
        categories: of the columns that its operator lists, the names of those with enough rows.
        shape: of a picture: channels, height and width.
        range: values that would become black and white in its pictures of more than 8 bits; None where it needs none.
        fixed_val: whether a column of its data says which examples are val.
        policy: what its operator lets leave.
        key: public key of its masks, in hex; empty if it sends nothing.
        sizes: numbers of examples by split; empty if they may not leave.
        set_aside: columns that it would learn from only where they are asked for by name, such as an index.
        doubtful: columns that its own rows show as identifiers.
        describing: columns that are no identifiers, whatever other sites hold.
        masked: whether it sends sums under masks only.
        noise: least noise on its sums, in sensitivities.
    """

    client: Annotated[Label, Field(min_length=1)]
    version: Label
    kind: InputKind
    classes: Labels
    columns: Labels
    categories: Annotated[dict[Label, Labels], Field(max_length=MOST_NAMES)]
    shape: Shape
    fixed_val: bool
    policy: Policy
    key: _Key | Literal[""]
    sizes: dict[Split, Rows]
    set_aside: Labels = ()
    doubtful: Labels = ()
    describing: Labels = ()
    range: Range | None = None
    masked: bool = False
    noise: Noise = 0.0

    @property
    def sends(self) -> bool:
        """Whether sums may leave."""
        return allows(self.policy, "sums")

    @property
    def sends_updates(self) -> bool:
        """Whether updates of averaging methods may leave: neither masks nor noise are laid over those."""
        return allows(self.policy, "updates") and not self.masked and not self.noise


@dataclass(frozen=True, config=CONFIG)
class Agreed:
    """It can follow.

    Attributes:
        sizes: numbers of examples by split, as in ``Present``.
        sums: of its columns; None where no setting needs them or its operator does not let them leave.
    """

    sizes: dict[Split, Rows]
    sums: ColumnSums | None


@dataclass(frozen=True, config=CONFIG)
class Done:
    """It is done; a tree comes along where one was asked for, with this noise on it, in sensitivities."""

    noise: Noise = 0.0


@dataclass(frozen=True, config=CONFIG)
class Evaluated:
    """What a client has come to, as the facts of a simulation say it; nothing where scores may not leave.

    Attributes:
        accepted: whether it kept its adapted parameters; None where scores may not leave.
        metrics: by view and metric.
        pooled: by view and metric.
        excluded: why its adaptation failed, if it did.
        learnt: what says whether the arm learnt, as counts on training and validation data.
        span: how far the scales of its columns lie apart.
        kept_back: why scores that its policy lets leave do not.
    """

    accepted: bool | None
    metrics: Metrics
    pooled: Pooled
    excluded: Annotated[tuple[Excluded, ...], Field(max_length=1)]
    learnt: ClientTally | None = None
    span: Annotated[FiniteFloat, Field(ge=1)] = 1.0
    kept_back: Annotated[str, Field(max_length=1000)] = ""


@dataclass(frozen=True, config=CONFIG)
class Noisy:
    """Sums come along, with this noise on them, in sensitivities."""

    noise: Noise


@dataclass(frozen=True, config=CONFIG)
class Compared:
    """Scores of each head on a number of validation examples; none without examples.

    Attributes:
        examples: for validation.
        scores: by head.
        leads: how far ahead of the client's own each shared head is on training examples left out, as means; empty
            without examples, or without everyone's sums.
    """

    examples: Rows
    scores: Annotated[dict[Head, _Share], AfterValidator(_all_or_none)]
    leads: dict[Sharing, Lead] = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class Refusal:
    """Why a site does not answer, and who it is, where that is known."""

    error: Text
    client: Label = ""


@dataclass(frozen=True, config=CONFIG)
class Hello(Asks[Present]):
    """Who is there?

    Attributes:
        data: how the study reads data.
        study: its name.
        seeds: of everything random, all that its runs may have.
    """

    data: DataSettings
    study: Annotated[str, Field(max_length=200)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_SEEDS)]


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
        noise: least noise on an update that is a sum, in sensitivities.
        bound: length to which rows are clipped where there is noise.
        masks: under which a sum is hidden; None sends it as it is.
    """

    setup: Setup
    stage: Stage
    round: NonNegativeInt
    noise: Noise = 0.0
    bound: Bound = 10.0
    masks: Masks | None = None


@dataclass(frozen=True, config=CONFIG)
class Adapt(Asks[Evaluated]):
    """Adapt, keep the result, evaluate it.

    Attributes:
        setup: with the model that was received.
        method: how to adapt.
        metric: that decides what a client keeps.
        stage: whose private tree and whose shared tree, which comes along, belong to what was received; None if the
            model is all.
        rounds: of that stage.
        began: digest of the start, as sent before; empty where nothing was trained after it.
        run: names arm, seed, data and settings; under it the site keeps what it predicts of its test examples.
    """

    setup: Setup
    method: Method
    metric: Metric
    stage: Stage | None
    rounds: NonNegativeInt
    began: _Digest | Literal[""]
    run: Name


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
