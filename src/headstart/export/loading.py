"""How an export is loaded: a snippet that runs in its folder, and what it needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.data.examples import InputKind
from headstart.export.code import SCORES
from headstart.export.hugging_face import Classifier
from headstart.export.leaving import Leaving
from headstart.export.meaning import preprocessing_of


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a folder is used.

    Attributes:
        snippet: Python that runs in the folder.
        needs: packages that it imports, by the names that pip knows.
        words: what is to be known besides; empty if nothing is.
        library: what Hugging Face calls the library.
    """

    snippet: str
    needs: tuple[str, ...]
    words: str = ""
    library: str


_READERS = {"image": "pillow", "text": "transformers", "table": "numpy"}
_PICTURE = 'Image.open("picture.png")'
_TEXT = '"a text of yours"'


def loads_by_code(leaving: Leaving, *needs: str) -> Loading:
    """Return how a folder with ``network.py`` is used."""
    lines = ["import torch", "", "from network import load, prepare, predictions", "", "model = load()"]
    library = "transformers" if "transformers" in needs else "pytorch"
    return Loading(snippet=_called(leaving, lines), needs=_all_of(leaving, needs), library=library)


def loads_by_own_module(leaving: Leaving, *needs: str) -> Loading:
    """Return how weights are put into the user's own module."""
    names, network = leaving.network.names, leaving.network
    bias = "" if "head.bias" in names else ", bias=False"
    head = _attribute(names["head.weight"].rpartition(".")[0])
    lines = [
        "import torch",
        "",
        "from network import load, prepare, predictions",
        "from your_code import YourNetwork  # the network that the study was given",
        "",
        "model = YourNetwork()",
        f"{head} = torch.nn.Linear({network.num_features}, {network.num_classes}{bias})  # this study's head",
        "load(model)",
    ]
    words = "The names are those of your own network's state_dict."
    return Loading(snippet=_called(leaving, lines), needs=_all_of(leaving, needs), words=words, library="pytorch")


def loads_onnx(leaving: Leaving) -> Loading:
    """Return how ``model.onnx`` is run."""
    begin = ["import numpy as np", "import onnxruntime"]
    end = ['session = onnxruntime.InferenceSession("model.onnx")', "print(session.run(None, inputs)[0])"]
    lines = [*begin, *_given_to_onnx(leaving), *end]
    needs = ("onnxruntime", "numpy", *(() if leaving.examples.kind == "table" else (_READERS[leaving.examples.kind],)))
    return Loading(snippet="\n".join(lines), needs=needs, words=_on_scaling(leaving), library="onnx")


def loads_transformers(leaving: Leaving, how: Classifier) -> Loading:
    """Return how a checkpoint is loaded: whole, or its backbone and the head beside it."""
    is_text = leaving.examples.kind == "text"
    reader = "AutoTokenizer" if is_text else "AutoImageProcessor"
    lines = [
        *(["import json", ""] if leaving.task.centers else []),
        "import torch",
        *([] if is_text else ["from PIL import Image, ImageOps"]),
        *([] if how.whole else ["from safetensors.torch import load_file"]),
        f"from transformers import {', '.join(sorted((reader, how.loads)))}",
        "",
        f'reader = {reader}.from_pretrained(".")',
        f'model = {how.loads}.from_pretrained("."{_keywords(how.options)}).eval()',
        *_read_by_transformers(leaving),
        "with torch.inference_mode():",
        *_scored(how),
        *(['LABELS = json.load(open("labels.json"))'] if leaving.task.centers else []),
        f"print({SCORES[leaving.task.kind]})",
    ]
    needs = ("torch", "transformers", *(() if is_text else ("pillow",)), *(() if how.whole else ("safetensors",)))
    words = "" if how.whole else _NOT_WHOLE
    return Loading(snippet="\n".join(lines), needs=needs, words=words, library="transformers")


_NOT_WHOLE = (
    "Transformers' own class of classifiers has more layers between this backbone and its head, and would compute "
    "another function: the folder holds the backbone for AutoModel, and the head in head.safetensors."
)


def _scored(how: Classifier) -> list[str]:
    call = f"model(**inputs{_keywords(how.extra)})"
    if how.whole:
        return [f"    scores = {call}.logits"]
    lines = ["    " + line for line in how.features(call)]
    return [
        '    head = load_file("head.safetensors")',
        *lines,
        '    scores = features @ head["weight"].T + head["bias"]',
    ]


def _read_by_transformers(leaving: Leaving) -> list[str]:
    if leaving.examples.kind == "image":
        return [_fitted(leaving), 'inputs = reader([picture], return_tensors="pt")']
    return [f"inputs = {_tokens(leaving, 'reader', 'pt')}"]


def _fitted(leaving: Leaving) -> str:
    """Write how a picture of any size is cut as the study cuts it; image processors cut up to a pixel beside."""
    channels, height, width = leaving.examples.shape
    mode = "L" if channels == 1 else "RGB"
    return f'picture = ImageOps.fit({_PICTURE}.convert("{mode}"), ({width}, {height}), Image.Resampling.BILINEAR)'


def _tokens(leaving: Leaving, tokenizer: str, tensors: str) -> str:
    said = preprocessing_of(leaving)
    how = f'padding=True, truncation=True, max_length={said["max_tokens"]}, return_tensors="{tensors}"'
    return f"{tokenizer}([{_TEXT}[:{said['max_characters']}]], {how})"


def _keywords(options: tuple[tuple[str, object], ...]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options)


def _called(leaving: Leaving, lines: list[str]) -> str:
    given = _GIVEN[leaving.examples.kind].format(width=math.prod(leaving.examples.shape))
    return "\n".join([*lines, "with torch.inference_mode():", f"    print(predictions(model({given})))"])


_GIVEN: Mapping[InputKind, str] = {
    "image": 'prepare(["picture.png"])',
    "table": "prepare([[0.0] * {width}])",
    "text": f"**prepare([{_TEXT}])",
}
"""What a network is given in an example, as code."""


def _given_to_onnx(leaving: Leaving) -> list[str]:
    if leaving.examples.kind == "table":
        return ["", f'inputs = {{"columns": np.zeros((1, {leaving.examples.shape[0]}), dtype=np.float32)}}']
    if leaving.examples.kind == "text":
        read = _tokens(leaving, "tokenizer", "np")
        return [
            "from transformers import AutoTokenizer",
            "",
            'tokenizer = AutoTokenizer.from_pretrained(".")',
            f"found = {read}",
            'inputs = {name: found[name] for name in ("input_ids", "attention_mask")}',
        ]
    axes = "[None]" if leaving.examples.shape[0] == 1 else ".transpose(2, 0, 1)"
    return [
        "from PIL import Image, ImageOps",
        "",
        _fitted(leaving),
        f'inputs = {{"pixels": np.asarray(picture){axes}[None]}}',
    ]


def _on_scaling(leaving: Leaving) -> str:
    if leaving.examples.kind != "table":
        return ""
    if leaving.scaling is None:
        return "It reads columns that are scaled already, as preprocessing.json says."
    return "It reads columns in their own units, in the order of preprocessing.json, NaN where a value is missing."


def _all_of(leaving: Leaving, needs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("torch", *needs, _READERS[leaving.examples.kind])))


def _attribute(path: str) -> str:
    """Write where a module's layer is, as code.

    >>> _attribute("classifier.1")
    'model.classifier[1]'
    """
    return "model" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))
