from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.report import load_run
from headstart.report.summary import arm_rows, client_rows, differences
from headstart.report.views import worst_hit

from .run_folders import Recipe, write_run


def test_rows_are_sorted_and_carry_their_roles(slate_folder: Path) -> None:
    rows = arm_rows(load_run(slate_folder))
    assert [row.mean for row in rows] == sorted((row.mean for row in rows), reverse=True)
    roles = {row.name: row.role for row in rows if row.role}
    assert roles == {"pooled": "reference", "ridge-personal": "recommended", "fedavg": "baseline"}


def test_bytes_and_stages_come_from_the_records(slate_folder: Path) -> None:
    rows = {row.name: row for row in arm_rows(load_run(slate_folder))}
    assert rows["fedavg"].bytes == 100 * 44_700_000
    assert rows["fedavg"].stages == ("random", "fedavg, 50 rounds", "keep")
    assert rows["local"].stages == ("random", "nothing", "full_finetune")
    assert rows["local"].bytes == 0


def test_without_a_verdict_means_come_from_the_records(bare_folder: Path) -> None:
    run = load_run(bare_folder)
    (row,) = arm_rows(run)
    assert row.mean == pytest.approx(run.records[0]["metrics"]["client_balanced_accuracy"])
    assert row.low is None
    assert row.family is None


@pytest.mark.parametrize("status", ["reference", "oracle"])  # older folders have another word
def test_a_reference_is_known_by_its_status(bare_folder: Path, status: str) -> None:
    run = replace(load_run(bare_folder), verdict={"arms": {"fedavg": {"status": status}}, "baseline": "local"})
    assert [row.role for row in arm_rows(run)] == ["reference"]


def test_families_and_shares_by_chance_come_from_the_verdict(answered: dict[str, Path]) -> None:
    rows = {row.name: row for row in arm_rows(load_run(answered["better"]))}
    assert (rows["local"].family, rows["ridge"].family) == ("fine-tune", "federate")
    assert 0.3 < rows["ridge"].hurt_local_by_chance < 0.5


def test_differences_pair_seeds_and_leave_held_out_clients_out(slate_folder: Path) -> None:
    run = load_run(slate_folder)
    found = differences(run)
    assert "fedavg" not in found
    assert found["ridge"].shape == (16,)
    scores = run.scores().decisive()
    expected = np.nanmean(scores.of("ridge") - scores.of("fedavg"), axis=0)
    assert np.allclose(found["ridge"], expected)


def test_positive_is_better_where_less_is_better(tmp_path: Path) -> None:
    run = load_run(
        write_run(tmp_path, Recipe(arms=("local", "ridge", "fedavg"), seeds=2, clients=8, metric="log_loss"))
    )
    found = differences(run)
    assert np.nanmean(found["ridge"]) > 0 > np.nanmean(found["local"])  # ridge has the lower loss
    gains = [row.change for row in client_rows(run) if row.change is not None]
    assert gains == sorted(gains)
    assert np.mean(gains) > 0


def test_worst_hit_are_those_who_lose_against_training_alone(slate_folder: Path) -> None:
    clients = client_rows(load_run(slate_folder))
    expected = sorted((row for row in clients if row.change_local < 0), key=lambda row: row.change_local)
    assert worst_hit(clients) == expected[:5]
