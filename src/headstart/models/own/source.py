"""Where an own network comes from: code that is imported, or a module object."""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from headstart.core.errors import ModelError, nearest
from headstart.core.trees import num_bytes
from headstart.models.checkpoints.hub import first_line
from headstart.models.own.content import LIBRARIES, code_of, content_of
from headstart.models.own.untrained import looks_untrained

_Make = Callable[[int], nn.Module]
"""Builds the module anew, for so many classes."""


@dataclass(frozen=True, eq=False)
class Own:
    """A user's own network.

    Attributes:
        name: as a study names it.
        module: as built, or as given; never changed.
        make: builds it anew; None where an object was given.
        trained: whether its weights know something, as far as can be told.
        draws: whether ``make`` draws other weights each time.
        content: names its code, and its weights where they are always the same.
    """

    name: str
    module: nn.Module
    make: _Make | None
    trained: bool
    draws: bool
    content: str

    def fresh(self, num_classes: int, *, from_scratch: bool) -> nn.Module:
        """Return a module that may be changed: with its own weights, or with random ones.

        Random weights are those that the function draws, where it draws any. Otherwise every submodule that has a
        ``reset_parameters`` draws its own; other weights stay as they came.
        """
        module = copy.deepcopy(self.module) if self.make is None else self.make(num_classes)
        if from_scratch and not self.draws:
            for part in module.modules():
                reset(part)
        return module.to("cpu", torch.float32)


def given(module: nn.Module) -> Own:
    """Take a module object as a network.

    Raises:
        ModelError: it is none.

    >>> given(nn.Sequential(nn.Flatten(), nn.Linear(4, 2))).trained
    False
    """
    if not isinstance(module, nn.Module):
        raise ModelError(f"backbone: must be a name or an nn.Module, received {type(module).__name__}; give one")
    _check_sizes(module, type(module).__name__)
    content = content_of(module, code_of(type(module)), with_weights=True)
    name = f"python:{type(module).__name__}-{content[:12]}"
    return Own(name, module, None, trained=not looks_untrained(module), draws=False, content=content)


def imported(name: str, folder: Path) -> Own:
    """Import a function, or a class, that returns a module, and call it.

    Args:
        name: such as ``package.module:build``.
        folder: of the study file, from which modules can be imported too.

    Raises:
        ModelError: there is none, it raises, or returns no ``nn.Module``.
    """
    home, _, attribute = name.partition(":")
    if home == "python":
        raise ModelError(
            f"model.backbone: must be what a file can name, received {name!r}, which was made in Python; give the "
            "module to headstart.Study"
        )
    with _importable(folder):
        found = _found(name, home, attribute)
        one, other = (_made(name, found, num_classes=2, seed=seed) for seed in (0, 1))
    draws = not _mostly_equal(one, other)
    content = content_of(one, code_of(found), with_weights=not draws)
    return Own(
        name,
        one,
        lambda classes: _made(name, found, num_classes=classes),
        trained=not draws and not looks_untrained(one),
        draws=draws,
        content=content,
    )


def reset(part: nn.Module) -> bool:
    """Draw a module's own weights anew; say whether it knows how."""
    for word in ("reset_parameters", "_reset_parameters"):
        draw = getattr(part, word, None)
        if callable(draw) and not inspect.signature(draw).parameters:
            draw()
            return True
    return False


def _found(name: str, home: str, attribute: str) -> Callable[..., Any]:
    try:
        module = importlib.import_module(home)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"model.backbone: {name!r} needs the module '{error.name}', which cannot be imported; put it beside the "
            "study file, or install it"
        ) from None
    except Exception as error:  # a user's module may raise anything
        raise ModelError(f"model.backbone: importing '{home}' raises {_said(error)}; mend it") from error
    found = getattr(module, attribute, None)
    if found is None:
        names = [word for word in vars(module) if callable(getattr(module, word)) and not word.startswith("_")]
        raise ModelError(f"model.backbone: '{home}' has no {attribute!r}; {nearest(attribute, names)}")
    if not callable(found):
        raise ModelError(
            f"model.backbone: must be a function or a class, received {name!r}, of the type {type(found).__name__}; "
            "write a function that returns it"
        )
    return found  # type: ignore[no-any-return]


def _made(name: str, build: Callable[..., Any], *, num_classes: int, seed: int | None = None) -> nn.Module:
    """Call a user's function; with a seed, PyTorch's random state is left as it was.

    Raises:
        ModelError: it raises, or returns no module.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        try:
            made = build(**_arguments(name, build, num_classes))
        except ModelError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise ModelError(f"model.backbone: calling {name!r} raises {_said(error)}; mend it") from error
    if not isinstance(made, nn.Module):
        raise ModelError(
            f"model.backbone: {name!r} must return an nn.Module, received {type(made).__name__}; return it"
        )
    _check_sizes(made, name)
    return made


def _check_sizes(module: nn.Module, name: str) -> None:
    """Check that every weight has a size, and that layers can be looked at.

    Raises:
        ModelError: a lazy layer waits for its first batch, or the module was scripted.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(f"model.backbone: must be plain Python, received '{name}', a ScriptModule; give what it is of")
    lazy = next((word for word, value in module.named_parameters() if is_lazy(value)), None)
    if lazy:
        raise ModelError(
            f"model.backbone: every weight must have its size, received '{lazy}' of '{name}', which waits for a first "
            "batch; run the module once before"
        )


def _arguments(name: str, build: Callable[..., Any], num_classes: int) -> dict[str, int]:
    try:
        takes = inspect.signature(build).parameters
    except (TypeError, ValueError):  # of a builtin nothing is known
        return {}
    needed = [
        one.name
        for one in takes.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    if set(needed) - {"num_classes"}:
        raise ModelError(
            f"model.backbone: {name!r} must be callable without arguments (num_classes aside), received one that needs "
            f"'{next(word for word in needed if word != 'num_classes')}'; write a function that calls it"
        )
    return {"num_classes": num_classes} if "num_classes" in takes else {}


def _mostly_equal(one: nn.Module, other: nn.Module) -> bool:
    """Say whether two modules of one function have the same weights, a new head aside: such were not drawn."""
    pairs = list(zip(one.parameters(), other.parameters(), strict=False))
    same = [a for a, b in pairs if a.shape == b.shape and a.dim() > 1 and torch.equal(a, b)]
    return 2 * _size(same) > _size([a for a, _ in pairs if a.dim() > 1])


def _size(values: list[Any]) -> int:
    return num_bytes({str(place): value for place, value in enumerate(values)})


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported meanwhile; what was imported from another folder under its name is not it."""
    place, before = str(folder.resolve()), list(sys.path)
    _forget(folder.resolve())
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def _forget(folder: Path) -> None:
    """Forget what was imported from elsewhere under the name of a module in this folder, libraries aside."""
    here = {path.stem for path in folder.glob("*") if path.suffix == ".py" or path.is_dir()}
    for name, module in list(sys.modules.items()):
        path = str(getattr(module, "__file__", None) or folder)
        if name.partition(".")[0] in here and not path.startswith((str(folder), *LIBRARIES)):
            del sys.modules[name]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
