"""Transformers text encoders, by Hub name or local directory, as networks of blocks.

Batches of texts differ in length, so that a mask goes with them: between blocks it is one more number per token,
``(batch, tokens, width + 1)``, 1 for a token and 0 for padding. Whoever cuts or keeps activations need not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.errors import ModelError, require
from headstart.models.checkpoints.hub import explained, function_name, load_backbone, located, quiet, read_config
from headstart.models.modules import names_in
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareTokens
from headstart.models.spec import ModelSpec, Pooling

EXTRA = "text"


@dataclass(frozen=True)
class _EncoderFamily:
    """What is known of a family of text encoders.

    Attributes:
        embeddings: the module that embeds tokens, called with ``input_ids``.
        layers: the layers above it, called with hidden states and an additive attention mask.
        options: keywords of the model's constructor.
    """

    embeddings: Callable[[Any], nn.Module]
    layers: Callable[[Any], nn.ModuleList]
    options: dict[str, Any] = field(default_factory=dict)


# The pooler of these serves next-sentence prediction; features are pooled from the last states.
BERT = _EncoderFamily(
    lambda model: model.embeddings, lambda model: model.encoder.layer, options={"add_pooling_layer": False}
)

FAMILIES: dict[str, _EncoderFamily] = {
    "bert": BERT,
    "camembert": BERT,
    "distilbert": _EncoderFamily(lambda model: model.embeddings, lambda model: model.transformer.layer),
    "roberta": BERT,
    "xlm-roberta": BERT,
}
"""By Transformers' ``model_type``; an encoder of no known family is a single block."""


class _EmbedTokens(nn.Module):
    """Tokens ``(batch, tokens)``, -1 where padded, to states ``(batch, tokens, width + 1)``."""

    def __init__(self, embeddings: nn.Module, padding: int) -> None:
        super().__init__()
        self.embeddings, self.padding = embeddings, padding

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed a batch."""
        real = tokens >= 0
        return _with_mask(self.embeddings(input_ids=tokens.where(real, self.padding)), real)


class _EncoderLayer(nn.Module):
    """One layer: states to states."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, states: Tensor) -> Tensor:
        """Let the tokens of each text attend to each other, and to no padding."""
        hidden, mask = states[..., :-1], states[..., -1]
        away = (1 - mask) * torch.finfo(hidden.dtype).min
        return _with_mask(self.layer(hidden, attention_mask=away[:, None, None, :]), mask)


class _PoolTokens(nn.Module):
    """States to one feature vector per text, ``(batch, width)``."""

    def __init__(self, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling

    def forward(self, states: Tensor) -> Tensor:
        """Take the mean over tokens, or the first token."""
        hidden, mask = states[..., :-1], states[..., -1:]
        return hidden[:, 0] if self.pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)


class _WholeEncoder(nn.Module):
    """An encoder of no known family: tokens to states in one block."""

    def __init__(self, encoder: nn.Module, padding: int) -> None:
        super().__init__()
        self.encoder, self.padding = encoder, padding

    def forward(self, tokens: Tensor) -> Tensor:
        """Run a batch."""
        real = tokens >= 0
        output = self.encoder(input_ids=tokens.where(real, self.padding), attention_mask=real.to(torch.int64))
        return _with_mask(output.last_hidden_state, real)


def _with_mask(hidden: Tensor, mask: Tensor) -> Tensor:
    """Put the mask beside the states."""
    return torch.cat([hidden, mask.to(hidden.dtype).unsqueeze(-1)], dim=-1)


def build_encoder(spec: ModelSpec, num_classes: int, *, from_scratch: bool) -> Network:
    """Build a text checkpoint's encoder: with its weights, or from its configuration with random ones.

    Raises:
        ModelError: no such checkpoint, or none that reads a text as a whole.
        MissingExtra: Transformers is not installed.
    """
    name, auto = located(spec.backbone, EXTRA), require("transformers", EXTRA).AutoModel
    with explained(name), quiet():
        config = read_config(name)
        check_reads_texts(config, name)
        options = FAMILIES[config.model_type].options if config.model_type in FAMILIES else {}
        encoder = auto.from_config(config, **options) if from_scratch else load_backbone(name, options)
    return _as_text_network(encoder, spec.pooling, num_classes)


def _as_text_network(encoder: Any, pooling: Pooling, num_classes: int) -> Network:
    """Take an encoder apart into blocks: embeddings, layers, the last one with the pooling."""
    config, padding = encoder.config, encoder.config.pad_token_id or 0
    family = FAMILIES.get(config.model_type)
    if family is None:
        blocks: list[nn.Module] = [nn.Sequential(_WholeEncoder(encoder, padding), _PoolTokens(pooling))]
    else:
        *layers, last = [_EncoderLayer(layer) for layer in family.layers(encoder)]
        blocks = [_EmbedTokens(family.embeddings(encoder), padding), *layers, nn.Sequential(last, _PoolTokens(pooling))]
    return Network(
        blocks,
        num_features=int(config.hidden_size),
        num_classes=num_classes,
        prepare=PrepareTokens(),
        name=function_name(config, nn.ModuleList(blocks), pooling),
        names={f"blocks.{name}": own for name, own in names_in(encoder, nn.ModuleList(blocks)).items()},
    )


def check_reads_texts(config: Any, name: str) -> None:
    """Check that a checkpoint is a text encoder, in which every token sees the whole text.

    Raises:
        ModelError: it reads something else, or it is a decoder.
    """
    transformers = require("transformers", EXTRA)
    if type(config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING or config.is_encoder_decoder:
        causal = type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING or config.is_encoder_decoder
        kind = "a decoder, whose tokens see only what is before them" if causal else "no text encoder"
        raise ModelError(
            f"backbone: texts need an encoder such as BERT, received '{name}' of the type '{config.model_type}', which "
            f"is {kind}; give one such as 'sentence-transformers/all-MiniLM-L6-v2'"
        )
