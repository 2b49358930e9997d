"""Counting floating-point operations as PyTorch runs them."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Uncompiled(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, and none of them compiled: importing PyTorch's compiler for that takes seconds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that nothing here is compiled."""
        return False


class Flops(Uncompiled):  # type: ignore[no-untyped-call]
    """Counts floating-point operations, by the formulas of ``torch.utils.flop_counter``.

    PyTorch's own ``FlopCounterMode`` counts the same, and imports the compiler.

    Attributes:
        total: counted so far.

    >>> import torch
    >>> with Flops() as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 5)
    >>> counter.total
    60
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, in its parts where it has any."""
        named = kwargs or {}
        with self:
            parts = func.decompose(*args, **named)
        if parts is not NotImplemented:
            return parts
        result = func(*args, **named)
        if formula := flop_registry.get(func.overloadpacket):
            self.total += int(formula(*args, **named, out_val=result))
        return result
