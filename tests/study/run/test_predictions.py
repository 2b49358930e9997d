"""Predictions of single examples agree with the clients' scores, and are told apart from missing ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from headstart.core.arrays import Array
from headstart.core.files import write_json
from headstart.data.examples import Examples
from headstart.data.federation import Federation
from headstart.engine.adaptation import Evaluation
from headstart.evidence.metrics import Scoring
from headstart.evidence.outcomes import Outcomes
from headstart.study.run.facts import own_predictions
from headstart.study.run.folder import RunFolder
from headstart.study.run.predictions import outcomes, write_predictions
from tiny_study import ARMS, CLASSES, numbers, open_tiny, run_tiny

DATA = "held_out_clients = 0.25"
LOSSES = "[evaluation]\nlosses = true"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Federation]:
    """A run folder with losses, and its data; to be read."""
    folder = tmp_path_factory.mktemp("done")
    run_tiny(folder, data=DATA, more=LOSSES)
    return folder / "out", open_tiny(folder, data=DATA, more=LOSSES).lab.federation


def gathered(done: tuple[Path, Federation], *arms: str, metric: str = "accuracy") -> Outcomes:
    folder, federation = done
    found = outcomes(RunFolder(folder), federation, arms or tuple(ARMS), metric)
    assert found is not None
    return found


def scores(folder: Path, metric: str) -> dict[tuple[str, int, str], float]:
    """Clients' scores on their own test examples, as the table of clients has them."""
    wanted = [("split", "=", "test"), ("metric", "=", metric)]
    rows = parquet.read_table(folder / "clients.parquet", filters=wanted).to_pylist()
    return {(row["arm"], row["seed"], row["client"]): row["value"] for row in rows}


def means(found: Outcomes, metric: str) -> dict[tuple[str, int, str], float]:
    """The same scores, from examples."""
    sign = -1.0 if metric == "log_loss" else 1.0
    return {
        (arm, seed, client): sign * float(found.scores(arm, metric)[s, found.owner == c].mean())
        for arm in found.arms
        for s, seed in enumerate(found.seeds)
        for c, client in enumerate(found.clients)
    }


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_examples_add_up_to_the_clients_scores(done: tuple[Path, Federation], metric: str) -> None:
    assert means(gathered(done, metric=metric), metric) == pytest.approx(scores(done[0], metric), abs=1e-6)


def test_outcomes_say_whose_examples_they_are(done: tuple[Path, Federation]) -> None:
    found, federation = gathered(done), done[1]
    assert (found.seeds, found.seen.tolist()) == ((0, 1), [client.seen for client in federation.clients])
    for position, client in enumerate(federation.clients):
        own = found.owner == position
        assert found.labels[own].tolist() == federation.examples.labels[client.test].tolist()


def test_an_arm_without_runs_is_missing(done: tuple[Path, Federation]) -> None:
    found = gathered(done, "never-run", "fedavg", metric="log_loss")
    assert (found.predicted[0] == -1).all()
    assert np.isnan(found.scores("never-run", "log_loss")).all()
    assert (found.predicted[1] >= 0).all()


def test_the_table_says_the_same(done: tuple[Path, Federation]) -> None:
    folder, federation = done
    table, found = parquet.read_table(folder / "predictions.parquet"), gathered(done, metric="log_loss")
    assert table.column_names == ["arm", "seed", "client", "view", "row", "predicted", "log_loss", "confidence"]
    rows = table.to_pandas().query("arm == 'fedavg' and seed == 1")
    assert rows["predicted"].tolist() == found.predicted[0, 1].tolist()
    assert rows["client"].tolist() == [found.clients[owner] for owner in found.owner]
    assert rows["row"].tolist() == [row for client in federation.clients for row in client.test]
    assert rows["log_loss"].tolist() == pytest.approx((-found.scores("fedavg", "log_loss")[1]).tolist())
    assert rows["confidence"].between(1 / len(CLASSES), 1).all()
    assert set(table["view"].to_pylist()) == {"test"}


def test_runs_are_written_some_at_a_time(done: tuple[Path, Federation], tmp_path: Path) -> None:
    folder, federation = done
    write_predictions(tmp_path / "predictions.parquet", RunFolder(folder), federation, most_rows=1)
    file = parquet.ParquetFile(tmp_path / "predictions.parquet")
    assert file.metadata.num_row_groups == 4
    assert file.read().equals(parquet.read_table(folder / "predictions.parquet"))


def test_losses_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    federation = open_tiny(tmp_path).lab.federation
    found = outcomes(RunFolder(tmp_path / "out"), federation, tuple(ARMS), "accuracy")
    assert found is not None
    assert found.parts is None
    assert "log_loss" not in parquet.read_table(tmp_path / "out" / "predictions.parquet").column_names
    run_tiny(tmp_path, more=LOSSES)
    found = outcomes(RunFolder(tmp_path / "out"), federation, tuple(ARMS), "log_loss")
    assert found is not None
    assert found.parts is not None


def test_the_metric_log_loss_keeps_losses(tmp_path: Path) -> None:
    run_tiny(tmp_path, decision='metric = "log_loss"', only_seeds=[0])
    assert "confidence" in parquet.read_table(tmp_path / "out" / "predictions.parquet").column_names


def test_trials_keep_no_predictions(tmp_path: Path) -> None:
    run_tiny(tmp_path, more="[tuning]\ntrials = 2", only_seeds=[0])
    nodes = [json.loads(file.read_text()) for file in (tmp_path / "out" / "nodes").iterdir()]
    trials = [node for node in nodes if node["kind"] == "adapt" and "test" not in node["metrics"]]
    assert trials
    assert {node["weights"] for node in trials} == {None}
    runs = [node for node in nodes if node["kind"] == "adapt" and "test" in node["metrics"]]
    assert all(node["weights"].startswith("predictions-") for node in runs)


def without_predictions(folder: RunFolder, *arms: str) -> None:
    """Make runs as they were before predictions were kept."""
    for line in folder.records.all():
        if line["arm"] in arms:
            write_json(
                folder.path / "nodes" / f"{line['key']}.json", folder.store.facts(line["key"]) | {"weights": None}
            )


def test_runs_of_before_lack_them(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    folder, federation = RunFolder(tmp_path / "out"), open_tiny(tmp_path).lab.federation
    without_predictions(folder, "fedavg")
    assert [(line["arm"], line["seed"]) for line in folder.lacking()] == [("fedavg", 0), ("fedavg", 1)]
    assert outcomes(folder, federation, tuple(ARMS), "accuracy") is None
    assert outcomes(folder, federation, ("fedavg-finetune",), "accuracy") is not None
    write_predictions(tmp_path / "some.parquet", folder, federation)
    assert set(parquet.read_table(tmp_path / "some.parquet")["arm"].to_pylist()) == {"fedavg-finetune"}
    without_predictions(folder, "fedavg-finetune")
    write_predictions(tmp_path / "some.parquet", folder, federation)
    assert not (tmp_path / "some.parquet").exists()


def test_deleted_predictions_are_made_again(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    before = numbers(tmp_path / "out")
    for file in (tmp_path / "out" / "weights").glob("predictions-*"):
        file.unlink()
    folder = RunFolder(tmp_path / "out")
    assert len(folder.lacking()) == 4
    assert not any(folder.store.has(line["key"]) for line in folder.records.all())
    run_tiny(tmp_path)
    assert numbers(tmp_path / "out") == before


def examples_of(rows: int, classes: int) -> Examples:
    names = tuple(map(str, range(classes)))
    return Examples("table", np.zeros((rows, 1)), np.zeros(rows, dtype=int), ["x"] * rows, names)


def evaluation(found: Array) -> Any:
    return Evaluation({"test": [found]}, np.zeros(1, dtype=bool))


@pytest.mark.parametrize(("classes", "kind"), [(2, "uint8"), (255, "uint8"), (256, "int16"), (40_000, "int32")])
def test_classes_take_as_few_bytes_as_can_be(classes: int, kind: str) -> None:
    found = np.zeros((2, classes))
    found[0, classes - 1], found[1] = 1, np.nan
    tree = own_predictions(
        evaluation(found), {"test": [np.arange(2)]}, examples_of(2, classes), Scoring(), losses=False
    )
    assert tree is not None
    assert tree["test/predicted"].numpy().dtype == kind
    assert tree["test/predicted"].tolist() == [classes - 1, classes]


def test_without_test_examples_nothing_is_kept() -> None:
    assert (
        own_predictions(evaluation(np.zeros((0, 2))), {"val": []}, examples_of(0, 2), Scoring(), losses=False) is None
    )


def test_numbers_that_are_not_finite_are_null_in_the_table(done: tuple[Path, Federation], tmp_path: Path) -> None:
    folder, federation = RunFolder(done[0]), done[1]
    lines = [SimpleNamespace(**line) for line in folder.records.all()]
    store = RunFolder(tmp_path)
    for line in lines:
        node = folder.store.get(line.key)
        assert node is not None
        assert node.tree is not None
        broken = {name: value.clone() for name, value in node.tree.items()}
        broken["test/predicted"][0] = len(CLASSES)
        store.store.put(line.key, node.facts, broken)
        store.records.put(vars(line))
    write_predictions(tmp_path / "predictions.parquet", store, federation)
    assert parquet.read_table(tmp_path / "predictions.parquet")["predicted"].null_count == len(lines)
    found = outcomes(store, federation, tuple(ARMS), "accuracy")
    assert found is not None
    assert (found.scores("fedavg", "accuracy")[:, 0] == 0).all()
