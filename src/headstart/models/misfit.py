"""What keeps a file of weights from fitting a module: names that are missing, unknown ones, other shapes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

_MAY_MISS = "num_batches_tracked"
"""BatchNorm's count of batches, which nothing here reads and old files lack."""

_SHOWN = 3
_LONGEST = 60


def misfit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """List the differences of a file's tensors from those that a module wants, a line for each kind; empty if none.

    Each line has a count and the first names, with the likeliest names of the other side.

    >>> print(misfit({"fc.weigth": Tensor(2, 3)}, {"fc.weight": Tensor(2, 3)}))
    1 missing from the file: 'fc.weight' (there is 'fc.weigth')
    1 not the model's: 'fc.weigth' (it has 'fc.weight')
    """
    missing = [name for name in wanted if name not in state and not name.endswith(_MAY_MISS)]
    unknown = [name for name in state if name not in wanted and not name.endswith(_MAY_MISS)]
    wrong = [name for name in wanted if name in state and not _alike(state[name], wanted[name])]
    lines = [
        *_line("missing from the file", missing, lambda name: _near(name, unknown, "there is")),
        *_line("not the model's", unknown, lambda name: _near(name, missing, "it has")),
        *_line("of another shape or type", wrong, lambda name: f" ({_kind(state[name])}, not {_kind(wanted[name])})"),
    ]
    return "\n".join(lines)


def _line(what: str, names: Sequence[str], more: Callable[[str], str]) -> Iterator[str]:
    if names:
        shown = ", ".join(f"'{name:.{_LONGEST}}'{more(name)}" for name in names[:_SHOWN])
        yield f"{len(names)} {what}: {shown}" + (", …" if len(names) > _SHOWN else "")


def _near(name: str, others: Sequence[str], words: str) -> str:
    close = difflib.get_close_matches(name, others, n=1, cutoff=0.6)
    return f" ({words} '{close[0]:.{_LONGEST}}')" if close else ""


def _alike(found: Tensor, wanted: Tensor) -> bool:
    kinds = [(value.is_floating_point(), value.is_complex()) for value in (found, wanted)]
    return found.shape == wanted.shape and kinds[0] == kinds[1]


def _kind(value: Tensor) -> str:
    """Say a tensor's shape, and its type where that is not the usual one."""
    shape = " x ".join(map(str, value.shape)) or "a number"
    return shape if value.is_floating_point() else f"{shape} of {str(value.dtype).removeprefix('torch.')}"
