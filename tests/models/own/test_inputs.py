from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.models import ModelSpec
from headstart.models.own.inputs import reads
from tiny_texts import save_encoder


def test_pixels_are_scaled_as_imagenets_or_as_the_user_says() -> None:
    white = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)
    found = reads(networks.ResNet(), ModelSpec(), (1, 32, 32)).prepare(white)
    assert found.shape == (1, 3, 2, 2)
    assert found[0, :, 0, 0].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    said = ModelSpec(mean=(0.0,), std=(1.0,))
    assert reads(networks.ResNet(), said, (3, 32, 32)).prepare(white).unique().tolist() == [1.0]
    assert reads(networks.SmallCnn(), ModelSpec(), (1, 28, 28)).prepare(white).unique().tolist() == [1.0]


def test_images_of_other_channels_and_numbers_for_them_are_refused() -> None:
    with pytest.raises(
        ModelError, match=r"data.channels: .* reads 1 channels .* received images of 3; set channels = 1"
    ):
        reads(networks.SmallCnn(), ModelSpec(), (3, 28, 28))
    with pytest.raises(ModelError, match=r"model.std: must have one number, or one for each of the 3 channels"):
        reads(networks.ResNet(), ModelSpec(std=(1.0, 2.0)), (3, 32, 32))


def test_a_module_reads_one_input() -> None:
    with pytest.raises(ModelError, match=r"must read one input .* received a forward that takes 'image', 'age'"):
        reads(networks.TwoInputs(), ModelSpec(backbone="x:y"), (3, 8, 8))


class Flags(nn.Module):
    """Takes more than one input, the others with defaults."""

    def forward(self, x: Tensor, masked: Tensor | None = None, *, verbose: bool = False) -> Tensor:
        assert masked is None
        assert verbose is False
        return x


def test_other_inputs_may_have_defaults() -> None:
    found = reads(Flags(), ModelSpec(), (4,))
    assert found.module(torch.ones(2, 4)).sum() == 8


class Masked(nn.Module):
    def forward(self, tokens: Tensor, src_key_padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        return tokens, src_key_padding_mask


class Attended(nn.Module):
    def forward(self, tokens: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        return tokens, attention_mask


def test_tokens_come_with_the_mask_that_forward_names(tmp_path: Path) -> None:
    spec = ModelSpec(backbone="x:y", tokenizer=str(save_encoder(tmp_path)))
    tokens = torch.tensor([[5, 6, -1]], dtype=torch.int32)
    padded = reads(Masked(), spec, ())
    ids, mask = padded.module(padded.prepare(tokens))
    assert ids.tolist() == [[5, 6, 0]]
    assert mask.tolist() == [[False, False, True]]
    attended = reads(Attended(), spec, ())
    assert attended.module(attended.prepare(tokens))[1].tolist() == [[1, 1, 0]]
    assert attended.longest is not None
    assert attended.longest.shape == (1, 32)
    assert max(int(probe.max()) for probe in attended.probes) == 18, "the last token of the vocabulary is tried"


def test_texts_need_a_tokenizer() -> None:
    with pytest.raises(ModelError, match=r"model.tokenizer: 'x:y' needs a tokenizer to read texts, received none"):
        reads(Attended(), ModelSpec(backbone="x:y"), ())
