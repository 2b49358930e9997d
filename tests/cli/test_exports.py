"""What ``headstart export`` says, and what it refuses."""

from pathlib import Path

import pytest

from headstart.cli.main import main
from headstart.study.study import Study
from tiny_study import FEDAVG, write_study


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    Study.load(write_study(folder, seeds=(0,), arms={"fedavg": FEDAVG})).run(folder / "run")
    return folder / "run"


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        main(["export", *arguments])
    except SystemExit as stop:
        code = int(str(stop.code))
    found = capsys.readouterr()
    return code, found.out + found.err


def test_the_recommended_arm_leaves_into_the_run_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = _said(capsys, str(run), "--format", "state_dict", "--study", str(run.parent / "study.toml"))
    assert code == 0
    assert "predictions  as the study's own to " in said
    assert "test predictions are those of the run" in said
    assert (run / "export" / "fedavg-state_dict" / "model.pth").is_file()
    assert "fedavg, the model that clients share, seed 0" in " ".join(said.split())


REFUSED = {
    "format": (("--format", "pt"), "--format: must name a format, received 'pt'; valid: bundle, onnx, safetensors"),
    "client of a bundle": (("--client", "site-1"), "--client: a bundle is for devices that adapt it themselves"),
    "limit": (("--format", "onnx", "--limit", "0.1"), "--limit: is for --format bundle alone, received it with 'onnx'"),
    "int8": (("--format", "onnx", "--no-int8"), "--int8: is for --format bundle alone"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    study = ("--study", str(run.parent / "study.toml"), "--out", str(tmp_path / "out"))
    code, said = _said(capsys, str(run), "--arm", "fedavg", *study, *options)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
