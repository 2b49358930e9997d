"""Where a checkpoint is looked for, and what is said when it cannot be read."""

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
