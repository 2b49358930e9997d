"""Updates of bounded length, and noise on their sum: what makes rounds differentially private for every client.

McMahan, Ramage, Talwar, Zhang: Learning Differentially Private Recurrent Language Models. ICLR 2018.
https://arxiv.org/abs/1710.06963 (Algorithm 1, with flat clipping).
"""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.core.seeds import Key, torch_generator
from headstart.core.trees import Tree

_FEW = 2**12
"""Numbers whose squares are added up in their own type."""


def clip_factors(updates: Tree, norm: float) -> Tensor:
    """Return what shortens each update of a stack to ``norm``, 1 where it is no longer.

    Args:
        updates: a stack; a client's norm is that of all its tensors together.
        norm: L2, above 0.

    Returns:
        ``(clients,)``, float64, on the CPU; NaN where an update has no length.

    >>> clip_factors({"w": torch.tensor([[3.0], [0.3]]), "b": torch.tensor([[4.0], [0.4]])}, 1.0)
    tensor([0.2000, 1.0000], dtype=torch.float64)
    """
    # Squares of millions of 32-bit numbers lose what is small: only sums of a few are left to 32 bits.
    pieces = [piece for value in updates.values() for piece in _pieces(value.flatten(1))]
    norms = torch.stack([torch.linalg.vector_norm(piece, dim=1).double() for piece in pieces])
    return torch.clamp(norm / torch.linalg.vector_norm(norms, dim=0), max=1).cpu()


def _pieces(rows: Tensor) -> list[Tensor]:
    return [rows[:, at : at + _FEW] for at in range(0, rows.shape[1], _FEW)]


def noise_like(tree: Tree, deviation: float, *key: Key) -> Tree:
    """Draw Gaussian noise of the shapes of a tree: a simulation's, which whoever knows the seed can draw again.

    Names are taken in order: a tree that was read has another than one that was made.

    Args:
        tree: of any numbers.
        deviation: standard, of every number.
        key: seed, and what the noise is for.
    """
    generator = torch_generator(*key)
    return {
        name: deviation * torch.randn(value.shape, generator=generator, dtype=value.dtype).to(value.device)
        for name, value in sorted(tree.items())
    }
