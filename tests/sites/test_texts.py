"""A real federation of texts says what the simulation says."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from headstart.data import open_federation
from headstart.data.federation import Split
from headstart.models.spec import PACKAGED
from headstart.sites.flower.local import write_site_files
from headstart.sites.preview import preview, proposal
from headstart.sites.site import Site
from headstart.sites.site_file import site_file
from headstart.study.written.load import StudyFile, load_study
from sites.in_process import InProcess, arm_of, losses, opened, run_arm, simulated, sites_of
from sites.text_sites import NAMES, write_letters

ARMS = ("finetune", "fedavg", "ridge", "deep", "pool")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return write_letters(folder)


@pytest.mark.parametrize("arm", ARMS)
def test_the_numbers_are_the_simulations(arm: str, file: StudyFile, folder: Path, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "state", NAMES, policy="updates"))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, arm))
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(simulated(file, arm, tmp_path / "simulation"), abs=1e-4)


def test_a_preview_says_what_is_told_of_texts(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        f'name = "clinic"\npolicy = "updates"\nstate = "state"\n[data]\nsource = "{folder}/clinic.parquet"\n'
    )
    said = site_file(tmp_path / "site.toml", {})
    shown = proposal(said, folder / "study.toml")
    lines = "\n".join(preview(said.site, shown))
    assert f"  network: {folder}/encoder\n" in lines
    assert re.search(r"  texts: 39 of 'letter', of \d to 20 words; no word leaves, and no length\n", lines), lines
    assert "  1 of 40 rows of 'clinic.parquet' are left out: 'letter' is empty (rows 5)\n" in lines
    assert "which tell more than sums do; none of a table of words" in lines


def test_files_of_a_try_hold_the_texts_of_the_clients(file: StudyFile, tmp_path: Path) -> None:
    whole = open_federation(file.data, file.folder)
    paths = write_site_files(whole, file.data, tmp_path / "sites", 3, file.folder)
    for client in whole.clients:
        own = Site(client.id, paths[client.id], tmp_path / "state").read(file.data)
        for part in get_args(Split):
            mine, there = own.clients[0].indices(part), client.indices(part)
            assert list(own.examples.inputs[mine].texts()) == list(whole.examples.inputs[there].texts())


REVIEWS = Path(__file__).parents[2] / "studies" / "reviews.toml"
REAL = """
where = { domain = ["books", "dvd", "MR", "toys_games"] }
max_examples = 400
"""


@pytest.mark.slow
@pytest.mark.skipif("HEADSTART_DATA" not in os.environ, reason="HEADSTART_DATA names no folder of real data")
@pytest.mark.skipif(find_spec(PACKAGED["minilm"]) is None, reason="the encoder is not installed")
def test_a_real_encoder_and_real_reviews(tmp_path: Path) -> None:
    text = REVIEWS.read_text().replace("max_examples = 1600", REAL).replace("rounds = 20", "rounds = 3")
    (tmp_path / "study.toml").write_text(text)
    file = load_study(tmp_path / "study.toml")
    write_site_files(open_federation(file.data, file.folder), file.data, tmp_path / "sites", 4, file.folder)
    names = [path.stem for path in sorted((tmp_path / "sites").glob("*.parquet"))]
    ask = InProcess(sites_of(tmp_path / "sites", tmp_path / "state", names, policy="updates"))
    for arm in ("finetune", "fedavg", "ridge", "finetune-deep", "fedit"):
        found = run_arm(opened(file, ask, tmp_path / arm), arm_of(file, arm))
        assert found["excluded"] == []
        assert losses(found) == pytest.approx(simulated(file, arm, tmp_path / "simulation"), abs=1e-4)
