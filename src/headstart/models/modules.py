"""Looking into a network of any make: which of its modules read and made what, and putting others in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Call:
    """One module's call: what it read first and what it made. It keeps both alive, so that no id is given twice."""

    name: str
    module: nn.Module
    read: Any
    made: Tensor


@contextmanager
def calls_of(network: nn.Module) -> Iterator[list[Call]]:
    """Write down the calls of all modules that hold no others.

    >>> network = nn.Sequential(nn.ReLU(), nn.Flatten())
    >>> with calls_of(network) as calls:
    ...     made = network(Tensor(1, 2, 3))
    >>> [(call.name, tuple(call.made.shape)) for call in calls]
    [('0', (1, 2, 3)), ('1', (1, 6))]
    """
    calls: list[Call] = []

    def look(name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, arguments: tuple[Any, ...], made: Any) -> None:
            if isinstance(made, Tensor):
                calls.append(Call(name, module, arguments[0] if arguments else None, made))

        return module.register_forward_hook(hook)

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [look(name, module) for name, module in leaves]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def replace_module(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put another module in the place of the one with this dotted name."""
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)


def names_in(module: nn.Module, parts: nn.Module) -> dict[str, str]:
    """Map names of the tensors of ``parts`` to the names that the very same tensors have in ``module``.

    >>> whole = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
    >>> names_in(whole, nn.ModuleList([whole[1]]))
    {'0.weight': '1.weight', '0.bias': '1.bias'}
    """
    own = {id(value): name for name, value in module.state_dict(keep_vars=True).items()}
    found = parts.state_dict(keep_vars=True).items()
    return {name: own[id(value)] for name, value in found if id(value) in own}
