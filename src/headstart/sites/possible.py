"""Whether any examples can have sums that came: counts are whole and add up, moments are those of squares.

A site that lies consistently, by other labels or features as they could be, is not found here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from headstart.data.federation import Split
from headstart.federate.closed_form import FeatureSums

_ROUNDING = 1e-6
"""Of sums in double precision, relative; and of numbers that were hidden under masks."""

_SURELY = 6.0
"""Standard deviations that noise does not exceed."""


def doubt_parts(parts: Mapping[Split, FeatureSums], sizes: Mapping[Split, int], spread: float = 0.0) -> str:
    """Say why no examples of these numbers have such sums; empty if some can.

    Args:
        parts: sums of each part of the data.
        sizes: examples of each.
        spread: standard deviation of the noise on every number.
    """
    reasons = (f"{part}: {why}" for part, sums in parts.items() if (why := _doubt(sums, sizes.get(part, 0), spread)))
    return f"no examples have its sums of {first}" if (first := next(reasons, "")) else ""


def _doubt(of: FeatureSums, examples: int, spread: float) -> str:
    return next((reason for reason, holds in _rules(of, examples, spread) if not holds), "")


def _rules(of: FeatureSums, examples: int, spread: float) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong where a rule is broken, and whether it holds."""
    counts, surely = of.counts, _SURELY * spread
    wide = surely * math.sqrt(len(counts) + 1)
    yield f"its classes must have {examples:,} examples together", _near(counts.sum(), examples, _ROUNDING + wide)
    yield "no class may have fewer than 0 examples", bool((counts >= -_ROUNDING - surely).all())
    if not spread:
        yield "its classes must have whole numbers of examples", _near(counts, counts.round(), 1e-3)
        empty = of.moment[:, counts < 0.5]
        yield "classes without examples must have no features", _near(empty, 0, 1e-3)
    if of.second is None:
        return
    if of.has_ones:
        lengths = (of.second.diagonal().clamp_min(0) * max(examples, 1)).sqrt()
        whole = of.moment.sum(1)
        yield "its classes' features must add up to all", _near(of.second[-1], whole, _ROUNDING * (1 + lengths) + wide)
    yield "its moments must be those of squares", _is_sum_of_squares(of, spread)


def _near(left: Tensor, right: Tensor | float, most: Tensor | float) -> bool:
    return bool(((left - right).abs() <= most).all())


def _is_sum_of_squares(of: FeatureSums, spread: float) -> bool:
    """Say whether ``[Z, Y]'[Z, Y]`` has no direction below zero, up to rounding or what noise may add."""
    assert of.second is not None  # looked at by the caller
    whole = torch.cat([torch.cat([of.second, of.moment], 1), torch.cat([of.moment.mT, of.counts.diag()], 1)])
    if spread:
        # The largest eigenvalue of a symmetric matrix of noise is about 2 deviations times the root of its size.
        slack = torch.full((len(whole),), 3 * spread * math.sqrt(len(whole)), dtype=whole.dtype)
    else:
        slack = _ROUNDING * (1 + whole.diagonal().abs())
    return bool((torch.linalg.cholesky_ex(whole + slack.diag()).info == 0).all())


def length(of: FeatureSums) -> float:
    """Return about how long a feature vector is."""
    examples = max(1.0, float(of.counts.sum()))
    if of.second is None:
        return float(of.moment.norm()) / examples
    squares = of.second.diagonal()[: len(of.second) - of.has_ones].sum()
    return math.sqrt(max(0.0, float(squares)) / examples)
