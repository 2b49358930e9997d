"""How long and how many what a site says may be: wide enough for any honest site, narrow enough to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, FailFast, Field, FiniteFloat, StringConstraints

from headstart.evidence.metrics import MEASURES, range_of

MOST_TEXT = 2**25
"""Characters of a message; its tensors travel beside it."""

_MOST_ROWS = 10**9
"""Examples of a site."""

MOST_NAMES = 2**14
"""Classes, columns, or categories of one column."""

_MOST_LETTERS = 300
_MOST_SIDE = 2**13

_PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
"""Nothing that a terminal obeys, ends a line or turns its direction."""

Label = Annotated[str, StringConstraints(pattern=_PLAIN, max_length=_MOST_LETTERS)]
"""Of a client, class, column or category."""

Labels = Annotated[tuple[Label, ...], Field(max_length=MOST_NAMES), FailFast()]
Rows = Annotated[int, Field(ge=0, le=_MOST_ROWS)]
Text = Annotated[str, StringConstraints(max_length=MOST_TEXT)]
"""Cut before it is said: see :func:`said`."""


def _is_picture(shape: tuple[int, ...]) -> tuple[int, ...]:
    if shape and (len(shape) != 3 or shape[0] not in (1, 3) or not all(1 <= side <= _MOST_SIDE for side in shape)):
        raise ValueError(f"must be 1 or 3 channels, then a height and width of 1 to {_MOST_SIDE}")
    return shape


Shape = Annotated[tuple[int, ...], Field(max_length=3), AfterValidator(_is_picture)]
"""Of a picture; empty for a table."""

_Scores = dict[str, Annotated[tuple[FiniteFloat | None, ...], Field(min_length=1, max_length=1)]]


def _in_range(scores: Mapping[str, FiniteFloat | None]) -> None:
    for name, value in scores.items():
        low, high = (0, _MOST_ROWS) if name == "num_examples" else range_of(name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"must have '{name}' from {low:g} to {high:g}, received {value:g}")


def _are_metrics(found: dict[str, dict[str, FiniteFloat | None]]) -> None:
    for view, scores in found.items():
        unknown = [name for name in scores if name not in (*MEASURES, "num_examples")]
        if view not in ("val", "test") or unknown:
            raise ValueError(f"must be metrics of 'val' and 'test', received {said(unknown[0] if unknown else view)}")
        _in_range(scores)


def _each(found: dict[str, _Scores]) -> dict[str, _Scores]:
    _are_metrics({view: {name: values[0] for name, values in scores.items()} for view, scores in found.items()})
    return found


def _pooled(found: dict[str, dict[str, FiniteFloat | None]]) -> dict[str, dict[str, FiniteFloat | None]]:
    _are_metrics({view: dict(scores) for view, scores in found.items()})
    return found


_Few = Field(max_length=len(MEASURES) + 1)
Metrics = Annotated[dict[str, Annotated[_Scores, _Few]], _Few, AfterValidator(_each)]
"""By view and metric, of one client, within what the metric can be."""

Pooled = Annotated[dict[str, Annotated[dict[str, FiniteFloat | None], _Few]], _Few, AfterValidator(_pooled)]


def _is_exclusion(found: dict[str, str | int]) -> dict[str, str | int]:
    kinds = {name: type(value) for name, value in found.items()}
    if kinds != {"client": str, "round": int, "reason": str}:
        raise ValueError("must be a client, a round and a reason")
    return {name: said(value) if isinstance(value, str) else value for name, value in found.items()}


Excluded = Annotated[dict[str, str | int], Field(max_length=3), AfterValidator(_is_exclusion)]
"""Why a client's adaptation failed."""


def said(text: str, most: int = 500) -> str:
    r"""Return what somebody else wrote as part of one line: without what a terminal obeys, and cut.

    >>> said("no\nsuch\x1b[31m file"), said("a" * 9, most=4)
    ('no such [31m file', 'aaa…')
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"
