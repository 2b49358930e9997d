"""What is known of runs' test examples when they are judged."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.evidence.outcomes import Outcomes
from headstart.evidence.summed import Sums


@dataclass(frozen=True, eq=False)
class Gathered:
    """What runs said of clients' own test examples, as far as it may be known.

    Attributes:
        said: rows, or sums of them where rows stay with their clients; None where neither is known.
        clients: of whom an answer may speak; None for all.
        cautions: what a reader should know of it.
    """

    said: Outcomes | Sums | None = None
    clients: tuple[str, ...] | None = None
    cautions: tuple[str, ...] = ()
