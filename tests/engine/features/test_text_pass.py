from pathlib import Path

import numpy as np
import pytest
import torch

from counting import Counting
from headstart.core.errors import HeadstartError
from headstart.core.ragged import Ragged
from headstart.data.examples import Examples
from headstart.engine.features.activations import Activations
from headstart.engine.features.padding import RaggedTensor
from headstart.models.checkpoints.tokens import tokenize
from headstart.models.cut import Trainable
from headstart.models.model import Model, cut_at
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from tiny_texts import draw_texts, save_encoder

pytest.importorskip("transformers")
CUTS = ("head", 1, 2, 3)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return ModelSpec(backbone=str(save_encoder(tmp_path_factory.mktemp("bert"))))


@pytest.fixture(scope="module")
def examples(spec: ModelSpec) -> Examples:
    labels = np.arange(40) % 2
    texts = draw_texts(labels)
    texts[7] = texts[30]
    tokens = tokenize(Ragged.of_texts(texts), spec).ids
    return Examples("text", tokens, labels, [f"t{i}" for i in range(40)], ("good", "bad"))


def _cut(spec: ModelSpec, trainable: Trainable) -> Model:
    network, weights = build(spec, shape=(), num_classes=2, from_scratch=False, seed=0)
    return cut_at(network, weights, trainable)[0]


def _real(states: torch.Tensor) -> torch.Tensor:
    """Clear what stands where a text is padded."""
    return states if states.dim() == 2 else states * states[..., -1:]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("rows", [[3, 0, 38], [7]], ids=str)
def test_kept_activations_are_what_the_model_gives(
    spec: ModelSpec, examples: Examples, cut: Trainable, on_disk: bool, rows: list[int], tmp_path: Path
) -> None:
    model, activations = _cut(spec, cut), Activations(examples, tmp_path if on_disk else None)
    tokens, some = RaggedTensor.of(examples.inputs), torch.tensor(rows)
    torch.testing.assert_close(_real(activations.at(model)[some]), _real(model.activations(tokens[some])))


@pytest.mark.parametrize("cut", CUTS)
def test_a_second_look_reads_the_disk(spec: ModelSpec, examples: Examples, cut: Trainable, tmp_path: Path) -> None:
    model = _cut(spec, cut)
    first = Activations(examples, tmp_path).at(model)[:5].clone()
    told: list[int] = []
    again = Activations(examples, tmp_path, progress=Counting(lambda _, done, __: told.append(done)))
    assert torch.equal(again.at(model)[:5], first)
    assert told == []


def test_equal_texts_are_computed_once(spec: ModelSpec, examples: Examples, passes: list[int]) -> None:
    Activations(examples).at(_cut(spec, "head"))
    assert sum(passes) == 39


def test_a_killed_pass_goes_on(spec: ModelSpec, examples: Examples, tmp_path: Path) -> None:
    model = _cut(spec, 1)

    class Killed(HeadstartError):
        pass

    def kill(_: str, done: int, __: int) -> None:
        if done > 20:
            raise Killed

    with pytest.raises(Killed):
        Activations(examples, tmp_path, progress=Counting(kill), most_rows=4, sync_seconds=0).at(model)
    told: list[int] = []
    found = Activations(examples, tmp_path, progress=Counting(lambda _, done, __: told.append(done)), most_rows=4).at(
        model
    )
    assert 20 <= told[0] <= 30
    torch.testing.assert_close(found[:], Activations(examples).at(model)[:])


def test_a_typical_text_is_of_mean_length(examples: Examples) -> None:
    mean = examples.inputs.lengths.mean()
    assert abs(Activations(examples).typical().shape[1] - mean) <= 1
