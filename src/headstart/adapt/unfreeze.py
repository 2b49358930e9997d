"""Unfreezing from the top: as many of the last blocks as validation data ask for, perhaps none.

Howard, Ruder: Universal Language Model Fine-tuning for Text Classification. ACL 2018. https://arxiv.org/abs/1801.06146
(section 3.3: the last layers first).

Differs from the paper: the blocks train together from the first step; how many is a setting, searched on validation
data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import NonNegativeInt, PositiveInt

from headstart.training import Trainable, UpTo


@dataclass(frozen=True, kw_only=True)
class Unfreeze:
    """The head and the last ``depth`` blocks train.

    Attributes:
        depth: blocks that train; 0 leaves the head alone. Tuning tries 0 to ``deepest``.
        deepest: most blocks that tuning tries.
    """

    depth: Annotated[NonNegativeInt, UpTo("deepest")] = 0
    deepest: PositiveInt = 2

    @property
    def trainable(self) -> Trainable:
        """The head, or the last ``depth`` blocks too."""
        return self.depth or "head"
