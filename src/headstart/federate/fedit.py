"""FedIT.

Zhang, Vahidian, Kuo, Li, Zhang, Yu, Zhou, Wang, Chen: Towards Building the Federated GPT: Federated Instruction Tuning.
ICASSP 2024. https://arxiv.org/abs/2305.05644.

Differs from the paper: a classification head trains and is averaged too; the server may scale the mean update.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.training import Lora


@dataclass(frozen=True, kw_only=True)
class BothMatrices(Lora):
    """What trains are low-rank adapters, A and B each averaged on its own, and the head.

    The mean of products is not the product of means, so that the average is no client's mean change.
    """
