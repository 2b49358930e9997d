"""A backbone that is code of the user's own: who may run it, and the settings that it alone has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.content import fingerprint, hash_json
from headstart.core.errors import ModelError, SettingError
from headstart.models.spec import ModelSpec, is_own

if TYPE_CHECKING:
    from headstart.models.own import Own


def imported_for(model: ModelSpec, folder: Path, *, runs_code: bool) -> Own | None:
    """Import the code that a study file names as its backbone; None where it names none.

    Args:
        model: what it says.
        folder: of the file.
        runs_code: whether the file is the user's own, so that its code may run.

    Raises:
        SettingError: its code may not run here, or gives no module; or settings of own networks are given to others.
    """
    if not is_own(model):
        _check_others(model)
        return None
    if not runs_code:
        raise SettingError(
            f"model.backbone: code runs for the studies of its own user alone, with 'headstart study', 'plan' and "
            f"'diagnose', received {model.backbone!r}; give a built-in network or a checkpoint"
        )
    from headstart.models.own import imported

    try:
        return imported(model.backbone, folder)
    except ModelError as error:
        raise SettingError(str(error)) from error


def described(model: ModelSpec, own: Own | None) -> ModelSpec:
    """Return the specification with what was found of its own module: its content, and whether it knows something."""
    if own is None:
        return model
    weights = fingerprint(Path(model.weights).read_bytes()).hex() if model.weights else ""
    trained = own.trained or model.weights is not None
    return replace(model, content=hash_json([own.content, weights]), trained=trained)


def _check_others(model: ModelSpec) -> None:
    for name in model.says_own:
        raise SettingError(
            f"model.{name}: is for networks of your own, backbone = 'package.module:build', received "
            f"{getattr(model, name)!r} for '{model.backbone}'; leave it out"
        )
