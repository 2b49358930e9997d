"""FFA-LoRA.

Sun, Li, Li, Ding: Improving LoRA in Privacy-preserving Federated Learning. ICLR 2024.
https://arxiv.org/abs/2403.12313.

Differs from the paper: a classification head trains and is averaged too; no noise is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.training import Lora


@dataclass(frozen=True, kw_only=True)
class FrozenA(Lora):
    """What trains are the B of low-rank adapters and the head: averaging is then exact, for half the bytes.

    A keeps its random values, the same at every client without being sent.
    """

    train_a: ClassVar[bool] = False
