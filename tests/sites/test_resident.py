"""A site's data and model stay in memory from one request to the next, and no longer than they are what they were."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from headstart.core.content import SIGNED, hash_tree
from headstart.sites.messages import Setup, Start
from headstart.sites.site import Site
from headstart.study.lab import Lab
from headstart.study.written.load import load_study
from sites.in_process import InProcess, opened, sites_of, write_sites


def _opened(folder: Path) -> tuple[Site, Setup]:
    write_sites(folder)
    file = load_study(folder / "study.toml")
    ask = InProcess(sites_of(folder, folder / "state"))
    server = opened(file, ask, folder / "out")
    site = ask.sites[0]
    weights = Lab(server.lab.federation, file.model, server.lab.engine).build(0, from_scratch=True)[1]
    digest = hash_tree(weights, SIGNED)
    site.shelf.put_weights(weights, Start(digest, ""))
    setup = Setup(file.data, server.agreement, file.model, "float32", 0, digest, True)
    return site, setup


def test_what_was_opened_is_opened_once(tmp_path: Path) -> None:
    site, setup = _opened(tmp_path)
    first, second = site.open(setup), site.open(setup)
    assert first.lab is second.lab
    assert first.weights is second.weights


def test_data_that_were_written_are_read_anew(tmp_path: Path) -> None:
    site, setup = _opened(tmp_path)
    first = site.open(setup)
    table = pq.read_table(site.data)
    pq.write_table(table.slice(1), site.data)
    os.utime(site.data, ns=(1, 1))
    second = site.open(setup)
    assert len(second.lab.activations.examples) == len(first.lab.activations.examples) - 1


def test_another_reading_is_no_longer_the_same_data(tmp_path: Path) -> None:
    from dataclasses import replace

    site, setup = _opened(tmp_path)
    first = site.open(setup)
    assert site.open(replace(setup, seed=1)).lab is first.lab
    assert site.open(replace(setup, dtype="float64")).lab is not first.lab
