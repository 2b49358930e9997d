"""What a site answers: a frozen class for each kind of answer, looked at when it arrives."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FiniteFloat,
)
from pydantic.dataclasses import dataclass

from headstart.data.examples import InputKind
from headstart.data.federation import Split
from headstart.data.settings import Range
from headstart.data.standardize import ColumnSums
from headstart.diagnosis.signals import Lead, Sharing
from headstart.evidence.tally import ClientTally
from headstart.sites.limits import MOST_NAMES, Excluded, Label, Labels, Metrics, Pooled, Rows, Shape, Text
from headstart.sites.probe.heads import Head
from headstart.sites.settings import Noise, Policy, allows

CONFIG = ConfigDict(extra="forbid", strict=True)
Key = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A public key of 32 bytes, in hex."""

SealedShare = Annotated[str, Field(pattern="^[0-9a-f]{96}$")]
"""Two shares of 16 bytes each, and the tag that shows whether they were changed, in hex."""

_Score = Annotated[float, Field(ge=0, le=1)]


def _all_or_none(scores: dict[Head, float]) -> dict[Head, float]:
    if scores and len(scores) != len(get_args(Head)):
        raise ValueError(f"must score every head: {', '.join(get_args(Head))}")
    return scores


@dataclass(frozen=True, config=CONFIG)
class Present:
    """Who is there, what its data look like and, if its operator allows it, how many there are.

    Attributes:
        client: its id.
        version: of Headstart.
        kind: of inputs.
        classes: their names.
        columns: a table's, from which it would learn, the ``doubtful`` ones among them.
        categories: of the columns that its operator lists, the names of those with enough rows outside test.
        missing: columns that are empty in enough rows outside test, where the study asks for that.
        shape: of a picture: channels, height and width.
        range: values that would become black and white in its pictures of more than 8 bits; None where it needs none.
        fixed_val: whether a column of its data says which examples are val.
        policy: what its operator lets leave.
        sizes: numbers of examples by split; empty if they may not leave.
        set_aside: columns that it would learn from only where they are asked for by name, such as an index.
        doubtful: columns that its own rows show as identifiers.
        describing: columns that are no identifiers, whatever other sites hold.
        masked: whether it sends sums and updates under masks only.
        noise: least noise on its sums, in sensitivities.
        data: names what it holds, so that runs with other data are told apart; it says nothing else of it.
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
    sizes: dict[Split, Rows]
    set_aside: Labels = ()
    doubtful: Labels = ()
    describing: Labels = ()
    missing: Labels = ()
    range: Range | None = None
    masked: bool = False
    noise: Noise = 0.0
    data: Annotated[str, Field(pattern="^[0-9a-f]{0,32}$")] = ""

    @property
    def sends(self) -> bool:
        """Whether sums may leave."""
        return allows(self.policy, "sums")

    def sends_updates(self, noise: float = 0.0, *, secure: bool) -> bool:
        """Say whether updates of averaging methods may leave, under this noise, and under masks where these are on."""
        return allows(self.policy, "updates") and (secure or not self.masked) and self.noise <= noise


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
    """It is done; a tree comes along where one was asked for.

    Attributes:
        noise: on the tree, in sensitivities.
        val: scores of the shared tree on validation data; empty where none were asked for, or may leave.
    """

    noise: Noise = 0.0
    val: Annotated[dict[Literal["log_loss", "accuracy"], FiniteFloat], Field(max_length=2)] = field(
        default_factory=dict
    )


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
    scores: Annotated[dict[Head, _Score], AfterValidator(_all_or_none)]
    leads: dict[Sharing, Lead] = field(default_factory=dict)


@dataclass(frozen=True, config=CONFIG)
class Refusal:
    """Why a site does not answer, and who it is, where that is known."""

    error: Text
    client: Label = ""
