"""LoRA on the client.

Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
https://arxiv.org/abs/2106.09685 (section 4).

Differs from the paper: a classification head trains too; no dropout in the adapters.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.training import Lora


@dataclass(frozen=True, kw_only=True)
class Adapters(Lora):
    """Low-rank adapters and the head train."""
