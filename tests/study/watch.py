"""Counts what a study computes."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Watch:
    """Counts what is computed: nodes by kind, and pieces of client work."""

    nodes: Counter[str] = field(default_factory=Counter)
    client_work: int = 0

    def clear(self) -> None:
        self.nodes.clear()
        self.client_work = 0
