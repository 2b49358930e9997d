"""What a step costs here is measured once."""

from dataclasses import replace
from pathlib import Path

from engine.ways.jobs import job_of
from headstart.engine.ways.fleet import Fleet
from headstart.testing import open_world


def test_a_calibration_is_done_once_and_kept(tmp_path: Path) -> None:
    world = open_world("all")
    job = job_of(world)
    first = Fleet(folder=tmp_path).placement(job)
    (path,) = tmp_path.glob("*.json")
    before = path.stat().st_mtime_ns
    assert Fleet(folder=tmp_path).placement(job) == first
    assert path.stat().st_mtime_ns == before


def test_a_batch_larger_than_the_data_can_be_calibrated() -> None:
    world = open_world("all")
    job = replace(job_of(world), batch_size=len(world.federation.examples) + 5)
    assert Fleet().placement(job).way in ("stack", "loop", "workers")
