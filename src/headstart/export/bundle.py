"""The bundle of an arm: written beside its place, verified, then renamed; see ``docs/edge.md`` for its format."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.core.arrays import Array
from headstart.core.errors import ModelError, SettingError, require
from headstart.core.version import __version__
from headstart.data.examples import Examples
from headstart.data.pixels import background
from headstart.data.settings import PixelSettings
from headstart.evidence.metrics import pooled_metrics
from headstart.export.finished import Finished, open_finished
from headstart.export.folder import check_new, new_folder
from headstart.models.heads import head_logits
from headstart.models.weights import save

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT, VERSION = "headstart-bundle", 1
FLOAT, INTEGERS = "backbone.onnx", "backbone-int8.onnx"

MOST_DIFFERENCE = 1e-4
"""Of the largest feature: by so much ONNX Runtime's may differ from PyTorch's in float32."""

VERIFIED = 512
"""Examples at most on which a bundle is verified."""


@dataclass(frozen=True)
class Verified:
    """One network of a bundle beside the study's own.

    Attributes:
        name: of the file.
        num_bytes: its size.
        difference: largest difference of a feature, relative to the largest feature.
        accuracy: of the head on validation examples.
        change: of that accuracy against PyTorch's.
    """

    name: str
    num_bytes: int
    difference: float
    accuracy: float
    change: float


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        folder: where it lies.
        networks: verified, float32 first.
        backbone: the one that devices use.
        examples: on how many it was verified.
        seed: whose run it is, with the settings that this seed was tuned to.
        public_key: in hex, if the bundle is signed.
    """

    folder: Path
    networks: tuple[Verified, ...]
    backbone: str
    examples: int
    seed: int
    public_key: str | None = None


def export_arm(
    run: Path,
    arm: str,
    out: Path,
    *,
    seed: int | None = None,
    study: Path | None = None,
    integers: bool = True,
    limit: float = 0.01,
    sign: Path | None = None,
) -> Exported:
    """Write an arm's bundle.

    Args:
        run: folder of a finished study.
        arm: its name.
        out: folder to write; it must not exist, or be empty.
        seed: of the run; None takes the first.
        study: the study file; None takes the run folder's copy.
        integers: whether devices use 8-bit integers, where these keep the accuracy.
        limit: accuracy that 8-bit integers may cost.
        sign: file of an Ed25519 private key (PEM); None leaves the bundle unsigned.

    Raises:
        MissingExtra: the extra ``export`` is not installed.
        SettingError: the arm cannot be exported, or the folder is in use.
        ModelError: ONNX Runtime does not give the study's features.
    """
    for module in ("onnx", "onnxruntime", "cryptography"):
        require(module, "export")
    check_new(out)
    key = _private_key(sign) if sign else None
    finished = open_finished(run, arm, seed, study)
    with new_folder(out) as folder:
        exported = _fill(finished, folder, integers, limit)
        public = _seal(folder, key)
    return Exported(out, *exported, min(VERIFIED, len(finished.validation)), finished.seed, public)


def _fill(finished: Finished, folder: Path, integers: bool, limit: float) -> tuple[tuple[Verified, ...], str]:
    """Write networks, head and settings; return what was verified and the network to use."""
    from headstart.export import onnx_files

    rows = finished.validation[:VERIFIED]
    onnx_files.write_float(finished.model, finished.raw(rows[:1]), folder / FLOAT)
    found = [_verify(finished, folder / FLOAT, rows)]
    if found[0].difference > MOST_DIFFERENCE:
        raise ModelError(
            f"export: ONNX Runtime must give the study's features to {MOST_DIFFERENCE:g}, received a difference of "
            f"{found[0].difference:.1e} with '{finished.model.network.name}'; export an arm with another backbone"
        )
    if integers:
        onnx_files.write_integers(folder / FLOAT, folder / INTEGERS, _calibration(finished))
        found.append(_verify(finished, folder / INTEGERS, rows))
    use = INTEGERS if integers and found[1].change >= -limit else FLOAT
    save(folder / "head.safetensors", {name: value.float() for name, value in finished.head.items()})
    (folder / "settings.json").write_text(json.dumps(_settings(finished, use), indent=1), encoding="utf-8")
    return tuple(found), use


def _calibration(finished: Finished) -> Array:
    """Return inputs of the central pool, or, where there is none, of the clients' training data."""
    central = finished.lab.federation.central
    if central is not None:
        return np.ascontiguousarray(central.inputs)
    return finished.raw(finished.training).numpy()


def _verify(finished: Finished, path: Path, rows: Array) -> Verified:
    from headstart.export import onnx_files

    own = finished.features(rows)
    found = torch.from_numpy(onnx_files.open_network(path)(finished.raw(rows).numpy())).to(own.dtype)
    difference = float((found - own).abs().max() / own.abs().max().clamp_min(1e-12))
    accuracy, before = (_accuracy(finished, features, rows) for features in (found, own))
    return Verified(path.name, path.stat().st_size, difference, accuracy, accuracy - before)


def _accuracy(finished: Finished, features: torch.Tensor, rows: Array) -> float:
    examples = finished.lab.federation.examples
    probabilities = head_logits(finished.head, features).softmax(-1).double().numpy()
    return pooled_metrics(examples.truth[rows], probabilities, examples.task, names=("accuracy",))["accuracy"]


def _settings(finished: Finished, backbone: str) -> dict[str, Any]:
    examples = finished.lab.federation.examples
    kinds: dict[str, Any] = {"image": _picture(examples)}
    given = {"kind": examples.kind, **kinds.get(examples.kind, {"columns": list(examples.columns)})}
    return {
        "labels": list(examples.classes),
        "input": given,
        "num_features": finished.model.network.num_features,
        "backbone": backbone,
        "adapt": finished.adapt,
        "metric": finished.metric,
        "seed": finished.seed,
        "study": finished.study,
        "arm": finished.arm.name,
    }


def _picture(examples: Examples) -> dict[str, Any]:
    """Say what a picture must be, and by which rules the study made bytes of it."""
    pixels = examples.pixels or PixelSettings()
    shape = dict(zip(("channels", "height", "width"), examples.shape, strict=False))
    return {**shape, "background": background(pixels), "range": pixels.range}


def _seal(folder: Path, key: Ed25519PrivateKey | None) -> str | None:
    """Write the manifest, and its signature."""
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
    }
    text = json.dumps(
        {"format": FORMAT, "version": VERSION, "files": files, "created_by": f"headstart {__version__}"},
        indent=1,
    )
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    if key is None:
        return None
    (folder / "manifest.sig").write_bytes(key.sign(text.encode()))
    return key.public_key().public_bytes_raw().hex()


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    reason = "it is a key of another kind"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        key, reason = None, str(error)
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(
            f"sign: must be a file of an Ed25519 private key (PEM), received '{path}' ({reason}); make one with: "
            "openssl genpkey -algorithm ed25519 -out key.pem"
        )
    return key
