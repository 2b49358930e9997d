"""What ``headstart convert`` does: safetensors of a pickled file, and what was found in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.table import Table
from torch import Tensor

from headstart.cli.replies import FilesReply
from headstart.cli.saying import say
from headstart.cli.terminal import Terminal, shown
from headstart.core.errors import ModelError, SettingError
from headstart.core.trees import Params
from headstart.core.units import BYTES, scaled
from headstart.models.pickled import ENDINGS
from headstart.models.state import open_state, prefix_of
from headstart.models.weights import check_finite, save

_ENDING = ".safetensors"


def convert(file: Path, out: Path | None, console: Terminal, *, force: bool = False) -> None:
    """Write the tensors of a pickled file as safetensors, names and types as they are, and print what was found.

    Raises:
        SettingError: the file is safetensors already, the other has another ending, or it is there.
        ModelError: the file holds no weights that can be read, or some that are not finite.
    """
    target = out or _beside(file)
    _check_target(file, target, force=force)
    state, said = open_state(file)
    if "__metadata__" in state:
        raise ModelError(f"weights: '{file}' names a tensor '__metadata__', which safetensors keep for themselves")
    check_finite(state, f"weights: '{file}'")
    save(target, state, {"format": "pt"})
    say(lambda: FilesReply((str(target),), "; ".join(said)))
    console.print(_found(file, target, state, said), soft_wrap=False)


def _beside(file: Path) -> Path:
    """Return the path of the same name with the other ending."""
    ending = max((end for end in ENDINGS if file.name.endswith(end)), default=file.suffix, key=len)
    return file.with_name(file.name.removesuffix(ending) + _ENDING)


def _check_target(file: Path, target: Path, *, force: bool) -> None:
    if file.suffix == _ENDING:
        raise SettingError(f"FILE: a pickled file is converted, received '{file}', which is safetensors already")
    if target.suffix != _ENDING:
        raise SettingError(f"--out: the file must end in '{_ENDING}', received '{target}'; rename it")
    if target.is_dir():
        raise SettingError(f"--out: must be a file, received the folder '{target}'; give {target / _beside(file).name}")
    if target.exists() and not force:
        raise SettingError(f"--out: '{target}' is there already; give another file, or --force to overwrite it")


def _found(file: Path, target: Path, state: Params, said: tuple[str, ...]) -> Table:
    block = Table.grid(padding=(0, 2))
    block.add_column(style="dim", no_wrap=True)
    block.add_column(overflow="fold")
    block.add_row("read", shown(f"{file} ({_size(file)})"))
    for label, text in (*_facts(state), *(("found", each) for each in said)):
        block.add_row(label, shown(text))
    block.add_row("written", shown(f"{target} ({_size(target)})"))
    return block


def _facts(state: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Yield what the tensors are."""
    yield "tensors", f"{len(state):,}"
    yield "numbers", ", ".join(f"{count:,} of {kind}" for kind, count in _kinds(state).most_common())
    if prefix := prefix_of(state):
        yield "prefix", f"all names begin with '{prefix}', which is kept; a study strips it where names fit without"
    first, *_, last = (*state, *state)
    yield "names", f"{first:.60} to {last:.60}"


def _kinds(state: Mapping[str, Tensor]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for value in state.values():
        kinds[str(value.dtype).removeprefix("torch.")] += value.numel()
    return kinds


def _size(path: Path) -> str:
    value, unit = scaled(path.stat().st_size, BYTES)
    return f"{value:.3g} {unit}"
