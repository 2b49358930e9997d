"""A recorder that needs no card: it writes down the operations of a step, and does just these again.

Whatever Python does beside them is done once, while they are written down, as with a card's graphs: a number that was
read of a tensor, or a tensor put in another's place, then shows as a wrong result, or is refused as a card refuses it.
"""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from headstart.engine.ways.graphs import Recorder

REFUSED = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select")
"""Operations whose results Python waits for."""


class PretendRecorder(Recorder):
    """Records on the processor; counts what it did.

    Attributes:
        warmed: steps that were taken one operation after another.
        captured: records that were made.
        replayed: steps that were taken by one.
        kept: records that somebody still holds.
    """

    def __init__(self) -> None:
        self.warmed = self.captured = self.replayed = 0
        self.kept: WeakSet[_Record] = WeakSet()

    def warm(self, step: Callable[[], None]) -> None:
        self.warmed += 1
        step()

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        record = _Record()
        try:
            with record:
                step()
        finally:
            # A card's record takes no step.
            record.undo()
        self.captured += 1
        self.kept.add(record)

        def replay() -> None:
            self.replayed += 1
            record.replay()

        return replay


class _Record(TorchDispatchMode):
    """The operations of a step, with the very tensors that they read and wrote."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._own: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled, and importing what compiles would keep the frames of a step."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().partition(".")[0]
        if name in REFUSED or (name == "aten::index" and _has_mask(args)):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        self._keep(args, kwargs)
        made = func(*args, **kwargs)
        fresh = [] if func.is_view else _tensors(made)
        self._operations.append((func, *tree_map(_plain, (tuple(args), kwargs)), [_plain(each) for each in fresh]))
        self._own |= {_storage(each) for each in _tensors(made)} - self._before.keys()
        return made

    def _keep(self, args: Any, kwargs: Any) -> None:
        """Copy what was there before the step, once."""
        for value in _tensors((args, kwargs)):
            if _storage(value) not in self._own and _storage(value) not in self._before:
                whole = _plain(value).as_strided((value.untyped_storage().nbytes() // value.element_size(),), (1,), 0)
                self._before[_storage(value)] = whole, whole.clone()

    def undo(self) -> None:
        """Put back what was there before the step."""
        for value, before in self._before.values():
            value.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        """Do the operations again, into the same tensors."""
        for func, args, kwargs, fresh in self._operations:
            for into, value in zip(fresh, _tensors(func(*args, **kwargs)) if fresh else [], strict=True):
                if into.data_ptr() != value.data_ptr():
                    into.copy_(value)


def _has_mask(args: Sequence[Any]) -> bool:
    return any(value.dtype == torch.bool for value in _tensors(args[1]))


def _tensors(tree: Any) -> list[Tensor]:
    return [value for value in tree_flatten(tree)[0] if isinstance(value, Tensor)]


def _plain(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _storage(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()
