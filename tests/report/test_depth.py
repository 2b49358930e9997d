from pathlib import Path
from typing import Any

import pytest

from headstart.report.depth import depths
from headstart.report.run import Run


def _run(*trials: dict[str, Any], study: dict[str, Any] | None = None) -> Run:
    record = {"arm": "finetune", "seed": 0, "tuning": list(trials)}
    return Run(Path("runs"), study or {}, "", (record,), {})


def _trial(score: float | None, *, chosen: bool = False, **values: Any) -> dict[str, Any]:
    named = {f"adapt.{name}": value for name, value in values.items()}
    return {"trial": 0, "values": named, "score": score, "chosen": chosen}


def test_the_best_of_each_depth_is_shown() -> None:
    (found,) = depths(_run(_trial(0.7), _trial(0.6, depth=0), _trial(0.8, depth=2, chosen=True), _trial(None, depth=1)))
    assert found.best == ((0, 2, 0.7), (2, 1, 0.8))
    assert found.sentence == "unfreezing paid: 0.800 with 2, 0.700 with the head alone"


def test_a_loss_is_shown_as_it_is_and_less_is_better() -> None:
    (found,) = depths(_run(_trial(-0.5, chosen=True), _trial(-0.7, depth=1), _trial(-0.9, depth=1)))
    assert found.best == ((0, 1, 0.5), (1, 2, 0.7))
    assert found.sentence == "unfreezing did not pay: the head alone did best"


def test_the_written_depth_counts_for_the_first_trial() -> None:
    study = {"arms": {"finetune": {"adapt": {"method": "unfreeze", "depth": 1}}}}
    (found,) = depths(_run(_trial(0.9, chosen=True), _trial(0.6, depth=2), study=study))
    assert found.best == ((1, 1, 0.9), (2, 1, 0.6))
    assert found.sentence == "1 unfrozen did best; the head alone was not tried"


@pytest.mark.parametrize("trials", [(), (_trial(0.5, client_lr=0.1, chosen=True),)])
def test_an_arm_without_a_search_has_none(trials: Any) -> None:
    assert depths(_run(*trials)) == []
