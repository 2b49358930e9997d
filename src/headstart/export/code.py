"""The code that goes with weights: ``network.py``, which needs PyTorch and perhaps Transformers, and no Headstart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headstart.core.task import TaskKind
from headstart.core.version import __version__
from headstart.data.examples import InputKind

NAME = "network.py"


@dataclass(frozen=True, kw_only=True)
class Code:
    """How a network is built, as text.

    Attributes:
        build: the class or function ``build``, whose module has the names of the weights; empty of a user's own.
        imports: lines that it needs.
    """

    build: str
    imports: tuple[str, ...] = ()


OWN = Code(build="")
"""The network is the user's: who loads the weights gives it."""


@dataclass(frozen=True)
class _Reader:
    imports: tuple[str, ...]
    text: str


_PICTURES = '''\
def prepare(pictures):
    """Return what the network reads, of pictures: paths, or images of Pillow."""
    return torch.stack([_numbers(one) for one in pictures])


def _numbers(picture):
    image = ImageOps.exif_transpose(picture if isinstance(picture, Image.Image) else Image.open(picture))
    if image.mode[0] in "IF":
        raise ValueError(f"scale its values from {SAID['range']} to 0 ... 255 first")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*SAID["background"], 255)), image)
    image, size = image.convert("L" if SAID["channels"] == 1 else "RGB"), (SAID["width"], SAID["height"])
    if image.size != size:
        image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image)).float() * SAID["rescale"]
    pixels = pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)
    mean, std = (torch.tensor(SAID[name]).view(-1, 1, 1) for name in ("mean", "std"))
    return (pixels.expand(len(mean), -1, -1) - mean) / std
'''

_ROWS = '''\
def prepare(rows):
    """Return what the network reads, of rows of numbers in the columns' order; NaN where one is missing."""
    values = torch.as_tensor(np.asarray(rows, dtype=np.float64))
    fill, mean, std = (
        torch.tensor([column.get(name, default) for column in SAID["columns"]], dtype=torch.float64)
        for name, default in (("fill", 0.0), ("mean", 0.0), ("std", 1.0))
    )
    return ((values.where(~values.isnan(), fill) - mean) / std).float()
'''

_TEXTS = '''\
def prepare(texts):
    """Return what the network reads, of texts."""
    tokenizer = AutoTokenizer.from_pretrained(HERE)
    texts = [text[: SAID["max_characters"]] for text in texts]
    found = tokenizer(texts, padding=True, truncation=True, max_length=SAID["max_tokens"], return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}
'''

_READERS: Mapping[InputKind, _Reader] = {
    "image": _Reader(("import numpy as np", "from PIL import Image, ImageOps"), _PICTURES),
    "table": _Reader(("import numpy as np",), _ROWS),
    "text": _Reader(("from transformers import AutoTokenizer",), _TEXTS),
}

SCORES: Mapping[TaskKind, str] = {
    "classification": "scores.softmax(-1)",
    "multilabel": "scores.sigmoid()",
    "regression": 'scores * torch.tensor(LABELS["scales"]) + torch.tensor(LABELS["centers"])',
    "survival": "scores",
}
"""How scores become predictions."""

_FILES = {
    "model.pth": _Reader((), 'torch.load(HERE / "model.pth", weights_only=True)'),
    "model.safetensors": _Reader(("from safetensors.torch import load_file",), 'load_file(HERE / "model.safetensors")'),
}
"""How a file of weights is read."""


def network_code(code: Code, kind: InputKind, task: TaskKind, file: str) -> str:
    """Return the text of ``network.py``.

    Args:
        code: how the network is built.
        kind: of the inputs.
        task: what is predicted.
        file: of the weights, ``model.pth`` or ``model.safetensors``.
    """
    reader, weights = _READERS[kind], _FILES[file]
    imports = ["import torch", "from torch import nn", *code.imports, *reader.imports, *weights.imports]
    lines = [
        f'"""The network of this folder, without Headstart ({__version__} wrote it)."""\n',
        "import json\nfrom pathlib import Path\n",
        _in_order(imports),
        "",
        "HERE = Path(__file__).resolve().parent",
        'SAID = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))',
        'LABELS = json.loads((HERE / "labels.json").read_text(encoding="utf-8"))',
        "\n",
    ]
    parts = [code.build, _load(code, weights.text), reader.text, _predictions(task)]
    return "\n".join(lines) + "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _in_order(imports: list[str]) -> str:
    """Sort imports, whole modules first."""
    return "\n".join(sorted(set(imports), key=lambda line: (line.split()[0] == "from", line.split()[1].lower())))


def _load(code: Code, read: str) -> str:
    given, make = ("", "    model = build()\n") if code.build else ("model", "")
    return (
        f"def load({given}):\n"
        '    """Return the network with the weights of this folder, ready to predict."""\n'
        f"{make}    model.load_state_dict({read}, strict=True)\n    return model.eval()\n"
    )


def _predictions(task: TaskKind) -> str:
    return f'def predictions(scores):\n    """Return what scores say, see labels.json."""\n    return {SCORES[task]}\n'
