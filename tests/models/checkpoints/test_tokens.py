from pathlib import Path

import pytest

from headstart.core.errors import ModelError
from headstart.core.ragged import Ragged
from headstart.models.checkpoints.tokens import tokenize
from headstart.models.spec import ModelSpec
from tiny_texts import save_encoder

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_encoder(tmp_path_factory.mktemp("bert")))


def test_tokens_are_stored_without_padding(checkpoint: str) -> None:
    tokens = tokenize(Ragged.of_texts(["a film", "the film was very very good"]), ModelSpec(backbone=checkpoint))
    assert tokens.ids.lengths.tolist() == [4, 8]
    assert (tokens.truncated, tokens.words, tokens.unknown, tokens.per_word) == (0, 8, 0, 1.0)


def test_what_is_cut_is_counted_and_keeps_its_last_special_token(checkpoint: str) -> None:
    spec = ModelSpec(backbone=checkpoint, max_tokens=5)
    tokens = tokenize(Ragged.of_texts(["a film", "the film was very very good"]), spec)
    assert (tokens.truncated, tokens.max_tokens) == (1, 5)
    assert tokens.ids[0][-1] == tokens.ids[1][-1]


def test_a_text_of_10_megabytes_is_cut(checkpoint: str) -> None:
    tokens = tokenize(Ragged.of_texts(["good " * 2_000_000]), ModelSpec(backbone=checkpoint))
    assert (tokens.ids.lengths.tolist(), tokens.truncated) == ([32], 1)


def test_words_that_the_vocabulary_lacks_are_counted(checkpoint: str) -> None:
    assert tokenize(Ragged.of_texts(["das Buch a"]), ModelSpec(backbone=checkpoint)).unknown == 2


def test_more_tokens_than_the_checkpoint_reads(checkpoint: str) -> None:
    with pytest.raises(ModelError, match=r"model\.max_tokens: .* reads at most 32 tokens, received 99; give fewer"):
        tokenize(Ragged.of_texts(["a"]), ModelSpec(backbone=checkpoint, max_tokens=99))


def test_an_encoder_without_a_tokenizer(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path, tokenizer=False)
    with pytest.raises(ModelError, match=r"texts need a tokenizer"):
        tokenize(Ragged.of_texts(["a"]), ModelSpec(backbone=str(folder)))
