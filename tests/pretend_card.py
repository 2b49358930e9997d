"""A pretend card: tensors that claim to be on another device, hold their numbers on the processor, and mix with none.

What would fail on a graphics card fails here with the same words: an operation of tensors on two devices, ``.numpy()``,
a generator of the processor for a tensor of the card, a driver that a card lacks. Its device is ``meta``, the one other
type that every build of PyTorch knows, and whose gradients are computed on the processor's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CARD = torch.device("meta")
_CPU = torch.device("cpu")
_OTHER_INDICES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
"""Operations that take indices on the processor for a tensor of a card."""
_COPIES = {"aten::_to_copy", "aten::copy_", "aten::copy"}


class Held(Tensor):
    """A tensor that claims to be on the card."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Held:
        one = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=CARD,
            requires_grad=False,
        )
        one.held = held
        return one

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        """It claims to be there, but has its numbers."""
        return False

    def __repr__(self, **_: object) -> str:
        return f"Held({self.held!r})"

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: object) -> Held:
        return Held(inner["held"])

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # As of plain tensors: results are not made tensors of the card once more.
        return Tensor.__torch_function__(func, (), args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Card(TorchDispatchMode):
    """Makes tensors of the card where one is asked for."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Numbers(TorchFunctionMode):
    """Makes and reads tensors of the card where PyTorch would look at their type, and not at what they do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.new_tensor:
            like, data = args
            return torch.tensor(data, dtype=kwargs.get("dtype", like.dtype)).to(kwargs.get("device", like.device))
        if func is torch.tensor and kwargs.get("device") is not None:
            where = kwargs.pop("device")
            return torch.tensor(*args, **kwargs).to(where)
        if func is Tensor.tolist:
            return func(args[0].cpu())
        return func(*args, **kwargs)


@contextmanager
def pretend_card() -> Iterator[torch.device]:
    """Yield the device of a card that is there as long as the block lasts."""
    run = threading.Thread.run

    def run_there(thread: threading.Thread) -> None:
        with _Card(), _Numbers():
            run(thread)

    # A mode holds for one thread.
    threading.Thread.run = run_there  # type: ignore[method-assign]
    try:
        with _Card(), _Numbers():
            yield CARD
    finally:
        threading.Thread.run = run  # type: ignore[method-assign]


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, given = func.name().partition(".")[0], list(_tensors((*args, *kwargs.values())))
    held = {id(one.held): one for one in given if isinstance(one, Held)}
    on_card = isinstance(args[0], Held) if name in _COPIES else bool(held)
    if held:
        _check(name, given, kwargs)
    if (where := kwargs.get("device")) is not None:
        on_card, kwargs = torch.device(where) == CARD, {**kwargs, "device": _CPU}
    found = func(*_mapped(args, _taken), **{key: _mapped(value, _taken) for key, value in kwargs.items()})
    # What is written in place is the same tensor afterwards.
    return _mapped(found, lambda one: held[id(one)] if id(one) in held else Held(one)) if on_card else found


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _taken(value: Tensor) -> Tensor:
    return value.held if isinstance(value, Held) else value


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    return type(value)(_mapped(one, change) for one in value) if isinstance(value, list | tuple) else value


def _check(name: str, given: list[Tensor], kwargs: dict[str, Any]) -> None:
    """Refuse what a card refuses."""
    assert all(isinstance(one, Held) or one.device == _CPU for one in given), "a tensor without numbers"
    generator = kwargs.get("generator")
    if generator is not None:
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({name})")
    if name == "aten::linalg_lstsq" and kwargs.get("driver") not in (None, "gels"):
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels)")
    if name in _COPIES:
        return
    others = given[:1] if name in _OTHER_INDICES else given
    if others is not given and name != "aten::index":
        others = [given[0], given[-1]]
    if any(not isinstance(one, Held) and one.dim() for one in others):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! ({name})"
        )
