"""Small federations whose sites' files differ, and the one table or folder that they make together."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from PIL import Image

from headstart.data import DataSettings
from headstart.data.open import open_client
from headstart.data.settings import Missing
from headstart.data.sources import open_source
from headstart.sites.site import Site
from headstart.study.written.load import StudyFile, load_study
from sites.in_process import InProcess, arm_of, opened, run_arm, simulated

STUDY = """
name  = "agreed"
seeds = [0]
[data]
source = "{source}"
{data}
[model]
backbone = "linear"
[tuning]
trials = 1
[engine]
name = "serial"
[arms.fedavg]
start    = "random"
federate = {{ method = "fedavg", rounds = 2, client_lr = 0.05 }}
[arms.ridge]
start    = "random"
federate = "ridge"
[arms.local]
start = "random"
adapt = {{ method = "linear_probe", epochs = 2 }}
[decision]
baseline = "ridge"
"""

Row = Mapping[str, Any]


@dataclass
class Table:
    """Rows of each site, and how they are read.

    Attributes:
        sites: rows by site.
        data: further lines of the study's data settings.
        arm: to run.
        refused: what a refusal names; empty where there is none.
        one_hot: columns whose categories' names the sites let leave.
    """

    sites: dict[str, list[Row]]
    data: str = ""
    arm: str = "ridge"
    refused: str = ""
    one_hot: tuple[str, ...] = ()

    def write(self, folder: Path) -> tuple[StudyFile, dict[str, Path]]:
        """Write a file per site, and one of all rows in the order of the first site's columns."""
        paths = {name: folder / f"{name}.csv" for name in self.sites}
        for name, rows in self.sites.items():
            write_csv(paths[name], rows)
        together = [{**row, "site": name} for name in sorted(self.sites) for row in self.sites[name]]
        write_csv(folder / "all.csv", together)
        return _study(folder, "all.csv", f'client = "site"\n{self.data}'), paths


@dataclass
class Pictures:
    """Pictures of each site by class, ``(height, width)`` or ``(height, width, 3)`` uint8."""

    sites: dict[str, dict[str, list[np.ndarray]]]
    data: str = ""
    arm: str = "ridge"
    refused: str = ""
    one_hot: tuple[str, ...] = field(default=())

    def write(self, folder: Path) -> tuple[StudyFile, dict[str, Path]]:
        """Write a folder of clients, each of which is a site's folder of classes."""
        for name, classes in self.sites.items():
            for label, pictures in classes.items():
                (folder / "all" / name / label).mkdir(parents=True)
                for number, pixels in enumerate(pictures):
                    Image.fromarray(pixels).save(folder / "all" / name / label / f"{number:03}.png")
        return _study(folder, "all", self.data), {name: folder / "all" / name for name in self.sites}


Made = Table | Pictures


def _study(folder: Path, source: str, data: str) -> StudyFile:
    (folder / "study.toml").write_text(STUDY.format(source=source, data=data))
    return load_study(folder / "study.toml")


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def federated(
    made: Made, folder: Path, policies: Mapping[str, str] | None = None, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Return what an arm over the sites came to."""
    file, paths = made.write(folder)
    sites = [
        Site(name, path, folder / "state" / name, (policies or {}).get(name, "updates"), one_hot=made.one_hot)
        for name, path in paths.items()
    ]
    return run_arm(opened(file, InProcess(sites), folder / "out", tell=tell), arm_of(file, made.arm))


def losses_on_test(found: Mapping[str, Any]) -> dict[str, float | None]:
    """Return each client's log loss on its test data; None where it has none."""
    told = {name: facts["metrics"].get("test", {}).get("log_loss", [None]) for name, facts in found["clients"].items()}
    return {name: each[0] for name, each in told.items()}


def of_simulation(made: Made, folder: Path) -> dict[str, float | None]:
    """Return the same of the simulation on all rows together."""
    return simulated(load_study(folder / "study.toml"), made.arm, folder / "simulation")


WARDS = ("er", "icu", "surgery")


def random_table(seed: int) -> Table:
    """Draw sites that differ: order of columns, categories that some lack, one class, one row, holes."""
    draw = np.random.default_rng(seed)
    names = ["clinic", "hospital", "practice", "ward"][: int(draw.integers(2, 5))]
    missing = cast("Missing", str(draw.choice(["error", "drop", "mean"])))
    standardize = str(draw.choice(["none", "client", "pooled", "auto"]))
    has_wards = bool(draw.random() < 0.6)
    stated = bool(draw.random() < 0.5)
    sites = {name: _rows(draw, name == names[0], has_wards, missing) for name in names}
    columns = ["age", "dose", "visits", *(["unit"] if has_wards else [])]
    lines = [f'missing = "{missing}"', f'standardize = "{standardize}"', *(['one_hot = ["unit"]'] if has_wards else [])]
    # In the order of the first site, as where nothing is stated.
    lines += [f"columns = {[name for name in sites[names[0]][0] if name in columns]}"] if stated else []
    arm = str(draw.choice(["ridge", "fedavg", "local"]))
    one_hot = ("unit",) if has_wards else ()
    refused = "unit" if has_wards and _has_rare(sites, missing) else ""
    return Table(sites, "\n".join(lines), arm, refused, one_hot)


def _rows(draw: np.random.Generator, is_first: bool, has_wards: bool, missing: str) -> list[Row]:
    count = int(draw.integers(12, 30)) if is_first or draw.random() < 0.8 else 1
    classes = ["flu", "well"] if is_first or draw.random() < 0.7 else ["well"]
    wards = list(draw.permutation(WARDS)[: int(draw.integers(1, 4))])
    order = list(
        map(str, draw.permutation(["age", "dose", "visits", "note", "label", *(["unit"] if has_wards else [])]))
    )
    rows: list[Row] = []
    for number in range(count):
        label = classes[number % len(classes)]
        row = {
            "age": round(float(draw.normal(50 + 9 * (label == "flu"), 12)), 3),
            "dose": round(float(draw.normal(0.02 + 0.01 * (label == "flu"), 0.01)), 5),
            "visits": int(draw.integers(0, 9)),
            "note": f"text {draw.integers(3)}",
            "label": label,
            "unit": str(wards[int(draw.integers(len(wards)))] if draw.random() < 0.1 else wards[number % len(wards)]),
        }
        if missing != "error" and count > 1 and draw.random() < 0.2:
            row[str(draw.choice(["age", "dose"]))] = ""
        rows.append({name: row[name] for name in order})
    if has_wards and draw.random() < 0.1:
        rows[0] = {**rows[0], "unit": "burns"}
    if missing == "mean" and count > 1 and not is_first and draw.random() < 0.2:
        rows = [{**row, "dose": ""} for row in rows]
    return rows


def _has_rare(sites: Mapping[str, Sequence[Row]], missing: Missing) -> bool:
    """Say whether a site has a category outside test that no site has in five rows, some of them outside test."""
    settings = DataSettings(source="", missing=missing, task="classification")
    outside, common = set(), set()
    for name, rows in sites.items():
        with TemporaryDirectory() as folder:
            write_csv(Path(folder) / "rows.csv", rows)
            found = open_client(open_source("rows.csv", Path(folder)), settings, name)
        units = {row: rows[int(id_.rpartition(":")[2])]["unit"] for row, id_ in enumerate(found.examples.ids)}
        (client,) = found.clients
        known = {units[int(row)] for row in (*client.train, *client.val)}
        outside |= known
        common |= {unit for unit in known if list(units.values()).count(unit) >= 5}
    return not outside <= common


def random_pictures(seed: int) -> Pictures:
    """Draw sites that differ: classes that some lack, grey and coloured pictures, one picture."""
    draw = np.random.default_rng(seed)
    names = ["clinic", "hospital", "practice"][: int(draw.integers(2, 4))]
    sites = {}
    for name in names:
        whole = name == names[0] or draw.random() < 0.6
        classes = ["cat", "dog", "owl"] if whole else [str(draw.choice(["cat", "dog", "owl", "yak"]))]
        coloured = bool(draw.random() < 0.4)
        shape = (6, 5, 3) if coloured else (6, 5)
        count = int(draw.integers(4, 9)) if whole or draw.random() < 0.7 else 1
        sites[name] = {
            label: [draw.integers(0, 256, shape).astype(np.uint8) for _ in range(count)] for label in classes
        }
    return Pictures(sites, arm=str(draw.choice(["ridge", "fedavg", "local"])))
