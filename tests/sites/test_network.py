"""What happens over the network is kept as it happens: who answered, who did not and why, bytes, stops."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.errors import ClientError
from headstart.core.files import read_json_lines
from headstart.core.progress import Silent
from headstart.core.trees import Tree, map_tree
from headstart.report import load_run, write_report
from headstart.report.network import network_of
from headstart.report.network_lines import NETWORK
from headstart.report.probe_page import write_probe
from headstart.sites.network import Network
from headstart.sites.probe.server import run_probe
from headstart.sites.refusals import Refused
from headstart.sites.settings import Protection
from headstart.sites.site import Site
from headstart.sites.transport import Answer, Crossed, Failed, Request
from headstart.study.written.load import StudyFile, load_study
from sites.federations import write_csv
from sites.in_process import InProcess, Spoil, at_sites, opened

NAMES = ("clinic", "hospital", "practice", "ward")
HOSTILE = ("<script>alert(1)</script>", "مستشفى|`x`", "🏥 ward", "w" * 200)
STUDY = """
name  = "noted"
seeds = [0]
[data]
source = "all.csv"
client = "site"
[model]
backbone = "linear"
[tuning]
trials = 1
[engine]
name = "serial"
max_bad_clients = 0.7
[decision]
baseline = "ridge"
[arms.alone]
start = "random"
adapt = { method = "linear_probe", epochs = 1, client_lr = 0.05 }
[arms.ridge]
start    = "random"
federate = "ridge"
[arms.fedavg]
start    = "random"
federate = { method = "fedavg", rounds = 4, client_lr = 0.05 }
"""


def written(folder: Path, names: Sequence[str] = NAMES) -> tuple[StudyFile, list[Site]]:
    """Write a table of each site, and a study of all."""
    draw, everyone, sites = np.random.default_rng(3), [], []
    for at, name in enumerate(names):
        labels = draw.integers(0, 2, 100)
        rows = [
            {
                "age": round(float(draw.normal(label, 1)), 3),
                "dose": round(float(draw.normal(at, 1)), 3),
                "label": "yn"[label],
            }
            for label in labels
        ]
        write_csv(folder / f"{at}.csv", rows)
        everyone += [{**row, "site": name} for row in rows]
        sites.append(Site(name, folder / f"{at}.csv", folder / "state" / str(at)))
    write_csv(folder / "all.csv", everyone)
    (folder / "study.toml").write_text(STUDY)
    return load_study(folder / "study.toml"), sites


def ran(file: StudyFile, sites: list[Site], out: Path, spoil: Spoil | None = None, **options: Any) -> None:
    at_sites(opened(file, InProcess(sites, spoil), out, **options)).run(out, progress=Silent())


def spoilt(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
    """Let sites fail in three ways, each in a round of its own of fedavg."""
    what = json.loads(request.text)
    if request.kind == "update" and what["stage"]["method"]["name"] == "fedavg":
        if (request.site, what["round"]) == (1, 1):
            raise TimeoutError("it did not answer within 600 s")
        if (request.site, what["round"]) == (2, 2):
            raise Refused("'practice' has spent its budget <b>whole</b>")
        if (request.site, what["round"]) == (3, 3):
            return said, map_tree(lambda value: torch.full_like(value, torch.nan), tree)
    return said, tree


def test_who_failed_is_kept_and_shown_with_the_reason(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran(*written(tmp_path), out, spoilt)
    rounds = [one for one in read_json_lines(out / NETWORK) if one["what"] == "round" and one["method"] == "fedavg"]
    assert [one["round"] for one in rounds] == [0, 1, 2, 3]
    hows = {(one["round"], name): site["how"] for one in rounds for name, site in one["clients"].items()}
    failed = {at: how for at, how in hows.items() if how != "answered"}
    assert failed == {(1, "hospital"): "late", (2, "practice"): "refused", (3, "ward"): "left out"}
    assert all(site["down"] > 0 for one in rounds for site in one["clients"].values())
    assert rounds[1]["clients"]["hospital"]["up"] == 0 < rounds[0]["clients"]["hospital"]["up"]

    run = load_run(out)
    found = network_of(run.network, run.records)
    assert found
    rows = {row.arm: row for row in found.arms}
    assert (rows["fedavg"].rounds, rows["fedavg"].incomplete, rows["ridge"].incomplete) == (4, 3, 0)
    assert rows["fedavg"].asked - rows["fedavg"].given == 3
    record = next(one for one in run.records if one["arm"] == "fedavg")
    assert rows["fedavg"].counted_up == record["traffic"]["upload"] < rows["fedavg"].up
    sites = {row.client: row for row in found.clients}
    assert [sites[name].given - sites[name].asked for name in NAMES] == [0, -1, -1, -1]
    assert (sites["hospital"].late, sites["practice"].refused, sites["ward"].left_out) == (1, 1, 1)
    assert "not finite" in sites["ward"].reasons[0]
    assert "3 of 5 rounds closed without everybody." in found.says

    page, words, data = (path.read_text() for path in write_report(out, formats=("html", "md", "json")))
    assert "The network, as it happened" in page
    assert "it did not answer within 600 s" in page
    assert "budget &lt;b&gt;whole" in page
    assert "budget &lt;b&gt;whole" in words
    assert json.loads(data)["network"]["clients"][0]["given"] == sites[found.clients[0].client].given


def test_a_run_that_goes_on_appends_and_counts_nothing_twice(tmp_path: Path) -> None:
    file, sites = written(tmp_path)
    out, lived = tmp_path / "out", []

    def dies(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
        what = json.loads(request.text)
        if request.kind == "update" and what["round"] == 2:
            lived.append(request.site)
            if request.site == 1 and len(lived) == 2:
                raise KeyboardInterrupt
        return said, tree

    with pytest.raises(KeyboardInterrupt):
        ran(file, sites, out, dies)
    before = read_json_lines(out / NETWORK)
    cut = [one for one in before if one["what"] == "round"][-1]
    assert (cut["round"], cut["clients"]["clinic"]["how"]) == (2, "cut off")
    # A kill in the middle of a line leaves half of it.
    with (out / NETWORK).open("ab") as torn:
        torn.write(b'{"what": "rou')
    ran(file, sites, out)
    lines = read_json_lines(out / NETWORK)
    assert lines[: len(before)] == before
    run = load_run(out)
    found = network_of(run.network, run.records)
    assert found
    (fedavg,) = (row for row in found.arms if row.arm == "fedavg")
    assert (fedavg.rounds, fedavg.incomplete) == (4, 0)
    assert all(row.cut_off == 0 for row in found.clients)
    assert any("started 2 times" in line for line in found.says)
    assert any("to count once" in line for line in found.says)


def test_masks_and_noise_are_told(tmp_path: Path) -> None:
    pytest.importorskip("dp_accounting")
    file, sites = written(tmp_path)
    file = replace(file, arms=tuple(arm for arm in file.arms if arm.name == "ridge"))
    ran(file, sites, tmp_path / "out", asks=Protection(secure=True, noise=2.0))
    run = load_run(tmp_path / "out")
    found = network_of(run.network, run.records)
    assert found
    (ridge,) = found.arms
    assert ridge.protection == "masks and noise 2, epsilon 1.99"
    assert (ridge.asked, ridge.given) == (12, 12)  # one round, a look at what it left, and adaptation, each of four
    assert any(line.startswith("Masks hid") for line in found.says)


def test_names_that_want_to_command_stay_words(tmp_path: Path) -> None:
    file, sites = written(tmp_path, HOSTILE)
    out = tmp_path / "out"
    ran(file, sites, out, spoilt)
    run_probe(opened(file, InProcess(sites), tmp_path / "probe"))
    for page, words, data in (
        write_report(out, formats=("html", "md", "json")),
        write_probe(tmp_path / "probe", formats=("html", "md", "json")),
    ):
        html = page.read_text()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script>alert" not in html
        assert "مستشفى|`x`" in html
        assert "🏥 ward" in html
        assert "w" * 200 in html
        assert "<script>" not in words.read_text()
        json.loads(data.read_text())


def test_a_start_that_comes_to_nothing_is_noted(tmp_path: Path) -> None:
    file, sites = written(tmp_path)

    def lost(request: Request, said: str, tree: Tree) -> tuple[str, Tree]:
        raise TimeoutError("it did not answer within 1 s")

    with pytest.raises(ClientError):
        opened(file, InProcess(sites, lost), tmp_path / "out")
    (line,) = read_json_lines(tmp_path / "out" / NETWORK)
    assert (line["what"], {one["how"] for one in line["clients"].values()}) == ("together", {"late"})


def test_an_exchange_within_another_is_a_part_of_it(tmp_path: Path) -> None:
    ticks = iter(range(10))

    def ask(requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        for one in requests:
            yield Answer(one.site, "{}", {}, client="north", crossed=Crossed(10, 5, times=3))

    network = Network(ask, tmp_path, clock=lambda: float(next(ticks)))
    with network.noting("round", stage="a", method="m", round=0):
        for _ in range(2):
            with network.noting("update"):
                network.take(list(network([Request(7, "update", "{}")])))
    with network.noting("count"):
        pass  # nobody was asked
    (line,) = read_json_lines(tmp_path / NETWORK)
    assert (line["what"], line["seconds"], line["masks"]) == ("round", 1.0, False)
    assert line["clients"] == {
        "north": {"how": "answered", "reason": "", "down": 20, "up": 10, "again": 4, "noise": 0.0}
    }
