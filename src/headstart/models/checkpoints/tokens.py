"""From texts to the tokens that a checkpoint reads: once for a whole study, kept ragged."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.core.errors import ModelError, require
from headstart.core.ragged import Ragged
from headstart.models.checkpoints.encoders import EXTRA, check_reads_texts
from headstart.models.checkpoints.hub import explained, first_line, located, quiet, read_config, source
from headstart.models.spec import ModelSpec, is_own

CHARACTERS_PER_TOKEN = 16
"""A text is read no further than so many characters for each token that may be kept: 10 MB of text need not be."""

CHUNK = 1000
"""Texts that are cut into tokens at once."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """Texts as a checkpoint reads them.

    Attributes:
        ids: numbers of the tokens, the special ones included, int32.
        max_tokens: most tokens of a text.
        truncated: texts that are longer.
        words: words of what was read.
        unknown: tokens that the vocabulary lacks.
    """

    ids: Ragged
    max_tokens: int
    truncated: int
    words: int
    unknown: int

    @property
    def per_word(self) -> float:
        """Tokens per word, special ones aside; the better a vocabulary knows a language, the fewer."""
        return (len(self.ids.values) - 2 * len(self.ids)) / max(1, self.words)


def tokenize(texts: Ragged, spec: ModelSpec) -> Tokens:
    """Cut texts into tokens.

    Args:
        texts: rows of UTF-8.
        spec: a text checkpoint, and how many tokens of a text are read.

    Raises:
        ModelError: the checkpoint has no tokenizer, or reads no texts.
        MissingExtra: Transformers is not installed.
    """
    tokenizer, most = read_tokenizer(spec)
    ids: list[np.ndarray[Any, Any]] = []
    truncated = words = 0
    for first in range(0, len(texts), CHUNK):
        some = list(texts[first : first + CHUNK].texts())
        read = [text[: CHARACTERS_PER_TOKEN * most] for text in some]
        found = tokenizer(read, truncation=True, max_length=most, verbose=False)
        ids += [np.array(row, dtype=np.int32) for row in found["input_ids"]]
        truncated += sum(
            len(text) > len(start) or bool(encoding.overflowing)
            for text, start, encoding in zip(some, read, found.encodings, strict=True)
        )
        words += sum(len({word for word in encoding.word_ids if word is not None}) for encoding in found.encodings)
    rows = Ragged.of(ids) if ids else Ragged.none(np.int32)
    return Tokens(rows, most, truncated, words, int((rows.values == tokenizer.unk_token_id).sum()))


def read_tokenizer(spec: ModelSpec) -> tuple[Any, int]:
    """Read a checkpoint's tokenizer, or an own network's, and say how many tokens of a text are read."""
    if is_own(spec):
        return _read_named(spec)
    name, auto = located(spec.backbone, EXTRA), require("transformers", EXTRA).AutoTokenizer
    # Its threads must not outlive it: worker processes are forked later.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with explained(name), quiet():
        config = read_config(name)
        check_reads_texts(config, name)
        tokenizer = _load(auto, name)
    positions = config.max_position_embeddings - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
    limit = min(positions, tokenizer.model_max_length)
    if spec.max_tokens is not None and spec.max_tokens > limit:
        raise ModelError(
            f"model.max_tokens: '{name}' reads at most {limit} tokens, received {spec.max_tokens}; give fewer"
        )
    return tokenizer, spec.max_tokens or limit


def _read_named(spec: ModelSpec) -> tuple[Any, int]:
    """Read the tokenizer of an own network, whose longest text is the tokenizer's, where it says one."""
    if spec.tokenizer is None:
        raise ModelError(
            f"model.tokenizer: '{spec.backbone}' needs a tokenizer to read texts, received none; name one: a Hub name, "
            "a local directory or 'minilm'"
        )
    name, auto = located(spec.tokenizer, EXTRA), require("transformers", EXTRA).AutoTokenizer
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with explained(name), quiet():
        tokenizer = _load(auto, name)
    return tokenizer, spec.max_tokens or min(tokenizer.model_max_length, _MOST_TOKENS)


_MOST_TOKENS = 512
"""Tokens of a text that an own network reads where nothing says another number."""


def _load(auto: Any, name: str) -> Any:
    try:
        tokenizer = auto.from_pretrained(name, **source(name))
        # Without its files Transformers makes up a tokenizer of special tokens alone.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ValueError("its vocabulary is empty")
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise ModelError(
            f"backbone: texts need a tokenizer, and '{name}' has none that can be read ({first_line(error)}); save it "
            f"beside the weights: tokenizer.save_pretrained(…)"
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"backbone: texts need a tokenizer of the kind 'fast', received another from '{name}'; save its "
            "tokenizer.json"
        )
    return tokenizer
