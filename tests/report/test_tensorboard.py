from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import MissingExtra
from headstart.report.tensorboard import check_installed, log_records
from tiny_study import read_records, run_tiny


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    run_tiny(tmp_path)
    return tmp_path / "out"


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own imports warn.
def test_every_run_has_its_scalars(finished: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = tmp_path / "board"
    log_records(finished / "records.jsonl", board)
    lines = read_records(finished)
    assert {path.name for path in board.iterdir()} == {f"{line['arm']}-{line['seed']}" for line in lines}

    def scalars(line: dict[str, Any], name: str) -> list[float]:
        events = accumulator.EventAccumulator(str(board / f"{line['arm']}-{line['seed']}")).Reload()
        return [event.value for event in events.Scalars(name)]

    curves = [pytest.approx([point["val_loss"] for point in line["curve"]]) for line in lines]
    assert [scalars(line, "curve/val_loss") for line in lines] == curves
    accuracies = [pytest.approx([line["metrics"]["client_balanced_accuracy"]]) for line in lines]
    assert [scalars(line, "test/client_balanced_accuracy") for line in lines] == accuracies


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtra, match=r"'tensorboard' is not installed.*pip install 'headstart\[tensorboard\]'"):
        check_installed()
