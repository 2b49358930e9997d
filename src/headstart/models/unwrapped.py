"""The tensors of a model in whatever a training script saved: a state_dict, or a checkpoint around one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from headstart.core.errors import ModelError
from headstart.core.limits import memory_limit
from headstart.core.trees import Params

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "model_ema", "ema_state_dict", "ema")
"""Under which names checkpoints keep a model's weights, those that count first."""

_DEEPEST = 3
_SHOWN = 6


def state_of(found: object) -> tuple[Params, tuple[str, ...]]:
    """Return the tensors of what was read, in memory of their own, and sentences on what was found.

    Raises:
        ModelError: there are none, or they would not fit into memory; the message says what was found instead, as the
            end of a sentence on the file.

    >>> state_of({"epoch": 3, "state_dict": {"fc.bias": torch.zeros(2)}})
    ({'fc.bias': tensor([0., 0.])}, ("the weights are under 'state_dict'; beside them, and not read: epoch",))
    """
    state, path, beside = _unwrapped(found)
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    _check_plain(tensors)
    said = []
    if path:
        said.append(f"the weights are under '{'.'.join(path)}'" + _not_read(beside))
    if others:
        said.append(f"no tensors, and left out: {_listed(others)}")
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}, tuple(said)


def _unwrapped(found: object) -> tuple[Mapping[object, object], list[str], list[str]]:
    """Go into a checkpoint until there are tensors; return also the names on the way, and those passed by."""
    path: list[str] = []
    beside: list[str] = []
    while isinstance(found, Mapping) and not _is_state(found) and len(path) < _DEEPEST:
        name = _wrapper(found)
        if name is None:
            break
        beside += [str(other) for other in found if other != name]
        path.append(name)
        found = found[name]
    if isinstance(found, Mapping) and _is_state(found):
        return found, path, beside
    raise ModelError(_what(found, path))


def _is_state(found: Mapping[object, object]) -> bool:
    return any(isinstance(value, Tensor) for value in found.values()) and _wrapper(found) is None


def _wrapper(found: Mapping[object, object]) -> str | None:
    """Name the entry of a checkpoint that holds a model's weights: a known name, or else the only one that could."""
    for name in _WRAPPERS:
        if isinstance(found.get(name), Mapping) and found[name]:
            return name
    able = [name for name, value in found.items() if _holds_tensors(value)]
    has_own = any(isinstance(value, Tensor) for value in found.values())
    return str(able[0]) if len(able) == 1 and not has_own and isinstance(able[0], str) else None


def _holds_tensors(value: object) -> bool:
    is_optimizer = isinstance(value, Mapping) and "param_groups" in value
    return isinstance(value, Mapping) and not is_optimizer and any(isinstance(each, Tensor) for each in value.values())


def _what(found: object, path: list[str]) -> str:
    """Say what a file holds that has no state_dict."""
    place = f" under '{'.'.join(path)}'" if path else ""
    if not isinstance(found, Mapping):
        return f"holds no state_dict but a value of type '{type(found).__name__}'{place}"
    if "param_groups" in found:
        return f"holds the state of an optimizer{place}, and no weights of a model"
    if not found:
        return f"holds an empty state_dict{place}"
    able = [str(name) for name, value in found.items() if _holds_tensors(value)]
    if able:
        return f"holds several models{place} ({_listed(able)}), of which one must be saved alone"
    return f"holds no state_dict but{place} {_listed([str(name) for name in found])}"


def _check_plain(tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors can be copied.

    Raises:
        ModelError: one has no numbers, or is sparse, quantized or complex; or together they would not fit into memory,
            for views can be far larger than the file.
    """
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_complex() or not value.is_cpu:
            kind = "quantized" if value.is_quantized else "complex" if value.is_complex() else f"{value.layout}"
            what = f"{kind.removeprefix('torch.')} tensor" + ("" if value.is_cpu else f" on '{value.device}'")
            raise ModelError(f"holds '{name:.60}', a {what}, which is not read; dense real ones are")
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    if total > memory_limit():
        raise ModelError(
            f"may take at most {memory_limit() / 1e9:.3g} GB of memory here, received tensors of {total / 1e9:.3g} GB"
        )


def _not_read(beside: list[str]) -> str:
    return f"; beside them, and not read: {_listed(beside)}" if beside else ""


def _listed(names: list[str]) -> str:
    """List the first names, each cut short."""
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(f"{name:.60}" for name in names[:_SHOWN]) + more
