"""A finished arm's model in the format that a user's own tools read, with a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from headstart.core.errors import SettingError, nearest
from headstart.core.files import write_text
from headstart.export.card import card
from headstart.export.code import NAME, network_code
from headstart.export.folder import check_new, new_folder
from headstart.export.hugging_face import write_classifier
from headstart.export.leaving import Leaving, check_leaves, take_out
from headstart.export.loading import Loading, loads_by_code, loads_by_own_module, loads_onnx, loads_transformers
from headstart.export.meaning import labels_of, preprocessing_of
from headstart.export.measured import measured
from headstart.export.opened import open_run, read_study, recommended_arm
from headstart.export.portable import portable
from headstart.export.tried import Compared, try_code
from headstart.export.whole_onnx import write_onnx
from headstart.models.checkpoints.hub import quiet
from headstart.models.checkpoints.tokens import read_tokenizer
from headstart.models.weights import save
from headstart.report.run import load_run
from headstart.study.study import Study


@dataclass(frozen=True)
class Written:
    """An export that was written.

    Attributes:
        folder: where it lies.
        arm: whose model it is.
        seed: of the run.
        compared: its predictions with the study's own; None where only the user can build the network.
        recorded: of how many test examples, of how many, the run's record has the same class; None if it has none.
        words: what is to be known of it; empty if nothing is.
    """

    folder: Path
    arm: str
    seed: int
    compared: Compared | None
    recorded: tuple[int, int] | None
    words: str


_Done = tuple[Loading, Compared | None]
_Write = Callable[[Leaving, Path], _Done]


def export_model(
    run: Path,
    arm: str | None,
    name: str,
    out: Path,
    *,
    seed: int | None = None,
    client: str | None = None,
    study: Path | Study | None = None,
) -> Written:
    """Write an arm's model.

    Args:
        run: folder of a finished study.
        arm: its name; None takes the one that the verdict recommends.
        name: of the format, see :data:`FORMATS`.
        out: folder to write; it must not exist, or be empty.
        seed: of the run; None takes the first.
        client: whose own model; None takes the one that clients share.
        study: the study, or its file; None takes the run folder's copy.

    Raises:
        SettingError: the arm, the seed, the client, the format or the folder cannot be.
        ModelError: the format does not fit the network, or what was written does not predict as the study does.
        MissingExtra: an extra is not installed.
    """
    if name not in FORMATS:
        raise SettingError(f"format: must be one that is known, received {name!r}; {nearest(name, FORMATS)}")
    check_new(out)
    file = study if isinstance(study, Study) else read_study(run, study)
    chosen = arm or recommended_arm(run)
    opened = open_run(run, chosen, seed, file, check=check_leaves)
    leaving, said = take_out(opened, client), load_run(run)
    with new_folder(out) as folder:
        _write_meanings(leaving, folder)
        loading, compared = FORMATS[name](leaving, folder)
        write_text(folder / "README.md", card(leaving, said, loading, measured(leaving, said)))
    return Written(out, chosen, opened.seed, compared, leaving.recorded(), loading.words)


def _safetensors(leaving: Leaving, folder: Path) -> _Done:
    return _by_names(leaving, folder, "model.safetensors", "safetensors")


def _state_dict(leaving: Leaving, folder: Path) -> _Done:
    return _by_names(leaving, folder, "model.pth")


def _by_names(leaving: Leaving, folder: Path, file: str, *needs: str) -> _Done:
    """Write weights by the names of a module, and the code that loads them into it."""
    found = portable(leaving)
    found.write(folder)
    if file == "model.pth":
        # A copy of their own: else a view would take all that it is a view of into the file.
        torch.save({name: value.detach().clone() for name, value in found.tensors.items()}, folder / file)
    else:
        save(folder / file, dict(found.tensors))
    write_text(folder / NAME, network_code(found.code, leaving.examples.kind, leaving.task.kind, file))
    if not found.code.build:
        return loads_by_own_module(leaving, *needs), None
    needs = (*needs, *(("transformers",) if "transformers" in " ".join(found.code.imports) else ()))
    return loads_by_code(leaving, *needs), try_code(leaving, folder)


def _transformers(leaving: Leaving, folder: Path) -> _Done:
    how, compared = write_classifier(leaving, folder)
    return loads_transformers(leaving, how), compared


def _onnx(leaving: Leaving, folder: Path) -> _Done:
    compared = write_onnx(leaving, folder)
    return loads_onnx(leaving), compared


FORMATS: Mapping[str, _Write] = {
    "onnx": _onnx,
    "safetensors": _safetensors,
    "state_dict": _state_dict,
    "transformers": _transformers,
}
"""What writes each format into a folder; it says how that is loaded, and how near its predictions are."""


def _write_meanings(leaving: Leaving, folder: Path) -> None:
    """Write what all formats have: what is read and what is said, and the tokenizer of texts."""
    for name, value in (("preprocessing", preprocessing_of(leaving)), ("labels", labels_of(leaving.task))):
        write_text(folder / f"{name}.json", json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    if leaving.examples.kind == "text":
        with quiet():
            read_tokenizer(leaving.spec)[0].save_pretrained(folder)
