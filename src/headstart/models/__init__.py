"""Networks as blocks and a head, where they are cut into a frozen and a trainable part, how they train."""

from headstart.models.registry import build, new_head
from headstart.models.spec import ModelSpec, is_checkpoint

__all__ = ["ModelSpec", "build", "is_checkpoint", "new_head"]
