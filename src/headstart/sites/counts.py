"""What a site counts of its own test examples, in the place of rows: the messages, and what must hold of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, NonNegativeInt
from pydantic.dataclasses import dataclass

from headstart.core.arrays import Array
from headstart.core.errors import ClientError
from headstart.evidence.moments import Moments
from headstart.sites.messages import Asks, Name
from headstart.sites.refusals import Refused
from headstart.sites.said import CONFIG
from headstart.sites.settings import LEAST_ROWS

_MOST_RUNS, _MOST_CLASSES = 64, 4096
"""Arms, and seeds, that are counted at once; strata of a client."""

_MOST = 2**53
"""Whole numbers are exact up to here."""

_Number = Annotated[int, Field(ge=0, le=_MOST)]


def _same_seeds(runs: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    if len({len(arm) for arm in runs}) > 1:
        raise ValueError("must have as many seeds for every arm")
    return runs


_Runs = Annotated[tuple[Name, ...], Field(min_length=1, max_length=_MOST_RUNS)]
_Row = Annotated[tuple[_Number, ...], Field(max_length=_MOST_RUNS)]
_Table = Annotated[tuple[_Row, ...], Field(max_length=_MOST_RUNS)]
_Tables = Annotated[tuple[_Table, ...], Field(max_length=_MOST_CLASSES)]
_Strata = Annotated[tuple[_Number, ...], Field(max_length=_MOST_CLASSES)]


@dataclass(frozen=True, config=CONFIG)
class Counted:
    """How many of a site's test examples some arms told right, alone and together; strata of few examples stay there.

    Attributes:
        classes: of the strata, ascending; empty where all examples are one stratum.
        count: examples of each stratum.
        sums: by stratum, arm and seed, of them told right.
        products: by stratum, arm and arm: sum over examples of how many seeds of one and of the other tell it right,
            multiplied.
        by_seed: likewise, how often the same seed of both does.
        ahead: likewise, how many examples more seeds of one than of the other tell right.
        kept_back: strata that stay at the site.
    """

    classes: _Strata
    count: _Strata
    sums: _Tables
    products: _Tables
    by_seed: _Tables
    ahead: _Tables
    kept_back: NonNegativeInt

    @classmethod
    def of(cls, found: Moments, fewest: int = LEAST_ROWS) -> Counted:
        """Say sums of right and wrong, without strata of few examples.

        Args:
            found: by stratum.
            fewest: examples that are counted together, where the site wants more than everyone does.

        Raises:
            Refused: none is left.
        """
        least = max(LEAST_ROWS, fewest)
        kept = found.count >= least
        if not kept.any():
            raise Refused(f"its test examples are too few to be counted: {least} or more are counted together")
        return cls(
            classes=_nested(found.classes[kept]) if (found.classes >= 0).all() else (),
            count=_nested(found.count[kept]),
            sums=_nested(found.sums[kept]),
            products=_nested(found.products[kept]),
            by_seed=_nested(found.by_seed[kept]),
            ahead=_nested(found.ahead[kept]),
            kept_back=int((~kept).sum()),
        )


@dataclass(frozen=True, config=CONFIG)
class Count(Asks[Counted]):
    """Count what some runs told right of your own test examples.

    Attributes:
        runs: their names, for every arm its seeds.
        by_class: count each class apart.
    """

    runs: Annotated[tuple[_Runs, ...], Field(min_length=1, max_length=_MOST_RUNS), AfterValidator(_same_seeds)]
    by_class: bool


def moments_of(said: Counted, arms: Sequence[str], seeds: int, *, classes: int | None) -> Moments:
    """Return a site's sums, if examples can have them.

    Args:
        said: by the site.
        arms: that were asked for.
        seeds: of each.
        classes: of the federation, where each is counted apart; else None.

    Raises:
        ClientError: they are of other arms, seeds or classes, or no examples have such sums; the message names which.
    """
    _check_strata(said, classes)
    count, strata, width = np.array(said.count, np.float64), len(said.count), len(arms)
    found = Moments(
        arms=tuple(arms),
        classes=np.array(said.classes if classes is not None else [-1], dtype=np.int64),
        count=count,
        sums=_array("sums", said.sums, (strata, width, seeds)),
        products=_array("products", said.products, (strata, width, width)),
        by_seed=_array("by_seed", said.by_seed, (strata, width, width)),
        ahead=_array("ahead", said.ahead, (strata, width, width)),
    )
    for name, rule, holds in _rules(found):
        if not holds:
            raise ClientError(f"its count's '{name}' must {rule}; no test examples have such sums")
    return found


def _check_strata(said: Counted, classes: int | None) -> None:
    apart = len(said.classes) if classes is not None else 1 - len(said.classes)
    if not said.count or apart != len(said.count):
        raise ClientError(f"its count's 'count' must have one number a stratum, received {len(said.count)}")
    if list(said.classes) != sorted(set(said.classes)) or any(one >= (classes or 0) for one in said.classes):
        raise ClientError(f"its count's 'classes' must ascend below {classes}, received {said.classes[:5]}")
    if min(said.count) < LEAST_ROWS:
        raise ClientError(f"its count's 'count' must be at least {LEAST_ROWS}, received {min(said.count)}")


def _rules(of: Moments) -> Iterator[tuple[str, str, bool]]:
    """Yield what holds of right and wrong examples: the part, the rule, and whether it does."""
    seeds, count, right = of.sums.shape[2], of.count[:, None, None], of.sums.sum(axis=2)
    least = np.minimum(right[:, :, None], right[:, None, :])
    yield "sums", "be at most 'count'", bool((of.sums <= count).all())
    for name, part in (("products", of.products), ("by_seed", of.by_seed)):
        yield name, "be the same for two arms in either order", bool((part == part.transpose(0, 2, 1)).all())
    yield "by_seed", "have the sums of each arm with itself", bool((_diagonal(of.by_seed) == right).all())
    yield "by_seed", "be at most the sums of either arm", bool((of.by_seed <= least).all())
    yield "products", "lie between 'by_seed' and its multiple by the seeds", bool((of.products >= of.by_seed).all())
    yield "products", "be at most the seeds times the sums of either arm", bool((of.products <= seeds * least).all())
    both = of.ahead + of.ahead.transpose(0, 2, 1)
    yield "ahead", "be nothing of an arm over itself", not _diagonal(of.ahead).any()
    yield "ahead", "be at most 'count' for two arms in both orders together", bool((both <= count).all())
    yield "ahead", "be at most the sums of the arm that is ahead", bool((of.ahead <= right[:, :, None]).all())
    spread = count * of.products - right[:, :, None] * right[:, None, :]
    yield "products", "leave no variance below zero", _is_variance(spread)
    yield "by_seed", "leave no variance below zero", _is_variance(seeds * of.by_seed - of.products)


def _is_variance(matrices: Array) -> bool:
    """Say whether no combination of arms has a variance below zero, up to rounding."""
    least = np.linalg.eigvalsh(matrices)[:, 0]
    return bool((least >= -1e-9 * np.maximum(1.0, np.abs(matrices).max(axis=(1, 2)))).all())


def _diagonal(matrices: Array) -> Array:
    found: Array = np.diagonal(matrices, axis1=1, axis2=2)
    return found


def _array(name: str, said: Any, shape: tuple[int, ...]) -> Array:
    """Return nested numbers as an array of the shape that was asked for."""
    if not _fits(said, shape):
        raise ClientError(f"its count's '{name}' must be {shape} numbers by stratum and arm, received another shape")
    return np.array(said, dtype=np.float64).reshape(shape)


def _fits(said: Any, shape: tuple[int, ...]) -> bool:
    return not shape or (len(said) == shape[0] and all(_fits(one, shape[1:]) for one in said))


def _nested(values: Array) -> Any:
    """Return whole numbers as nested tuples."""
    return tuple(map(_nested, values)) if values.ndim > 1 else tuple(np.rint(values).astype(int).tolist())
