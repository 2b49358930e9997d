"""Transformers checkpoints, by Hub name or local directory: safetensors only, and no code of a checkpoint runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.core.content import hash_json
from headstart.core.errors import HeadstartError, MissingExtra, ModelError, how_to_install, require
from headstart.core.limits import memory_limit
from headstart.models.spec import PACKAGED
from headstart.models.weights import check_finite, check_header

# Parts of a configuration that do not change the function from inputs to features.
NOT_THE_FUNCTION = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


def located(name: str, extra: str) -> str:
    """Return where a checkpoint lies: of one that a package carries, its folder or file.

    Raises:
        MissingExtra: the package is not installed.
    """
    if name not in PACKAGED:
        return name
    # Found, not imported: the package would import libraries that nothing here needs.
    package, _, inside = PACKAGED[name].partition("/")
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtra(
            f"backbone: '{name}' comes with the extra '{extra}', which is not installed: {how_to_install(extra)}"
        )
    return str(Path(found.origin).parent / inside)


def read_config(name: str) -> Any:
    """Read a checkpoint's configuration.

    Raises:
        ModelError: the name is a path where no directory is.
    """
    transformers = require("transformers", "images")
    if not Path(name).is_dir() and _looks_like_a_path(name):
        raise ModelError(f"backbone: there is no directory '{name}'; give an existing one, or a Hub name")
    _check_files(name)
    config = transformers.AutoConfig.from_pretrained(name, **source(name))
    _check_sizes(config, name)
    return config


def _check_files(name: str) -> None:
    """Look at the files of a local checkpoint before a library reads them.

    Raises:
        ModelError: one is far larger than such files are.
    """
    for file in sorted(Path(name).glob("*.*")) if Path(name).is_dir() else ():
        if file.suffix == ".safetensors":
            check_header(file)
        most = _LARGEST.get(file.name, _LARGEST.get(file.suffix, 0))
        size = file.stat().st_size
        if most and size > most:
            raise ModelError(
                f"backbone: '{file.name}' of '{name}' may have at most {most:,} bytes, received {size:,}; get it anew"
            )


def _check_sizes(config: Any, name: str) -> None:
    """Refuse a network that its configuration, a few bytes, makes too large for this machine.

    Raises:
        ModelError: it is so, at the least.
    """
    tables = [_number(config, word) for word in ("vocab_size", "max_position_embeddings")]
    widths = [_number(config, word) for word in ("hidden_size", "intermediate_size")]
    layers, stages = _number(config, "num_hidden_layers"), _numbers(config, "hidden_sizes")
    needed = 4 * max(widths[0] * max(*tables, layers * max(widths)), max(stages, default=0) ** 2)
    depth = max(layers, sum(_numbers(config, "depths")))
    if needed > memory_limit() or depth > _DEEPEST:
        raise ModelError(
            f"backbone: '{name}' may take at most {memory_limit() / 1e9:.3g} GB and {_DEEPEST:,} layers here, received "
            f"a configuration of {needed / 1e9:.3g} GB or more and {depth:,} layers; give a smaller model, or "
            "allow more with HEADSTART_MEMORY_GB"
        )


def _number(config: Any, word: str) -> int:
    found = getattr(config, word, 0)
    return found if isinstance(found, int) else 0


def _numbers(config: Any, word: str) -> list[int]:
    found = getattr(config, word, ())
    return [x for x in found if isinstance(x, int)] if isinstance(found, list | tuple) else []


def load_backbone(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Load a checkpoint's backbone, float32.

    Args:
        name: Hub name or local directory.
        options: keywords of the model's constructor.

    Raises:
        ModelError: the checkpoint lacks weights of its architecture, or has some that are not finite.
    """
    transformers = require("transformers", "images")
    backbone, report = transformers.AutoModel.from_pretrained(
        name,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        **source(name),
        **options,
    )
    missing = sorted(report["missing_keys"])
    # A pooler that the checkpoint never trained: the mean of the last hidden state is taken instead.
    if missing and all(key.startswith("pooler.") for key in missing):
        backbone.pooler = None
    elif missing:
        raise ModelError(
            f"backbone: the checkpoint '{name}' lacks {len(missing)} weights of its architecture, such as "
            f"'{missing[0]}'; they would be random: give a complete checkpoint"
        )
    result: nn.Module = backbone
    check_finite(result.state_dict(), f"backbone: the checkpoint '{name}'")
    return result


def source(name: str) -> dict[str, bool]:
    """Never run a checkpoint's own code, and never ask the network about a local directory."""
    return {"local_files_only": Path(name).is_dir(), "trust_remote_code": False}


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name


def read_preprocessor(name: str) -> dict[str, Any]:
    """Return what ``preprocessor_config.json`` says; nothing where there is none."""
    hub = require("transformers.utils", "images")
    path = hub.cached_file(
        name,
        "preprocessor_config.json",
        local_files_only=Path(name).is_dir(),
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    settings: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    return settings


_DEEPEST = 10_000
_LARGEST = {"tokenizer.json": 2**28, "vocab.json": 2**28, ".json": 2**24, ".txt": 2**28}
"""Bytes of the files of a checkpoint, by name or else by ending."""


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what Transformers raises on a bad checkpoint into one line."""
    try:
        yield
    except HeadstartError:
        raise
    except Exception as error:  # of what a bad file makes the libraries raise there is no list
        raise ModelError(
            f"backbone: cannot load the checkpoint '{name}': {first_line(error)}; give a local directory "
            f"with config.json and model.safetensors, or the Hub name of one"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of a message that says something."""
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the reports that Transformers prints on loading: a dropped classifier is what we want."""
    logging = require("transformers.utils.logging", "images")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def function_name(config: Any, modules: nn.Module, *readers: object) -> str:
    """Name an architecture and the preparation of its inputs by content, not by where the checkpoint lies."""
    said = {key: value for key, value in config.to_dict().items() if key not in NOT_THE_FUNCTION}
    kinds = sorted({type(module).__name__ for module in modules.modules()})
    digest = hash_json([json.loads(json.dumps(said, default=str)), kinds, *map(repr, readers)])
    return f"{config.model_type}-{digest[:12]}"
