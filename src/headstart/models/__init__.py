"""Networks as blocks and a head, where they are cut into a frozen and a trainable part, how they train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.models.spec import ModelSpec, is_checkpoint

if TYPE_CHECKING:
    from headstart.models.registry import build, new_head

__all__ = ["ModelSpec", "build", "is_checkpoint", "new_head"]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import, and who reads a specification needs none of it.
    if name in ("build", "new_head"):
        from headstart.models import registry

        return getattr(registry, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
