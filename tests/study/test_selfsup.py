"""A study of pictures whose clients prepare a body without labels, and of one that starts from fractals."""

from __future__ import annotations

from typing import Any

import pytest

from headstart import Arm, Study
from study.made import images
from tiny_study import read_records

SIMSIAM = {"method": "simsiam", "rounds": 2, "projection": 8, "batch_size": 8}
FRACTAL = {"method": "fractal", "systems": 3, "pictures": 6, "epochs": 3, "client_lr": 0.02, "seed": 0}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The records of one seed, by arm."""
    arms = [
        Arm("fedavg", "random", {"method": "fedavg", "rounds": 2, "trainable": "all"}),
        Arm("prepared", "random", SIMSIAM),
        Arm("prepared-ridge", "random", [SIMSIAM, "ridge"]),
        Arm("prepared-probe", "random", SIMSIAM, {"method": "linear_probe", "epochs": 2}),
        Arm("fractal-ridge", FRACTAL, "ridge"),
    ]
    out = tmp_path_factory.mktemp("selfsup")
    Study(images(), arms=arms, backbone="small-cnn", seeds=[0], baseline="fedavg").run(out)
    return {record["arm"]: record for record in read_records(out)}


def test_an_arm_without_labels_is_no_failure_and_says_what_is_missing(records: dict[str, Any]) -> None:
    found = records["prepared"]["learnt"]
    assert not any(one["failed"] for one in found)
    assert "no labels" in {one["kind"] for one in found}
    assert "no stage looked at labels" in next(one["words"] for one in found if one["kind"] == "no labels")


@pytest.mark.parametrize("arm", ["prepared-ridge", "prepared-probe", "fractal-ridge"])
def test_a_stage_that_fits_a_head_makes_up_for_it(arm: str, records: dict[str, Any]) -> None:
    assert "no labels" not in {one["kind"] for one in records[arm]["learnt"]}


def test_bytes_are_those_of_the_body_and_what_travels_with_it(records: dict[str, Any]) -> None:
    fedavg, prepared = (records[arm]["traffic"]["upload"] for arm in ("fedavg", "prepared"))
    more = 8 * 128 + 8 * 8 + 2 * 8 + 2 * 8 + 2 * 2 + 8 * 2 + 8
    assert prepared - fedavg == 4 * 2 * 4 * more, "float32, two rounds, four clients"


def test_two_views_cost_about_twice_the_steps(records: dict[str, Any]) -> None:
    fedavg, prepared = (records[arm]["costs"]["client_flops"] for arm in ("fedavg", "prepared"))
    assert 1.9 < prepared / fedavg < 2.5
