"""Files that PyTorch pickled (.pth, .pt, .bin, .ckpt): tensors are read from them, and nothing in them is run."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from argparse import Namespace
from pathlib import Path

import torch

from headstart.core.errors import HeadstartError, ModelError
from headstart.core.limits import memory_limit
from headstart.core.trees import Params
from headstart.models.unwrapped import state_of

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".pth.tar")
"""How such files are called."""

HOW_TO_SAVE = "where the model was made, save its weights alone: torch.save(model.state_dict(), 'weights.pth')"

_REFUSED = "eights only load failed"
"""What PyTorch says of a pickle that is more than tensors and plain values."""

_ZIP = b"PK\x03\x04"
_LARGEST_PICKLE = 64 * 2**20
"""Bytes of the part that says which tensors there are; those of 10,000 tensors take about 1.5 MB."""

_KINDS = (
    (b"version https://git-lfs", "it is a pointer of Git LFS; fetch the file itself with git lfs pull"),
    (b"<", "it is a page of HTML or XML, perhaps of a download that failed; get the file anew"),
    (b"\x89HDF", "it is HDF5, which Keras writes; Headstart reads networks of PyTorch"),
)
"""How files begin that are often called so by mistake."""


def read_pickled(path: Path) -> tuple[Params, tuple[str, ...]]:
    """Read the tensors of a pickled file, those of a checkpoint out of what holds them.

    ``torch.load`` reads it with ``weights_only=True``, which knows tensors and plain values and runs nothing else. To
    those values belong a script's parsed arguments, which many checkpoints keep: names and values, and no code.

    Returns:
        The tensors as they are in the file, in memory of their own, and sentences on what was found.

    Raises:
        ModelError: it is empty, torn, another kind of file, larger than the memory, or holds more than tensors and
            plain values.
    """
    _check_begin(path)
    is_zip = _check_zip(path)
    try:
        # Legacy files cannot be mapped.
        with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
            # What it warns of is refused, or read all the same.
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # of what a bad file makes the library raise there is no list
        raise ModelError(f"weights: '{path}' {_why(error)}") from error
    try:
        return state_of(found)
    except HeadstartError as error:
        raise ModelError(f"weights: '{path}' {error}; {HOW_TO_SAVE}") from None


def _check_begin(path: Path) -> None:
    """Refuse what is surely no such file.

    Raises:
        ModelError: it is empty, larger than the memory, or begins as another kind of file does.
    """
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"weights: '{path}' is empty; get the file anew")
    if size > memory_limit():
        raise _too_large(path, size)
    with path.open("rb") as file:
        begin = file.read(64).lstrip()
    for sign, meaning in _KINDS:
        if begin.startswith(sign):
            raise ModelError(f"weights: '{path}' holds no weights: {meaning}")


def _check_zip(path: Path) -> bool:
    """Say whether a file is a zip archive that can be mapped into memory; older versions wrote another format.

    Raises:
        ModelError: it is torn or damaged, a program, or would not fit into memory.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive)
            return all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"weights: '{path}' is torn or damaged ({error}); get the file anew") from error


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if (total := sum(each.file_size for each in entries)) > memory_limit():
        raise _too_large(path, total)
    names = [each.filename for each in entries]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise ModelError(
            f"weights: '{path}' is a program (TorchScript), of which nothing is run; save the weights alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
        )
    pickles = [each for each in entries if each.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError(f"weights: '{path}' is a zip archive, but no file of weights of PyTorch; {HOW_TO_SAVE}")
    if pickles[0].file_size > _LARGEST_PICKLE:
        raise ModelError(
            f"weights: the list of tensors in '{path}' may have at most {_LARGEST_PICKLE:,} bytes, received "
            f"{pickles[0].file_size:,}; {HOW_TO_SAVE}"
        )
    _check_sums(archive, pickles[0].filename)


def _check_sums(archive: zipfile.ZipFile, pickle: str) -> None:
    """Hold the bytes against their checksums, which PyTorch does not; it can be told to write none.

    Raises:
        BadZipFile: a tensor is not what was written.
    """
    try:
        archive.read(pickle)
    except zipfile.BadZipFile:
        return
    if bad := archive.testzip():
        raise zipfile.BadZipFile(f"the bytes of '{bad:.60}' are not those that were written")


def _too_large(path: Path, size: int) -> ModelError:
    return ModelError(
        f"weights: '{path}' may take at most {memory_limit() / 1e9:.3g} GB of memory here, received {size / 1e9:.3g} "
        "GB; give a smaller model, or allow more with HEADSTART_MEMORY_GB"
    )


def _why(error: Exception) -> str:
    """Say in one line what is wrong, and what to do."""
    says = str(error)
    name = re.search(r"(?:GLOBAL|class|function) ['\"]?([\w.]{1,80})", says)
    if name and _REFUSED in says:
        return f"holds more than tensors ('{name[1]}'), which is never run; {HOW_TO_SAVE}"
    return f"is torn, or no file of weights of PyTorch; get the file anew, or {HOW_TO_SAVE}"
