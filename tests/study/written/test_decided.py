"""A decision is filled in from the data, and refused where it does not fit them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headstart
from headstart.core.errors import SettingError
from headstart.core.task import Task
from headstart.data.federation import Federation
from headstart.data.targets import Targets
from headstart.study.written.decided import decided, positive_and_specificity
from headstart.study.written.load import StudyFile, parse_study
from headstart.study.written.schema import DecisionSettings


def federation(classes: int = 2) -> Federation:
    labels = np.arange(90) % classes
    return headstart.from_arrays(np.ones((90, 2)), labels, clients=np.arange(90) % 3)


def of_numbers(outputs: tuple[str, ...] = ("mmHg",)) -> Federation:
    made = federation()
    task = Task(kind="regression", outputs=outputs, centers=(0.0,) * len(outputs), scales=(1.0,) * len(outputs))
    values = np.tile(np.arange(90.0)[:, None], (1, len(outputs)))
    return replace(made, examples=replace(made.examples, targets=Targets(task, values)))


def file(made: Federation, **decision: Any) -> StudyFile:
    table = {"name": "s", "data": {"source": f"python:{made.key}"}, "model": {"backbone": "linear"}}
    return parse_study({**table, "decision": decision}, Path(), "", made)


def settle(made: Federation, **decision: Any) -> DecisionSettings:
    return decided(file(made, **decision), made).settings.decision


def test_classes_are_decided_as_ever() -> None:
    made = federation()
    assert decided(file(made), made) == file(made)


def test_numbers_are_decided_by_their_error_and_a_twentieth_of_their_spread() -> None:
    made = of_numbers()
    rows = np.concatenate([client.train for client in made.clients])
    found = settle(made)
    assert found.metric == "mae"
    assert found.min_effect == pytest.approx(0.05 * rows.std(), rel=1e-2)
    assert settle(made, metric="r2").min_effect == 0.02
    assert settle(made, min_effect=3.0).min_effect == 3.0
    assert settle(of_numbers(("a", "b"))).min_effect == 0.05


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"metric": "mae"}, r"^decision\.metric: must judge a task of classification .*received mae"),
        ({"metric": "f1"}, r"^decision\.positive: must name the class that f1 looks for, one of 3, .*positive = '2'"),
        ({"metric": "f1", "positive": "4"}, r"^decision\.positive: must be one of the classes, received '4'"),
        ({"metric": "spearman", "clients": "these"}, r'^decision\.clients: "these" needs a metric'),
        ({"metric": "ward:cost"}, r"^decision\.min_effect: must be said for a metric of your own"),
        ({"metric": "nowhere_at_all:cost", "min_effect": 2.0}, r"^decision\.metric: must be a function that can be"),
        ({"min_effect": 2.0}, r"^decision\.min_effect: must be a share of at most 1"),
    ],
)
def test_what_does_not_fit_the_data_is_one_line(decision: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        settle(federation(3), **decision)


def test_a_metric_that_no_client_defines_is_refused_before_anything_runs() -> None:
    made = federation()
    no_val = replace(made, clients=[replace(client, val=client.val[:0]) for client in made.clients])
    with pytest.raises(SettingError, match=r"f1 chooses its threshold on validation examples, of which no client"):
        settle(no_val, metric="f1")
    alone = headstart.from_arrays(np.ones((90, 2)), np.arange(90) % 2, clients=np.arange(90) % 2)
    with pytest.raises(SettingError, match=r"auroc needs test examples of two classes at one client"):
        settle(alone, metric="auroc")


def test_no_class_is_looked_for_in_numbers() -> None:
    with pytest.raises(SettingError, match=r"decision\.positive: needs a task of classification, received 'ill'"):
        settle(of_numbers(), positive="ill")


def test_a_class_is_found_by_its_name() -> None:
    found = positive_and_specificity(DecisionSettings(positive="1", specificity=0.9), federation(3).task)
    assert found == {"positive": 1, "specificity": 0.9}


def test_no_site_runs_a_function_that_a_server_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told.py").write_text("raise SystemExit('it was run')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    made = federation()
    with pytest.raises(SettingError, match="a site runs no function that a server names"):
        decided(file(made, metric="told:cost", min_effect=1.0), made, is_here=False)
    assert "told" not in sys.modules
