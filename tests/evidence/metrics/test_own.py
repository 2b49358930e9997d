"""A metric of the user's own is called for each client, and its failures are said."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from headstart.core.errors import MetricError, SettingError
from headstart.core.task import classification
from headstart.evidence.metrics import Scoring, client_metrics, is_function, measure_of, pooled_metrics, scoring_key

TASK = classification(("a", "b"))
SAID = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
BODY = """
def cost(truth, predictions):
    return float((predictions.argmax(1) != truth).sum())

cost.lower_is_better = True
cost.unit = "EUR"

def broken(truth, predictions):
    raise ValueError("no such thing")

def words(truth, predictions):
    return "many"

number = 3
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ward_scores.py").write_text(BODY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ward_scores", raising=False)


def test_it_is_computed_for_each_client_beside_the_others():
    scoring = Scoring(metric="ward_scores:cost")
    found = client_metrics(np.array([0, 0, 1]), SAID, np.array([0, 0, 2]), 3, TASK, scoring=scoring)
    np.testing.assert_array_equal(found["ward_scores:cost"], [1.0, np.nan, 0.0])
    assert "auroc" in found
    of = measure_of("ward_scores:cost", TASK)
    assert (of.lower_is_better, of.unit, of.by_example) == (True, "EUR", False)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("nowhere:cost", "can be imported, received 'nowhere:cost' .ModuleNotFoundError"),
        ("ward_scores:cots", "received 'ward_scores:cots' .AttributeError"),
        ("ward_scores:number", "must name a function, received 'ward_scores:number', a int"),
    ],
)
def test_what_cannot_be_imported_is_refused(metric, message):
    with pytest.raises(SettingError, match=message):
        measure_of(metric, TASK)


@pytest.mark.parametrize(("name", "message"), [("broken", "ValueError: no such thing"), ("words", "could not convert")])
def test_a_function_that_fails_is_named_with_what_it_was_given(name, message):
    with pytest.raises(
        MetricError, match=rf"ward_scores:{name}' must return a number .*{message}.*predictions \(3, 2\)"
    ):
        pooled_metrics(np.array([0, 0, 1]), SAID, TASK, scoring=Scoring(metric=f"ward_scores:{name}"))


def test_its_text_is_part_of_what_scores_depend_on(tmp_path: Path):
    assert scoring_key(Scoring(metric="auroc")) == []
    before = scoring_key(Scoring(metric="ward_scores:cost"))
    (tmp_path / "ward_scores.py").write_text(BODY + "\n", encoding="utf-8")
    assert scoring_key(Scoring(metric="ward_scores:cost")) != before


@pytest.mark.parametrize("metric", ["auroc", "os.system('x'):f", "../a:b", ":f", "a:", "a.b:c.d"])
def test_other_names_are_no_path_to_a_function(metric):
    assert not is_function(metric)
