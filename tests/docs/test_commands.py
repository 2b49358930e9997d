"""Every command that a page tells its reader to type is typed by a test, or at least read by the real program."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import pytest
import torch

from docs.commands import Command, all_of_tutorials, commands_in, inline, parse, told, typed_in_tutorials
from headstart.cli import main
from headstart.study.study import Study
from tiny_study import write_study

IN_A_FOLDER = {
    "headstart --version": 0,
    "headstart init my-data.csv": 0,
    "headstart plan study.toml": 0,
    "headstart study study.toml": 0,
    "headstart check runs/demo --answer federate": 1,  # two seeds, of which nothing can be claimed
    "headstart check runs/demo --answer both --margin 0.03": 1,
    "headstart convert checkpoint.pth.tar": 0,
    "headstart export runs/demo --format state_dict": 0,
    "headstart export runs/clinics --arm fedavg --format onnx --out model": 0,
    "headstart federate keys --host federation.example.org --site north --site south --out keys": 0,
    "headstart federate keys --renew --host federation.example.org --out keys": 0,
}
"""Typed in a folder with what they need, in this order; the code with which each ends."""
SLOWLY = {
    "headstart study study.toml --jobs 2": 0,
    "headstart federate run study.toml --local 4": 0,
    "headstart probe study.toml --local 4": 0,
}
"""Typed there afterwards, where slow tests run."""
NEEDED = {"export runs/clinics": "onnxruntime", "federate": "flwr", "probe": "flwr"}
READ_ALONE = {
    "headstart demo": "test_readme types it, and compares what it prints",
    "headstart demo --jobs 2": "the demo once more; the study above is typed with --jobs",
    "headstart study studies/fed-heart.toml": "public data; tests/study opens the presets",
    "headstart export runs/demo --arm finetune-head --out bundle": "scripts/wheel types it; a tutorial types the like",
    "headstart export runs/clinics --arm fedavg-finetune --client north --format transformers": "a checkpoint",
    "headstart study study.toml --device cuda": "a graphics card",
    "headstart study study.toml --cluster head:6379": "another machine",
    "headstart study study.toml --cluster ray://head:10001": "another machine",
    "headstart study study.toml --out runs/study --cluster '$head:$port'": "Slurm",
    "headstart study /study/study.toml --out /study/run --cluster auto": "Kubernetes",
    "headstart federate up --address 0.0.0.0:8000 --keys keys": "a port that others reach",
    "headstart federate up --address 0.0.0.0:8000 --keys /srv/link/keys --home /srv/link/home": "another user",
    "headstart federate preview --config site.toml": "what a server proposed; tests/sites/test_preview.py looks at one",
    "headstart probe study.toml --sites 8": "eight sites; a tutorial asks three",
    "headstart-edge evaluate bundle examples": "a tutorial evaluates others",
}
"""What no test types, and why; the program reads them all the same."""
TOLD = told()
QUOTED = inline()


def test_every_command_is_typed_or_has_a_reason() -> None:
    assert {*TOLD} - typed_in_tutorials() - {*IN_A_FOLDER, *SLOWLY} - {*READ_ALONE} == set()


def test_no_reason_is_left_over() -> None:
    assert {*IN_A_FOLDER, *SLOWLY, *READ_ALONE} - {*TOLD} == set()
    assert {*READ_ALONE} & (typed_in_tutorials() | {*IN_A_FOLDER, *SLOWLY}) == set()


@pytest.mark.parametrize("name", {**TOLD, **all_of_tutorials()})
def test_the_program_knows_what_is_told(name: str) -> None:
    parse({**TOLD, **all_of_tutorials()}[name])


@pytest.mark.parametrize("name", QUOTED)
def test_the_program_knows_what_is_quoted(name: str) -> None:
    with suppress(click.MissingParameter):  # a command spoken of, not one to type
        parse(QUOTED[name])


@pytest.mark.parametrize("line", ["headstart plam x", "headstart plan x --jbos 2", "headstart check x"])
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    (command,) = commands_in(line)
    with pytest.raises(click.UsageError):
        parse(command)


def test_a_wrong_command_of_a_device_would_be_noticed() -> None:
    with pytest.raises(SystemExit):
        parse(Command("headstart-edge", ("learn", "bundle")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a study, run folders of it and a file of weights."""
    made = tmp_path_factory.mktemp("typed")
    study = write_study(made)
    study.write_text(study.read_text().replace('"clients.csv"', f'"{made}/clients.csv"'))
    Study.load(study).run(made / "runs" / "demo")
    shutil.copytree(made / "runs" / "demo", made / "runs" / "clinics")
    shutil.copy(made / "clients.csv", made / "my-data.csv")
    torch.save({"state_dict": {"module.weight": torch.zeros(2, 2)}}, made / "checkpoint.pth.tar")
    return made


@pytest.fixture
def type_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Command], int]:
    """Type a command in a copy of the folder; return the code with which it ends."""
    monkeypatch.chdir(folder)

    def type_it(command: Command) -> int:
        try:
            main(list(command.arguments))
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return type_it


def test_what_is_typed_in_a_folder_ends_as_it_should(type_it: Callable[[Command], int], folder: Path) -> None:
    for name, code in IN_A_FOLDER.items():
        skip_without(name)
        if name.startswith("headstart init"):
            (folder / "study.toml").rename(folder / "kept.toml")
        assert type_it(TOLD[name]) == code, name
        if (folder / "kept.toml").exists():
            (folder / "kept.toml").replace(folder / "study.toml")
    assert (folder / "model" / "model.onnx").exists()
    assert (folder / "checkpoint.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOWLY)
def test_what_is_typed_slowly_ends_as_it_should(name: str, type_it: Callable[[Command], int]) -> None:
    skip_without(name)
    assert type_it(TOLD[name]) == SLOWLY[name]


def skip_without(name: str) -> None:
    """Skip where the extra that a command needs is not installed."""
    for words, module in NEEDED.items():
        if words in name:
            pytest.importorskip(module)
