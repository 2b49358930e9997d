"""Where a checkpoint is looked for, and what is said when it cannot be read."""

import json
from pathlib import Path

import pytest

from headstart.core.errors import ModelError
from headstart.models.checkpoints.hub import explained, first_line, located, read_config, read_preprocessor, source

pytest.importorskip("transformers")


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/nowhere", "a/b/c", "nowhere"])
def test_a_path_that_leads_nowhere_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match=rf"backbone: there is no directory '{name}'; give an existing one"):
        read_config(name)


def test_a_local_directory_is_never_asked_of_the_network(tmp_path: Path) -> None:
    assert source(str(tmp_path)) == {"local_files_only": True, "trust_remote_code": False}
    assert source("owner/name") == {"local_files_only": False, "trust_remote_code": False}
    assert located("owner/name", "images") == "owner/name"


def test_a_checkpoint_need_not_say_how_pixels_are_prepared(tmp_path: Path) -> None:
    assert read_preprocessor(str(tmp_path)) == {}
    (tmp_path / "preprocessor_config.json").write_text('{"do_rescale": true}')
    assert read_preprocessor(str(tmp_path)) == {"do_rescale": True}


@pytest.mark.parametrize("error", [OSError, ValueError, RuntimeError, KeyError, ImportError])
def test_whatever_goes_wrong_is_one_line(error: type[Exception]) -> None:
    rule = r"^backbone: cannot load the checkpoint 'x': '?bad'?; give a local directory"
    with pytest.raises(ModelError, match=rule) as caught, explained("x"):
        raise error("bad")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "line"), [("\n  too bad.\nmore", "too bad"), ("", "OSError"), ("plain", "plain")], ids=repr
)
def test_the_first_line_that_says_something_counts(message: str, line: str) -> None:
    assert first_line(OSError(message)) == line


BERT = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 10}
CONFIGURATIONS = {
    "very wide": json.dumps({**BERT, "hidden_size": 2**20}),
    "of very many words": json.dumps({**BERT, "vocab_size": 2**31}),
    "very deep": json.dumps({**BERT, "num_hidden_layers": 10**9}),
    "of very wide convolutions": json.dumps(
        {"model_type": "resnet", "hidden_sizes": [64, 2**20], "depths": [1, 1], "layer_type": "basic"}
    ),
    "of very many layers": json.dumps({"model_type": "resnet", "hidden_sizes": [64], "depths": [10**8]}),
    "nested": "[" * 100_000,
    "long": " " * (2**24 + 1),
    "of words for numbers": json.dumps({**BERT, "hidden_size": "wide"}),
    "no table": "[]",
}


@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_configuration_of_a_few_bytes_makes_no_huge_network(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "4")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"^backbone: ") as error, explained(str(tmp_path)):
        read_config(str(tmp_path))
    assert "\n" not in str(error.value)


def test_an_honest_configuration_passes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    assert read_config(str(tmp_path)).hidden_size == 16
