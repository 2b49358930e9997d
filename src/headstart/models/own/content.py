"""What names an own network by content: its code as far as it can be read, its structure, its weights."""

from __future__ import annotations

import inspect
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.content import hash_json, hash_tree
from headstart.core.trees import Params

LIBRARIES = (
    *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[2]),
)
"""Folders of Python's own modules, of those that are installed, and of this package."""


def content_of(module: nn.Module, built_by: str, *, with_weights: bool) -> str:
    """Name a module by content.

    Args:
        module: any.
        built_by: names the code that made it.
        with_weights: whether its weights belong to it; those that are drawn anew each time do not.
    """
    kinds = {type(part) for part in module.modules()}
    code = sorted(f"{kind.__module__}.{kind.__qualname__} {code_of(kind)}" for kind in kinds)
    weights = hash_tree({name: _readable(value) for name, value in tensors(module).items()}) if with_weights else ""
    return hash_json([built_by, code, repr(module), weights])


def tensors(module: nn.Module) -> Params:
    """Return a module's weights and buffers, without what else its ``state_dict`` may hold."""
    return {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}


def code_of(thing: Callable[..., Any]) -> str:
    """Name the code of a class or a function: of a user's, the whole file in which it stands.

    What helps it stands there too, most often. Where there is no file, as in a notebook, its own lines or its
    compiled code are taken; of a library, its name is enough.
    """
    try:
        path = inspect.getsourcefile(thing)
    except TypeError:
        path = None
    if path and path.startswith(LIBRARIES):
        return ""
    try:
        said = Path(path).read_text(encoding="utf-8") if path else inspect.getsource(thing)
    except (OSError, TypeError, UnicodeDecodeError):
        said = _compiled(thing)
    return hash_json(said)


def _readable(value: Tensor) -> Tensor:
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def _compiled(thing: Any) -> str:
    code = getattr(getattr(thing, "forward", thing), "__code__", None)
    return f"{code.co_code.hex()} {code.co_names}" if code else ""
