"""Memory: the most bytes of tensors alive at once while a client works.

Measured on the tensors themselves, not modelled: parameters in training, gradients, optimiser state and what
autograd keeps for the backward pass all count; for closed forms the sums of features.

The runtime itself and the scratch space of its convolutions come on top: a resident process grows by more.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from headstart.costs.counting import Uncompiled


class LiveBytes(Uncompiled):  # type: ignore[no-untyped-call]
    """Watch which storages are alive: what autograd saves counts as long as the graph holds it.

    Args:
        known: tensors whose storages do not count.
        held: tensors that count from the start, unless they are known.
    """

    def __init__(self, known: Mapping[str, Tensor] | None = None, held: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._sizes: dict[int, int] = {value.untyped_storage()._cdata: 0 for value in (known or {}).values()}
        for value in (held or {}).values():
            self._note(value.untyped_storage())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and take note of the storages it made."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._note(value.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.live -= self._sizes.pop(key)
