"""Targets from columns: read as they are, refused in one line where they are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from headstart.core.errors import DataError, SettingError
from headstart.data.arrays import from_arrays
from headstart.data.federation import Federation
from headstart.data.open import open_federation
from headstart.data.settings import CentralSettings, DataSettings

ROWS = 40
TABLE: dict[str, list[Any]] = {
    "age": [float(i) for i in range(ROWS)],
    "site": ["north", "south"] * (ROWS // 2),
    "dose": [0.1 * i for i in range(ROWS)],
    "weight": [50.0 + i % 7 for i in range(ROWS)],
    "ill": [i % 3 == 0 for i in range(ROWS)],
    "old": [i // 20 for i in range(ROWS)],
    "time": [1.0 + i % 11 for i in range(ROWS)],
    "event": [int(i % 4 == 0) for i in range(ROWS)],
}


def opened(folder: Path, changes: dict[str, list[Any]] | None = None, **settings: Any) -> Federation:
    parquet.write_table(pa.table({**TABLE, **(changes or {})}), folder / "rows.parquet")
    return open_federation(DataSettings(source="rows.parquet", client="site", **settings), folder)


def test_a_regression_predicts_in_standard_deviations_of_what_is_not_test(tmp_path: Path) -> None:
    federation = opened(tmp_path, label="dose", task="regression", columns=("age",))
    rows = np.concatenate([np.concatenate([c.train, c.val]) for c in federation.clients])
    truth = federation.examples.truth
    assert (federation.task.kind, federation.task.outputs) == ("regression", ("dose",))
    assert federation.task.centers == (truth[rows, 0].mean(),)
    assert federation.task.scales == (truth[rows, 0].std(),)
    assert sorted(truth[:, 0]) == TABLE["dose"]
    assert federation.num_classes == 5


def test_targets_are_no_inputs(tmp_path: Path) -> None:
    federation = opened(tmp_path, labels=("dose", "weight"), task="regression")
    assert federation.task.num_outputs == 2
    assert not {"dose", "weight"} & set(federation.examples.columns)


def test_several_labels(tmp_path: Path) -> None:
    federation = opened(tmp_path, labels=("ill", "old"), task="multilabel", columns=("age",))
    assert federation.task.outputs == ("ill", "old")
    assert set(federation.examples.truth.ravel()) == {0.0, 1.0}
    assert federation.examples.classes == ("ill", "old", "none")


def test_survival_has_times_and_events(tmp_path: Path) -> None:
    federation = opened(tmp_path, label="time", event="event", task="survival", columns=("age",))
    assert federation.task.outputs == ("risk",)
    assert federation.examples.truth.shape == (ROWS, 2)
    assert federation.examples.classes == ("followed", "event")


def test_a_central_share_has_the_clients_scale(tmp_path: Path) -> None:
    central = CentralSettings(fraction=0.25)
    federation = opened(tmp_path, label="dose", task="regression", columns=("age",), central=central)
    assert federation.central is not None
    assert federation.central.task == federation.task


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({}, {"label": "site", "client": None}, "must be a column of numbers, received 'site'.*string"),
        ({"dose": [np.inf] * ROWS}, {"label": "dose"}, r"numbers must be finite, received inf in row 0.*mend it"),
        ({"dose": [None, *TABLE["dose"][1:]]}, {"label": "dose"}, "data.label: column 'dose'.*is empty in 1 rows"),
        ({"dose": [3.0] * ROWS}, {"label": "dose"}, "needs numbers that differ, received 3 as 'dose'"),
        (
            {},
            {"labels": ("ill", "dose"), "task": "multilabel"},
            r"a column of 0 and 1.*0\.1 in row",
        ),
        ({"time": [-1.0] * ROWS}, {"label": "time", "event": "event", "task": "survival"}, "times must be 0 or more"),
        (
            {"event": [2] * ROWS},
            {"label": "time", "event": "event", "task": "survival"},
            "data.event: must be",
        ),
        ({"event": [0] * ROWS}, {"label": "time", "event": "event", "task": "survival"}, "without an event"),
    ],
)
def test_what_is_no_target_is_refused(
    tmp_path: Path, changes: dict[str, list[Any]], settings: dict[str, Any], message: str
) -> None:
    settings.setdefault("task", "regression")
    settings.setdefault("columns", ("age",))
    client = {} if settings.pop("client", "site") else {"client": "ill"}
    parquet.write_table(pa.table({**TABLE, **changes}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=message):
        open_federation(DataSettings(source="rows.parquet", **({"client": "site"} | client | settings)), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": ("a", "b")}, r"data\.labels: .*received 2 with data\.task = 'auto'"),
        ({"task": "multilabel", "labels": ("a", "a")}, r"data\.labels: must name each column once, received 'a' twice"),
        ({"task": "multilabel", "labels": ("a", "b"), "label": "a"}, r"data\.label: is in place of data\.labels"),
        ({"task": "survival"}, r"data\.event: .*needs it, received None"),
        ({"event": "e"}, r"data\.event: .*received 'e' with 'auto'"),
        ({"task": "regression", "classes": ("a", "b")}, r"data\.classes: is for classes"),
        ({"task": "regression", "central": CentralSettings(source="x", keep=("a",))}, r"data\.central\.keep"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        DataSettings(source="x", **settings)


def test_arrays_of_several_targets_and_of_survival() -> None:
    rng = np.random.default_rng(0)
    inputs, owners = rng.normal(size=(40, 3)), ["north", "south"] * 20
    two = from_arrays(inputs, rng.normal(size=(40, 2)), clients=owners, task="regression", classes=("dose", "age"))
    assert two.task.outputs == ("dose", "age")
    labels = from_arrays(inputs, rng.integers(0, 2, (40, 3)), clients=owners, task="multilabel")
    assert labels.task.outputs == ("label 0", "label 1", "label 2")
    times = from_arrays(inputs, np.arange(1.0, 41), events=[1, 0] * 20, clients=owners, task="survival")
    assert times.task.kind == "survival"
    with pytest.raises(DataError, match="classes: 3 names for labels of 2 columns"):
        from_arrays(inputs, rng.normal(size=(40, 2)), clients=owners, task="regression", classes=("a", "b", "c"))
