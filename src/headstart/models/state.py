"""Weights of a user's own: read from safetensors or a pickled file, and fitted to a module by name and shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from headstart.core.errors import ModelError
from headstart.core.files import check_readable
from headstart.core.trees import Params
from headstart.models import weights
from headstart.models.misfit import misfit
from headstart.models.pickled import ENDINGS, read_pickled

_PREFIXES = frozenset({"module", "backbone", "model", "encoder", "net", "_orig_mod"})
"""First words of names that wrappers add: DataParallel, torch.compile, Lightning and training scripts."""


def read_state(path: Path) -> Params:
    """Read the tensors of a file, as they are in it: safetensors, or what ``torch.save`` wrote of a ``state_dict``.

    Raises:
        ModelError: there is no such file, or it holds no weights that can be read without running anything.
    """
    return open_state(path)[0]


def open_state(path: Path) -> tuple[Params, tuple[str, ...]]:
    """Read the tensors of a file as ``read_state`` does; return also sentences on what was found there.

    Raises:
        ModelError: as ``read_state``.
    """
    if path.suffix == ".safetensors":
        return weights.load(path)[0], ()
    if not path.is_file():
        raise ModelError(f"weights: there is no file '{path}'; give a file of weights of PyTorch, or safetensors")
    check_readable(path)
    if not path.name.endswith(ENDINGS):
        raise ModelError(
            f"weights: files end in .safetensors, {', '.join(ENDINGS)}, received '{path}'{_other_kind(path)}"
        )
    return read_pickled(path)


def _other_kind(path: Path) -> str:
    other = {".onnx": "ONNX", ".h5": "Keras", ".keras": "Keras", ".pb": "TensorFlow", ".tflite": "TensorFlow"}
    if path.suffix not in other:
        return "; rename it if it is one of these"
    return f", which is of {other[path.suffix]}: give the weights as PyTorch saved them, torch.save(model.state_dict())"


def fit_state(module: nn.Module, state: Mapping[str, Tensor], *, head: str | None) -> tuple[Params, tuple[str, ...]]:
    """Match the tensors of a file with a module's ``state_dict`` by name and shape.

    Prefixes that wrappers add are stripped where that makes more names fit. Floats take the module's own type.

    Args:
        module: whose names and shapes count; its weights are neither read nor changed.
        state: the tensors, as ``read_state`` returns them.
        head: dotted name of the module's head. Where the file has none of it, or one of other classes (its tensors
            differ from the module's in the number of outputs alone), it is left out of the result: the module's own
            stands. None allows no such thing.

    Returns:
        What to give to ``module.load_state_dict(…, strict=False)``, and sentences on what was done.

    Raises:
        ModelError: tensors are missing, unexpected or of other shapes, which are named; or weights are not finite.

    >>> state = {"module.weight": Tensor(5, 3).fill_(1), "module.bias": Tensor(5).fill_(0)}
    >>> fitted, said = fit_state(nn.Linear(3, 5), state, head=None)
    >>> fitted["bias"].shape, said
    (torch.Size([5]), ("the prefix 'module.' is stripped from 2 of 2 names",))
    """
    wanted = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    named, said = _stripped(state, wanted)
    left_out = _other_head(named, wanted, head)
    kept = {name: value for name, value in named.items() if name not in left_out}
    if differences := misfit(kept, {name: value for name, value in wanted.items() if name not in left_out}):
        raise ModelError(
            f"weights: the file must hold the model's {len(wanted)} tensors, received {len(state)}, of which some do "
            f"not fit; give weights of this very network, or rename them\n{differences}"
        )
    fitted = {name: kept[name].to(value.dtype) for name, value in wanted.items() if name in kept}
    weights.check_finite(fitted, "weights: the file")
    return fitted, (*said, *_new_head(named, wanted, left_out, head), *_converted(kept, fitted))


def _stripped(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> tuple[Params, tuple[str, ...]]:
    """Strip the prefix that makes the most names fit, if any makes more fit."""
    best, most = "", len(state.keys() & wanted.keys())
    for prefix in sorted({prefix for name in state for prefix in _prefixes(name)}, key=lambda each: (len(each), each)):
        fitting = sum(name.removeprefix(prefix) in wanted for name in state)
        if fitting > most:
            best, most = prefix, fitting
    if not best:
        return dict(state), ()
    # A name that stands there with the prefix and without it keeps the one without.
    named = {name.removeprefix(best): value for name, value in state.items() if name.startswith(best)}
    others = {name: value for name, value in state.items() if not name.startswith(best)}
    return named | others, (f"the prefix '{best}' is stripped from {len(named)} of {len(state)} names",)


def _prefixes(name: str) -> Iterator[str]:
    """Yield the prefixes of a name that are made of known words.

    >>> list(_prefixes("module.model.fc.weight"))
    ['module.', 'module.model.']
    """
    prefix = ""
    for word in name.split(".")[:-1]:
        if word not in _PREFIXES:
            return
        prefix += f"{word}."
        yield prefix


def prefix_of(state: Mapping[str, Tensor]) -> str:
    """Return the longest prefix of wrappers that all names have; empty if there is none.

    >>> prefix_of({"module.fc.weight": Tensor(), "module.fc.bias": Tensor()})
    'module.'
    """
    found = (prefix for prefix in _prefixes(next(iter(state), "")) if all(name.startswith(prefix) for name in state))
    return max(found, default="", key=len)


def _other_head(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], head: str | None) -> frozenset[str]:
    """Name the tensors of a head that has other classes than the module's, or that the file lacks; else none."""
    names = frozenset(name for name in wanted if head and name.startswith(f"{head}."))
    found = names & state.keys()
    differ = [name for name in found if state[name].shape != wanted[name].shape]
    others = all(state[name].shape[1:] == wanted[name].shape[1:] and state[name].dim() for name in found)
    return names if others and (differ or not found) else frozenset()


def _new_head(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], left_out: frozenset[str], head: str | None
) -> Iterator[str]:
    if not left_out:
        return
    name = next((name for name in sorted(left_out) if name in state), None)
    if name is None:
        yield f"the file has no head '{head}': a new one stands"
    else:
        yield (
            f"the head '{head}' of the file has {len(state[name]):,} outputs and the model {len(wanted[name]):,}: it "
            "is left out, a new one stands"
        )


def _converted(state: Mapping[str, Tensor], fitted: Mapping[str, Tensor]) -> Iterator[str]:
    changed = [name for name, value in fitted.items() if value.dtype != state[name].dtype and value.is_floating_point()]
    if changed:
        kinds = sorted({_type(state[name]) for name in changed})
        now = sorted({_type(fitted[name]) for name in changed})
        yield f"{len(changed)} tensors of type {', '.join(kinds)} are read as {', '.join(now)}"


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
