import numpy as np
import pytest

from headstart import Arm, run
from headstart.core.errors import ModelError
from headstart.core.ragged import Ragged
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.models.spec import ModelSpec
from headstart.study.texts import with_tokens
from tiny_texts import draw_texts, save_encoder

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_encoder(tmp_path_factory.mktemp("bert")))


def _federation(texts: list[str], labels: np.ndarray) -> Federation:
    examples = Examples("text", Ragged.of_texts(texts), labels, [f"t{i}" for i in range(len(texts))], ("good", "bad"))
    clients = [Client(f"c{i}", *np.split(np.arange(20) + 20 * i, [10, 14])) for i in range(len(texts) // 20)]
    return Federation(examples, clients)


def _plain() -> Federation:
    labels = np.random.default_rng(0).integers(0, 2, 60)
    return _federation(draw_texts(labels), labels)


ARMS = {
    "head": Arm("a", start="pretrained", adapt={"method": "linear_probe", "epochs": 2}),
    "last blocks": Arm("a", start="pretrained", adapt={"method": "last_blocks", "k": 2, "epochs": 1}),
    "everything": Arm("a", start="pretrained", adapt={"method": "full_finetune", "epochs": 1}),
    "from scratch": Arm("a", start="random", federate={"method": "fedavg", "rounds": 1}),
    "averaged layers": Arm("a", start="pretrained", federate={"method": "fedavg", "rounds": 1, "trainable": 1}),
    "closed form": Arm("a", start="pretrained", federate="ridge", adapt="personal_ridge"),
}


@pytest.mark.parametrize("arm", ARMS.values(), ids=ARMS.keys())
def test_every_cut_trains_on_texts(checkpoint: str, arm: Arm) -> None:
    result = run(arm, _plain(), backbone=checkpoint)
    assert all(np.isfinite(values["log_loss"]) for values in result.clients.values())


def test_notes_name_texts_by_id_and_never_show_them(checkpoint: str) -> None:
    labels = np.zeros(40, dtype=np.int64)
    texts = draw_texts(labels, longest=30)
    texts[39] = texts[0] = "the film was very very good . a book was not awful . " * 3
    notes = with_tokens(_federation(texts, labels), ModelSpec(backbone=checkpoint)).notes
    assert "test texts that nearly repeat a train or val text (1 of them): t39" in notes
    assert "1 pairs of texts of different clients nearly repeat each other" in notes
    assert any(note.startswith("2 of 40 texts are longer than 32 tokens") for note in notes)
    assert not any("awful" in note for note in notes)


def test_another_language_is_noticed(checkpoint: str) -> None:
    labels = np.arange(20) % 2
    notes = with_tokens(_federation(["das buch war nicht gut"] * 20, labels), ModelSpec(backbone=checkpoint)).notes
    assert any("look like another language" in note for note in notes)


@pytest.mark.parametrize("backbone", ["small-cnn", "efficientnet-lite0"])
def test_texts_need_a_text_checkpoint(backbone: str) -> None:
    with pytest.raises(ModelError, match=f"'{backbone}' reads images or tables, received texts"):
        with_tokens(_plain(), ModelSpec(backbone=backbone))
