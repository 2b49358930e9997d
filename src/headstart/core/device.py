"""Where tensors live and are computed, and in which precision: the processor, or a graphics card.

Float64, in which heads are solved and predictions are scored, is always exact; so are random numbers, which are drawn
on the processor whatever the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor

from headstart.core.errors import SettingError
from headstart.core.trees import Tree

CPU = torch.device("cpu")

Precision = Literal["float32", "tf32", "bf16"]
"""How a network's layers multiply: exactly, with 10 bits on a card's units for TF32, or with 7 in bfloat16."""

_HOW_TO_INSTALL = "on Linux: pip install --force-reinstall 'torch>=2.6,<2.14'"
"""PyTorch's usual package; a build for the processor, of the same version, would stay without the option."""

_FREE_SHARE = 0.5
"""Share of a card's free memory that data may take; the rest is for weights, activations and results."""


def find_device(wanted: str) -> torch.device:
    """Return the device of a setting.

    Args:
        wanted: ``auto``, which takes a card of NVIDIA's or AMD's where there is one, or a device by its name.

    Raises:
        SettingError: it is not there, or it lacks float64.

    >>> find_device("cpu")
    device(type='cpu')
    """
    if wanted == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else CPU
    kind, _, number = wanted.partition(":")
    if kind == "mps":
        raise SettingError(
            "engine.device: must have float64, in which heads are solved and predictions scored, received 'mps', "
            "which has none; write device = 'cpu'"
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise SettingError(f"engine.device: must be there, received '{wanted}': {_what_is_there()}")
    return torch.device("cuda", int(number or 0)) if kind == "cuda" else torch.device(kind)


def _what_is_there() -> str:
    if not (torch.version.cuda or torch.version.hip):
        return (
            f"PyTorch {torch.__version__} was built for the processor alone; for NVIDIA's cards install another build "
            f"({_HOW_TO_INSTALL}), or write device = 'cpu'"
        )
    built = f"PyTorch {torch.__version__}, built for " + (
        f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {torch.version.hip}"
    )
    if not (count := torch.cuda.device_count()):
        return f"{built}, finds no card; check the driver with nvidia-smi, or write device = 'cpu'"
    names = ", ".join(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(count))
    return f"{built}, finds {names}; write one of these, or device = 'auto'"


def check_precision(device: torch.device, precision: Precision) -> None:
    """Refuse a precision that a device lacks.

    Raises:
        SettingError: TF32 away from NVIDIA's cards, bfloat16 on a card without it.

    >>> check_precision(CPU, "tf32")
    Traceback (most recent call last):
    headstart.core.errors.SettingError: engine.precision: 'tf32' is for NVIDIA's cards of 2020 (Ampere) and later...
    """
    if precision == "tf32" and (device.type != "cuda" or torch.version.hip or _generation(device) < (8, 0)):
        raise SettingError(
            f"engine.precision: 'tf32' is for NVIDIA's cards of 2020 (Ampere) and later, received it with the device "
            f"'{name_of(device)}'; write precision = 'float32'"
        )
    if precision == "bf16" and device.type == "cuda" and not torch.version.hip and _generation(device) < (8, 0):
        raise SettingError(
            f"engine.precision: 'bf16' needs a card of 2020 (Ampere) or later, received it with the device "
            f"'{name_of(device)}'; write precision = 'float32'"
        )


def check_processor(device: str, precision: Precision) -> None:
    """Refuse settings of a card where clients' work is done at sites, on their processors.

    Raises:
        SettingError: a card is named, or products that are not exact.

    >>> check_processor("auto", "float32")
    """
    if device not in ("auto", "cpu") or precision != "float32":
        raise SettingError(
            f"engine.device: sites compute on their processors, with exact float32, received device = '{device}' and "
            f"precision = '{precision}'; leave both out for a federation of sites"
        )


def _generation(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def name_of(device: torch.device) -> str:
    """Return what a reader calls a device.

    >>> name_of(CPU)
    'cpu'
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def lowered(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Let layers multiply in bfloat16, where that is the precision; weights stay what they are."""
    if precision != "bf16":
        return nullcontext()
    # Cached copies of weights would outlive a transform of functions, or a recorded graph.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


@contextmanager
def rounding(device: torch.device, precision: Precision) -> Iterator[None]:
    """Let a card multiply float32 as the precision says, and as before afterwards; PyTorch itself rounds convolutions.

    Args:
        device: where.
        precision: ``tf32`` rounds products and convolutions to 10 bits, others leave float32 exact.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def placed(tree: Mapping[str, Tensor], device: torch.device) -> Tree:
    """Return a tree on a device; tensors that are there already are the same."""
    return {name: value.to(device) for name, value in tree.items()}


def free_bytes(device: torch.device) -> int | None:
    """Return the memory of a card that is free, or that PyTorch keeps unused; None where nothing can say so.

    >>> free_bytes(CPU) is None
    True
    """
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def fits(num_bytes: int, device: torch.device) -> bool:
    """Say whether data of this size may stay on a device: on a card, in half of what is free."""
    free = free_bytes(device)
    return free is None or num_bytes <= _FREE_SHARE * free
