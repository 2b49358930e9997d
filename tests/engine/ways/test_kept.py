"""A run chooses a way once for each job, and keeps to it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.ways.jobs import job_of
from headstart.core.files import read_json, write_json
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.kept import KeptWays, name_of_job
from headstart.engine.ways.placement import Placement
from headstart.testing import open_world

GROUPED = Placement("grouped", workers=2, group=5)


def test_the_first_choice_stays(tmp_path: Path) -> None:
    first, second = KeptWays(tmp_path / "run"), KeptWays(tmp_path / "run")
    assert first.get("job") is None
    assert first.settle("job", GROUPED, "small-cnn") == GROUPED.lasting
    assert second.settle("job", Placement("stack"), "small-cnn") == GROUPED.lasting
    assert second.settle("other", Placement("stack"), "mlp") == Placement("stack")
    assert first.get("job") == GROUPED.lasting
    assert [entry["model"] for entry in read_json(tmp_path / "run" / "ways.json").values()] == ["small-cnn", "mlp"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"job": {"way": "stack"}, "checksum": "0"}'])
def test_a_damaged_file_is_chosen_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "ways.json").write_text(content)
    kept = KeptWays(tmp_path)
    assert kept.get("job") is None
    assert kept.settle("job", GROUPED, "x") == GROUPED.lasting == kept.get("job")


def test_an_entry_that_makes_no_sense_is_chosen_anew(tmp_path: Path) -> None:
    write_json(tmp_path / "ways.json", {"job": {"way": "sideways"}})
    assert KeptWays(tmp_path).get("job") is None
    assert KeptWays(tmp_path).settle("job", GROUPED, "x") == GROUPED.lasting


def test_a_job_is_named_by_all_that_its_way_depends_on() -> None:
    job = job_of(open_world("all"))
    changed = [
        replace(job, batch_size=7),
        replace(job, cohort_size=2),
        replace(job, dtype=torch.float64),
        replace(job, is_summed=True),
        job_of(open_world("head")),
    ]
    assert len({name_of_job(each) for each in (job, *changed)}) == 6
    assert name_of_job(job) == name_of_job(job_of(open_world("all")))


def test_a_run_keeps_to_its_way_whatever_another_machine_would_choose(tmp_path: Path) -> None:
    job, here = job_of(open_world("all")), KeptWays(tmp_path)
    here.settle(name_of_job(job), Placement("workers"), "x")
    assert Fleet(kept=here).placement(job).way == "workers"
    assert Fleet("loop", kept=here).placement(job).way == "loop"


def test_a_choice_is_kept_once_work_begins_and_not_before(tmp_path: Path) -> None:
    """A plan writes nothing."""
    job, fleet = job_of(open_world("all")), Fleet(kept=KeptWays(tmp_path))
    chosen = fleet.placement(job)
    assert not list(tmp_path.iterdir())
    with fleet.crew(job):
        assert KeptWays(tmp_path).get(name_of_job(job)) == chosen.lasting


def test_heads_and_ways_that_were_asked_for_are_not_kept(tmp_path: Path) -> None:
    for engine, trainable in (
        (Fleet(kept=KeptWays(tmp_path)), "head"),
        (Fleet("loop", kept=KeptWays(tmp_path)), "all"),
    ):
        with engine.crew(job_of(open_world(trainable))):
            assert not list(tmp_path.iterdir())
