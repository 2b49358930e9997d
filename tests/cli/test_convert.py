"""``headstart convert``: what is written, what is said, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from headstart.cli import main
from headstart.models.state import read_state
from pickles import Trap, equal, net, saved

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Convert in this process, 80 columns wide: the exit code, and what was printed."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            main(["convert", *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capfd.readouterr()
        return code, told.out, told.err

    return run


def test_what_was_found_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "net.pth", {"epoch": 3, "state_dict": nn.DataParallel(net()).state_dict()})
    code, out, err = run("net.pth")
    assert (code, err) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        f"read net.pth ({(tmp_path / 'net.pth').stat().st_size / 1000:.3g} kB)",
        "tensors 9",
        "numbers 66 of float32, 1 of int64",
        "prefix all names begin with 'module.', which is kept; a study strips it where",
        "names fit without",
        "names module.body.0.weight to module.fc.bias",
        "found the weights are under 'state_dict'; beside them, and not read: epoch",
        f"written net.safetensors ({(tmp_path / 'net.safetensors').stat().st_size / 1000:.3g} kB)",
    ]
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", ["net.pth", "net.bin", "net.pth.tar"])
def test_the_file_holds_the_same_tensors(name: str, run: Run, tmp_path: Path) -> None:
    state = {**net().state_dict(), "half": torch.ones(2, dtype=torch.bfloat16)}
    assert run(saved(tmp_path / name, state))[0] == 0
    assert equal(read_state(tmp_path / "net.safetensors"), state)


def test_nothing_is_overwritten_unless_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    path, out = saved(tmp_path / "net.pth", net().state_dict()), tmp_path / "mine.safetensors"
    out.write_bytes(b"mine")
    code, _, err = run(path, "--out", out)
    assert (code, out.read_bytes()) == (2, b"mine")
    assert "is there already; give another file, or --force to overwrite it" in err
    assert run(path, "--out", out, "--force")[0] == 0
    assert equal(read_state(out), dict(net().state_dict()))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (net(), "holds more than tensors ('pickles.Net'), which is never run"),
        (Trap("false"), "which is never run"),
        ({"w": torch.tensor([float("nan")])}, "all weights must be finite"),
        ({"__metadata__": torch.ones(1)}, "which safetensors keep for themselves"),
        ({}, "holds an empty state_dict"),
    ],
    ids=["a module", "a trap", "not finite", "a name that is taken", "empty"],
)
def test_a_bad_file_is_one_line_and_nothing_is_written(content: object, word: str, run: Run, tmp_path: Path) -> None:
    code, out, err = run(saved(tmp_path / "net.pth", content))
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net.pth"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["no.pth"], "there is no file"),
        (["net.safetensors"], "which is safetensors already"),
        (["net.pth", "--out", "net.pt"], "must end in '.safetensors', received 'net.pt'"),
        (["net.csv"], "files end in .safetensors, .pth, .pt, .bin"),
        (["net.pth", "--out", "a.safetensors"], "received the folder 'a.safetensors'; give a.safetensors/net.saf"),
    ],
)
def test_bad_names(arguments: list[str], word: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.safetensors").mkdir()
    (tmp_path / "net.csv").write_text("a,b\n")
    saved(tmp_path / "net.pth", net().state_dict())
    code, _, err = run(*arguments)
    assert code == 2
    assert word in err


def test_a_name_cannot_command_the_terminal(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(saved(tmp_path / "net.pth", {"\x1b[2J[red]w\n": torch.ones(1)}))
    assert code == 0
    assert "\x1b" not in out
    assert "[red]w to [red]w" in " ".join(out.split())
