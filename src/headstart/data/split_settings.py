"""How examples become clients, and how each client's become train, val and test; values are checked when made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from headstart.core.errors import SettingError
from headstart.core.settings import Says, check

PartitionMethod = Literal[
    "natural", "iid", "dirichlet_clients", "dirichlet_classes", "pathological", "shards", "quantity_skew"
]
Sizes = Literal["linear", "square", "exponential", "dirichlet"]
TimeCut = Literal["client", "common"]
_AtLeastOne = Annotated[int, Field(ge=1), Says("must be at least 1")]
_Share = Annotated[float, Field(ge=0, lt=1), Says("must be a share from 0 up to but not including 1")]
_AboveZero = Annotated[float, Field(gt=0), Says("must be above 0")]


@dataclass(frozen=True, kw_only=True)
class PartitionSettings:
    """How examples are dealt to clients when no column says whose they are.

    Attributes:
        method: ``natural`` (by the column ``data.client``), ``iid``,
            ``dirichlet_clients`` (each client's class mix ~ Dirichlet(alpha): Hsu et al. 2019),
            ``dirichlet_classes`` (each class's client shares ~ Dirichlet(alpha): Yurochkin et al. 2019),
            ``pathological`` (``classes_per_client`` classes each), ``shards`` (McMahan et al. 2017), or
            ``quantity_skew`` (IID classes, unequal sizes).
        num_clients: clients to make; per value of ``within`` where that is set. At least 1.
        alpha: concentration of a Dirichlet draw, > 0; small is skewed.
        classes_per_client: for ``pathological``, from 1 to the number of classes.
        shards_per_client: for ``shards``, at least 1.
        sizes: for ``quantity_skew``: client i of 1..n has a size in proportion to i, i squared or e**i, or
            sizes are drawn from Dirichlet(alpha).
        min_examples: fewest examples of a client; for the Dirichlet methods the draw is repeated until it
            holds.
        examples_per_client: at most this many examples each (the rest is left out); None uses all.
        within: a column, such as a site, inside whose every value the method is applied on its own.
    """

    method: PartitionMethod = "iid"
    num_clients: _AtLeastOne = 10
    alpha: _AboveZero = 0.5
    classes_per_client: _AtLeastOne = 2
    shards_per_client: _AtLeastOne = 2
    sizes: Sizes = "linear"
    min_examples: _AtLeastOne = 1
    examples_per_client: _AtLeastOne | None = None
    within: str | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        check(self, "data.partition")


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How each client's examples become train, val and test.

    Attributes:
        train: share of a client's examples, in (0, 1].
        val: share, in [0, 1); used for tuning and for keeping or refusing an adaptation.
        test: share, in [0, 1). The three sum to 1.
        column: a column that says ``train``, ``val`` or ``test`` (``validation``, ``valid`` and ``dev`` mean
            val); rows where it is empty are left out. Where it names no val rows, val is drawn from train by
            the shares above.
        group: a column that says which rows belong together, such as a recording or a patient: a client's rows of one
            group stay in one split, and a partition deals them to one client. None takes every row for its own.
        time: a column of dates: the earliest rows of a client train, those that follow are val, the latest test, and
            no seed draws val anew. Rows of one time stay in one split. A ``group`` has the time of its first row, and
            rows of it that are later than the split it trains or is validated in are left out. None draws by chance.
        time_cut: where time is cut: by each ``client``'s own rows, so that all have val and test, or at times that are
            ``common`` to all, so that nobody trains on what is later than what another is tested on.
    """

    train: _AboveZero = 0.6
    val: _Share = 0.2
    test: _Share = 0.2
    column: str | None = None
    group: str | None = None
    time: str | None = None
    time_cut: TimeCut = "client"

    def __post_init__(self) -> None:
        """Check every value, and the sum."""
        check(self, "data.split")
        if self.time and self.column:
            raise SettingError(
                f"data.split.time: must stand without data.split.column, received '{self.time}' beside "
                f"'{self.column}', which says the splits already; leave one of both out"
            )
        if self.time is None and self.time_cut != "client":
            raise SettingError(
                f"data.split.time_cut: must stand beside data.split.time, received {self.time_cut!r} alone; name the "
                "column of dates"
            )
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise SettingError(
                f"data.split: train, val and test must sum to 1, received {self.train} + {self.val} + "
                f"{self.test} = {total:g}; change one of them"
            )
